"""Per-step curves of replays: thinned, and kept in a file beside the results.

A row is the end of one step of one run; its sums run over the steps so far. regret is against the
best fixed agent in hindsight, regret_oracle against the luckiest agent of each task; picks are the
decisions that each agent got, in id order. Parquet where pyarrow is installed, else gzipped CSV
with the picks joined by spaces.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np

from bench.data.recorded import Array, Rows

POINTS = 500
SUMS = ("utility", "quality", "cost_usd", "regret", "regret_oracle")
COLUMNS = ("dataset", "policy", "seed", "step", *SUMS, "picks")

Curve = dict[str, Any]
"""Column -> values of equal length."""


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
    picks = np.zeros((len(steps["utility"]), agents), dtype=np.int32)
    picks[np.arange(len(arms)), arms] = 1
    return {
        "dataset": [dataset] * len(shown),
        "policy": [policy] * len(shown),
        "seed": [seed] * len(shown),
        "step": shown,
        **{name: steps[name].cumsum()[shown - 1] for name in SUMS},
        "picks": list(picks.cumsum(axis=0, dtype=np.int32)[shown - 1]),
    }


class Writer(Protocol):
    """A file of curves, in parts."""

    def add(self, curves: Sequence[Curve]) -> None:
        """Append these."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def file_beside(out: Path) -> Path:
    """Where the curves of a results file are kept."""
    suffix = ".parquet" if find_spec("pyarrow") else ".csv.gz"
    return out.with_name(f"{out.stem}.curves{suffix}")


def writer(path: Path) -> Writer:
    """A new file of curves, in the format that its name says."""
    return _ParquetWriter(path) if path.suffix == ".parquet" else _CsvWriter(path)


class _ParquetWriter:
    """A row group for each part."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        kinds = {"dataset": pa.string(), "policy": pa.string(), "seed": pa.int64()}
        kinds |= {"step": pa.int64(), **dict.fromkeys(SUMS, pa.float64())}
        self._schema = pa.schema([*kinds.items(), ("picks", pa.list_(pa.int32()))])
        self._table = pa.table
        self._file = parquet.ParquetWriter(path, self._schema, compression="zstd")

    def add(self, curves: Sequence[Curve]) -> None:
        joined = {name: [v for made in curves for v in made[name]] for name in COLUMNS}
        self._file.write_table(self._table(joined, schema=self._schema))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


class _CsvWriter:
    """Plain rows, gzipped."""

    def __init__(self, path: Path) -> None:
        self._file = TextIOWrapper(gzip.GzipFile(path, "wb"), encoding="utf-8", newline="")
        self._rows = csv.writer(self._file)
        self._rows.writerow(COLUMNS)

    def add(self, curves: Sequence[Curve]) -> None:
        for made in curves:
            picks = [" ".join(map(str, counts)) for counts in made["picks"]]
            values = [made[name] for name in COLUMNS[:-1]]
            self._rows.writerows(zip(*values, picks, strict=True))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def read(path: Path) -> Curve:
    """The columns of a file of curves, as lists."""
    if path.suffix == ".parquet":
        from pyarrow import parquet

        found: Curve = parquet.read_table(path).to_pydict()
        return found
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    kinds: dict[str, Any] = dict.fromkeys(COLUMNS, str)
    kinds |= {"seed": int, "step": int, **dict.fromkeys(SUMS, float), "picks": _picks}
    return {name: [kind(row[name]) for row in rows] for name, kind in kinds.items()}


def _picks(text: str) -> list[int]:
    return [int(part) for part in text.split()]
