"""Made worlds whose tasks nobody chose: another world, of another shape, for each seed.

They stand beside recorded tasks where these are few: for tasks that numbers describe, and for
streams of any size. Success is a coin of the agent's chance at the task, or the right class.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from bench.data.datasets import missing, multiclass, standard
from bench.data.recorded import Array, Recorded, Rows

TASKS = 1_500


def rates(seed: int) -> Recorded:
    """Agents that differ in level and, by a little, in what kinds of work they are good at.

    2 to 24 agents, 1 to 14 kinds of work of unequal shares, 300 to 3,000 tasks; some worlds are
    harder than others, some agents closer.
    """
    rng = np.random.default_rng([seed, 1])
    agents, kinds = int(rng.integers(2, 25)), int(rng.integers(1, 15))
    tasks = int(300 * 10 ** rng.random())
    level, mean = rng.uniform(0.05, 0.2), rng.uniform(0.15, 0.85)
    of_kind, of_both = rng.uniform(0.0, 0.2), rng.uniform(0.0, 0.12)
    kind = rng.choice(kinds, tasks, p=rng.dirichlet(np.ones(kinds)))
    chance = mean + level * rng.standard_normal(agents)
    if kinds > 1:
        chance = chance + of_kind * rng.standard_normal((kinds, 1))
        chance = chance + of_both * rng.standard_normal((kinds, agents))
    chance = np.clip(np.broadcast_to(chance, (kinds, agents)), 0.02, 0.98)
    return tossed("rates", rng, chance[kind], kind if kinds > 1 else None)


def numbers(seed: int) -> Recorded:
    """Agents whose log-odds are linear in 2 to 20 numbers: 3 to 10 agents, 1,500 tasks."""
    return logistic("numbers", np.random.default_rng([seed, 2]), kinds=1)


def kinds(seed: int) -> Recorded:
    """The same with 3 to 8 kinds of work beside the numbers."""
    rng = np.random.default_rng([seed, 3])
    return logistic("kinds", rng, kinds=int(rng.integers(3, 9)))


def costs(seed: int) -> Recorded:
    """Agents whose calls cost a cent or so: some are free, and some run away.

    2 to 10 agents, 1 to 10 kinds of work; up to half of an agent's calls are free, and up to a
    tenth cost 10 to 100 times the others. What 1 USD is worth is for the command line to say.
    """
    rng = np.random.default_rng([seed, 5])
    agents, kinds = int(rng.integers(2, 11)), int(rng.integers(1, 11))
    kind = rng.choice(kinds, TASKS, p=rng.dirichlet(np.ones(kinds)))
    chance = rng.uniform(0.3, 0.7) + 0.1 * rng.standard_normal(agents)
    chance = np.clip(chance + 0.1 * rng.standard_normal((kinds, agents)), 0.02, 0.98)
    usual = 0.01 * np.exp(rng.standard_normal(agents) + 0.5 * rng.standard_normal((kinds, agents)))
    cost = usual[kind] * np.exp(0.5 * rng.standard_normal((TASKS, agents)))
    away = rng.random((TASKS, agents)) < rng.uniform(0.0, 0.1, agents)
    cost = np.where(away, cost * 10.0 ** rng.uniform(1.0, 2.0, agents), cost)
    free = rng.random((TASKS, agents)) < rng.uniform(0.0, 0.5, agents)
    recorded = tossed("costs", rng, chance[kind], kind if kinds > 1 else None)
    return replace(recorded, cost_usd=np.where(free, 0.0, cost))


def classes(seed: int) -> Recorded:
    """scikit-learn's make_classification, an agent a class: 3 to 10 of them, 6 to 30 numbers."""
    try:
        from sklearn.datasets import make_classification
    except ModuleNotFoundError:
        raise missing("scikit-learn", "synthetic:classes") from None
    rng = np.random.default_rng([seed, 4])
    agents, columns = int(rng.integers(3, 11)), int(rng.integers(6, 31))
    x, label = make_classification(
        TASKS,
        columns,
        n_informative=max(4, columns // 2),
        n_redundant=columns // 6,
        n_classes=agents,
        n_clusters_per_class=1,
        random_state=seed,
    )
    return multiclass("classes", standard(x), names(columns), [f"{k:02d}" for k in label.tolist()])


def logistic(name: str, rng: np.random.Generator, kinds: int) -> Recorded:
    """Log-odds of all tasks, of agents, of kinds, and slopes both shared and of each agent."""
    agents, columns = int(rng.integers(3, 11)), int(rng.integers(2, 21))
    x = rng.standard_normal((TASKS, columns))
    kind: Rows = rng.integers(kinds, size=TASKS)
    own, shared = 1.6 * rng.random(), 2.0 * rng.random()
    odds = rng.standard_normal() + 0.7 * rng.standard_normal(agents)
    odds = odds + x @ rng.normal(0.0, own / np.sqrt(columns), (columns, agents))
    odds += x @ rng.normal(0.0, shared / np.sqrt(columns), (columns, 1))
    if kinds > 1:
        odds += (rng.normal(0.0, 0.5, (kinds, 1)) + rng.normal(0.0, 0.6, (kinds, agents)))[kind]
    chance = 1.0 / (1.0 + np.exp(-odds))
    return tossed(name, rng, chance, kind if kinds > 1 else None, x)


def tossed(
    name: str, rng: np.random.Generator, chance: Array, kind: Rows | None, x: Array | None = None
) -> Recorded:
    """One toss of each cell; chance (n, K), kind (n,), x (n, p)."""
    n, agents = chance.shape
    return Recorded(
        name=name,
        task_ids=tuple(f"{name}-{i:05d}" for i in range(n)),
        agents=tuple(f"agent-{k:02d}" for k in range(agents)),
        domain=("",) * n if kind is None else tuple(f"kind-{of}" for of in kind.tolist()),
        text=("",) * n,
        quality=(rng.random(chance.shape) < chance).astype(np.float64),
        numbers=x,
        number_names=() if x is None else names(x.shape[1]),
    )


def names(columns: int) -> tuple[str, ...]:
    return tuple(f"number_{i:02d}" for i in range(columns))


SYNTHETIC: dict[str, Callable[[int], Recorded]] = {
    f"synthetic:{make.__name__}": make for make in (rates, numbers, kinds, costs, classes)
}
"""By name, from a seed."""
