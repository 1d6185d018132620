"""What the adapters of all peers share: the features, the reward, and the sentence of a missing one.

Every peer sees what routerd's default sees: x = (1, one-hot of the work type, numbers), and learns
from the utility quality - cost_weight * cost_usd.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from learners.base import Array

if TYPE_CHECKING:
    from bench.datasets import Recorded


class MissingPeer(Exception):
    """A peer's library is not installed; the text names it and the way out."""


def library(module: str, package: str) -> Any:
    """The peer's module, imported when it is first needed; raises MissingPeer."""
    if find_spec(module.partition(".")[0]) is None:
        raise MissingPeer(f'{package} is not installed: run `pip install "routerd[bench]"`')
    return import_module(module)


def domain_codes(recorded: Recorded) -> tuple[Array, int]:
    """Column (n,) of each task's work type, -1 for none, and the number of work types."""
    names = sorted({name for name in recorded.domain if name})
    column = {name: i for i, name in enumerate(names)}
    return np.array([column.get(name, -1) for name in recorded.domain]), len(names)


def contexts(recorded: Recorded) -> Array:
    """x of every task, (n, 1 + work types + numbers)."""
    codes, count = domain_codes(recorded)
    one_hot = (codes[:, None] == np.arange(count)).astype(np.float64)
    parts = [np.ones((len(codes), 1)), one_hot]
    if recorded.numbers is not None:
        parts.append(recorded.numbers)
    return np.ascontiguousarray(np.hstack(parts))


class Policy(Protocol):
    """A peer's library behind the two calls of a bandit; i is the row of a recorded task."""

    def choose(self, i: int) -> int: ...

    def reward(self, i: int, arm: int, utility: float) -> None: ...


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
        spent = 0.0 if cost is None else self.cost_weight * cost
        self.policy.reward(i, arm, quality - spent)
