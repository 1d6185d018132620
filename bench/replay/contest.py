"""One contestant on one stream: it chooses, and of each task it learns what its choice came to.

What is told is told by the stream alone. A contestant is made from data without outcomes (see
Recorded.blind), so that it cannot look at a cell that it did not choose.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np

from bench.data.recorded import Array, DataError, Order, Recorded, Rows, joined


class Contestant(Protocol):
    """Something that chooses agents; i is the row of a task, arm the index of an agent."""

    name: str

    def choose(self, i: int) -> int:
        """The arm that gets task i."""

    def learn(
        self, i: int, arm: int, quality: float, cost: float | None, latency: float | None
    ) -> None:
        """What became of task i in the hands of `arm`; cost in USD, latency in ms.

        With a delay other tasks are chosen for in between. In a warm start every arm's outcome is
        told, of tasks that were never chosen for.
        """


class Skipped(Exception):
    """A contestant that cannot take part here; the text says why."""


Factory = Callable[[Recorded, float, int], Contestant]
"""(tasks without outcomes, cost weight per USD, seed) -> a contestant that knows nothing yet."""


class Conditions(NamedTuple):
    """What a replay is run under.

    warm_start: share of the stream told in full before it starts. delay: decisions made before an
    outcome is told. budget_usd: no task is served that would take the spending above it.
    """

    cost_weight: float = 0.0
    order: Order = "shuffled"
    warm_start: float = 0.0
    delay: int = 0
    budget_usd: float | None = None


class Stream(NamedTuple):
    """The tasks of one seed in their order, and what one visit to each cell comes to."""

    warm: Rows
    scored: Rows
    quality: Array
    cost_usd: Array | None
    latency_ms: Array | None


class Played(NamedTuple):
    """A run: the arm of each task that was served, in order, and the time that it took.

    given_up: utility that the contestant says it gave up to explore; None when it does not say.
    """

    arms: Rows
    seconds: float
    given_up: float | None


def stream(data: Recorded, seed: int, conditions: Conditions) -> Stream:
    """The stream of a seed, the same for every contestant."""
    rows = data.rows(conditions.order, seed)
    warm = math.ceil(conditions.warm_start * len(rows))
    if warm >= len(rows):
        told = f"a warm start of {conditions.warm_start:g} leaves none of {len(rows)} tasks"
        raise DataError(f"{data.name}: {told}")
    if conditions.budget_usd is not None and data.cost_usd is None:
        raise DataError(f"{data.name}: a budget needs the column cost_usd")
    return Stream(rows[:warm], rows[warm:], *data.visit(seed))


def taught_first(first: Recorded, seed: int, on: Stream) -> Stream:
    """The stream behind all tasks of `first`, which are told in full and in seeded order.

    Rows are those of Recorded.after.
    """
    offset = len(first)

    quality, cost_usd, latency_ms = first.visit(seed)
    return Stream(
        warm=np.concatenate([first.rows("shuffled", seed), on.warm + offset]),
        scored=on.scored + offset,
        quality=np.concatenate([quality, on.quality]),
        cost_usd=joined(cost_usd, on.cost_usd),
        latency_ms=joined(latency_ms, on.latency_ms),
    )


def play(contestant: Contestant, on: Stream, conditions: Conditions) -> Played:
    """Run the contestant over the stream.

    The outcome of the t-th decision is told before the decision t + 1 + delay is made.
    """
    outcome = _Outcomes(on)
    for i in on.warm.tolist():
        for arm in range(outcome.arms):
            contestant.learn(i, arm, *outcome.of(i, arm))
    left_usd = math.inf if conditions.budget_usd is None else conditions.budget_usd
    waiting: deque[tuple[int, int, float, float | None, float | None]] = deque()
    arms: list[int] = []
    started = time.perf_counter()
    for i in on.scored.tolist():
        arm = int(contestant.choose(i))
        if not 0 <= arm < outcome.arms:
            raise ValueError(f"{contestant.name} chose arm {arm} of {outcome.arms}")
        told = outcome.of(i, arm)
        left_usd -= told[1] or 0.0
        if left_usd < 0.0:
            break
        arms.append(arm)
        waiting.append((i, arm, *told))
        if len(waiting) > conditions.delay:
            contestant.learn(*waiting.popleft())
    seconds = time.perf_counter() - started
    return Played(np.array(arms, dtype=np.intp), seconds, getattr(contestant, "given_up", None))


class _Outcomes:
    """Looks up single cells as Python numbers, which is faster than arrays."""

    def __init__(self, on: Stream) -> None:
        self.arms = on.quality.shape[1]
        self._quality = on.quality.tolist()
        self._cost = None if on.cost_usd is None else on.cost_usd.tolist()
        self._latency = None if on.latency_ms is None else on.latency_ms.tolist()

    def of(self, i: int, arm: int) -> tuple[float, float | None, float | None]:
        cost = None if self._cost is None else self._cost[i][arm]
        latency = None if self._latency is None else self._latency[i][arm]
        return self._quality[i][arm], cost, None if latency != latency else latency
