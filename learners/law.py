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
from numpy.typing import NDArray
from scipy.special import ndtr, owens_t

from learners.base import Array

# Knots of one arm, in its own sds. They minimise the mean eighth power of the error over random
# cases of 3 to 20 arms whose sds span 500x.
_KNOTS = np.array([-1.31, -0.79, -0.34, -0.11, 0.28, 0.6, 0.91, 1.23, 1.62, 2.09, 2.69])

# So many contenders of like scale, none that many times wider than another, need but every second
# of their knots: the others' knots fill the gaps. The error stays below 2e-3.
_COMPANY, _ALIKE = 5, 5.0

# From this many contenders on, thinning the union of their knots costs less than it saves.
_CROWD = 13

# So many laws are integrated at once: their arrays fit a processor's nearer caches.
_AT_ONCE = 8

# Least distance, in sds, between the knots of a crowd.
_SPACING = 0.15

# Stands in for a zero sd. Point masses that contend stand at the origin, where it is resolved.
_POINT_SD = np.array(1e-200)

# Keeps 0 / 0 away where no distribution function grows. Growth that matters is above 1e-10.
_NO_GROWTH = np.array(1e-15)

_INV_SQRT_2 = math.sqrt(0.5)

# Stands in for a lead of zero, in units of the largest sd.
_TINY = 1e-150

# So many arms have a closed form.
_CLOSED = 3

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
    exact for K <= 3. Arms that at the start are shown to win less than 1e-3 together get 0.

    Raises ValueError if K is 0, an sd is negative, or a mean or sd is not finite.

    >>> win_probabilities(np.array([0.0, 0.0]), np.array([1.0, 1.0])).tolist()
    [0.5, 0.5]
    >>> win_probabilities(np.array([1.0, 0.0, -9.0]), np.array([0.0, 1.0, 1.0])).round(4).tolist()
    [0.8413, 0.1587, 0.0]
    >>> win_probabilities(np.array([0.3, 0.1, 0.2]), np.array([0.0, 0.5, 0.1])).round(2).tolist()
    [0.55, 0.34, 0.11]
    """
    means, sds = mean.tolist(), sd.tolist()
    law = _closed(means, sds)
    if law is not None:
        return law
    low, contends = _contenders(means, sds)
    if len(contends) == len(means):
        return _integrate(mean - low, sd, _step(sds))
    law = np.zeros(mean.size)
    law[contends] = _among([means[k] for k in contends], [sds[k] for k in contends], low)
    return law


def laws(mean: Array, sd: Array) -> Array:
    """win_probabilities of every row, with the same bits; shapes (n, K). Raises as it does.

    Rows with equally many contenders are integrated together.
    """
    if mean.shape[1] <= _CLOSED or mean.shape[1] >= _CROWD:
        return np.array([win_probabilities(*row) for row in zip(mean, sd, strict=True)])
    if not np.isfinite(mean + sd).all() or (sd < 0.0).any():
        raise ValueError("need finite means and sds, sd >= 0")
    made = np.zeros(mean.shape)
    low, beats = _contending(mean, sd, _reach(mean.shape[1]))
    counts = _sum_along(beats, 1)
    for count in sorted(set(counts.tolist())):
        rows = np.flatnonzero(counts == count)
        at = rows[:, None], beats[rows].nonzero()[1].reshape(-1, count)
        made[at] = _laws_of_contenders(mean[at], sd[at], low[rows])
    return made


def _contending(mean: Array, sd: Array, reach: float) -> tuple[Array, NDArray[np.bool_]]:
    """_contenders of every row: low (n,), and whether each arm contends (n, K)."""
    each, lows = np.arange(len(mean)), mean - reach * sd
    surest = lows.argmax(1)
    top, wide = mean[each, surest][:, None], (sd[each, surest] ** 2)[:, None]
    near = (top - mean) * (top - mean) <= reach * reach * (sd * sd + wide)
    return lows[each, surest], near | (mean >= top)


def _laws_of_contenders(mean: Array, sd: Array, low: Array) -> Array:
    """The laws of rows in which all contend, (n, k)."""
    laws = np.empty(mean.shape)
    if mean.shape[1] <= _CLOSED:
        for row, at in enumerate(low.tolist()):
            laws[row] = _among(mean[row].tolist(), sd[row].tolist(), at)
        return laws
    steps = np.array([_step(sds) for sds in sd.tolist()])
    from_low = mean - low[:, None]
    for step in (1, 2):
        rows = np.flatnonzero(steps == step)
        for start in range(0, rows.size, _AT_ONCE):
            few = rows[start : start + _AT_ONCE]
            laws[few] = _integrate(from_low[few], sd[few], step)
    return laws


def _among(mean: list[float], sd: list[float], low: float) -> Array:
    """The law of contenders alone."""
    law = _closed(mean, sd)
    return _integrate(np.array(mean) - low, np.array(sd), _step(sd)) if law is None else law


def _closed(mean: list[float], sd: list[float]) -> Array | None:
    """The exact law, where there is a closed form: up to three arms. Raises ValueError."""
    if not mean or not math.isfinite(sum(mean) + sum(sd)) or min(sd) < 0.0:
        raise ValueError(f"need an arm or more, finite, sd >= 0: got means {mean}, sds {sd}")
    if len(mean) == 1:
        return np.ones(1)
    if len(mean) == 2:
        return _duel(mean, sd)
    if len(mean) == 3 and sorted(sd)[1] > _NARROW * max(sd):
        return _truel(mean, sd)
    return None


def _step(sd: list[float]) -> int:
    """Every how many-th knot the law of these contenders needs."""
    return 2 if len(sd) >= _COMPANY and max(sd) <= _ALIKE * min(sd) else 1


def _reach(arms: int) -> float:
    """Sds beyond which a normal is left out: arms * Phi(-reach) < 1e-3, for any number of arms.

    >>> bool(max(k * ndtr(-_reach(k)) for k in range(1, 5000)) < 1e-3)
    True
    """
    return 3.22 + 0.16 * arms.bit_length()


def _contenders(mean: list[float], sd: list[float]) -> tuple[float, list[int]]:
    """Where the surest arm's reach ends below, and the arms that may well beat that arm.

    An arm that is the largest beats the surest, so P(X_k > X_surest) bounds its probability; the
    difference of the two is normal.
    """
    reach = _reach(len(mean))
    lows = [m - reach * s for m, s in zip(mean, sd, strict=True)]
    low = max(lows)
    surest = lows.index(low)
    top, wide, far = mean[surest], sd[surest] * sd[surest], reach * reach
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
    return np.array([_phi(z), _phi(-z)])


def _phi(z: float) -> float:
    """ndtr of one number, without the price of an array."""
    return 0.5 * math.erfc(-z * _INV_SQRT_2)


def _truel(mean: list[float], sd: list[float]) -> Array:
    """The exact law of three arms, no two of them point masses.

    Arm i wins when it beats both j and l: an orthant of two normals that share X_i,

        P(X_i > X_j, X_i > X_l) = (Phi(h_ij) + Phi(h_il)) / 2 - T_ij - T_il
                                  - (1/2 if h_ij and h_il have opposite signs)
        d_ij = mean_i - mean_j    h_ij = d_ij / sqrt(v_i + v_j)
        T_ij = T(h_ij, (v_i d_jl + v_j d_il) / (d_ij q)) = -T_ji
        q^2  = v_i v_j + v_i v_l + v_j v_l

    Source: Owen (1956), Tables for computing bivariate normal probabilities; T is his function.
    """
    unit = max(sd)
    (m0, m1, m2), (v0, v1, v2) = [m / unit for m in mean], [(s / unit) ** 2 for s in sd]
    q = math.sqrt(v0 * v1 + v0 * v2 + v1 * v2)
    d01, d02, d12 = m0 - m1, m0 - m2, m1 - m2
    # A tie counts as a lead too small to matter, of the first arm before the next.
    d02 = d02 or (_TINY if d01 else 2.0 * _TINY)
    d01, d12 = d01 or _TINY, d12 or _TINY
    h01, h02 = d01 / math.sqrt(v0 + v1), d02 / math.sqrt(v0 + v2)
    h12 = d12 / math.sqrt(v1 + v2)
    t01 = float(owens_t(h01, (v0 * d12 + v1 * d02) / (d01 * q)))
    t02 = float(owens_t(h02, (v2 * d01 - v0 * d12) / (d02 * q)))
    t12 = -float(owens_t(h12, (v1 * d02 + v2 * d01) / (d12 * q)))
    p01, p02, p12 = 0.5 * _phi(h01), 0.5 * _phi(h02), 0.5 * _phi(h12)
    first = p01 + p02 - t01 - t02 - (0.5 if d01 * d02 < 0.0 else 0.0)
    second = 0.5 - p01 + p12 + t01 - t12 - (0.5 if d01 * d12 > 0.0 else 0.0)
    third = 1.0 - p02 - p12 + t02 + t12 - (0.5 if d02 * d12 < 0.0 else 0.0)
    return np.array([max(first, 0.0), max(second, 0.0), max(third, 0.0)])


def _integrate(mean: Array, sd: Array, step: int) -> Array:
    """The laws of contenders, (..., K), from every step-th knot counted from the highest.

    Means are measured from where the surest contender's reach ends below, and all that matters is
    above: each contender lies within its own reach of there, so no precision is lost, however far
    the means lie from zero.
    """
    mean, sd = mean[..., None], (sd + _POINT_SD)[..., None]
    knots = sd * _KNOTS
    knots += mean
    if mean.shape[-2] < _CROWD:
        x = knots.reshape(*mean.shape[:-2], -1)
        x.sort()
        x = np.maximum(x[..., (x.shape[-1] - 1) % step :: step], _ZERO)
    else:
        x = _thinned(knots, sd)
    x[..., 0], x[..., -1] = 0.0, math.inf  # the last interval takes in all that is left

    below = x[..., None, :] - mean
    below /= sd
    ndtr(below, below)  # F_k at every knot
    largest = _product_along(below, -2)
    largest *= x > _ZERO  # the first interval that grows takes in what lies below it
    np.sqrt(below, below)  # makes the next two lines four times closer to the growth of log F_k
    left, right = below[..., :-1], below[..., 1:]
    share = right - left
    share /= right + left
    growth = largest[..., 1:] - largest[..., :-1]
    growth /= _sum_along(share, -2) + _NO_GROWTH
    share *= growth[..., None, :]
    law: Array = np.maximum(_sum_along(share, -1), _ZERO)  # ndtr may fall by its last bit
    return law


def _thinned(knots: Array, sd: Array) -> Array:
    """The sorted knots from zero up, without those that crowd their neighbours.

    Arms of like scale put knots side by side. The distance between neighbours is measured in the
    smaller sd of the two arms they belong to, so a narrow arm among wide ones keeps all of its own.
    """
    # Complex numbers sort by the real part, then the imaginary one: ties do not follow arm order.
    owned = np.empty(knots.shape, np.complex128)
    owned.real = knots
    owned.imag = sd
    owned = owned[owned.real >= 0.0]
    owned.sort()
    x, scale = owned.real, owned.imag
    step = (x[1:] - x[:-1]) / (_SPACING * np.minimum(scale[1:], scale[:-1]))
    mark = np.zeros(x.size)
    np.floor(np.add.accumulate(np.minimum(step, 1.0)), mark[1:])
    keep = np.ones(x.size, np.bool_)
    np.greater(mark[1:], mark[:-1], keep[1:])
    return x[keep]


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
