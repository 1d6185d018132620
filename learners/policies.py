"""From a posterior over utilities to the scores whose maximum is drawn: centres and spreads.

The law of every policy is P(arm k's independent normal score is the largest); see learners.law.
"""

from __future__ import annotations

import math

import numpy as np

from learners import kernel
from learners.base import Array

# A further look at an arm is a run of horizon / SHORTER looks, one at least.
SHORTER = 256.0


def decay(start: float, least: float, count: float, tau: float) -> float:
    """max(least, start / sqrt(1 + count / tau)); count decays too, so drift re-opens exploration.

    Shrinking the posterior is empirical, so it stands beside a floor that does not vanish (Phan,
    Abbasi-Yadkori and Domke 2019; Hamidi and Bayati 2020 for what theory wants instead).

    >>> decay(1.0, 0.2, 0.0, 100.0), decay(1.0, 0.2, 300.0, 100.0), decay(1.0, 0.2, 1e9, 100.0)
    (1.0, 0.5, 0.2)
    """
    return max(least, start / math.sqrt(1.0 + max(count, 0.0) / tau))


def thompson(mean: Array, variance: Array, v: float) -> tuple[Array, Array]:
    """Plain Thompson sampling with its sd scaled by v. Source: Thompson (1933)."""
    return mean, v * np.sqrt(variance)


def value_of_information(
    mean: Array,
    variance: Array,
    noise: float,
    spread: float,
    horizon: float | Array,
    gap: Array,
    leads: Array,
    covariance: Array,
    under_way: Array,
    floor: float = 0.0,
    shorter: float = SHORTER,
) -> tuple[Array, Array, Array]:
    """Thompson sampling tilted by what a few further looks at an arm are worth.

    mean, variance (k,): posterior of each arm's utility here; noise: variance of one look; horizon:
    decisions for which it counts, or of each arm (k,), whose contexts are like these m >= 1.
    gap (k, m): how far each arm is behind there; leads (k,): the share of them where it leads.
    covariance (k, m): of its utility there with that here. under_way (k,): looks at each that are
    not told yet. shorter: how many runs of looks the horizon holds. Returns the centres and sds of
    the scores, and their law as learners.law.win_probabilities has it, (k,) each. Arrays are
    contiguous.

    n looks here move an arm's mean in another context by about S. They pay over what is left if it
    overtakes the best there (for the best: if it falls behind the second):

        n = max(1, horizon / shorter)
        S = |covariance| / sqrt(variance + noise / n)           f(a) = phi(a) - a Phi(-a)
        bonus = (horizon / n - 1) * mean over contexts of S f(gap / S)      gap: see `behind`

    An arm that leads elsewhere, but not here, will be looked at there before long: its horizon ends
    after about 1 / leads decisions, as far as contexts differ in who leads them,

        horizon (L + (1 - L) / (1 + horizon leads))      L: the largest of leads

    What u looks under way will tell is no reason for another one: they count as looks here, and
    variance and covariance are what those will leave of them,

        variance noise / (noise + u variance)                                covariance likewise

    Zeros for leads say that this context comes again: what is to be known of it, no other tells.
    Source: the knowledge gradient for correlated beliefs of Frazier, Powell and Dayanik (2009),
    with a look of several samples as in Frazier and Powell (2010); their search for the best n
    earned nothing over this one (see bench/results).
    """
    made = np.empty(mean.shape), np.empty(mean.shape), np.empty(mean.shape)
    given = mean, variance, horizon, gap, leads, covariance, under_way
    kernel.value_of_information(*given, *made, noise, spread, shorter, floor)
    return made


def behind(mean: Array) -> Array:
    """How far each arm's mean, (..., k), is behind the best; the best: ahead of the second.

    >>> behind(np.array([0.5, 0.9, 0.6])).round(2).tolist()
    [0.4, 0.3, 0.3]
    """
    ordered = np.sort(mean, -1)
    gap: Array = ordered[..., -1:] - np.minimum(mean, ordered[..., -2:][..., :1])
    return gap


def lead(mean: Array) -> Array:
    """The share of contexts where each arm's mean, (m, k), is the best; equals lead together.

    >>> lead(np.array([[0.5, 0.9, 0.5], [0.5, 0.4, 0.5]])).tolist()
    [0.5, 0.5, 0.5]
    """
    share: Array = (mean == mean.max(-1, keepdims=True)).mean(0)
    return share


def upper_confidence(mean: Array, variance: Array, alpha: float) -> Array:
    """mean + alpha sd, whose maximum is chosen. Source: LinUCB of Li et al. (2010)."""
    score: Array = mean + alpha * np.sqrt(variance)
    return score


def squarecb(mean: Array, gamma: float) -> Array:
    """The inverse-gap law: 1 / (K + gamma gap) for all but the best arm, which gets the rest.

    Arms of the same best mean share it.

    Source: Foster and Rakhlin (2020), Beyond UCB.

    >>> squarecb(np.array([0.9, 0.5]), 10.0).round(4).tolist()
    [0.8333, 0.1667]
    """
    best = mean == mean.max()
    p = np.where(best, 0.0, 1.0 / (mean.size + gamma * (mean.max() - mean)))
    p[best] = (1.0 - p.sum()) / np.count_nonzero(best)
    return p
