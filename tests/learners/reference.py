"""The slow, exact law that tests hold learners.law to: about 1e-8, a thousand times the price."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from learners.base import Array

# 4-point Gauss-Legendre between the union of every arm's own knots, half an sd apart in its
# middle 18 sds: smooth pieces at every scale, however far the scales lie apart.
KNOTS = np.linspace(-9.0, 9.0, 37)
NODES, WEIGHTS = np.polynomial.legendre.leggauss(4)


def exact_win_probabilities(mean: Array, sd: Array) -> Array:
    """P(arm k's independent N(mean_k, sd_k^2) score is the largest), shape (K,)."""
    mean = mean - mean.max()
    point = sd == 0.0
    law = np.zeros(mean.size)
    m, s = mean[~point, None], sd[~point, None]
    lowest = -np.inf
    if point.any():
        # Only the highest point masses can win; they do when every normal score is below them.
        lowest = mean[point].max()
        winners = point & (mean == lowest)
        law[winners] = ndtr((lowest - m) / s).prod() / winners.sum()
    if m.size:
        knots = np.unique(np.maximum((m + s * KNOTS).ravel(), lowest))
        half = np.diff(knots)[:, None] / 2.0
        x = (knots[:-1, None] + half + half * NODES).ravel()
        z = (x - m) / s
        density = np.exp(-0.5 * z * z) / (s * np.sqrt(2.0 * np.pi))
        below = ndtr(z)
        others = np.array([np.delete(below, k, 0).prod(0) for k in range(m.size)])
        law[~point] = (density * others * (half * WEIGHTS).ravel()).sum(1)
    return law
