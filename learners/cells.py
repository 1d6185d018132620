"""Cost and latency: shifted log-normal cells per (arm, cell), shrunk to the arm.

    z = log(1 + y / shift) ~ N(mu_kc, v_k)
    E[y] = f_k shift (exp(mu_kc + v_k / 2) - 1)

The shift keeps free and cached calls (y = 0) harmless. Means are shrunk with CELL_COUNT
pseudo-observations from the cell to its arm and ARM_COUNT from the arm to its prior. f_k is what
the arm's outcomes came to over what the model says of them, shrunk to 1 with MODEL_COUNT
pseudo-observations: where most calls are cheap and a few run away, or cost nothing at all, y is
not log-normal, and no number of outcomes would show what it is on average.

The variance is that of a normal whose 16th percentile is the log-normal one's: no mean is below 0,
and what a normal as wide as the log-normal has there would be a gain to explore the dearest for.

    sd of E[y] = E[y] (1 - exp(-s - s^2 / 2))       s^2 = v_k / (n_kc + ARM_COUNT)

An arm's predictions are a function of its own decayed sums, made when these change, see
learners.plain.expect: observations can be taken back, in any order, and a prediction is a look at
a column.
Sources: Gelman et al., Bayesian Data Analysis, chapter 5 (partial pooling); Duan (1983), Smearing
estimate, for means of y from a model of its logarithm.
"""

from __future__ import annotations

import math

import numpy as np

from learners import kernel
from learners.base import Arms, Array, Decaying, grown
from learners.plain import EMPTY

MAX_LOG = 40.0


class LogNormalCells(Decaying):
    """Mean and variance of the expected y of each arm in each cell.

    scale: a typical y, in y's unit; prior (arms,): a guess of each arm's y.

    >>> cells = LogNormalCells(prior=np.array([1.0, 1.0]), cells=2, scale=1.0)
    >>> for _ in range(50): cells.observe(0, 1, 4.0, 1.0, 0)
    >>> mean, variance = cells.predict(1, slice(None))
    >>> bool(3.5 < mean[0] < 4.5), bool(0.5 < mean[1] < 2.0)
    (True, True)
    """

    ARRAYS = ("prior", "n", "s", "arm_sums", "mean", "variance")

    def __init__(self, prior: Array, cells: int, scale: float, gamma: float = 1.0) -> None:
        super().__init__(gamma)
        self.shift = 0.01 * scale
        self.prior = np.minimum(np.log1p(prior / self.shift), MAX_LOG)
        self.n = np.zeros((len(prior), cells))
        self.s = np.zeros((len(prior), cells))
        self.arm_sums = np.zeros((len(prior), 4))  # of w, w z, squares within cells, and w y
        self.mean = np.zeros((len(prior), cells))
        self.variance = np.zeros((len(prior), cells))
        self._refresh_all()

    def seen(self, arm: int) -> bool:
        """Whether the arm has observations, more than the rounding that a retraction leaves."""
        return bool(self.arm_sums[arm, 0] > EMPTY)

    def set_priors(self, prior: Array) -> None:
        """Replace the guesses; arms beyond those known so far are new ones."""
        held_prior, count = self.prior, len(prior) - len(self.prior)
        self.prior = np.minimum(np.log1p(prior / self.shift), MAX_LOG)
        if np.array_equal(held_prior, self.prior):
            return
        for name in self.ARRAYS[1:]:  # all but the prior
            setattr(self, name, grown(getattr(self, name), count))
        self._refresh_all()

    def advance(self, epoch: int) -> None:
        factor = self.moved_on(epoch)
        if factor != 1.0 and self.arm_sums.any():
            for sums in (self.n, self.s, self.arm_sums):
                sums *= factor
            self._refresh_all()

    def predict(self, cell: int, arms: Arms) -> tuple[Array, Array]:
        """Expected y in this cell and the variance of that expectation, each (k,).

        Views, perhaps: the next observation may change them.
        """
        return self.mean[arms, cell], self.variance[arms, cell]

    def observe(self, arm: int, cell: int, y: float, weight: float, epoch: int) -> None:
        if epoch > self.epoch:
            self.advance(epoch)
        w = self.weight(weight, epoch)
        z = min(math.log1p(y / self.shift), MAX_LOG)
        n, s = self.n.item(arm, cell), self.s.item(arm, cell)
        self.n[arm, cell], self.s[arm, cell] = n + w, s + w * z
        # the within-cell sum of squares moves by the squared distance from the cell's own mean
        spread = w * n / (n + w) * (z - s / n) ** 2 if n > EMPTY and n + w > EMPTY else 0.0
        sums = self.arm_sums[arm]
        sums += (w, w * z, spread, w * y)
        self._refresh(arm)

    def _refresh_all(self) -> None:
        for arm in range(len(self.prior)):
            self._refresh(arm)

    def _refresh(self, arm: int) -> None:
        """The arm's predictions from its sums."""
        told = self.n, self.s, self.arm_sums, self.prior
        kernel.expect(*told, self.mean, self.variance, arm, self.shift)
