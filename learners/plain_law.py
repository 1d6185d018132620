"""The loops of the law in numpy: see learners/law.py for what it is, learners/c/law.c for the same.

A row among many is computed as it is alone, so it has the bits that it has alone.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, owens_t

Array = NDArray[np.float64]

# Knots of one arm, in its own sds. They minimise the mean eighth power of the error over random
# cases of 3 to 20 arms whose sds span 500x.
_KNOTS = np.array([-1.31, -0.79, -0.34, -0.11, 0.28, 0.6, 0.91, 1.23, 1.62, 2.09, 2.69])

# So many contenders of like scale, none that many times wider than another, need but every second
# of their knots: the others' knots fill the gaps. The error stays below 2e-3.
_COMPANY, _ALIKE = 5, 5.0

# From this many contenders on, thinning the union of their knots costs less than it saves.
_CROWD = 13

# Least distance, in sds, between the knots of a crowd.
_SPACING = 0.15

# Stands in for a zero sd. Point masses that contend stand at the origin, where it is resolved.
_POINT_SD = 1e-200

# Keeps 0 / 0 away where no distribution function grows. Growth that matters is above 1e-10.
_NO_GROWTH = 1e-15

_INV_SQRT_2 = math.sqrt(0.5)

# Stands in for a lead of zero, in units of the largest sd.
_TINY = 1e-150

# The closed form of three arms needs two sds above this share of the largest.
_NARROW = 1e-8


def laws(mean: Array, sd: Array, law: Array, arms: int, floor: float) -> None:
    """Of every `arms` means and sds the law that learners.law.win_probabilities tells of.

    mean, sd, law: n * arms numbers each. floor: the weight of the uniform law. Raises ValueError.
    """
    if arms < 1 or not math.isfinite(float((mean + sd).sum())) or (sd < 0.0).any():
        raise ValueError("need an arm or more, finite means and sds, sd >= 0")
    rows = (a.reshape(-1, arms) for a in (mean, sd, law))
    for its_mean, its_sd, its_law in zip(*rows, strict=True):
        its_law[:] = _law(its_mean, its_sd) * (1.0 - floor) + floor / arms


def _law(mean: Array, sd: Array) -> Array:
    """One law, (K,)."""
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


def _among(mean: list[float], sd: list[float], low: float) -> Array:
    """The law of contenders alone."""
    law = _closed(mean, sd)
    return _integrate(np.array(mean) - low, np.array(sd), _step(sd)) if law is None else law


def _closed(mean: list[float], sd: list[float]) -> Array | None:
    """The exact law, where there is a closed form: up to three arms."""
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
    z = (mean[0] - mean[1]) / (spread or _POINT_SD)
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
    # Signs are compared, not products: those of tiny leads would vanish.
    first = p01 + p02 - t01 - t02 - (0.5 if (d01 < 0.0) != (d02 < 0.0) else 0.0)
    second = 0.5 - p01 + p12 + t01 - t12 - (0.5 if (d01 < 0.0) == (d12 < 0.0) else 0.0)
    third = 1.0 - p02 - p12 + t02 + t12 - (0.5 if (d02 < 0.0) != (d12 < 0.0) else 0.0)
    return np.array([max(first, 0.0), max(second, 0.0), max(third, 0.0)])


def _integrate(mean: Array, sd: Array, step: int) -> Array:
    """The law of contenders, (K,), from every step-th knot counted from the highest.

    Means are measured from where the surest contender's reach ends below, and all that matters is
    above: each contender lies within its own reach of there, so no precision is lost, however far
    the means lie from zero.
    """
    mean, sd = mean[:, None], (sd + _POINT_SD)[:, None]
    knots = sd * _KNOTS + mean
    if len(mean) < _CROWD:
        x = np.sort(knots, None)
        x = np.maximum(x[(x.size - 1) % step :: step], 0.0)
    else:
        x = _thinned(knots, sd)
    x[0], x[-1] = 0.0, math.inf  # the last interval takes in all that is left

    below = ndtr((x - mean) / sd)  # F_k at every knot
    largest = np.multiply.reduce(below, 0)
    largest *= x > 0.0  # the first interval that grows takes in what lies below it
    np.sqrt(below, below)  # makes the next two lines four times closer to the growth of log F_k
    left, right = below[:, :-1], below[:, 1:]
    share = (right - left) / (right + left)
    growth = (largest[1:] - largest[:-1]) / (share.sum(0) + _NO_GROWTH)
    law: Array = np.maximum((share * growth).sum(1), 0.0)  # ndtr may fall by its last bit
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
