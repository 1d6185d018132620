"""The long schema: Parquet or CSV, one row per (task, agent), read and checked as a whole.

Needed: task_id, agent_id, quality in [0, 1]. Optional: task_text, domain, cost_usd, latency_ms and
time_ms (or date_ms). Other columns are never read: what came of a task is not known beforehand.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from bench.recorded import Array, Cell, DataError, Recorded, Rows
from routerd.core.validate import MAX_AMOUNT

NEEDED = ("task_id", "agent_id", "quality")
TIMES = ("time_ms", "date_ms")
MAX_AGENTS = 1_000
PARQUET_MAGIC = b"PAR1"


class Table(Protocol):
    """Columns of a file; None or NaN is a value that is missing."""

    names: tuple[str, ...]
    rows: int

    def texts(self, name: str, rows: Rows | None = None) -> list[str | None]:
        """A column as texts, at some rows or at all."""

    def floats(self, name: str) -> Array:
        """A column as numbers; raises Unreadable at a value that is none."""


class Unreadable(Exception):
    """A value that is no number: its row from 0, and itself."""

    def __init__(self, row: int, value: str) -> None:
        self.row = row
        self.value = value
        super().__init__(row, value)


class CsvTable:
    """A CSV file in memory. Empty fields are missing."""

    def __init__(self, path: Path) -> None:
        csv.field_size_limit(sys.maxsize)
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines, strict=True)
            self.names = tuple(name.strip() for name in next(reader, []))
            self._data = [row for row in reader if row]
        self.rows = len(self._data)
        for mark, named in ((";", "semicolons"), ("\t", "tabs")):
            if len(self.names) == 1 and mark in self.names[0]:
                told = f"its fields are separated by {named}; separate them by commas"
                raise DataError(f"{path}: {told}, and write numbers with a point")
        for number, row in enumerate(self._data, 1):
            if len(row) != len(self.names):
                told = f"has {len(row)} fields, but the header {len(self.names)}"
                raise DataError(f"{path}: row {number} {told}")

    def texts(self, name: str, rows: Rows | None = None) -> list[str | None]:
        at = self.names.index(name)
        data = self._data if rows is None else [self._data[row] for row in rows]
        return [row[at] or None for row in data]

    def floats(self, name: str) -> Array:
        return numbers(self.texts(name))


class ParquetTable:
    """A Parquet file, read column by column."""

    def __init__(self, path: Path) -> None:
        from pyarrow import parquet

        self._file = parquet.ParquetFile(path)
        self.names = tuple(self._file.schema_arrow.names)
        self.rows = self._file.metadata.num_rows

    def texts(self, name: str, rows: Rows | None = None) -> list[str | None]:
        values = self._column(name)
        values = values if rows is None else values.take(rows)
        return [None if value is None else str(value) for value in values.to_pylist()]

    def floats(self, name: str) -> Array:
        import pyarrow

        column = self._column(name)
        kind = column.type
        plain = (pyarrow.types.is_integer, pyarrow.types.is_floating, pyarrow.types.is_boolean)
        if not any(is_kind(kind) for is_kind in plain):
            return numbers(self.texts(name))
        return np.asarray(column.cast(pyarrow.float64(), safe=False).to_numpy())

    def _column(self, name: str) -> Any:
        return self._file.read(columns=[name]).column(name)


def numbers(texts: Sequence[str | None]) -> Array:
    """Texts as numbers, NaN where one is missing; raises Unreadable."""
    found = np.full(len(texts), np.nan)
    for row, text in enumerate(texts):
        if text is not None:
            try:
                found[row] = float(text)
            except ValueError:
                raise Unreadable(row, text) from None
    return found


def open_table(path: Path) -> Table:
    """The file's columns; raises DataError when it is neither Parquet nor CSV."""
    try:
        with path.open("rb") as file:
            magic = file.read(len(PARQUET_MAGIC))
        if magic != PARQUET_MAGIC:
            return CsvTable(path)
        return ParquetTable(path)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from None
    except ModuleNotFoundError:
        way_out = 'install pyarrow (pip install "routerd[bench]") or give the rows as CSV'
        raise DataError(f"{path} is Parquet: {way_out}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is neither Parquet nor CSV in UTF-8: {error}") from None
    except ValueError as error:  # pyarrow's errors are ValueErrors
        raise DataError(f"{path} cannot be read as Parquet: {error}") from None


def read(path: Path, name: str) -> Recorded:
    """The recorded tasks of a file in the long schema. Raises DataError."""
    table = open_table(path)
    for column in NEEDED:
        if column not in table.names:
            has = ", ".join(table.names[:12]) or "none"
            raise DataError(f"{path}: the column {column} is missing; its columns are {has}")
    if table.rows == 0:
        raise DataError(f"{path} has no rows")
    return _Reader(path, table).recorded(name)


class _Reader:
    """Turns the rows of one table into recorded tasks; knows how to name a row."""

    def __init__(self, path: Path, table: Table) -> None:
        self.path = path
        self.table = table
        self.task_of = self._ids("task_id")
        self.agent_of = self._ids("agent_id")
        self.task_ids = sorted(set(self.task_of))
        self.agents = sorted(set(self.agent_of))
        if len(self.agents) < 2:
            told = f"all rows are of the agent {self.agents[0]}; routing needs two or more"
            raise DataError(f"{path}: {told}")
        if len(self.agents) > MAX_AGENTS:
            raise DataError(f"{path}: {len(self.agents)} agents; the limit is {MAX_AGENTS}")
        self.task = positions(self.task_of, self.task_ids)
        self.agent = positions(self.agent_of, self.agents)
        self.first = np.full(len(self.task_ids), table.rows)
        np.minimum.at(self.first, self.task, np.arange(table.rows))

    def recorded(self, name: str) -> Recorded:
        """All columns, checked."""
        quality = self._numbers("quality", 0.0, 1.0, needed=True)
        cost = (
            self._numbers("cost_usd", 0.0, MAX_AMOUNT) if "cost_usd" in self.table.names else None
        )
        if cost is not None and np.isnan(cost).all():
            cost = None
        if cost is not None and np.isnan(cost).any():
            row = int(np.isnan(cost).argmax())
            raise self._wrong(row, "cost_usd is missing, although other rows have one")
        latency = self._numbers("latency_ms", 0.0, MAX_AMOUNT)
        by_cell = self.task * len(self.agents) + self.agent
        return Recorded(
            name=name,
            task_ids=tuple(self.task_ids),
            agents=tuple(self.agents),
            domain=self._domains(),
            text=self._texts(),
            quality=self._means(by_cell, quality),
            cost_usd=None if cost is None else self._means(by_cell, cost),
            latency_ms=None if np.isnan(latency).all() else self._means(by_cell, latency),
            time_ms=self._times(),
            replicates=self._replicates(by_cell, quality, cost, latency),
            file_rank=self.first.argsort().argsort(),
        )

    def _ids(self, column: str) -> list[str]:
        ids = self.table.texts(column)
        for row, value in enumerate(ids):
            if not value:
                raise DataError(f"{self.path}: row {row + 1}: {column} is missing")
        return [value or "" for value in ids]

    def _numbers(self, column: str, low: float, high: float, *, needed: bool = False) -> Array:
        """A column of finite numbers in [low, high]; NaN where missing, if it may be."""
        if column not in self.table.names:
            return np.full(self.table.rows, np.nan)
        try:
            values = self.table.floats(column)
        except Unreadable as error:
            told = f"{column} is {error.value[:40]!r}; it must be a number"
            raise self._wrong(error.row, told) from None
        missing = np.isnan(values)
        if needed and missing.any():
            raise self._wrong(int(missing.argmax()), f"{column} is missing or not a number")
        with np.errstate(invalid="ignore"):
            wrong = (values < low) | (values > high) | np.isinf(values)
        if wrong.any():
            row = int(wrong.argmax())
            span = f"in [{low:g}, {high:g}]" if np.isfinite(high) else f"finite and >= {low:g}"
            raise self._wrong(row, f"{column} is {values[row]:g}; it must be {span}")
        return values

    def _means(self, by_cell: Rows, values: Array) -> Array:
        """Mean over the rows of each cell that have a value, (n, K); NaN where there is none."""
        shape = (len(self.task_ids), len(self.agents))
        there = ~np.isnan(values)
        size = shape[0] * shape[1]
        count = np.bincount(by_cell[there], minlength=size)
        total = np.bincount(by_cell[there], weights=values[there], minlength=size)
        means = np.full(size, np.nan)
        np.divide(total, count, out=means, where=count > 0)
        return means.reshape(shape)

    def _replicates(
        self, by_cell: Rows, quality: Array, cost: Array | None, latency: Array
    ) -> dict[tuple[int, int], tuple[Cell, ...]]:
        """The runs of the cells that have several, in file order."""
        several = np.bincount(by_cell)[by_cell] > 1
        runs: dict[tuple[int, int], list[Cell]] = {}
        for row in np.flatnonzero(several).tolist():
            paid = np.nan if cost is None else cost[row]
            cell = Cell(float(quality[row]), float(paid), float(latency[row]))
            runs.setdefault((int(self.task[row]), int(self.agent[row])), []).append(cell)
        return {key: tuple(cells) for key, cells in runs.items()}

    def _domains(self) -> tuple[str, ...]:
        """One domain a task; two different ones are an error."""
        if "domain" not in self.table.names:
            return ("",) * len(self.task_ids)
        of_row = self.table.texts("domain")
        domains = [of_row[row] or "" for row in self.first]
        for row, (task, domain) in enumerate(zip(self.task.tolist(), of_row, strict=True)):
            if (domain or "") != domains[task]:
                told = f"domain is {domain or ''!r}, but {domains[task]!r} in another row"
                raise self._wrong(row, f"{told} of this task")
        return tuple(domains)

    def _texts(self) -> tuple[str, ...]:
        if "task_text" not in self.table.names:
            return ("",) * len(self.task_ids)
        return tuple(text or "" for text in self.table.texts("task_text", self.first))

    def _times(self) -> Array | None:
        column = next((name for name in TIMES if name in self.table.names), None)
        if column is None:
            return None
        values = self._numbers(column, 0.0, np.inf)
        times: Array = values[self.first]
        return None if np.isnan(times).all() else times

    def _wrong(self, row: int, told: str) -> DataError:
        who = f"task {self.task_of[row]}, agent {self.agent_of[row]}"
        return DataError(f"{self.path}: row {row + 1} ({who}): {told}")


def positions(values: Sequence[str], known: Sequence[str]) -> Rows:
    """The index of each value among the known ones."""
    index = {value: i for i, value in enumerate(known)}
    return np.fromiter((index[value] for value in values), dtype=np.intp, count=len(values))
