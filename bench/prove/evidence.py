"""What replays of the same tasks under several seeds add up to, with intervals.

Values are (S, n): one for each seed and task. Another day might have come out otherwise because
other tasks had been recorded, and because they had come in another order. Other tasks also teach
other choices, in all runs alike. What choices were held to shows none of that, so the variance over
tasks is not that of the means over seeds but that of one run: its tasks were served one after the
other, each by what was learnt before, and are as good as independent. The variance of the means
over seeds is added. See variance for choices that were fitted to the other parts of the tasks.

So they are rather too wide than too narrow. For routerd and the best single agent, under 10 or 20
seeds: where all agents were equal, none of 380 intervals lay above 0; where routerd was .056 ahead
after 300 tasks, 25 of 70 did, and 67 held that value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.data.recorded import Array, Recorded, Rows, utility
from bench.replay.references import FOLDS, chosen, folds, held_out_choices, table_choices
from bench.stats import Estimate

Mask = NDArray[np.bool_]

NORMAL = 1.96  # standard errors on either side of a mean

ROLES = {
    "best": "the best one afterwards",
    "strongest": "the strongest",
    "dearest": "the most expensive",
}


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

    @property
    def fitted(self) -> int:
        """1 where it was fitted to the other parts of the tasks, else 0; see variance."""
        return int(self.key in ("single", "table"))


def estimate(values: Array, fitted: int = 0) -> Estimate:
    """The mean of (S, n); see variance for `fitted`."""
    return over(values, np.ones(values.shape, np.bool_), fitted)


def within(values: Array, groups: Rows, count: int, fitted: int = 0) -> list[Estimate]:
    """The mean of each of `count` groups of tasks; groups (n,) or, by seed, (S, n).

    Every group needs a value under every seed.
    """
    groups = np.broadcast_to(groups, values.shape)
    return [over(values, groups == group, fitted) for group in range(count)]


def so_far(values: Array, place: Rows, ends: Rows, fitted: int = 0) -> list[Estimate]:
    """The sum over the tasks that came before each end; place (S, n) is when a task came."""
    means = [over(values, place < end, fitted) for end in ends]
    return [
        Estimate(end * mean.mean, end * mean.low, end * mean.high)
        for end, mean in zip(ends.tolist(), means, strict=True)
    ]


def over(values: Array, member: Mask, fitted: int) -> Estimate:
    """The mean over the tasks that are members, some under every seed; member (S, n).

    The interval is normal, and ends where the values of all tasks do; where those are alike nothing
    shows how they vary, and it has no width.
    """
    means = (values * member).sum(axis=1) / member.sum(axis=1)
    mean = means.mean()
    half = NORMAL * np.sqrt(variance(values, member, means, fitted))
    ends = np.clip((mean - half, mean + half), values.min(), values.max())
    return Estimate(float(mean), *ends.tolist())


def variance(values: Array, member: Mask, means: Array, fitted: int) -> float:
    """The variance of the mean over seeds of `means` (S,), see above.

    fitted: how many of the choices that are compared were fitted to the other parts of the tasks.
    Such parts share what they were fitted to, so their errors go together, and nothing in the
    values shows it: each adds the share (part judged) / (parts fitted to).
    Source: Nadeau and Bengio (2003), Inference for the generalization error.
    """
    sizes = member.sum(axis=1)
    squares = (((values - means[:, None]) * member) ** 2).sum(axis=1)
    # As if of one task more, as far from the mean as all tasks are from theirs: a single task shows
    # no spread of its own, nor do a few that came out alike.
    spread = (squares + values.var(axis=1)) / sizes
    of_one = (spread / sizes).mean()
    of_tasks = (1.0 + fitted / (FOLDS - 1)) * of_one
    if len(means) > 1:
        return float(of_tasks + means.var(ddof=1) / len(means))
    # Nor does a single seed show what another division into parts would have chosen.
    return float(of_tasks + (of_one if fitted else 0.0))


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
