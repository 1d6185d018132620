"""Means by arm, cell and kind: a cell's shrunk to its arm's, an arm's to a prior that is given.

    n_kc = sum w      s_kc = sum w y      w = weight * gamma ** (current epoch - epoch of y)
    arm_k = (sum_c s_kc + ARM_COUNT prior_k) / (sum_c n_kc + ARM_COUNT)
    mean_kc = (s_kc + CELL_COUNT arm_k) / (n_kc + CELL_COUNT)

For y in {0, 1} that is the mean of a Beta posterior. Sums, so observations can be taken back.
Source: Gelman et al., Bayesian Data Analysis, chapter 5 (partial pooling).
"""

from __future__ import annotations

import numpy as np

from learners.base import Arms, Array, Decaying, grown

CELL_COUNT = 4.0
ARM_COUNT = 2.0


class ShrunkMeans(Decaying):
    """Sums of `kinds` sorts of numbers from 0 to 1, for each arm and cell.

    >>> means = ShrunkMeans(arms=2, cells=3, kinds=1)
    >>> for _ in range(40): means.observe(0, 1, 0, 1.0, 1.0, 0)
    >>> mean, count = means.predict(1, slice(None), 0, np.array([0.5, 0.5]))
    >>> mean.round(2).tolist(), count.tolist()
    ([1.0, 0.5], [44.0, 2.0])
    """

    ARRAYS = ("n", "s")

    def __init__(self, arms: int, cells: int, kinds: int, gamma: float = 1.0) -> None:
        super().__init__(gamma)
        self.n = np.zeros((arms, cells, kinds))
        self.s = np.zeros((arms, cells, kinds))

    def add_arms(self, count: int) -> None:
        self.n, self.s = grown(self.n, count), grown(self.s, count)

    def advance(self, epoch: int) -> None:
        """Decay the sums to this epoch; an earlier one changes nothing."""
        factor = self.moved_on(epoch)
        if factor != 1.0:
            self.n *= factor
            self.s *= factor

    def observe(self, arm: int, cell: int, kind: int, y: float, weight: float, epoch: int) -> None:
        """Add one number; a negative weight takes an earlier one back."""
        self.advance(epoch)
        w = self.weight(weight, epoch)
        self.n[arm, cell, kind] += w
        self.s[arm, cell, kind] += w * y

    def predict(self, cell: int, arms: Arms, kind: int, prior: Array) -> tuple[Array, Array]:
        """Mean in this cell and the number of observations that it is worth, each (k,).

        prior (k,): what each arm's mean is without any.
        """
        n, s = self.n[arms, :, kind], self.s[arms, :, kind]
        count = np.maximum(n.sum(axis=1), 0.0) + ARM_COUNT
        arm = (s.sum(axis=1) + ARM_COUNT * prior) / count
        own = np.maximum(n[:, cell], 0.0)
        mean = (s[:, cell] + CELL_COUNT * arm) / (own + CELL_COUNT)
        return np.clip(mean, 0.0, 1.0), own + np.minimum(count, CELL_COUNT)
