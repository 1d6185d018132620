"""results.json: contestants on the same seeded streams, scored by what they earned.

Every contestant sees the same stream of a seed, so runs of one seed are pairs. Figures do not
depend on the number of jobs; only decisions_per_s varies from run to run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench.data.recorded import Array, DataError, Recorded, Rows, utility
from bench.replay import curves
from bench.replay.contest import Conditions, Played, Skipped, stream
from bench.replay.references import references
from bench.replay.runs import Run, default_names, enter, expanded, run_one
from bench.stats import bootstrap_ci

SCHEMA = 1

Told = Callable[[int, int, str], None]
"""Told how many runs are done, of how many, and what the last one was."""


def replay(
    datasets: Recorded | Sequence[Recorded],
    names: Sequence[str] | None = None,
    seeds: int | Sequence[int] = 20,
    conditions: Conditions | None = None,
    *,
    first: Recorded | None = None,
    jobs: int = 1,
    curves_file: Path | None = None,
    told: Told | None = None,
) -> dict[str, Any]:
    """results.json: every named policy on every data set under every seed.

    names: of policies, of groups of them, or of YAML files. A whole number of seeds are those from
    0. first: tasks told in full before each stream. Tasks that some agent never ran are left out
    and counted. Raises DataError, ConfigErrors.
    """
    conditions = conditions or Conditions()
    seeds = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    names = expanded(default_names() if names is None else names)
    datasets = [datasets] if isinstance(datasets, Recorded) else datasets
    datasets = [data.complete() for data in datasets]
    if len({data.name for data in datasets}) < len(datasets):
        raise DataError("two data sets have one name: rename a file, or replay them one by one")
    first = None if first is None else first.complete()
    entries = [Run(data, name, seeds[0], first) for data in datasets for name in names]
    entered, skipped = admitted(entries, conditions)
    runs = [run._replace(seed=seed) for run in entered for seed in seeds]
    played = all_played(runs, conditions, jobs)
    found: list[dict[str, Any]] = []
    with curves.writer(curves_file) if curves_file else nullcontext() as file:
        for start in range(0, len(runs), len(seeds)):
            of_policy = runs[start : start + len(seeds)]
            scores = []
            for run in of_policy:
                scores.append(score(run, next(played), conditions))
                if told is not None:
                    told(start + len(scores), len(runs), f"{run.data.name} {run.policy}")
            found.append(summary(of_policy, scores))
            found[-1]["curve"] = curves_file and curves_file.name
            if file is not None:
                file.add([curve_of(*pair) for pair in zip(of_policy, scores, strict=True)])
    return {
        "schema": SCHEMA,
        "runs": found,
        "references": [references(data, conditions.cost_weight) for data in datasets],
        "skipped": skipped,
        "conditions": conditions._asdict() | {"warm_from": first and first.name},
    }


def admitted(
    entries: Sequence[Run], conditions: Conditions
) -> tuple[list[Run], list[dict[str, str]]]:
    """Who takes part where, and who does not and why. Finds every error before the first run."""
    entered: list[Run] = []
    skipped: list[dict[str, str]] = []
    for run in entries:
        stream(run.data, run.seed, conditions)
        try:
            enter(run, conditions)
            entered.append(run)
        except Skipped as why:
            skip = {"dataset": run.data.name, "policy": run.policy, "reason": str(why)}
            skipped.append(skip)
    return entered, skipped


def all_played(runs: Sequence[Run], conditions: Conditions, jobs: int) -> Iterator[Played]:
    """The runs' results in their order, played by so many processes."""
    if jobs == 1:
        return (run_one(run, conditions) for run in runs)
    try:
        from joblib import Parallel, delayed
    except ModuleNotFoundError:
        told = 'more than one job needs joblib: pip install "routerd[bench]", or use --jobs 1'
        raise DataError(told) from None
    work = Parallel(n_jobs=jobs, return_as="generator", max_nbytes=None)
    results: Iterator[Played] = work(delayed(run_one)(run, conditions) for run in runs)
    return results


class Score(NamedTuple):
    """One run: what each step came to by the names of curves.SUMS, 0 where none was served."""

    steps: dict[str, Array]
    served: int
    picks: Rows
    arms: Rows
    seconds: float
    given_up: float | None


def score(run: Run, played: Played, conditions: Conditions) -> Score:
    """What a run earned, step by step, on the stream that it was played on."""
    on = stream(run.data, run.seed, conditions)
    served = len(played.arms)
    u = utility(on.quality, on.cost_usd, conditions.cost_weight)[on.scored]
    best = int(run.data.utility(conditions.cost_weight).mean(axis=0).argmax())

    def earned(values: Array) -> Array:
        steps = np.zeros(len(on.scored))
        steps[:served] = values[np.arange(served), played.arms]
        return steps

    cost = np.zeros_like(on.quality) if on.cost_usd is None else on.cost_usd
    steps = {
        "utility": earned(u),
        "quality": earned(on.quality[on.scored]),
        "cost_usd": earned(cost[on.scored]),
    }
    steps["regret"] = u[:, best] - steps["utility"]
    steps["regret_oracle"] = u.max(axis=1) - steps["utility"]
    picks = np.bincount(played.arms, minlength=len(run.data.agents))
    return Score(steps, served, picks, played.arms, played.seconds, played.given_up)


def curve_of(run: Run, scored: Score) -> curves.Curve:
    agents = len(run.data.agents)
    return curves.curve(run.data.name, run.policy, run.seed, scored.steps, scored.arms, agents)


def summary(runs: Sequence[Run], scores: Sequence[Score]) -> dict[str, Any]:
    """One row of results.json's runs: a policy's means over seeds, and what varies between them."""
    data, name, seeds = runs[0].data, runs[0].policy, [run.seed for run in runs]

    def mean(column: str) -> float:
        return float(np.mean([scored.steps[column].mean() for scored in scores]))

    per_seed = [float(scored.steps["utility"].mean()) for scored in scores]
    served = sum(scored.served for scored in scores)
    given_up = [scored.given_up for scored in scores if scored.given_up is not None]
    shares = np.mean([scored.picks / max(scored.served, 1) for scored in scores], axis=0)
    worst = int(np.argmin(per_seed))
    return {
        "dataset": data.name,
        "policy": name,
        "n_tasks": len(scores[0].steps["utility"]),
        "n_agents": len(data.agents),
        "seeds": seeds,
        "n_seeds": len(seeds),
        "utility_mean": float(np.mean(per_seed)),
        "ci95": list(bootstrap_ci(np.array(per_seed))),
        "per_seed": per_seed,
        "worst_seed": {"seed": seeds[worst], "utility_mean": per_seed[worst]},
        "quality_mean": mean("quality"),
        "cost_mean_usd": None if data.cost_usd is None else mean("cost_usd"),
        "regret_vs_best_fixed": float(np.mean([s.steps["regret"].sum() for s in scores])),
        "share": dict(zip(data.agents, shares.tolist(), strict=True)),
        "exploration_spend": sum(given_up) / max(served, 1) if given_up else None,
        "decisions_per_s": served / max(sum(scored.seconds for scored in scores), 1e-9),
        "n_served": served / len(seeds),
        "n_left_out": data.left_out,
    }
