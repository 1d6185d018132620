"""From scores to a law: the probability that each arm's independent normal score is the largest.

    p_k = P(X_k > X_j for all j != k) = integral of P(x) dlog F_k(x)
    F_k = Phi((x - mean_k) / sd_k)      P = prod_j F_j, the distribution of the largest score

Two and three arms have closed forms. For more, the integral is a Stieltjes sum over knots that
follow every arm's own scale. Between two knots the growth of log P is shared among the arms in
proportion to the growth of log F_k, so the shares of an interval add up to the growth of P and the
whole law adds up to one by construction. It is exact for equal arms at any knots.

Only the normal distribution, Owen's T, square roots and the four operations are used: compiled,
they give the same bits on all processors, but for the last bit of the C library's erfc.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate

import numpy as np

from learners import kernel
from learners.base import Array


def win_probabilities(mean: Array, sd: Array, floor: float = 0.0) -> Array:
    """P(arm k's score is the largest) for independent scores N(mean_k, sd_k^2); see with_floor.

    `mean` and `sd` have shape (..., K), K >= 1, in any one unit, finite, sd >= 0. An arm of zero sd
    is a point mass; equal point masses share what they win. An sd below 1e-100 may count as zero.
    Returns (..., K), each law with the bits that it has alone: entries >= 0, sum 1 within 1e-12,
    each within 5e-3 of the exact integral, exact for K <= 3. Arms that at the start are shown to
    win less than 1e-3 together get 0.

    Raises ValueError if K is 0, an sd is negative, or a mean or sd is not finite.

    >>> win_probabilities(np.array([0.0, 0.0]), np.array([1.0, 1.0])).tolist()
    [0.5, 0.5]
    >>> win_probabilities(np.array([1.0, 0.0, -9.0]), np.array([0.0, 1.0, 1.0])).round(4).tolist()
    [0.8413, 0.1587, 0.0]
    >>> win_probabilities(np.array([0.3, 0.1, 0.2]), np.array([0.0, 0.5, 0.1])).round(2).tolist()
    [0.55, 0.34, 0.11]
    """
    mean, sd, law = np.ascontiguousarray(mean), np.ascontiguousarray(sd), np.empty(mean.shape)
    kernel.laws(mean, sd, law, mean.shape[-1], floor)
    return law


def point_mass(arms: int, arm: int) -> Array:
    """The law, (arms,), that is all on one arm."""
    law = np.zeros(arms)
    law[arm] = 1.0
    return law


def with_floor(law: Array, floor: float) -> Array:
    """Mix each `law`, (..., K), with the uniform one: (1 - floor) law + floor / K, floor in [0, 1].

    >>> with_floor(np.array([1.0, 0.0]), 0.5).tolist()
    [0.75, 0.25]
    """
    mixed: Array = law * (1.0 - floor)
    mixed += floor / law.shape[-1]
    return mixed


def draw(law: Array, u: float) -> int:
    """The arm that the uniform number u in [0, 1) picks from `law`, shape (K,), by inverse CDF.

    Arms are taken in index order; arm k owns [sum of law before k, the same plus law_k). An arm of
    probability 0 is never picked. Where rounding leaves the sum short of u, the last arm that has
    any probability is picked. Raises ValueError if u is outside [0, 1).

    >>> [draw(np.array([0.25, 0.0, 0.75]), u) for u in (0.0, 0.25, 0.99)]
    [0, 2, 2]
    """
    if not 0.0 <= u < 1.0:
        raise ValueError(f"u must lie in [0, 1), got {u}")
    arm = bisect_right(list(accumulate(law.tolist())), u)
    return arm if arm < law.size else int(law.nonzero()[0][-1])
