"""What replays of the same tasks under several seeds add up to, with intervals.

Values are (S, n): one for each seed and task. An interval covers both reasons why another day might
have come out otherwise: that other tasks had been recorded, and that they had come in another
order. Each part is a percentile bootstrap of 10,000 resamples, over tasks and over seeds; their
half widths are added in quadrature. Choices are held as they were: that other tasks would have
taught other ones is in neither part, which makes intervals of few tasks too narrow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from bench.recorded import Array, Recorded, Rows, utility
from bench.references import FOLDS, chosen, folds, held_out_choices, table_choices
from bench.stats import Interval, bootstrap_ratio

ROLES = {
    "best": "the best one afterwards",
    "strongest": "the strongest",
    "dearest": "the most expensive",
}


class Estimate(msgspec.Struct, frozen=True):
    """A mean and its 95% interval."""

    mean: float
    low: float
    high: float

    @property
    def sign(self) -> int:
        """1 or -1 where the interval lies on one side of 0, else 0."""
        return int(self.low > 0) - int(self.high < 0)


class Earned(NamedTuple):
    """What choices came to, (S, n) each."""

    utility: Array
    quality: Array
    cost_usd: Array | None


class Rival(NamedTuple):
    """A way to choose without learning on the job. arms (S, n); None is a uniform draw.

    key: single, table, random, or the roles that a fixed agent has, joined by +.
    label: `honest` if it could have been had without the outcomes it is judged by, `hindsight` if
    not. agent: the one that it always chooses, or most often; empty where there is no such agent.
    """

    key: str
    name: str
    label: str
    agent: str
    arms: Rows | None


def estimates(values: Sequence[Array]) -> list[Estimate]:
    """The mean of each (S, n)."""
    tasks = np.array([v.mean(axis=0) for v in values])
    seeds = np.array([v.mean(axis=1) for v in values])
    return combined(tasks, np.ones(tasks.shape), seeds)


def within(values: Array, groups: Rows, count: int) -> list[Estimate]:
    """The mean of each of `count` groups of tasks; groups (n,) or, by seed, (S, n).

    Every group needs a value under every seed.
    """
    groups = np.broadcast_to(groups, values.shape)
    member = [groups == group for group in range(count)]
    tasks = np.array([(values * of).sum(axis=0) for of in member])
    sizes = np.array([of.sum(axis=0) for of in member], dtype=np.float64)
    seeds = np.array([(values * of).sum(axis=1) / of.sum(axis=1) for of in member])
    return combined(tasks, sizes, seeds)


def so_far(values: Array, place: Rows, ends: Rows) -> list[Estimate]:
    """The sum over the tasks that came before each end; place (S, n) is when a task came."""
    before = [values * (place < end) for end in ends]
    tasks = np.array([v.mean(axis=0) * values.shape[1] for v in before])
    seeds = np.array([v.sum(axis=1) for v in before])
    return combined(tasks, np.ones(tasks.shape), seeds)


def combined(top: Array, bottom: Array, seeds: Array) -> list[Estimate]:
    """Estimates of mean(top) / mean(bottom) over tasks, (M, n), with the seeds' values (M, S)."""
    means = top.sum(axis=1) / bottom.sum(axis=1)
    by_task = bootstrap_ratio(top, bottom)
    by_seed = bootstrap_ratio(seeds, np.ones(seeds.shape))
    centre = seeds.mean(axis=1)
    low = means - np.hypot(means - by_task.low, centre - by_seed.low)
    high = means + np.hypot(by_task.high - means, by_seed.high - centre)
    return _told(means, Interval(low, high))


def _told(means: Array, ends: Interval) -> list[Estimate]:
    rows = zip(means.tolist(), ends.low.tolist(), ends.high.tolist(), strict=True)
    return [Estimate(*row) for row in rows]


def earned(data: Recorded, seeds: Sequence[int], cost_weight: float, arms: Rows | None) -> Earned:
    """What these choices came to, on the visits of the seeds."""
    columns: list[list[Array]] = [[], [], []]
    for at, seed in enumerate(seeds):
        quality, cost, _ = data.visit(seed)
        for column, values in zip(
            columns, (utility(quality, cost, cost_weight), quality, cost), strict=True
        ):
            if values is not None:
                column.append(values.mean(axis=1) if arms is None else chosen(values, arms[at]))
    return Earned(
        np.array(columns[0]), np.array(columns[1]), np.array(columns[2]) if columns[2] else None
    )


def rivals(data: Recorded, seeds: Sequence[int], cost_weight: float) -> list[Rival]:
    """Every choice that routing has to beat, the best single agent of other tasks first."""
    u = data.utility(cost_weight)
    best, strongest = int(u.mean(axis=0).argmax()), int(data.quality.mean(axis=0).argmax())
    of_fold = [folds(len(data), seed) for seed in seeds]
    single = np.array([held_out_single(u, fold) for fold in of_fold])
    mostly = data.agents[int(np.bincount(single.ravel()).argmax())]
    found = [Rival("single", "best single agent, chosen on other tasks", "honest", mostly, single)]
    if len(set(data.domain)) > 1:
        table = np.array([held_out_choices(data.domain, u, fold) for fold in of_fold])
        name = "table by work type, fitted on other tasks"
        found.append(Rival("table", name, "honest", "", table))
    found.append(Rival("random", "an agent drawn at random", "honest", "", None))
    roles = {"best": best, "strongest": strongest}
    if data.cost_usd is not None:
        roles["dearest"] = int(data.cost_usd.mean(axis=0).argmax())
    for arm in dict.fromkeys(roles.values()):
        own = [role for role, held in roles.items() if held == arm]
        name = f"everything to {data.agents[arm]}, {' and '.join(ROLES[role] for role in own)}"
        label = "honest" if own == ["dearest"] else "hindsight"
        arms = np.full(single.shape, arm)
        found.append(Rival("+".join(own), name, label, data.agents[arm], arms))
    return found


def held_out_single(u: Array, fold: Rows) -> Rows:
    """Each task's agent by what was best on average over the other folds."""
    arms = np.zeros(len(u), dtype=np.intp)
    for held_out in range(FOLDS):
        arms[fold == held_out] = u[fold != held_out].mean(axis=0).argmax()
    return arms


def ceiling(data: Recorded, cost_weight: float) -> float:
    """What the best agent of each work type is ahead of the best single one, all in hindsight."""
    u = data.utility(cost_weight)
    return float(chosen(u, table_choices(data.domain, u)).mean() - u.mean(axis=0).max())
