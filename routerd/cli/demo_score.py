"""What the demo's figures are: routerd's own and those of honest references, on the same tasks.

A reference is a law over the agents for each task, so that its values are expectations, without
a draw of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from routerd.cli.demo_data import Tasks
from routerd.core.settings import Utility

Law = NDArray[np.float64]
Array = NDArray[np.float64]

TABLE = "static table per work type"
RESAMPLES = 10_000
BLOCK = 250


class Score(NamedTuple):
    """Means over the tasks; shares per agent, in the order of the tasks' agents."""

    name: str
    quality: float
    cost_usd: float
    utility: float
    shares: tuple[float, ...]


class Lift(NamedTuple):
    """Mean utility above a reference per task, with a paired bootstrap interval."""

    mean: float
    low: float
    high: float


def utility_of(tasks: Tasks, weights: Utility) -> Array:
    """Utility of every agent on every task, (n, k)."""
    return weights.quality * tasks.quality - weights.cost * tasks.cost_usd / weights.cost_scale_usd


def only(agent: int, tasks: Tasks) -> Law:
    """The law that gives every task to one agent."""
    law = np.zeros_like(tasks.quality)
    law[:, agent] = 1.0
    return law


def chosen(agents: Sequence[int], tasks: Tasks) -> Law:
    """The law of choices that were made, one agent index a task."""
    return np.eye(len(tasks.agents))[np.asarray(agents, dtype=np.intp)]


def fitted_table(fit: Tasks, weights: Utility) -> tuple[dict[str, int], int]:
    """The agent of highest mean utility for each work type, and for one that was not seen."""
    utility = utility_of(fit, weights)
    kinds = np.array(fit.work_types)
    table = {kind: int(utility[kinds == kind].mean(axis=0).argmax()) for kind in sorted(set(kinds))}
    return table, int(utility.mean(axis=0).argmax())


def strongest(fit: Tasks) -> int:
    """The agent of highest mean quality."""
    return int(fit.quality.mean(axis=0).argmax())


def strongest_cost(fit: Tasks) -> float:
    """What the strongest agent costs, in USD a task."""
    return float(fit.cost_usd[:, strongest(fit)].mean())


def references(stream: Tasks, fit: Tasks, weights: Utility) -> dict[str, Law]:
    """The laws to stand beside routerd, by names that say what each one knew."""
    best = strongest(fit)
    hindsight = int(utility_of(stream, weights).mean(axis=0).argmax())
    table, unseen = fitted_table(fit, weights)
    return {
        "random (expected value)": np.full_like(stream.quality, 1 / len(stream.agents)),
        f"all to the strongest: {short(stream.agents[best])}": only(best, stream),
        TABLE: chosen([table.get(kind, unseen) for kind in stream.work_types], stream),
        f"best fixed in hindsight: {short(stream.agents[hindsight])}": only(hindsight, stream),
    }


def short(agent: str) -> str:
    """An agent's name without its vendor."""
    return agent.rpartition("/")[2]


def score(name: str, law: Law, tasks: Tasks, weights: Utility) -> Score:
    """The expected values of a law on the tasks."""
    quality, cost, utility = (
        float((law * values).sum(axis=1).mean())
        for values in (tasks.quality, tasks.cost_usd, utility_of(tasks, weights))
    )
    return Score(name, quality, cost, utility, tuple(law.mean(axis=0).tolist()))


def lift(law: Law, reference: Law, tasks: Tasks, weights: Utility, seed: int) -> Lift:
    """Utility of `law` above `reference`; 95% of 10,000 means over tasks drawn with replacement."""
    difference = ((law - reference) * utility_of(tasks, weights)).sum(axis=1)
    generator = np.random.default_rng(seed)
    means = [
        difference[generator.integers(0, len(difference), (BLOCK, len(difference)))].mean(axis=1)
        for _ in range(RESAMPLES // BLOCK)
    ]
    low, high = np.quantile(np.concatenate(means), (0.025, 0.975))
    return Lift(float(difference.mean()), float(low), float(high))
