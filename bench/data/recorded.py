"""Recorded tasks: what every agent made of each of them, so that any choice can be looked up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from routerd.core.draw import uniform

Array = NDArray[np.float64]
Rows = NDArray[np.intp]
Order = Literal["shuffled", "file", "time"]


class DataError(Exception):
    """Recorded tasks cannot be used; the text is one sentence that names the row or the column."""


class Cell(NamedTuple):
    """One recorded run of an agent on a task; NaN where it was not measured."""

    quality: float
    cost_usd: float
    latency_ms: float


@dataclass(frozen=True, eq=False)
class Recorded:
    """n tasks and what each of K agents made of them.

    task_ids and agents are sorted as strings. quality in [0, 1], cost_usd and latency_ms are
    (n, K), means over a cell's replicates, NaN where an agent never ran a task. replicates holds
    the cells (task, agent) that were run more than once. numbers (n, p) are the features of tasks
    that have any, scaled to about one. file_rank is each task's place in the file; left_out counts
    the tasks that complete() took away.
    """

    name: str
    task_ids: tuple[str, ...]
    agents: tuple[str, ...]
    domain: tuple[str, ...]
    text: tuple[str, ...]
    quality: Array
    cost_usd: Array | None = None
    latency_ms: Array | None = None
    time_ms: Array | None = None
    numbers: Array | None = None
    number_names: tuple[str, ...] = ()
    replicates: Mapping[tuple[int, int], tuple[Cell, ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    file_rank: Rows | None = None
    left_out: int = 0

    def __len__(self) -> int:
        return len(self.task_ids)

    def utility(self, cost_weight: float) -> Array:
        """quality - cost_weight * cost_usd, (n, K); the quality where no costs were recorded."""
        return utility(self.quality, self.cost_usd, cost_weight)

    def subset(self, agents: Sequence[str]) -> Recorded:
        """The same tasks with these agents only; raises DataError for one that is not recorded."""
        unknown = [agent for agent in agents if agent not in self.agents]
        if unknown:
            known = ", ".join(self.agents[:10]) + (", ..." if len(self.agents) > 10 else "")
            raise DataError(f"{self.name}: no agent {unknown[0]!r} is recorded; there are {known}")
        kept = [k for k, agent in enumerate(self.agents) if agent in set(agents)]
        at = {k: new for new, k in enumerate(kept)}
        cells = {(i, at[k]): runs for (i, k), runs in self.replicates.items() if k in at}
        return replace(
            self,
            agents=tuple(self.agents[k] for k in kept),
            quality=self.quality[:, kept],
            cost_usd=None if self.cost_usd is None else self.cost_usd[:, kept],
            latency_ms=None if self.latency_ms is None else self.latency_ms[:, kept],
            replicates=cells,
        )

    def drawn(self, agents: int, tasks: int, seed: int) -> Recorded:
        """So many of the agents and of the tasks at random, by the seed; all where there are fewer.

        >>> three = Recorded("r", ("a", "b"), ("x", "y", "z"), ("", ""), ("", ""), np.zeros((2, 3)))
        >>> three.drawn(2, 9, seed=0).quality.shape
        (2, 2)
        """
        rng = np.random.default_rng([seed, agents, tasks])
        some = [self.agents[k] for k in rng.permutation(len(self.agents))[:agents]]
        rows: Rows = np.sort(rng.permutation(len(self))[:tasks])
        return self.subset(some).take(rows)

    def complete(self) -> Recorded:
        """Only the tasks that every agent ran; raises DataError when there are none."""
        whole = ~np.isnan(self.quality).any(axis=1)
        if whole.all():
            return self
        if not whole.any():
            gaps = np.isnan(self.quality).mean(axis=0)
            worst = int(gaps.argmax())
            raise DataError(
                f"{self.name}: no task has a row for every agent; leave agents out, such as "
                f"{self.agents[worst]}, which lacks {gaps[worst]:.0%} of the tasks"
            )
        kept = self.take(np.flatnonzero(whole))
        return replace(kept, left_out=self.left_out + int((~whole).sum()))

    def take(self, rows: Rows) -> Recorded:
        """The tasks at these ascending rows."""
        at = {int(i): new for new, i in enumerate(rows)}
        cells = {(at[i], k): runs for (i, k), runs in self.replicates.items() if i in at}

        def of(array: Array | None) -> Array | None:
            return None if array is None else array[rows]

        return replace(
            self,
            task_ids=tuple(self.task_ids[i] for i in rows),
            domain=tuple(self.domain[i] for i in rows),
            text=tuple(self.text[i] for i in rows),
            quality=self.quality[rows],
            cost_usd=of(self.cost_usd),
            latency_ms=of(self.latency_ms),
            time_ms=of(self.time_ms),
            numbers=of(self.numbers),
            replicates=cells,
            file_rank=None if self.file_rank is None else self.file_rank[rows].argsort().argsort(),
        )

    def blind(self) -> Recorded:
        """The same tasks without a single outcome: what a contestant may know beforehand."""

        def hidden(array: Array | None) -> Array | None:
            return None if array is None else np.full_like(array, np.nan)

        return replace(
            self,
            quality=np.full_like(self.quality, np.nan),
            cost_usd=hidden(self.cost_usd),
            latency_ms=hidden(self.latency_ms),
            replicates={},
        )

    def after(self, first: Recorded) -> Recorded:
        """These tasks behind those of `first`, without a single outcome.

        Raises DataError when not the same agents ran both, or the tasks have other features.
        """
        if first.agents != self.agents:
            told = f"the agents of {first.name} are {', '.join(first.agents[:10])}"
            raise DataError(f"{self.name}: {told}; they must be {', '.join(self.agents[:10])}")
        if first.number_names != self.number_names:
            raise DataError(f"{self.name}: the tasks of {first.name} have other numbers")

        nothing = np.full((len(first) + len(self), len(self.agents)), np.nan)
        return replace(
            self.blind(),
            task_ids=first.task_ids + self.task_ids,
            domain=first.domain + self.domain,
            text=first.text + self.text,
            quality=nothing,
            cost_usd=None if self.cost_usd is None or first.cost_usd is None else nothing,
            latency_ms=None if self.latency_ms is None or first.latency_ms is None else nothing,
            time_ms=joined(first.time_ms, self.time_ms),
            numbers=joined(first.numbers, self.numbers),
            file_rank=None,
        )

    def visit(self, seed: int) -> tuple[Array, Array | None, Array | None]:
        """Quality, cost and latency of one visit to every cell: one replicate, by seeded hash."""
        if not self.replicates:
            return self.quality, self.cost_usd, self.latency_ms
        quality = self.quality.copy()
        cost = None if self.cost_usd is None else self.cost_usd.copy()
        latency = None if self.latency_ms is None else self.latency_ms.copy()
        for (i, k), runs in self.replicates.items():
            u = uniform(seed, self.task_ids[i], self.agents[k], "replicate")
            run = runs[int(u * len(runs))]
            quality[i, k] = run.quality
            if cost is not None:
                cost[i, k] = run.cost_usd
            if latency is not None:
                latency[i, k] = run.latency_ms
        return quality, cost, latency

    def rows(self, how: Order, seed: int) -> Rows:
        """The stream of a seed: the row of the task that comes first, second, and so on.

        Raises DataError when the tasks have no times and are wanted in their order.
        """
        if how == "shuffled":
            return order(len(self), seed)
        if how == "file":
            return np.arange(len(self)) if self.file_rank is None else self.file_rank.argsort()
        if self.time_ms is None or np.isnan(self.time_ms).any():
            raise DataError(f"{self.name}: the order of time needs a time_ms for every task")
        return self.time_ms.argsort(kind="stable")


def joined(one: Array | None, other: Array | None) -> Array | None:
    """Rows behind each other; None where either is missing."""
    return None if one is None or other is None else np.concatenate([one, other])


def utility(quality: Array, cost_usd: Array | None, cost_weight: float) -> Array:
    """quality - cost_weight * cost_usd, element by element."""
    return quality if cost_usd is None else quality - cost_weight * cost_usd


def order(n: int, seed: int) -> Rows:
    """The shuffled stream of a seed, over rows sorted by task id.

    >>> order(4, seed=0).tolist() == np.random.default_rng(0).permutation(4).tolist()
    True
    """
    return np.random.default_rng(seed).permutation(n)
