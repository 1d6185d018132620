"""Decayed sums by arm and context, for learners that no few moments of x are enough for.

Outcomes with the same context share a row, so nothing is lost where x is made of categories. There
are at most MOST rows; contexts beyond them share row 0, which stands for the intercept alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from learners.base import Arms, Array, Decaying, OverSums, RowByRow, grown

MOST = 1_024


class RowSums(Decaying):
    """rows (m, d): the contexts, in order of first sight. n, s (arms, m): sum w and sum w y.

    >>> sums = RowSums(arms=2, d=2, gamma=0.5)
    >>> sums.add(0, np.array([1.0, 1.0]), 1.0, weight=1.0, epoch=0)
    >>> sums.advance(1), sums.n[0].tolist()
    (True, [0.0, 0.5])
    """

    ARRAYS = ("rows", "n", "s")

    def __init__(self, arms: int, d: int, gamma: float) -> None:
        super().__init__(gamma)
        self.rows = np.zeros((1, d))
        self.rows[0, 0] = 1.0
        self.n = np.zeros((arms, 1))
        self.s = np.zeros((arms, 1))
        self._index = self._indexed()

    def _indexed(self) -> dict[bytes, int]:
        return {row.tobytes(): i for i, row in enumerate(self.rows)}

    def find(self, x: Array) -> int:
        """The row of a context; -1 when it has none."""
        return self._index.get(x.tobytes(), -1)

    def add(self, arm: int, x: Array, y: float, weight: float, epoch: int) -> None:
        """Add an observation, of an old epoch perhaps."""
        row = self.find(x)
        if row < 0:
            row = self._new_row(x) if len(self.rows) < MOST else 0
        w = self.weight(weight, epoch)
        self.n[arm, row] += w
        self.s[arm, row] += w * y

    def _new_row(self, x: Array) -> int:
        self.rows = np.concatenate([self.rows, x[None, :]])
        empty = np.zeros((len(self.n), 1))
        self.n, self.s = np.hstack([self.n, empty]), np.hstack([self.s, empty])
        self._index[x.tobytes()] = len(self.rows) - 1
        return len(self.rows) - 1

    def mean_of(self, start: Array) -> float:
        """Mean of x . start_k, (arms, d), over all that was observed; 0 before anything was."""
        count = float(self.n.sum())
        return float((self.n * start.dot(self.rows.T)).sum()) / count if count > 0.0 else 0.0

    def add_arms(self, count: int) -> None:
        self.n, self.s = grown(self.n, count), grown(self.s, count)

    def advance(self, epoch: int) -> bool:
        """Decay to `epoch`; True if that changed the sums."""
        factor = self.moved_on(epoch)
        if factor == 1.0 or not self.n.any():
            return False
        self.n *= factor
        self.s *= factor
        return True

    def discount(self, arm: int, keep: float) -> None:
        """Let all observations of an arm weigh `keep` of what they did."""
        self.n[arm] *= keep
        self.s[arm] *= keep

    def restore(self, state: Mapping[str, Array]) -> None:
        super().restore(state)
        self._index = self._indexed()


class RowLearner(OverSums, RowByRow):
    """A learner that holds nothing of its outcomes but RowSums."""

    sums: RowSums

    @property
    def count(self) -> float:
        return float(self.sums.n.sum())

    def weight_of(self, arm: int) -> float:
        return float(self.sums.n[arm].sum())

    def means(self, at: Array, arms: Arms) -> Array:
        means = np.empty((len(at), len(self.sums.n[arms])))
        for row, mine in zip(at, means, strict=True):
            mine[:] = self.predict(row, arms)[0]
        return means
