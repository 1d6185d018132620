"""Plain counts for each agent and work type, which static policies and capability profiles read.

Counts and totals are sums: they can be taken back. The times are marks: they follow the log.
"""

from __future__ import annotations

import numpy as np

from learners.base import Stateful

RECENT = 10
NEVER_MS = -(2.0**53)
QUALITY, COST, LATENCY = range(3)
METRICS = 3


class Tally(Stateful):
    """told, total (arms, cells, METRICS): how many decisions have a value of each metric, and its
    sum. newest (arms,): the position of the latest decision of which a quality was told, or of the
    change of an agent (see routerd.core.awaited). last_ms (arms, cells): the latest decision.
    recent_ms (arms, RECENT): the latest ones, in no order."""

    ARRAYS = ("told", "total", "newest", "last_ms", "recent_ms")

    def __init__(self, arms: int, cells: int) -> None:
        self.told = np.zeros((arms, cells, METRICS))
        self.total = np.zeros((arms, cells, METRICS))
        self.newest = np.zeros(arms)
        self.last_ms = np.full((arms, cells), NEVER_MS)
        self.recent_ms = np.full((arms, RECENT), NEVER_MS)

    def add_arms(self, count: int) -> None:
        fresh = Tally(count, self.last_ms.shape[1])
        for name, array in self.state().items():
            setattr(self, name, np.concatenate([array, getattr(fresh, name)]))

    def decided(self, arm: int, cell: int, time_ms: int) -> None:
        self.last_ms[arm, cell] = time_ms
        recent = self.recent_ms[arm]
        recent[recent.argmin()] = time_ms

    def observed(self, arm: int, cell: int, metric: int, value: float, weight: float) -> None:
        """Add a decision's value of a metric; a negative weight takes it back."""
        self.told[arm, cell, metric] += weight
        self.total[arm, cell, metric] += weight * value
