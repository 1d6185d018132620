"""How much `routerd prove` runs: bounded work, whatever the size of the file.

What a large file would need beyond that is cut by fewer seeds and, past that, by a seeded sample of
its tasks.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from bench.data.recorded import DataError, Recorded
from bench.prove import elbow, jobs
from bench.replay.baselines import MAX_COLUMNS
from bench.replay.contest import Conditions
from bench.replay.references import FOLDS

LEAST_TASKS = 10
SEEDS, LEAST_SEEDS = 20, 5
SIDE_SEEDS, LEAST_SIDE_SEEDS = 10, 3
# The work of each part, in steps of a small engine: a core does 3,000 to 8,000 of them a second.
MAIN_STEPS, SIDE_STEPS, ELBOW_STEPS = 200_000, 120_000, 160_000
DELAYS = (10, 100, 1_000)
WORTHS = (0.0, 0.02, 0.05, 0.15, 0.5)


class Plan(NamedTuple):
    """What is run on which tasks. The first cost weight and the first delay are the main ones."""

    data: Recorded
    sampled_from: int | None
    weights: tuple[float, ...]
    delays: tuple[int, ...]
    seeds: tuple[int, ...]
    side_seeds: tuple[int, ...]
    splits: tuple[elbow.Split, ...]
    sizes: tuple[int, ...]

    def replayed(self, seed: int, weight: float, delay: int = 0) -> jobs.Replayed:
        return jobs.Replayed(seed, Conditions(cost_weight=weight, delay=delay))

    def jobs(self) -> list[jobs.Job]:
        """Everything there is to run, each once."""
        main = self.weights[0]
        replays = [self.replayed(seed, main) for seed in self.seeds]
        for seed in self.side_seeds:
            replays += [self.replayed(seed, weight) for weight in self.weights[1:]]
            replays += [self.replayed(seed, main, delay) for delay in self.delays[1:]]
        studies = [jobs.Studied(main, split, self.sizes) for split in self.splits]
        return [*dict.fromkeys(replays), *studies]


def planned(data: Recorded, cost_weight: float, seeds: int | None) -> Plan:
    """What to run. Raises DataError when the tasks cannot be used."""
    if cost_weight and data.cost_usd is None:
        raise DataError(f"{data.name}: a cost weight needs the column cost_usd")
    data = data.complete()
    # Texts and times are read by nothing here; a plain dict can be sent to other processes.
    data = replace(data, text=("",) * len(data), time_ms=None, replicates=dict(data.replicates))
    if len(data) < LEAST_TASKS:
        told = f"{len(data)} tasks have a row for every agent"
        raise DataError(f"{data.name}: {told}; to tell anything takes {LEAST_TASKS} or more")
    price = step_price(data)
    tasks, most = len(data), int(MAIN_STEPS / (LEAST_SEEDS * price))
    if tasks > most:
        data = data.take(np.sort(np.random.default_rng(0).choice(tasks, most, replace=False)))
    n = len(data)
    count = seeds or int(np.clip(MAIN_STEPS / (n * price), LEAST_SEEDS, SEEDS))
    others = [w for w in frontier_weights(data) if abs(w - cost_weight) > 0.1 * cost_weight]
    weights = (cost_weight, *(w for w in others if w != cost_weight))
    delays = (0, *(delay for delay in DELAYS if delay <= n // 4))
    runs = len(weights) + len(delays) - 2
    side = int(np.clip(SIDE_STEPS / (max(runs, 1) * n * price), LEAST_SIDE_SEEDS, SIDE_SEEDS))
    splits, sizes = studies(data, price, count)
    return Plan(
        data=data,
        sampled_from=tasks if n < tasks else None,
        weights=weights,
        delays=delays,
        seeds=tuple(range(count)),
        side_seeds=tuple(range(min(side, count))),
        splits=splits,
        sizes=sizes,
    )


def step_price(data: Recorded) -> float:
    """About what a step of the engine takes, where 1 is that of a small one."""
    columns = min(1 + len(set(data.domain)) + len(data.number_names), MAX_COLUMNS)
    return 1.0 + len(data.agents) * columns / 500 + (columns / 25) ** 2


def frontier_weights(data: Recorded) -> list[float]:
    """Cost weights at which the strongest agent's mean cost is worth WORTHS of quality."""
    if data.cost_usd is None or not data.cost_usd.any():
        return []
    return [worth / strongest_cost(data) for worth in WORTHS]


def strongest_cost(data: Recorded) -> float:
    """The strongest agent's mean cost in USD; the mean of all where it is free."""
    assert data.cost_usd is not None
    means = data.cost_usd.mean(axis=0)
    return float(means[data.quality.mean(axis=0).argmax()] or means.mean())


def studies(
    data: Recorded, price: float, seeds: int
) -> tuple[tuple[elbow.Split, ...], tuple[int, ...]]:
    """Splits and sizes of the elbow that the work allows: larger sizes go before more splits."""
    grid = elbow.sizes(data)
    for repeats in (repeats for repeats in (4, 2, 1) if repeats <= seeds):
        parts = repeats * FOLDS
        sizes = [s for s in grid if parts * elbow.steps(data, s) * price <= ELBOW_STEPS]
        if sizes == grid or repeats == 1:
            break
    splits = [elbow.Split(seed, part) for seed in range(repeats) for part in range(FOLDS)]
    return tuple(splits), tuple(sizes or grid[:1])
