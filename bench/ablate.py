"""What each part of the default policy is worth: replays with one part taken away at a time.

A part is a setting of the configuration or a constant of the learners. Every variant sees the same
streams, so that the differences are paired by seed. Utility is scored.

    python -m bench.ablate FILE [FILE ...] [--seeds N] [--cost-weight L] [--jobs N] --out FILE
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from msgspec.structs import replace

from bench.baselines import Routed, configured
from bench.contest import Conditions, play, stream
from bench.datasets import load
from bench.recorded import Array, Recorded, utility
from bench.replay import one_thread
from bench.stats import bootstrap_ci
from learners import contexts, pooled
from routerd.core.settings import (
    EngineConfig,
    GreedyPolicy,
    Learner,
    Policy,
    ThompsonPolicy,
    ValuePolicy,
)

Constants = Mapping[Any, Mapping[str, Any]]
"""Of each module or class: the names that are replaced while a variant runs, and by what."""


class Variant(NamedTuple):
    """The default without one of its parts. features: whether tasks have any."""

    without: str
    policy: Policy = ValuePolicy()
    constants: Constants = {}
    features: bool = True


def nothing(self: contexts.Contexts, x: Array, cell: int) -> None:
    """In the place of Contexts.push: no other context is ever known."""


CENTRES_ALONE = tuple((centre,) for centre in pooled.CENTRES)
THOMPSON = ThompsonPolicy(v_0=0.4, v_min=0.4, floor=0.002, floor_min=0.002)
VARIANTS = (
    Variant("nothing: the default"),
    Variant(
        "other contexts in the value of information",
        constants={contexts.Contexts: {"push": nothing}},
    ),
    Variant("value of information: Thompson sampling, v = .4", THOMPSON),
    Variant("exploration: greedy", GreedyPolicy(floor=0.002)),
    Variant("pooling: each arm alone", ValuePolicy(learner=Learner(kind="linear"))),
    Variant("features: one mean per agent", features=False),
    Variant(
        "empirical Bayes: scales at their centres", constants={pooled: {"GRID": CENTRES_ALONE}}
    ),
    Variant("the least scale of slopes", constants={pooled: {"SLOPE": 0.0}}),
    Variant("prior centring: the shared mean held at .5", constants={pooled: {"P_0": 0.01}}),
    Variant("the small floor: .05 instead of .002", ValuePolicy(floor=0.05)),
    Variant("patience: 100 decisions an agent instead of 25", ValuePolicy(patience=100.0)),
    Variant("the narrow spread: .3 instead of .15", ValuePolicy(spread=0.3)),
)


@contextmanager
def replaced(constants: Constants) -> Iterator[None]:
    """The constants stand replaced for the while."""
    held = [(of, name, getattr(of, name)) for of, names in constants.items() for name in names]
    try:
        for of, names in constants.items():
            for name, value in names.items():
                setattr(of, name, value)
        yield
    finally:
        for of, name, value in held:
            setattr(of, name, value)


def earned(data: Recorded, variant: int, seed: int, cost_weight: float) -> float:
    """Mean utility of one variant on the stream of one seed."""
    part = VARIANTS[variant]
    with one_thread(), replaced(part.constants):
        conditions = Conditions(cost_weight=cost_weight)
        on = stream(data, seed, conditions)
        config: EngineConfig = configured(data.blind(), cost_weight, seed, part.policy)
        if not part.features:
            config = replace(config, features=())
        played = play(Routed(part.without, config, data.blind()), on, conditions)
        u = utility(on.quality, on.cost_usd, cost_weight)[on.scored]
        return float(u[np.arange(len(played.arms)), played.arms].mean())


def run(
    data: Recorded, seeds: int, cost_weight: float, jobs: int, told: Callable[[str], None]
) -> list[dict[str, Any]]:
    """A row for each variant: what it earned, and what that is less than the default, paired."""
    from joblib import Parallel, delayed

    data = data.complete()
    work = [(variant, seed) for variant in range(len(VARIANTS)) for seed in range(seeds)]
    runs = Parallel(n_jobs=jobs)(delayed(earned)(data, *one, cost_weight) for one in work)
    score = np.array(runs).reshape(len(VARIANTS), seeds)
    rows = []
    for variant, mine in zip(VARIANTS, score, strict=True):
        low, high = bootstrap_ci(mine - score[0])
        change = float((mine - score[0]).mean())
        told(
            f"{data.name:18} {mine.mean():.4f} {change:+.4f} [{low:+.4f}, {high:+.4f}]"
            f"  without {variant.without}"
        )
        rows.append(
            {
                "dataset": data.name,
                "without": variant.without,
                "seeds": seeds,
                "utility_mean": float(mine.mean()),
                "change": change,
                "ci95": [low, high],
                "worst_seed": float(mine.min()),
            }
        )
    return rows


def main() -> None:
    """See the module's text."""
    ask = argparse.ArgumentParser(prog="python -m bench.ablate", description=__doc__)
    ask.add_argument("files", nargs="+", metavar="FILE")
    ask.add_argument("--seeds", type=int, default=20)
    ask.add_argument("--cost-weight", type=float, default=0.0)
    ask.add_argument("--jobs", type=int, default=1)
    ask.add_argument("--out", type=Path, required=True)
    asked = ask.parse_args()
    rows = [
        row
        for file in asked.files
        for row in run(load(file), asked.seeds, asked.cost_weight, asked.jobs, print)
    ]
    asked.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
