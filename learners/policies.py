"""From a posterior over utilities to the scores whose maximum is drawn: centres and spreads.

The law of every policy is P(arm k's independent normal score is the largest); see learners.law.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtr

from learners.base import Array

INV_SQRT_2PI = np.array(1.0 / math.sqrt(2.0 * math.pi))
# horizon / n, and what a look is then worth: the rest of the horizon per look
SHORTER = 4.0 ** np.arange(1, 32)[:, None]
REST = SHORTER - 1.0
# arrays of no dimension combine with arrays faster than floats do
MINUS_HALF = np.array(-0.5)


def thompson(mean: Array, variance: Array, v: float) -> tuple[Array, Array]:
    """Plain Thompson sampling with its sd scaled by v. Source: Thompson (1933)."""
    return mean, v * np.sqrt(variance)


def value_of_information(
    mean: Array, variance: Array, noise: float, horizon: float, spread: float
) -> tuple[Array, Array]:
    """Thompson sampling tilted by what a run of further looks at an arm is worth.

    mean, variance (..., k): posterior of each arm's utility; noise: variance of one look; horizon:
    decisions still to come. A row among many has the bits that it has alone. n looks move an arm's
    mean by about S(n); they pay over what is left if it overtakes the best (for the best: if it
    falls behind the second):

        S(n)  = sd * sqrt(n var / (n var + noise))      f(a) = phi(a) + a Phi(a)
        bonus = max over n = horizon / 4, horizon / 16 ... of (horizon / n - 1) S(n) f(-gap / S(n))

    Source: the knowledge gradient of Frazier, Powell and Dayanik (2008), with the n-step look of
    Frazier and Powell (2010), KG*.
    """
    count = max(1, math.ceil(0.5 * math.log2(horizon)))  # down to n = 1 or so
    shorter, rest = SHORTER[:count], REST[:count]
    if mean.ndim == 1:
        gap = behind(mean)
    else:
        gap = np.array([behind(row) for row in mean])
        shorter, rest = shorter[:, None], rest[:, None]
    root = np.sqrt(shorter * (noise / horizon) + variance)  # S(n) = variance / root
    a = (gap / variance) * root
    worth = a * a
    worth *= MINUS_HALF
    np.exp(worth, worth)
    worth *= INV_SQRT_2PI
    a *= ndtr(a)
    worth += a
    worth /= root
    worth *= rest
    bonus = variance * np.maximum.reduce(worth, 0)
    return mean + bonus, spread * np.sqrt(variance)


def behind(mean: Array) -> Array:
    """How far each arm's mean is behind the best, as a negative number; of the best, the second."""
    means = mean.tolist()
    *_, second, best = (means[0], *sorted(means))
    gap: Array = mean - best
    gap[means.index(best)] = second - best
    return gap


def upper_confidence(mean: Array, variance: Array, alpha: float) -> Array:
    """mean + alpha sd, whose maximum is chosen. Source: LinUCB of Li et al. (2010)."""
    score: Array = mean + alpha * np.sqrt(variance)
    return score


def squarecb(mean: Array, gamma: float) -> Array:
    """The inverse-gap law: 1 / (K + gamma gap) for all but the best arm, which gets the rest.

    Source: Foster and Rakhlin (2020), Beyond UCB.

    >>> squarecb(np.array([0.9, 0.5]), 10.0).round(4).tolist()
    [0.8333, 0.1667]
    """
    best = int(mean.argmax())
    p = 1.0 / (mean.size + gamma * (mean[best] - mean))
    p[best] = 0.0
    p[best] = 1.0 - p.sum()
    return np.asarray(p)
