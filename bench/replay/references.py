"""What fixed and static choices earn on recorded tasks, each labelled by what it had to know.

`honest`: could have been had without the outcomes that it is judged by. `hindsight`: was picked
after the fact, hence optimistic; the oracle most of all, which takes the luckiest run of each task.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from bench.data.recorded import Array, Recorded, Rows

FOLDS = 5
REPEATS = 20
LABELS = {
    "random": "honest",
    "best_fixed": "hindsight",
    "per_domain_hindsight": "hindsight",
    "per_domain_cv": "honest",
    "oracle": "hindsight",
    "hull": "hindsight",
}


class Mix(NamedTuple):
    """A corner of the static-mixture hull: an agent, its mean cost and what it earns."""

    agent: str
    cost_mean_usd: float
    quality_mean: float


def references(data: Recorded, cost_weight: float) -> dict[str, Any]:
    """The references of one data set of complete tasks, as results.json tells them."""
    u = data.utility(cost_weight)
    best = int(u.mean(axis=0).argmax())
    return {
        "dataset": data.name,
        "n_tasks": len(data),
        "random": float(u.mean()),
        "best_fixed": float(u[:, best].mean()),
        "best_fixed_agent": data.agents[best],
        "per_domain_hindsight": float(chosen(u, table_choices(data.domain, u)).mean()),
        "per_domain_cv": cross_validated(data.domain, u),
        "oracle": float(u.max(axis=1).mean()),
        "fixed": {
            agent: {
                "utility_mean": float(u[:, k].mean()),
                "quality_mean": float(data.quality[:, k].mean()),
                "cost_mean_usd": None
                if data.cost_usd is None
                else float(data.cost_usd[:, k].mean()),
            }
            for k, agent in enumerate(data.agents)
        },
        "hull": None if data.cost_usd is None else [mix._asdict() for mix in hull(data)],
        "label": LABELS,
    }


def chosen(u: Array, arms: Rows) -> Array:
    """What each task earns by the agent chosen for it, (n,)."""
    earned: Array = u[np.arange(len(u)), arms]
    return earned


def fitted_table(domain: tuple[str, ...], u: Array, rows: Rows) -> tuple[dict[str, int], int]:
    """The best agent of each domain on these rows, and of all rows for domains not seen there."""
    kinds = np.array(domain)[rows]
    table = {kind: int(u[rows[kinds == kind]].mean(axis=0).argmax()) for kind in sorted(set(kinds))}
    return table, int(u[rows].mean(axis=0).argmax())


def table_choices(domain: tuple[str, ...], u: Array) -> Rows:
    """The static table fitted on the very tasks that it is used on."""
    table, _ = fitted_table(domain, u, np.arange(len(u)))
    return np.array([table[kind] for kind in domain], dtype=np.intp)


def folds(n: int, seed: int) -> Rows:
    """The fold of each task, 0 to FOLDS - 1, of equal sizes but for one task."""
    return np.random.default_rng(seed).permutation(n) % FOLDS


def held_out_choices(domain: tuple[str, ...], u: Array, fold: Rows) -> Rows:
    """Each task's agent by the static table that was fitted on the other folds."""
    arms = np.zeros(len(u), dtype=np.intp)
    for held_out in range(FOLDS):
        table, otherwise = fitted_table(domain, u, np.flatnonzero(fold != held_out))
        rows = np.flatnonzero(fold == held_out)
        arms[rows] = [table.get(domain[row], otherwise) for row in rows]
    return arms


def cross_validated(domain: tuple[str, ...], u: Array) -> float:
    """Mean utility of the held-out static table, over 20 seeded ways to make the folds."""
    if len(u) < FOLDS:
        return float(u.mean())
    means = [
        chosen(u, held_out_choices(domain, u, folds(len(u), seed))).mean()
        for seed in range(REPEATS)
    ]
    return float(np.mean(means))


def hull(data: Recorded) -> list[Mix]:
    """The agents of which no mixture of others is better at the same mean cost, cheapest first."""
    assert data.cost_usd is not None
    points = [
        Mix(agent, float(cost), float(quality))
        for agent, cost, quality in zip(
            data.agents, data.cost_usd.mean(axis=0), data.quality.mean(axis=0), strict=True
        )
    ]
    corners: list[Mix] = []
    for point in sorted(points, key=lambda p: (p.cost_mean_usd, -p.quality_mean)):
        if corners and point.quality_mean <= corners[-1].quality_mean:
            continue
        while len(corners) > 1 and slope(corners[-1], point) >= slope(corners[-2], corners[-1]):
            corners.pop()
        corners.append(point)
    return corners


def slope(low: Mix, high: Mix) -> float:
    """Quality bought per USD between two points of rising cost."""
    bought = high.quality_mean - low.quality_mean
    return bought / (high.cost_mean_usd - low.cost_mean_usd)


def hull_quality(corners: list[Mix], cost_mean_usd: float) -> float:
    """The best mean quality that a static mixture has at this mean cost; NaN below the cheapest."""
    if cost_mean_usd < corners[0].cost_mean_usd:
        return float("nan")
    costs = [corner.cost_mean_usd for corner in corners]
    return float(np.interp(cost_mean_usd, costs, [corner.quality_mean for corner in corners]))
