"""The grid around the frozen configuration, and what it would be without any one data set.

Every setting is replayed on the same streams as the default, paired by seed. To set gains on one
scale, each set's are divided by its noise: the standard deviation over seeds of a paired
difference, its median over the settings. The check leaves one set out, picks the setting of the
highest mean scaled gain over the others, and tells what that pick earns on the set left out. Where
the default was tuned to a set, the pick without it is another one and earns less there.

On draws and on synthetic worlds, see bench.studies.streams, nothing was chosen: these are for what
is to be chosen.

    python -m bench.studies.grid FILE [FILE ...] [--agents A,B] [--draw AGENTS,TASKS] [--words N]
        [--noise N] [--seeds N] [--cost-weight L] [--jobs N] --out FILE
    python -m bench.studies.grid --check PLAYED [PLAYED ...] --out FILE
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench.data.recorded import Array
from bench.studies.command import asked_for, options, write
from bench.studies.streams import Streams
from bench.studies.variants import SHARED_AS_IF_KNOWN, Variant, change, scores
from learners import policies, pooled
from routerd.core.settings import ValuePolicy

GRID = (
    Variant("the default"),
    Variant("spread .05", ValuePolicy(spread=0.05)),
    Variant("spread .1", ValuePolicy(spread=0.1)),
    Variant("spread .3", ValuePolicy(spread=0.3)),
    Variant("patience 10", ValuePolicy(patience=10.0)),
    Variant("patience 60", ValuePolicy(patience=60.0)),
    Variant("patience 100", ValuePolicy(patience=100.0)),
    Variant("a look of horizon / 64", constants={policies: {"SHORTER": 64.0}}),
    Variant("a look of horizon / 1,024", constants={policies: {"SHORTER": 1024.0}}),
    Variant("floor .01", ValuePolicy(floor=0.01)),
    Variant("what is shared as if known", constants=SHARED_AS_IF_KNOWN),
    Variant("no least scale of slopes", constants={pooled: {"SLOPE": 0.0}}),
    Variant(
        "scales of shared slopes .03 to .9",
        constants={
            pooled: {
                "GRID": (*pooled.GRID[:2], (0.03, 0.1, 0.3, 0.9)),
                "CENTRES": (*pooled.CENTRES[:2], 0.3),
                "LOG_SDS": (*pooled.LOG_SDS[:2], 1.2),
            }
        },
    ),
    Variant(
        "scales of shared slopes .05 to .5",
        constants={
            pooled: {
                "GRID": (*pooled.GRID[:2], (0.05, 0.15, 0.5)),
                "CENTRES": (*pooled.CENTRES[:2], 0.2),
            }
        },
    ),
    Variant("spread .05, patience 10", ValuePolicy(spread=0.05, patience=10.0)),
    Variant("spread .05, patience 60", ValuePolicy(spread=0.05, patience=60.0)),
    Variant("spread .3, patience 100", ValuePolicy(spread=0.3, patience=100.0)),
)
"""One factor at a time, and three corners; the frozen setting is the first."""


class Gains(NamedTuple):
    """What the settings earned above the default on one set, (settings, seeds), paired."""

    dataset: str
    settings: tuple[str, ...]
    gain: Array

    @property
    def noise(self) -> float:
        """Of a paired difference, over seeds; its median over all settings but the default."""
        return float(np.median(self.gain[1:].std(axis=1, ddof=1)))

    @property
    def scaled(self) -> Array:
        """Gains in units of the noise, (settings, seeds); nothing where nothing differs."""
        noise = self.noise
        return self.gain / noise if noise > 0.0 else np.zeros(self.gain.shape)


def played(
    streams: Streams, seeds: int, cost_weight: float, jobs: int, grid: Sequence[Variant] = GRID
) -> dict[str, Any]:
    """What every setting earned, by seed."""
    score = scores(streams, grid, seeds, cost_weight, jobs)
    return {
        "dataset": streams.name,
        "cost_weight": cost_weight,
        "utility": {of.name: row.tolist() for of, row in zip(grid, score, strict=True)},
    }


def gains(of: dict[str, Any]) -> Gains:
    """The paired gains of a set that was played."""
    score = np.array(list(of["utility"].values()))
    return Gains(of["dataset"], tuple(of["utility"]), score - score[0])


def overall(sets: Sequence[Gains]) -> Array:
    """Scaled gain of each setting, every set counting alike, (settings,)."""
    mean: Array = np.mean([of.scaled.mean(axis=1) for of in sets], axis=0)
    return mean


def overall_error(sets: Sequence[Gains]) -> Array:
    """Standard error of the former over orders of the same sets, (settings,)."""
    squares = [of.scaled.var(axis=1, ddof=1) / of.scaled.shape[1] for of in sets]
    error: Array = np.sqrt(np.sum(squares, axis=0)) / len(sets)
    return error


def check(sets: Sequence[Gains]) -> list[dict[str, Any]]:
    """For each set: the pick without it, and what that earns there above the default.

    The pick is the default where no setting has more. The last row is the pick from all sets, with
    every setting's scaled gain on them. Raises ValueError when there are fewer than two sets, or
    when they were not played with the same grid.
    """
    if len(sets) < 2 or len({of.settings for of in sets}) > 1:
        raise ValueError("the check needs two sets or more, played with the same grid")
    rows = []
    for left_out in sets:
        at = int(overall([of for of in sets if of is not left_out]).argmax())
        rows.append(
            {
                "left_out": left_out.dataset,
                "seeds": left_out.gain.shape[1],
                "pick": left_out.settings[at],
                **change(left_out.gain[at]),
                "best_there": left_out.settings[int(left_out.gain.mean(axis=1).argmax())],
                "noise": left_out.noise,
            }
        )
    settings, scaled, error = sets[0].settings, overall(sets), overall_error(sets)
    rows.append(
        {
            "left_out": None,
            "pick": settings[int(scaled.argmax())],
            "scaled": dict(zip(settings, scaled.tolist(), strict=True)),
            "standard_error": dict(zip(settings, error.tolist(), strict=True)),
        }
    )
    return rows


def main() -> None:
    """See the module's text."""
    ask = ArgumentParser(prog="python -m bench.studies.grid", description=__doc__)
    options(ask)
    ask.add_argument("--check", action="store_true", help="the FILEs are what was played before")
    asked = ask.parse_args()
    if asked.check:
        read = [one for file in asked.files for one in json.loads(Path(file).read_text("utf-8"))]
        rows = check([gains(of) for of in read])
    else:
        rows = [
            played(streams, asked.seeds, asked.cost_weight, asked.jobs)
            for streams in asked_for(ask, asked)
        ]
    write(rows, asked.out)


if __name__ == "__main__":
    main()
