"""The innermost loops in numpy, but for the law: what learners/c computes, and its stand-in.

Arrays are contiguous and of doubles, and what is made is written where the caller says. A row among
many is computed as it is alone, so it has the bits that it has alone.
"""

from __future__ import annotations

import math

import numpy as np

from learners.plain_law import Array, laws

_INV_SQRT_2 = math.sqrt(0.5)

# Of the drift detector: what a unit of quality adds to a run, down or up, little or much.
TILTS = np.array([-2.0, -1.0, -0.5, 0.5, 1.0, 2.0])
_SURPLUS = np.expm1(TILTS)

# Where success is predicted for certain one failure would prove a decline, and where it is ruled
# out one success a rise: the prediction is kept off that end. Not off the other one, or each
# outcome that comes as predicted would count as one above or below it.
EDGE = 0.02
_LEAST, _MOST = np.where(TILTS > 0.0, EDGE, 0.0), np.where(TILTS > 0.0, 1.0, 1.0 - EDGE)

# Of costs and latencies: pseudo-observations of the cell, of the arm and of the log-normal model.
CELL_COUNT, ARM_COUNT, MODEL_COUNT = 3.0, 1.0, 5.0
VARIANCE = 0.25
MAX_HALF_VARIANCE = 20.0
EMPTY = 1e-9

# f of `overtaking` in the middle of each of so many steps of one, up to 8; of so few digits that no
# C library's last bit matters.
_STEPS = 128


def outer(a: Array, b: Array) -> Array:
    """a b', (a.size, b.size): as a product of matrices, a third of the time of broadcasting."""
    product: Array = a[:, None].dot(b[None, :])
    return product


def _overtaking(a: float) -> float:
    return math.exp(-0.5 * a * a) / math.sqrt(2.0 * math.pi) - 0.5 * a * math.erfc(a * _INV_SQRT_2)


_F = np.array([_overtaking((step + 0.5) / _STEPS) for step in range(8 * _STEPS)])
_OVERTAKING: Array = _F.astype(np.float32).astype(np.float64)


def value_of_information(
    mean: Array,
    variance: Array,
    horizon: Array | float,
    gap: Array,
    leads: Array,
    covariance: Array,
    under_way: Array,
    centre: Array,
    sd: Array,
    law: Array,
    noise: float,
    spread: float,
    shorter: float,
    floor: float,
) -> None:
    """Centres, sds and law of learners.policies.value_of_information, (k,) each.

    mean, variance, leads, under_way (k,). horizon: one, or (k,). gap, covariance (k, m). floor, and
    what is raised: as of `laws`.
    """
    horizon = _until_it_leads(mean, horizon, leads)
    looks = np.maximum(horizon / shorter, 1.0)
    left = noise / (noise + under_way * variance)
    variance = variance * left
    root = np.sqrt(variance + noise / looks)
    reach = np.abs(covariance) * left[:, None] + 1e-12
    worth = overtaking(np.minimum(gap / reach, 1e9) * root[:, None]) * reach
    centre[:] = mean + worth.mean(1) * (horizon / looks - 1.0) / root
    sd[:] = spread * np.sqrt(variance)
    laws(centre, sd, law, mean.size, floor)


def _until_it_leads(mean: Array, horizon: Array | float, leads: Array) -> Array:
    """The horizon of each arm, (k,): in full for those of the highest mean."""
    most = leads.max()
    ends: Array = horizon * (most + (1.0 - most) / (1.0 + horizon * leads))
    return np.where(mean < mean.max(), ends, horizon)


def overtaking(a: Array) -> Array:
    """f(a) = phi(a) - a Phi(-a), the mean of max(0, Z - a) for a standard normal Z; a >= 0.

    Looked up half a step away at most: within 1.1% for a below 2, 3.3% below 8.

    >>> overtaking(np.array([0.0, 1.0, 3.0, 1e9])).round(3).tolist()
    [0.397, 0.083, 0.0, 0.0]
    """
    found: Array = _OVERTAKING.take((a * _STEPS).astype(np.intp), mode="clip")
    return found


def joint(
    ai: Array,
    own: Array,
    pull: Array,
    v: Array,
    r_inv: Array,
    x: Array,
    at: Array,
    mean: Array,
    variance: Array,
    covariance: Array,
    offset: float,
    noise: float,
) -> None:
    """Posterior mean and variance (n, k) of k arms at each row of x (n, d), and covariance
    (n, k, m) with what they are at m contexts, which stand in columns: at (d, m).

    ai (k,d,d), own (k,d), pull (d,), v (d,d), r_inv (d,): see learners.pooled.
    """
    for row, its_mean, its_variance, across in zip(x, mean, variance, covariance, strict=True):
        look = ai.reshape(-1, pull.size).dot(row).reshape(own.shape)
        its_mean[:] = offset + own.dot(row) + look.dot(pull)
        shared = np.matmul((look * r_inv)[:, None, :], v) * r_inv
        look += np.matmul(shared, ai)[:, 0]
        its_variance[:] = np.maximum(look.dot(row), 1e-12) * noise
        across[:] = look.dot(at) * noise


def means(
    ai: Array, own: Array, pull: Array, at: Array, mean: Array, first: int, offset: float
) -> None:
    """Posterior mean (n, k) of the k arms from `first` on at each of n contexts (n, d)."""
    arms = slice(first, first + mean.shape[1])
    theta = own[arms] + ai[arms].reshape(-1, pull.size).dot(pull).reshape(-1, pull.size)
    np.add(at.dot(theta.T), offset, mean)


def add(lam: Array, h: Array, n: Array, yy: Array, x: Array, arm: int, y: float, w: float) -> None:
    """Add an observation to one of k arms: lam (k,d,d) w x x', h (k,d) w y x, n (k,) w, yy (k,)
    w y^2."""
    wx = w * x
    lam[arm] += outer(wx, x)
    h[arm] += wx * y
    n[arm] += w
    yy[arm] += w * y * y


def learn(
    ai: Array,
    v: Array,
    hm: Array,
    own: Array,
    pull: Array,
    h: Array,
    r_inv: Array,
    x: Array,
    y: float,
    w: float,
) -> bool:
    """Move one arm's ai (d,d) and own (d,), and the shared v (d,d), hm and pull (d,).

    By an outcome y at x; h (d,): the arm's sums, which it is in already. False, and nothing moved,
    where the step would divide by next to nothing: the caller derives all anew then. Source:
    Sherman and Morrison (1950).
    """
    g = ai.dot(x)
    den = 1.0 + w * float(g.dot(x))
    if den < 1e-6:
        return False
    z = r_inv * g
    vz = v.dot(z)
    hm += z * (w * (y - float(own.dot(x))) / den)
    ai -= outer(g, g * (w / den))
    v -= outer(vz, vz * (w / (den + w * float(z.dot(vz)))))
    ai.dot(h, own)
    np.multiply(r_inv, v.dot(hm), pull)
    return True


def expect(
    n: Array,
    s: Array,
    sums: Array,
    prior: Array,
    mean: Array,
    variance: Array,
    arm: int,
    shift: float,
) -> None:
    """Mean and variance (k, cells) of what one of k arms is expected to cost in each cell.

    n, s (k, cells), sums (k, 4), prior (k,): see learners.cells. The arm's mean is shrunk to its
    prior, its cells to it, and what the model says to what was told.
    """
    count, total, within, told = sums[arm].tolist()
    count = max(count, 0.0)
    centre = (ARM_COUNT * prior.item(arm) + total) / (ARM_COUNT + count)
    v = (VARIANCE + max(within, 0.0)) / (1.0 + count)
    grown = np.exp((s[arm] + CELL_COUNT * centre) / (n[arm] + CELL_COUNT))
    grown *= shift * math.exp(min(0.5 * v, MAX_HALF_VARIANCE))
    said = float((n[arm] * (grown - shift)).sum())
    factor = 1.0
    if count > EMPTY and said > 0.0:
        factor = (MODEL_COUNT + count * max(told / said, 0.0)) / (MODEL_COUNT + count)
    mean[arm] = factor * (grown - shift)
    open_s2 = v / (n[arm] + ARM_COUNT)
    variance[arm] = (factor * grown * np.expm1(-np.sqrt(open_s2) - 0.5 * open_s2)) ** 2


def watch(runs: Array, mean: float, y: float, mark: float) -> float:
    """Let the runs of one arm's drift detector take in an outcome; their highest level.

    runs (len(TILTS), 4): see learners.drift. mean: what was predicted, in [0, 1].
    """
    runs[runs[:, 0] <= 0.0] = 0.0, mark, 0.0, 0.0
    runs[:, 0] += TILTS * y - np.log1p(np.clip(mean, _LEAST, _MOST) * _SURPLUS)
    runs[:, 2] += 1.0
    runs[:, 3] += y - mean
    return float(runs[:, 0].max())
