"""Mixed-effects regression: every arm is a deviation from what all arms share.

    y - OFFSET = x . (m + delta_k) + e      e ~ N(0, s2)
    delta_k ~ N(b_k, s2 R) R = diag(ra^2, rc^2, ...)       the first feature is the intercept;
    m       ~ N(0, s2 P)   P = diag(P_0^2, rb^2, ...)      rn for rc where one holds numbers

    theta_k = m + delta_k:    covariance s2 (A_k + A_k R^-1 V R^-1 A_k)    A_k, V: see Covariances

b_k, the head start of an arm, is declared, and 0 for most: an arm's outcomes count against it as
they do against any prior.

A new arm starts from what all arms taught. Its covariance has two terms: what would be left open if
m were known, and what is not known of m. The second is what makes it worth trying: with the first
alone a few outcomes settle where all others must lie, and nobody looks whether they do. A law takes
the arms as independent, which they are given m.

The scales (ra, rc, rb, rn) and the noise s2 are empirical Bayes estimates, made anew from the sums
alone on a geometric schedule, so they do not depend on the order of arrival. Sources: Laird and
Ware (1982), random-effects models; Kass and Steffey (1989), conditionally independent hierarchical
models; Sherman and Morrison (1950) for the updates.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from learners import kernel
from learners.base import Additive, Arms, Array, Sums
from learners.evidence import Rotated

OFFSET = 0.5
P_0 = 2.0
NOISE = 0.15
NOISE_COUNT = 2.0
CENTRES = (0.4, 0.15, 0.4)
LOG_SDS = (0.7, 1.0, 0.7)
GRID = ((0.1, 0.2, 0.4, 0.8, 1.6), (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2), (0.2, 0.6))
SWEEPS = 2
SLOPE, PER_SLOPE = 0.3, 10.0
NUMBER_SLOPE = 0.14
FIRST_REFRESH = 8
REFRESH_GROWTH = 1.2
REBUILD_EVERY = 1024


class Covariances(NamedTuple):
    """ai (K,d,d): of each theta_k given m; v (d,d): of m. For unit noise. r_inv (d,): R^-1."""

    ai: Array
    v: Array
    r_inv: Array


def covariances(lam: Array, scales: Array) -> Covariances:
    """How sure the posterior is, exactly, for unit noise."""
    d = lam.shape[1]
    r = np.full(d, scales[1] ** 2)
    p = np.full(d, scales[2] ** 2)
    r[numbers(lam)] = scales[3] ** 2
    r[0], p[0] = scales[0] ** 2, P_0**2
    r_inv = 1.0 / r
    ai = np.linalg.inv(lam + np.diag(r_inv)).astype(np.float64, copy=False)
    big_m = np.diag(1.0 / p) + (np.diag(r_inv) - r_inv[:, None] * ai * r_inv).sum(axis=0)
    v = np.linalg.inv(big_m).astype(np.float64, copy=False)
    return Covariances(ai, v, r_inv)


def with_head_start(start: Array) -> frozenset[int]:
    """The arms whose priors are centred anywhere but at 0."""
    return frozenset(np.flatnonzero(start.any(axis=1)).tolist())


def numbers(lam: Array) -> NDArray[np.intp]:
    """The features that were anything but 0 or 1: sum w x^2 is not sum w x. A category's are not.

    >>> lam = np.array([[[2.0, 1.0, 0.9], [1.0, 1.0, 0.5], [0.9, 0.5, 0.41]]])
    >>> numbers(lam)
    array([2])
    """
    return np.flatnonzero((np.einsum("kii->ki", lam) != lam[:, 0]).any(axis=0))


def estimate_scales(lam: Array, h: Array, n: float, ss: float) -> tuple[Array, float]:
    """Scales (ra, rc, rb, rn) and noise variance by coordinate-wise empirical Bayes.

    Each scale becomes the root mean square of its grid, weighted by the marginal likelihood times a
    log-normal prior: while the data cannot tell small coefficients from large ones, their variance
    is the mean over both. A function of the sums alone: it always starts from the prior's centres.

    Where one arm serves nearly all, nothing tells its own slopes from the shared ones, and slopes
    of zero explain the data as well as any: the others would be known without having been tried. So
    rc is SLOPE at least, and less only while there are not PER_SLOPE observations for each slope.

    rn is what rc would be without that: many numbers that say little of who is right, such as those
    of an embedding, would else hide what the work type says. But a number's slope is at least
    NUMBER_SLOPE of quality until there is an outcome for each such slope, and in proportion less
    with more: as long as all fail that are tried, slopes of zero are likely, and nobody would look
    where another agent is right.
    """
    used = np.flatnonzero(np.einsum("kii->i", lam) > 0)
    seen = np.flatnonzero(np.einsum("kii->k", lam) > 0)
    used = np.union1d(used, [0])
    rotated = Rotated(lam[np.ix_(seen, used, used)], h[np.ix_(seen, used)], P_0)
    scales, noise = np.array(CENTRES), NOISE
    shape = NOISE_COUNT + n / 2
    for j in [j for _ in range(SWEEPS) for j in range(3)]:
        grid = np.array(GRID[j])
        tried = np.tile(scales, (grid.size, 1))
        tried[:, j] = grid
        fit = rotated.evidence(tried)
        rate = NOISE_COUNT * NOISE + np.maximum(ss - fit.explained, 1e-9) / 2
        prior = -0.5 * (np.log(grid / CENTRES[j]) / LOG_SDS[j]) ** 2
        log_weight = -shape * np.log(rate) - fit.log_det / 2 + prior
        weight = np.exp(log_weight - log_weight.max())
        weight /= weight.sum()
        scales[j] = math.sqrt(float((weight * grid * grid).sum()))
        noise = float((weight * rate).sum()) / shape
    slopes = len(lam) * int(np.count_nonzero(np.einsum("kii->i", lam)))
    share = min(1.0, len(lam) * len(numbers(lam)) / max(n, 1.0))
    of_numbers = max(scales[1], NUMBER_SLOPE / math.sqrt(noise) * share)
    scales[1] = max(scales[1], SLOPE * math.sqrt(min(1.0, n / (PER_SLOPE * max(slopes, 1)))))
    return np.append(scales, of_numbers), noise


class PooledRegression(Additive):
    """The posterior of the mixed-effects model, kept up by rank-1 updates.

    own (K,d): ai_k (h_k + r_inv b_k), the coefficients of each arm as far as they come from its own
    outcomes and its head start; pull (d,): r_inv m, what all share of the rest; m = v hm.

    >>> learner = PooledRegression(arms=2, d=1)
    >>> for _ in range(20): learner.observe(0, np.ones(1), 1.0, 1.0, 0)
    >>> mean, variance = learner.predict(np.ones(1), slice(None))
    >>> bool(mean[0] > mean[1] > OFFSET), bool(variance[0] < variance[1])
    (True, True)
    """

    ARRAYS = ("start", "scales", "ai", "v", "hm", "r_inv", "own", "pull")

    def __init__(self, arms: int, d: int, gamma: float = 1.0) -> None:
        self.sums = Sums(arms, d, gamma)
        self.start = np.zeros((arms, d))
        self.scales, self.noise = estimate_scales(self.sums.lam, self.sums.h, 0.0, 0.0)
        self.updates = 0
        self.next_refresh = FIRST_REFRESH
        self._rebuild()

    def predict(self, x: Array, arms: Arms) -> tuple[Array, Array]:
        mean, variance, _ = self.joint(x[None, :], np.empty((0, x.size)), arms)
        return mean[0], variance[0]

    def joint(self, x: Array, at: Array, arms: Arms) -> tuple[Array, Array, Array]:
        fit = self.ai, self.own, self.pull, self.v, self.r_inv
        n, k, m = len(x), len(self.own), len(at)
        made = mean, variance, covariance = np.empty((n, k)), np.empty((n, k)), np.empty((n, k, m))
        kernel.joint(*fit, x, np.ascontiguousarray(at.T), *made, OFFSET, self.noise)
        if isinstance(arms, slice):
            return mean[:, arms], variance[:, arms], covariance[:, arms]
        return mean.take(arms, 1), variance.take(arms, 1), covariance.take(arms, 1)

    def means(self, at: Array, arms: Arms) -> Array:
        ai, own = self.ai[arms], self.own[arms]
        means = np.empty((len(at), len(own)))
        kernel.means(ai, own, self.pull, at, means, 0, OFFSET)
        return means

    def mean(self, x: Array, arm: int) -> float:
        mean = np.empty((1, 1))
        kernel.means(self.ai, self.own, self.pull, x[None, :], mean, arm, OFFSET)
        return mean.item()

    def observe(self, arm: int, x: Array, y: float, weight: float, epoch: int) -> None:
        sums, y = self.sums, y - OFFSET
        if epoch > sums.epoch:
            self.advance(epoch)
        w = sums.weight(weight, epoch)
        sums.add(arm, x, y, w)
        self.updates += 1
        if self.updates >= self.next_refresh:
            self.next_refresh = int(self.updates * REFRESH_GROWTH) + 1
            self.refresh()
        elif self.updates % REBUILD_EVERY == 0 or not self._move(arm, x, y, w):
            self._rebuild()

    def _move(self, arm: int, x: Array, y: float, w: float) -> bool:
        """Follow an outcome that is in the sums by rank-1 updates; whether that could be done."""
        ai, own, h = self.ai[arm], self.own[arm], self.sums.h[arm]
        if arm in self.with_start:
            h = h + self.r_inv * self.start[arm]
        return kernel.learn(ai, self.v, self.hm, own, self.pull, h, self.r_inv, x, y, w)

    def refresh(self) -> None:
        # With empty sums too: what was learnt from outcomes that were all retracted must go.
        h, ss = self.sums.beyond(self.start)
        self.scales, self.noise = estimate_scales(self.sums.lam, h, self.count, ss)
        self._rebuild()

    def _rebuild(self) -> None:
        self.ai, self.v, self.r_inv = covariances(self.sums.lam, self.scales)
        self._locate()

    def _locate(self) -> None:
        told = self.sums.h + self.r_inv * self.start
        self.own = np.matmul(self.ai, told[:, :, None])[:, :, 0]
        self.hm = self.r_inv * (self.own - self.start).sum(axis=0)
        self.pull = self.r_inv * self.v.dot(self.hm)
        self.with_start = with_head_start(self.start)

    def state(self) -> dict[str, Array]:
        marks = [self.noise, float(self.updates), float(self.next_refresh)]
        return super().state() | {"marks": np.array(marks)}

    def restore(self, state: Mapping[str, Array]) -> None:
        super().restore(state)
        self.with_start = with_head_start(self.start)
        self.noise, updates, due = state["marks"].tolist()
        self.updates, self.next_refresh = int(updates), int(due)
