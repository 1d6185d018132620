"""Cost and latency: shifted log-normal cells per (arm, cell), shrunk to the arm.

    z = log(1 + y / shift) ~ N(mu_kc, v_k)       E[y] = shift * (exp(mu + v / 2) - 1)

The shift keeps free and cached calls (y = 0) harmless. Means are shrunk with CELL_COUNT
pseudo-observations from the cell to its arm and ARM_COUNT from the arm to its prior. A row is a
function of its own decayed sums, so observations can be taken back, in any order.
Source: Gelman et al., Bayesian Data Analysis, chapter 5 (partial pooling).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from learners.base import Arms, Array

CELL_COUNT = 3.0
ARM_COUNT = 1.0
VARIANCE = 0.25
MAX_LOG = 40.0
EMPTY = 1e-9
ARRAYS = ("prior", "n", "s", "arm_sums", "arm_mean", "arm_variance")


class LogNormalCells:
    """Mean and variance of the expected y of each arm in each cell.

    scale: a typical y, in y's unit; prior (arms,): a guess of each arm's y.

    >>> cells = LogNormalCells(prior=np.array([1.0, 1.0]), cells=2, scale=1.0)
    >>> for _ in range(50): cells.observe(0, 1, 4.0, 1.0, 0)
    >>> mean, variance = cells.predict(1, slice(None))
    >>> bool(3.5 < mean[0] < 4.5), bool(0.5 < mean[1] < 2.0)
    (True, True)
    """

    def __init__(self, prior: Array, cells: int, scale: float, gamma: float = 1.0) -> None:
        self.shift = 0.01 * scale
        self.gamma = gamma
        self.epoch = 0
        self.prior = np.log1p(prior / self.shift)
        self.n = np.zeros((len(prior), cells))
        self.s = np.zeros((len(prior), cells))
        self.arm_sums = np.zeros((len(prior), 3))
        self.arm_mean = self.prior.copy()
        self.arm_variance = np.full(len(prior), VARIANCE)

    def seen(self, arm: int) -> bool:
        """Whether the arm has observations, more than the rounding that a retraction leaves."""
        return bool(self.arm_sums[arm, 0] > EMPTY)

    def set_priors(self, prior: Array) -> None:
        """Replace the guesses; arms beyond those known so far are new ones."""
        count = len(prior) - len(self.prior)

        def grow(array: Array) -> Array:
            return np.concatenate([array, np.zeros((count, *array.shape[1:]))])

        self.prior = np.log1p(prior / self.shift)
        self.n, self.s, self.arm_sums = grow(self.n), grow(self.s), grow(self.arm_sums)
        self.arm_mean, self.arm_variance = grow(self.arm_mean), grow(self.arm_variance)
        for arm in range(len(prior)):
            self._refresh(arm)

    def advance(self, epoch: int) -> None:
        if epoch > self.epoch:
            factor = self.gamma ** (epoch - self.epoch)
            self.epoch = epoch
            if factor != 1.0 and self.arm_sums.any():
                for sums in (self.n, self.s, self.arm_sums):
                    sums *= factor
                for arm in range(len(self.prior)):
                    self._refresh(arm)

    def predict(self, cell: int, arms: Arms) -> tuple[Array, Array]:
        """Expected y in this cell and the variance of that expectation, each (k,)."""
        n, v = self.n[arms, cell], self.arm_variance[arms]
        mu = (CELL_COUNT * self.arm_mean[arms] + self.s[arms, cell]) / (CELL_COUNT + n)
        grown = self.shift * np.exp(np.minimum(mu + 0.5 * v, MAX_LOG))
        return grown - self.shift, grown * grown * v / (ARM_COUNT + n)

    def observe(self, arm: int, cell: int, y: float, weight: float, epoch: int) -> None:
        self.advance(epoch)
        w = weight if epoch >= self.epoch else weight * self.gamma ** (self.epoch - epoch)
        z = min(math.log1p(y / self.shift), MAX_LOG)
        n, s = float(self.n[arm, cell]), float(self.s[arm, cell])
        self.n[arm, cell], self.s[arm, cell] = n + w, s + w * z
        # the within-cell sum of squares moves by the squared distance from the cell's own mean
        spread = w * n / (n + w) * (z - s / n) ** 2 if n > EMPTY and n + w > EMPTY else 0.0
        self.arm_sums[arm] += (w, w * z, spread)
        self._refresh(arm)

    def _refresh(self, arm: int) -> None:
        """The arm's mean, shrunk to its prior, and variance within its cells, from its sums."""
        n, s, within = self.arm_sums[arm].tolist()
        n = max(n, 0.0)
        self.arm_mean[arm] = (ARM_COUNT * self.prior[arm] + s) / (ARM_COUNT + n)
        self.arm_variance[arm] = (VARIANCE + max(within, 0.0)) / (1.0 + n)

    def state(self) -> dict[str, Array]:
        return {name: getattr(self, name) for name in ARRAYS} | {
            "epoch": np.array([float(self.epoch)])
        }

    def restore(self, state: Mapping[str, Array]) -> None:
        for name in ARRAYS:
            setattr(self, name, state[name].copy())
        self.epoch = int(state["epoch"][0])
