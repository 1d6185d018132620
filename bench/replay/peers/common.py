"""What the adapters of all peers share: the features, the reward, and a library that is missing.

Every peer gets the very x that routerd's default encodes, and learns from the utility
quality - cost_weight * cost_usd.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from bench.data.recorded import Array, Recorded
from bench.replay.baselines import schema
from bench.replay.contest import Skipped
from routerd.core.encode import Encoder
from routerd.core.values import Task


class Policy(Protocol):
    """A peer's library behind the two calls of a bandit; i is the row of a task."""

    def choose(self, i: int) -> int:
        """The arm that gets task i."""

    def reward(self, i: int, arm: int, utility: float) -> None:
        """What came of it; of a task that was never chosen for when it tells a warm start."""


class Peer:
    """A peer as a contestant of the replay.

    Pulls that a library forces at its start are decisions of the stream like any other: they are
    scored, and nothing is learnt before the stream begins.
    """

    def __init__(self, name: str, policy: Policy, cost_weight: float) -> None:
        self.name = name
        self.policy = policy
        self.cost_weight = cost_weight

    def choose(self, i: int) -> int:
        return self.policy.choose(i)

    def learn(
        self, i: int, arm: int, quality: float, cost: float | None, latency: float | None
    ) -> None:
        spent = self.cost_weight * cost if self.cost_weight and cost is not None else 0.0
        self.policy.reward(i, arm, quality - spent)


def library(module: str) -> Any:
    """A module of a peer's, imported when it is first needed; raises Skipped when it cannot be."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        raise Skipped(f'{package} is not installed: pip install "routerd[bench]"') from None


def contexts(data: Recorded, seed: int) -> Array:
    """x of every recorded task, (n, d), by the schema and the encoder of routerd's default."""

    def task(i: int) -> Task:
        numbers = [] if data.numbers is None else data.numbers[i].tolist()
        named = dict(zip(data.number_names, numbers, strict=True))
        return Task(work_type=data.domain[i], features=named, embedding=tuple(numbers))

    return encoded(Encoder(schema(data), seed), map(task, range(len(data))))


def encoded(encoder: Encoder, tasks: Iterable[Task]) -> Array:
    """x of every task, (n, d); categories that are not declared get slots in the tasks' order."""
    slots: dict[str, dict[str, int]] = {}
    rows = []
    for task in tasks:
        x, _, fresh = encoder.encode(task, slots)
        rows.append(x)
        for space, value in fresh:
            taken = slots.setdefault(space, {})
            taken[value] = len(taken)
    return np.array(rows)


def sparse(x: Array) -> dict[int, float]:
    """The columns of x that are not zero, with their values."""
    return {int(j): float(x[j]) for j in x.nonzero()[0]}
