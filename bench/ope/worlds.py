"""Worlds with known truth: few contexts, so the value of any policy is a sum and no estimate.

A context is drawn, a law draws an arm, the reward is 0 or 1 with a known mean. Worlds differ in
what makes learning from logs hard: means that no linear model has, means that move, outcomes that
come late, and traffic in the worst order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from learners.base import Array

Indices = NDArray[np.intp]

BITS = 3
CONTEXTS = 2**BITS
ARMS = 4
MARGIN = 0.05


class World(NamedTuple):
    """M contexts, K arms, and how both change over a log.

    numbers (M, p): what a model may look at. first, last (M, K): mean rewards at the first and at
    the last row; between them they move in a straight line. in_order: contexts come sorted, all
    rows of one after all rows of the other; else they are drawn uniformly. delay: how many rows an
    outcome takes to arrive at the learner.
    """

    name: str
    numbers: Array
    first: Array
    last: Array
    in_order: bool = False
    delay: int = 0

    @property
    def arms(self) -> int:
        return int(self.first.shape[1])

    def means(self, rows: int) -> Array:
        """Mean reward of each row, context and arm (rows, M, K)."""
        share = np.linspace(0.0, 1.0, rows)[:, None, None]
        moved: Array = (1.0 - share) * self.first + share * self.last
        return moved

    def traffic(self, rows: int) -> Array:
        """Probability of each context at each row (rows, M)."""
        count = len(self.numbers)
        if not self.in_order:
            return np.full((rows, count), 1.0 / count)
        order = np.arange(rows) * count // rows
        now: Array = (order[:, None] == np.arange(count)).astype(np.float64)
        return now

    def value(self, policy: Array, rows: int) -> float:
        """The truth: what a law given by context (M, K) earns on average over `rows` rows."""
        return float(np.einsum("nm,nmk,mk->", self.traffic(rows), self.means(rows), policy) / rows)


class Logs(NamedTuple):
    """L logs of n rows: context, arm (L, n), reward (L, n), the law drawn from (L, n, K)."""

    context: Indices
    arm: Indices
    reward: Array
    law: Array


class Logging(Protocol):
    """Laws of L logs that are made side by side."""

    def law(self, context: Indices) -> Array:
        """Law (L, K) for the next row's contexts (L,)."""

    def learn(self, context: Indices, arm: Indices, reward: Array) -> None:
        """Take one row's outcomes, each (L,)."""


class Fixed:
    """A law by context (M, K) that never learns."""

    def __init__(self, policy: Array) -> None:
        self.policy = policy

    def law(self, context: Indices) -> Array:
        found: Array = self.policy[context]
        return found

    def learn(self, context: Indices, arm: Indices, reward: Array) -> None:
        pass


class EpsilonGreedy:
    """An adaptive law: the arm of the best mean in this context, and a floor under every arm."""

    def __init__(self, logs: int, contexts: int, arms: int, floor: float) -> None:
        self.floor = floor
        self.count = np.ones((logs, contexts, arms))
        self.total = np.full((logs, contexts, arms), 0.5)
        self.lane = np.arange(logs)

    def law(self, context: Indices) -> Array:
        mean = self.total[self.lane, context] / self.count[self.lane, context]
        p = np.full(mean.shape, self.floor / mean.shape[1])
        p[self.lane, mean.argmax(1)] += 1.0 - self.floor
        return p

    def learn(self, context: Indices, arm: Indices, reward: Array) -> None:
        self.count[self.lane, context, arm] += 1.0
        self.total[self.lane, context, arm] += reward


def simulate(world: World, logging: Logging, logs: int, rows: int, seed: int) -> Logs:
    """L logs of the world under a law; every outcome reaches the law `delay` rows later."""
    rng = np.random.default_rng(seed)
    cumulated = world.traffic(rows).cumsum(1)
    means = world.means(rows)
    made = Logs(
        draw_each(cumulated, rng.random((logs, rows))),
        np.zeros((logs, rows), np.intp),
        np.zeros((logs, rows)),
        np.zeros((logs, rows, world.arms)),
    )
    chance = rng.random((2, rows, logs))
    for row in range(rows):
        context = made.context[:, row]
        if row > world.delay:
            late = row - 1 - world.delay
            logging.learn(made.context[:, late], made.arm[:, late], made.reward[:, late])
        law = logging.law(context)
        arm = draw_each(law.cumsum(1), chance[0, row])
        made.law[:, row], made.arm[:, row] = law, arm
        made.reward[:, row] = chance[1, row] < means[row, context, arm]
    return made


def draw_each(cumulated: Array, u: Array) -> Indices:
    """The first index whose cumulated probability (..., K) exceeds u (L, ...)."""
    drawn: Indices = np.minimum((cumulated <= u[..., None]).sum(-1), cumulated.shape[-1] - 1)
    return drawn


def bits(count: int = BITS) -> Array:
    """Every combination of `count` bits, as numbers of mean 0 (2**count, count)."""
    ones = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
    return ones.astype(np.float64) - 0.5


def linear(rng: np.random.Generator) -> Array:
    """Means (M, K) that a linear model can have."""
    slopes = rng.normal(0.0, 0.18, (ARMS, BITS))
    return clipped(rng.normal(0.5, 0.1, ARMS) + bits() @ slopes.T)


def piecewise(rng: np.random.Generator) -> Array:
    """Means (M, K) of a tree: an arm is good only where two bits agree."""
    corner = rng.integers(2, size=(ARMS, 2))
    ones = bits()[:, :2] > 0
    good = (ones[:, None, :] == corner).all(-1)
    return clipped(np.where(good, 0.85, 0.35) + rng.normal(0.0, 0.05, (CONTEXTS, ARMS)))


def clipped(means: Array) -> Array:
    return np.clip(means, MARGIN, 1.0 - MARGIN)


def make(name: str, seed: int = 0) -> World:
    """One of WORLDS, its means drawn from the seed.

    >>> world = make("linear")
    >>> uniform = np.full((CONTEXTS, ARMS), 1 / ARMS)
    >>> bool(abs(world.value(uniform, 10) - world.first.mean()) < 1e-12)
    True
    """
    return WORLDS[name](np.random.default_rng(seed))


def _linear(rng: np.random.Generator) -> World:
    means = linear(rng)
    return World("linear", bits(), means, means)


def _piecewise(rng: np.random.Generator) -> World:
    means = piecewise(rng)
    return World("piecewise", bits(), means, means)


def _drifting(rng: np.random.Generator) -> World:
    """The arms change places: what was best at the start is not at the end."""
    means = linear(rng)
    return World("drifting", bits(), means, means[:, ::-1])


def _delayed(rng: np.random.Generator) -> World:
    means = linear(rng)
    return World("delayed", bits(), means, means, delay=100)


def _adversarial(rng: np.random.Generator) -> World:
    """Whoever learnt on the first half is wrong on the second: sorted, and the arms swapped."""
    means = linear(rng)
    means[CONTEXTS // 2 :] = means[: CONTEXTS // 2, ::-1]
    return World("adversarial", bits(), means, means, in_order=True)


WORLDS: dict[str, Callable[[np.random.Generator], World]] = {
    "linear": _linear,
    "piecewise": _piecewise,
    "drifting": _drifting,
    "delayed": _delayed,
    "adversarial": _adversarial,
}
