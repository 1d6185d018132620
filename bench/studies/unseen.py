"""The default beside baselines and peers on streams that nothing was chosen on.

On the recorded sets as a whole, of each peer's settings the best is picked after the fact. Here as
well, and each seed has its own draw of agents and tasks, or its own synthetic world: what a new
user's tasks will be, is nobody's to choose. Differences are paired by seed.

    python -m bench.studies.unseen FILE [FILE ...] [--draw AGENTS,TASKS] [--words N] [--noise N]
        [--policies default,peers] [--seeds N] [--cost-weight L] [--jobs N] --out FILE
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bench.data.recorded import Array
from bench.replay.contest import Conditions
from bench.replay.results import score
from bench.replay.runs import Run, expanded, run_one
from bench.stats import bootstrap_ci
from bench.studies.command import asked_for, options, write
from bench.studies.streams import Streams
from bench.studies.variants import change


def earned(streams: Streams, policy: str, seed: int, cost_weight: float) -> float:
    """Mean utility of one policy on the stream of one seed."""
    run, conditions = Run(streams.of(seed), policy, seed), Conditions(cost_weight=cost_weight)
    return float(score(run, run_one(run, conditions), conditions).steps["utility"].mean())


def compared(
    streams: Streams,
    policies: Sequence[str],
    seeds: int,
    cost_weight: float,
    jobs: int,
    told: Callable[[str], None],
) -> list[dict[str, Any]]:
    """A row for each policy, the best first: what it earned, and how much more the first named."""
    from joblib import Parallel, delayed

    work = [(policy, seed) for policy in policies for seed in range(seeds)]
    runs = Parallel(n_jobs=jobs)(delayed(earned)(streams, *one, cost_weight) for one in work)
    score: Array = np.array(runs).reshape(len(policies), seeds)
    rows = [
        {
            "dataset": streams.name,
            "policy": policy,
            "seeds": seeds,
            "cost_weight": cost_weight,
            "utility_mean": float(mine.mean()),
            "utility_ci95": list(bootstrap_ci(mine)),
            **change(score[0] - mine),
            "worst_seed": float(mine.min()),
        }
        for policy, mine in zip(policies, score, strict=True)
    ]
    rows.sort(key=lambda row: -float(row["utility_mean"]))
    for row in rows:
        low, high = row["ci95"]
        told(
            f"{streams.name:32} {row['policy']:20} {row['utility_mean']:.4f}"
            f"  {policies[0]} minus it {row['change']:+.4f} [{low:+.4f}, {high:+.4f}]"
        )
    return rows


def main() -> None:
    """See the module's text."""
    ask = ArgumentParser(prog="python -m bench.studies.unseen", description=__doc__)
    options(ask)
    ask.add_argument("--policies", type=lambda text: text.split(","), default=["default", "peers"])
    asked = ask.parse_args()
    policies = expanded(asked.policies)
    rows = [
        row
        for streams in asked_for(ask, asked)
        for row in compared(streams, policies, asked.seeds, asked.cost_weight, asked.jobs, print)
    ]
    write(rows, asked.out)


if __name__ == "__main__":
    main()
