"""What is ahead: contexts like those that were learnt from last, and how the agents stand in them.

It is made anew with every outcome at first, then more and more rarely down to every EVERY-th, and
with every event that is neither a decision nor an outcome: that takes a third of the time of a
decision, and one outcome among many changes little.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from learners.base import Array, Learner, Stateful
from learners.cells import LogNormalCells
from learners.contexts import Contexts
from learners.policies import behind, lead

EVERY = 16
MOST_KEPT = 64

Weights = tuple[float, float, float]
"""Of quality, of cost a USD and of latency a ms."""


class Ahead(NamedTuple):
    """How agents stand in the contexts: gap (k, m), see learners.policies.behind; leads (k,), the
    share of the contexts where each leads."""

    gap: Array
    leads: Array


def ahead_of(means: Array) -> Ahead:
    """Of the agents' mean utilities in each context, (m, k)."""
    return Ahead(np.ascontiguousarray(behind(means).T), lead(means))


def is_due(outcomes: int) -> bool:
    """Whether it is made anew with this outcome, the so many-th.

    >>> [n for n in range(1, 60) if is_due(n)] == [*range(1, 32), *range(32, 48, 2), 48, 51, 54, 57]
    True
    """
    return outcomes % max(1, min(EVERY, outcomes // EVERY)) == 0


class Outlook(Stateful):
    """x (m, d), cells (m,): the contexts. quality, cost, latency (m, arms): mean of each there."""

    ARRAYS = ("x", "cells", "quality", "cost", "latency")

    def __init__(self, d: int) -> None:
        self.x = np.zeros((0, d))
        self.cells = np.zeros(0)
        self.quality = self.cost = self.latency = np.zeros((0, 0))
        self._ahead: dict[tuple[tuple[int, ...], Weights], Ahead] = {}
        self._rows: frozenset[bytes] = frozenset()

    def __contains__(self, x: bytes) -> bool:
        """Whether a query's context is one of these: then it comes again."""
        return x in self._rows

    def refresh(
        self, contexts: Contexts, learner: Learner, cost: LogNormalCells, latency: LogNormalCells
    ) -> None:
        """Make it anew."""
        # By columns, as learners take it.
        self.x, self.cells = contexts.x.copy(order="F"), contexts.cells.astype(np.float64)
        self.quality = learner.means(contexts.x, slice(None))
        self.cost, self.latency = (each.mean[:, contexts.cells].T for each in (cost, latency))
        self._index()

    def _index(self) -> None:
        self._ahead.clear()
        rows, width = self.x.tobytes("C"), self.x.shape[1] * self.x.itemsize
        self._rows = frozenset(rows[at : at + width] for at in range(0, len(rows), width))

    def means(self, arms: list[int], weights: Weights) -> Array:
        """Mean utility of some arms in each context, (m, k)."""
        quality, cost, latency = weights
        means: Array = quality * self.quality[:, arms]
        if cost:
            means -= cost * self.cost[:, arms]
        if latency:
            means -= latency * self.latency[:, arms]
        return means

    def ahead(self, arms: tuple[int, ...], weights: Weights) -> Ahead:
        """How these arms stand by these weights; kept until it is made anew."""
        key = arms, weights
        known = self._ahead.get(key)
        if known is None:
            if len(self._ahead) == MOST_KEPT:
                self._ahead.clear()
            known = ahead_of(self.means(list(arms), weights))
            self._ahead[key] = known
        return known

    def restore(self, state: Mapping[str, Array]) -> None:
        d = self.x.shape[1]
        super().restore(state)
        self.x = self.x.reshape(-1, d).copy(order="F")
        self._index()
