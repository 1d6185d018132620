"""From scores to a law: the probability that each arm's independent normal score is the largest.

    p_k = P(X_k > X_j for all j != k) = integral of P(x) dlog F_k(x)
    F_k = Phi((x - mean_k) / sd_k)      P = prod_j F_j, the distribution of the largest score

Two and three arms have closed forms. For more, the integral is a Stieltjes sum over knots that
follow every arm's own scale. Between two knots the growth of log P is shared among the arms in
proportion to the growth of log F_k, so the shares of an interval add up to the growth of P and the
whole law adds up to one by construction. It is exact for equal arms at any knots.

Only ndtr, Owen's T, square roots, the four operations and sums along an axis are used: they give
the same bits at every SIMD level of numpy, which exp and matrix products do not. The last bit of
ndtr still depends on whether the C library multiplies and adds in one rounding.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import accumulate

import numpy as np
from scipy.special import ndtr, owens_t

from learners.base import Array

# An arm lies within this many sds of its mean but for a probability below 1e-9.
_REACH = 6.0

# Knots of one arm, in its own sds. They minimise the mean eighth power of the error over random
# cases of 3 to 20 arms whose sds span 500x. The first is the reach: all mass that matters is above.
_KNOTS = np.array(
    [-6.0, -1.31, -0.79, -0.34, -0.11, 0.28, 0.6, 0.91, 1.23, 1.62, 2.09, 2.69],
)

# So many contenders of like scale, none that many times wider than another, need but every second
# of their knots: the others' knots fill the gaps. The error stays below 2e-3.
_COMPANY, _ALIKE = 5, 5.0

# From this many contenders on, thinning the union of their knots costs less than it saves.
_CROWD = 13

# Least distance, in sds, between the knots of a crowd.
_SPACING = 0.15

# Stands in for a zero sd. Point masses that contend stand at the origin, where it is resolved.
_POINT_SD = np.array(1e-200)

# Keeps 0 / 0 away where no distribution function grows. Growth that matters is above 1e-10.
_NO_GROWTH = np.array(1e-15)

# Each of three arms with one of its rivals and the other one, then the other way round.
_RIVALS = ((0, 1, 2), (1, 2, 0), (2, 0, 1), (0, 2, 1), (1, 0, 2), (2, 1, 0))

# Stands in for a lead of zero, in units of the largest sd.
_TINY = 1e-150

# The closed form of three arms needs two sds above this share of the largest.
_NARROW = 1e-8

# Arrays of no dimension: numpy combines them with an array faster than it does Python floats.
_ZERO = np.array(0.0)

_sum_along = np.add.reduce
_product_along = np.multiply.reduce


def win_probabilities(mean: Array, sd: Array) -> Array:
    """P(arm k's score is the largest) for independent scores N(mean_k, sd_k^2).

    `mean` and `sd` have shape (K,), K >= 1, in any one unit, finite, sd >= 0. An arm of zero sd is
    a point mass; equal point masses share what they win. An sd below 1e-100 may count as zero.
    Returns shape (K,): entries >= 0, sum 1 within 1e-12, each within 5e-3 of the exact integral,
    exact for K <= 3. An arm whose probability is shown to be below 1e-9 at the start gets 0.

    Raises ValueError if K is 0, an sd is negative, or a mean or sd is not finite.

    >>> win_probabilities(np.array([0.0, 0.0]), np.array([1.0, 1.0])).tolist()
    [0.5, 0.5]
    >>> win_probabilities(np.array([1.0, 0.0, -9.0]), np.array([0.0, 1.0, 1.0])).round(4).tolist()
    [0.8413, 0.1587, 0.0]
    >>> win_probabilities(np.array([0.3, 0.1, 0.2]), np.array([0.0, 0.5, 0.1])).round(2).tolist()
    [0.55, 0.34, 0.11]
    """
    means, sds = mean.tolist(), sd.tolist()
    if not means or not math.isfinite(sum(means) + sum(sds)) or min(sds) < 0.0:
        raise ValueError(f"need an arm or more, finite, sd >= 0: got means {means}, sds {sds}")
    if len(means) == 1:
        return np.ones(1)
    if len(means) == 2:
        return _duel(means, sds)
    if len(means) == 3 and sorted(sds)[1] > _NARROW * max(sds):
        return _truel(means, sds)
    low, contends = _contenders(means, sds)
    if len(contends) == len(means):
        return _integrate((mean - low)[:, None], (sd + _POINT_SD)[:, None], _step(sds))
    law = np.zeros(len(means))
    law[contends] = _among([means[k] for k in contends], [sds[k] for k in contends], low)
    return law


def _among(mean: list[float], sd: list[float], low: float) -> Array | float:
    """The law of contenders alone."""
    if len(mean) == 1:
        return 1.0
    if len(mean) == 2:
        return _duel(mean, sd)
    if len(mean) == 3 and sorted(sd)[1] > _NARROW * max(sd):
        return _truel(mean, sd)
    # A contender lies within its own reach of `low`, so no precision is lost by measuring from
    # there, however far the means lie from zero and however much the scales differ.
    return _integrate(
        (np.array(mean) - low)[:, None], (np.array(sd) + _POINT_SD)[:, None], _step(sd)
    )


def _step(sd: list[float]) -> int:
    """Every how many-th knot the law of these contenders needs."""
    return 2 if len(sd) >= _COMPANY and max(sd) <= _ALIKE * min(sd) else 1


def _contenders(mean: list[float], sd: list[float]) -> tuple[float, list[int]]:
    """Where the surest arm's reach ends below, and the arms that beat that arm at all.

    An arm that is the largest beats the surest, so P(X_k > X_surest) bounds its probability; the
    difference of the two is normal.
    """
    lows = [m - _REACH * s for m, s in zip(mean, sd, strict=True)]
    low = max(lows)
    surest = lows.index(low)
    top, wide, far = mean[surest], sd[surest] * sd[surest], _REACH * _REACH
    beats = [
        k
        for k, (m, s) in enumerate(zip(mean, sd, strict=True))
        if m >= top or (top - m) * (top - m) <= far * (s * s + wide)
    ]
    return low, beats


def _duel(mean: list[float], sd: list[float]) -> Array:
    """The exact law of two arms: the difference of two normal scores is normal."""
    spread = math.sqrt(sd[0] * sd[0] + sd[1] * sd[1])
    z = (mean[0] - mean[1]) / (spread or float(_POINT_SD))
    return np.array([ndtr(z), ndtr(-z)])


def _truel(mean: list[float], sd: list[float]) -> Array:
    """The exact law of three arms, no two of them point masses.

    Arm i wins when it beats both j and l: an orthant of two normals that share X_i,

        P(X_i > X_j, X_i > X_l) = (Phi(h_j) + Phi(h_l)) / 2 - T(h_j, a_j) - T(h_l, a_l)
                                  - (1/2 if h_j and h_l have opposite signs)
        h_j = d_ij / sqrt(v_i + v_j)       a_j = (v_i d_jl + v_j d_il) / (d_ij q)
        d_ij = mean_i - mean_j             q^2 = v_i v_j + v_i v_l + v_j v_l

    Source: Owen (1956), Tables for computing bivariate normal probabilities; T is his function.
    """
    unit = max(sd)
    m, v = [m / unit for m in mean], [(s / unit) ** 2 for s in sd]
    q = math.sqrt(v[0] * v[1] + v[0] * v[2] + v[1] * v[2])
    heights, slopes = [], []
    for i, j, other in _RIVALS:
        # A tie counts as a lead too small to matter, whose sign Phi and T both follow.
        lead, beyond = m[i] - m[j] or _TINY, m[i] - m[other] or _TINY
        heights.append(lead / math.sqrt(v[i] + v[j]))
        slopes.append((v[i] * (m[j] - m[other]) + v[j] * beyond) / (lead * q))
    h = np.array(heights)
    beaten = 0.5 * ndtr(h) - owens_t(h, np.array(slopes))
    law: Array = np.maximum(beaten[:3] + beaten[3:] - 0.5 * (h[:3] * h[3:] < 0.0), _ZERO)
    return law


def _integrate(mean: Array, sd: Array, step: int) -> Array:
    """The law of contenders, given as columns (K, 1) with sd > 0, from every step-th knot."""
    knots = sd * _KNOTS
    knots += mean
    low = max(knots[:, 0].tolist())
    if mean.size < _CROWD:
        x = knots.ravel()
        x.sort()
        x = x[x.searchsorted(low) :: step]
    else:
        x = _thinned(knots, sd, low)
    x[-1] = math.inf  # the last interval takes in all that is left

    below = x - mean
    below /= sd
    ndtr(below, below)  # F_k at every knot
    largest = _product_along(below, 0)
    largest[0] = 0.0  # the first interval takes in what lies below it
    np.sqrt(below, below)  # makes the next two lines four times closer to the growth of log F_k
    left, right = below[:, :-1], below[:, 1:]
    share = right - left
    share /= right + left
    growth = largest[1:] - largest[:-1]
    growth /= _sum_along(share, 0) + _NO_GROWTH
    share *= growth
    law: Array = np.maximum(_sum_along(share, 1), _ZERO)  # ndtr may fall by its last bit
    return law


def _thinned(knots: Array, sd: Array, low: float) -> Array:
    """The sorted knots from `low` up, without those that crowd their neighbours.

    Arms of like scale put knots side by side. The distance between neighbours is measured in the
    smaller sd of the two arms they belong to, so a narrow arm among wide ones keeps all of its own.
    """
    # Complex numbers sort by the real part, then the imaginary one: ties do not follow arm order.
    owned = np.empty(knots.shape, np.complex128)
    owned.real = knots
    owned.imag = sd
    owned = owned[owned.real >= low]
    owned.sort()
    x, scale = owned.real, owned.imag
    step = (x[1:] - x[:-1]) / (_SPACING * np.minimum(scale[1:], scale[:-1]))
    mark = np.zeros(x.size)
    np.floor(np.add.accumulate(np.minimum(step, 1.0)), mark[1:])
    keep = np.ones(x.size, np.bool_)
    np.greater(mark[1:], mark[:-1], keep[1:])
    return x[keep]


def with_floor(law: Array, floor: float) -> Array:
    """Mix `law`, shape (K,), with the uniform law: (1 - floor) law + floor / K, floor in [0, 1].

    >>> with_floor(np.array([1.0, 0.0]), 0.5).tolist()
    [0.75, 0.25]
    """
    mixed: Array = law * (1.0 - floor)
    mixed += floor / law.size
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
