"""From a posterior over utilities to the scores whose maximum is drawn: centres and spreads.

The law of every policy is P(arm k's independent normal score is the largest); see learners.law.
"""

from __future__ import annotations

import math

import numpy as np

from learners.base import Array

# horizon / n, and what a look is then worth: the rest of the horizon per look
SHORTER = 16.0 ** np.arange(1, 17)[:, None]
REST = SHORTER - 1.0
# Of the polynomial in `overtaking`, the highest power first.
POWERS = tuple(map(np.array, (0.00100653, 0.00028655, 0.02499041, 0.076713, 1.0)))
AT_ZERO = np.array(1.0 / math.sqrt(2.0 * math.pi))
# arrays of no dimension combine with arrays faster than floats do
FAR, LEAST = np.array(12.0), np.array(1e-12)


def thompson(mean: Array, variance: Array, v: float) -> tuple[Array, Array]:
    """Plain Thompson sampling with its sd scaled by v. Source: Thompson (1933)."""
    return mean, v * np.sqrt(variance)


def value_of_information(
    mean: Array,
    variance: Array,
    noise: float,
    horizon: float,
    spread: float,
    ahead: Array,
    covariance: Array,
) -> tuple[Array, Array]:
    """Thompson sampling tilted by what a run of further looks at an arm is worth.

    mean, variance (..., k): posterior of each arm's utility here; noise: variance of one look;
    horizon: decisions still to come, whose contexts are like m others and this one. ahead (m, k),
    or of its own for each row: each arm's mean utility there; covariance (..., m, k): of that with
    its utility here. A row among many has the bits that it has alone.

    n looks here move an arm's mean in another context by about S(n). They pay over what is left if
    it overtakes the best there (for the best: if it falls behind the second):

        S(n)  = |covariance| / sqrt(variance + noise / n)      f(a) = phi(a) - a Phi(-a)
        bonus = max over n = horizon / 16, horizon / 256 ... of
                (horizon / n - 1) * mean over contexts of S(n) f(gap / S(n))    gap: see `behind`

    Source: the knowledge gradient for correlated beliefs of Frazier, Powell and Dayanik (2009),
    with the n-step look of Frazier and Powell (2010), KG*.
    """
    count = max(1, int(math.log2(horizon)) // 4)  # down to n = 1 or so
    shorter, rest = SHORTER[:count], REST[:count]
    if mean.ndim > 1:
        ahead = np.broadcast_to(ahead, covariance.shape)
        shorter, rest = shorter[:, None], rest[:, None]
    reach = np.concatenate([np.abs(covariance), variance[..., None, :]], -2)
    np.maximum(reach, LEAST, out=reach)
    a = behind(np.concatenate([ahead, mean[..., None, :]], -2))
    a /= reach
    root = np.sqrt(shorter * (noise / horizon) + variance)
    worth = overtaking(a * root[..., None, :])
    worth *= reach
    bonus = np.add.reduce(worth, -2)
    bonus /= root
    bonus *= rest / reach.shape[-2]
    return mean + np.maximum.reduce(bonus, 0), spread * np.sqrt(variance)


def behind(mean: Array) -> Array:
    """How far each arm's mean, (..., k), is behind the best; the best: ahead of the second.

    >>> behind(np.array([0.5, 0.9, 0.6])).round(2).tolist()
    [0.4, 0.3, 0.3]
    """
    ordered = np.sort(mean, -1)
    best, second = ordered[..., -1:], ordered[..., -2:][..., :1]
    gap: Array = best - mean
    np.copyto(gap, best - second, where=gap == 0.0)
    return gap


def overtaking(a: Array) -> Array:
    """f(a) = phi(a) - a Phi(-a), the mean of max(0, Z - a) for a standard normal Z; a >= 0.

    Within .5% for a below 3, 2% below 4, by a polynomial to the sixteenth power: four operations
    only, which give the same bits everywhere. Works in the array that it is given.

    >>> overtaking(np.array([0.0, 1.0, 3.0])).round(4).tolist()
    [0.3989, 0.0831, 0.0004]
    """
    np.minimum(a, FAR, out=a)
    highest, *others = POWERS
    sum_of_powers = a * highest
    sum_of_powers += others[0]
    for power in others[1:]:
        sum_of_powers *= a
        sum_of_powers += power
    for _ in range(4):
        sum_of_powers *= sum_of_powers
    worth: Array = np.divide(AT_ZERO, sum_of_powers, out=sum_of_powers)
    return worth


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
