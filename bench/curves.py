"""Per-step curves of replays: thinned, and kept in a file beside the results.

A row is the end of one step of one run. Sums run over the steps so far. regret is against the best
fixed agent in hindsight, regret_oracle against the luckiest agent of each task; picks are the
decisions that each agent got, in the order of the agents' ids. Parquet where pyarrow is installed,
else gzipped CSV with the picks joined by spaces.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from bench.recorded import Array, Rows

POINTS = 500
SUMS = ("utility", "quality", "cost_usd", "regret", "regret_oracle")
COLUMNS = ("dataset", "policy", "seed", "step", *SUMS, "picks")

Curve = dict[str, list[Any]]
"""Column -> values."""


def thinned(steps: int) -> Rows:
    """The steps that a curve shows, from 1 to `steps`: at most 500, evenly spread, both ends.

    >>> thinned(3).tolist(), len(thinned(10_000)), thinned(10_000)[[0, -1]].tolist()
    ([1, 2, 3], 500, [1, 10000])
    """
    return np.unique(np.linspace(1, steps, min(steps, POINTS)).round().astype(np.intp))


def curve(
    dataset: str, policy: str, seed: int, steps: Mapping[str, Array], arms: Rows, agents: int
) -> Curve:
    """One run's curve from what each step came to, (n,) each by the names of SUMS."""
    shown = thinned(len(steps["utility"]))
    picks = np.zeros((len(steps["utility"]), agents), dtype=np.intp)
    picks[np.arange(len(arms)), arms] = 1
    made: Curve = {
        "dataset": [dataset] * len(shown),
        "policy": [policy] * len(shown),
        "seed": [seed] * len(shown),
        "step": shown.tolist(),
    }
    for name in SUMS:
        made[name] = steps[name].cumsum()[shown - 1].tolist()
    made["picks"] = picks.cumsum(axis=0)[shown - 1].tolist()
    return made


def file_beside(out: Path) -> Path:
    """Where the curves of a results file are kept."""
    suffix = ".parquet" if find_spec("pyarrow") else ".csv.gz"
    return out.with_name(f"{out.stem}.curves{suffix}")


def write(path: Path, curves: Iterable[Curve]) -> None:
    """Write all curves into one file, by the format that its name says."""
    columns: Curve = {name: [] for name in COLUMNS}
    for made in curves:
        for name in COLUMNS:
            columns[name] += made[name]
    if path.suffix == ".parquet":
        import pyarrow
        from pyarrow import parquet

        parquet.write_table(pyarrow.table(columns), path, compression="zstd")
        return
    with gzip.open(path, "wt", encoding="utf-8", newline="") as lines:
        rows = csv.writer(lines)
        rows.writerow(COLUMNS)
        columns["picks"] = [" ".join(map(str, picks)) for picks in columns["picks"]]
        rows.writerows(zip(*(columns[name] for name in COLUMNS), strict=True))


def read(path: Path) -> Curve:
    """The columns of a file of curves."""
    if path.suffix == ".parquet":
        from pyarrow import parquet

        found: Curve = parquet.read_table(path).to_pydict()
        return found
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    kinds: Mapping[str, Any] = {
        "dataset": str,
        "policy": str,
        "seed": int,
        "step": int,
        **dict.fromkeys(SUMS, float),
        "picks": _picks,
    }
    return {name: [kind(row[name]) for row in rows] for name, kind in kinds.items()}


def _picks(text: str) -> Sequence[int]:
    return [int(part) for part in text.split()]
