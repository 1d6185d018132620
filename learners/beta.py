"""Beta-Bernoulli cells: how often an arm succeeds at a kind of work, shrunk to the arm and to all.

    success_kc ~ Beta(C m_kc, C (1 - m_kc)) a priori     m_kc = m_k + what b_k says of the cell
    m_k, the arm's own mean, is shrunk to that of all arms with A pseudo-observations

b_k is the head start of an arm.

A cell is an arm and a set of categories: the columns of x that are exactly 1. Numbers and texts
are not looked at. A quality between 0 and 1 counts as that much of a success. Source: Gelman et
al., Bayesian Data Analysis, chapter 5.
"""

from __future__ import annotations

import numpy as np

from learners.base import Arms, Array, grown
from learners.rowsums import RowLearner, RowSums

ARM_COUNT = 2.0
CELL_COUNT = 4.0


class BetaCells(RowLearner):
    """Success rates by arm and categories.

    >>> learner = BetaCells(arms=2, d=1)
    >>> for _ in range(20): learner.observe(0, np.ones(1), 1.0, 1.0, 0)
    >>> mean, variance = learner.predict(np.ones(1), slice(None))
    >>> bool(mean[0] > mean[1] > 0.5), bool(variance[0] < variance[1])
    (True, True)
    """

    ARRAYS = ("start",)

    def __init__(self, arms: int, d: int, gamma: float = 1.0) -> None:
        self.sums = RowSums(arms, d, gamma)
        self.start = np.zeros((arms, d))

    @property
    def centre(self) -> float:
        """Mean quality of all arms beyond their head starts, shrunk to one half; 0 or less perhaps,
        where all have one."""
        count = max(self.count, 0.0)
        return self._rate - count / (count + ARM_COUNT) * self.sums.mean_of(self.start)

    @property
    def noise(self) -> float:
        return self._rate * (1.0 - self._rate)

    @property
    def _rate(self) -> float:
        """Mean quality of all arms, shrunk to one half and kept off the edges."""
        total, count = float(self.sums.s.sum()), max(self.count, 0.0)
        return min(max((total + 0.5 * ARM_COUNT) / (count + ARM_COUNT), 0.01), 0.99)

    def add_arms(self, count: int) -> None:
        self.sums.add_arms(count)
        self.start = grown(self.start, count)

    def set_head_starts(self, start: Array, arms: Arms) -> None:
        self.start[arms] = start

    def advance(self, epoch: int) -> None:
        self.sums.advance(epoch)

    def discount(self, arm: int, keep: float) -> None:
        self.sums.discount(arm, keep)

    def predict(self, x: Array, arms: Arms) -> tuple[Array, Array]:
        mean, own, shared, pull = self._moments(x, arms)
        return mean, own + pull**2 * shared

    def _moments(self, x: Array, arms: Arms) -> tuple[Array, Array, Array, Array]:
        """Mean; variance of the cell around its arm; of the arm; and how far the arm pulls it."""
        row = self.sums.find(cell_of(x))
        every, right = self.sums.n[arms], self.sums.s[arms]
        n, s = (every[:, row], right[:, row]) if row >= 0 else (np.zeros(len(every)),) * 2
        of_arm = ARM_COUNT + every.sum(axis=1)
        start = self.start[arms]
        prior = self.centre + start[:, 0]
        centre = np.clip((ARM_COUNT * prior + right.sum(axis=1)) / of_arm, 0.01, 0.99)
        expected = centre + start[:, 1:].dot(cell_of(x)[1:])
        mean = np.clip((CELL_COUNT * expected + s) / (CELL_COUNT + n), 0.01, 0.99)
        own = mean * (1.0 - mean) / (CELL_COUNT + n + 1.0)
        return mean, own, centre * (1.0 - centre) / (of_arm + 1.0), CELL_COUNT / (CELL_COUNT + n)

    def covariance(self, x: Array, at: Array, arms: Arms) -> Array:
        _, own, shared, pull = self._moments(x, arms)
        same = (cell_of(at) == cell_of(x)).all(axis=1)
        covariance = np.empty((len(own), len(at)))
        for row, alike, mine in zip(at, same.tolist(), covariance.T, strict=True):
            there = pull if alike else self._moments(row, arms)[3]
            mine[:] = there * pull * shared + (own if alike else 0.0)
        return covariance

    def observe(self, arm: int, x: Array, y: float, weight: float, epoch: int) -> None:
        self.advance(epoch)
        self.sums.add(arm, cell_of(x), y, weight, epoch)

    def refresh(self) -> None:
        """Nothing is derived."""


def cell_of(x: Array) -> Array:
    """The categories of x: 1 where it is 1, else 0."""
    cell: Array = (x == 1.0).astype(np.float64)
    return cell
