"""The long schema: a table with one row per (task, agent), read and checked as a whole.

Needed: task_id, agent_id, quality in [0, 1]. Optional: task_text, domain (or work_type), cost_usd,
latency_ms and time_ms (or date_ms), as milliseconds since 1970 or as a date. Other columns are
never read: what came of a task is not known beforehand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from bench.data.recorded import Array, Cell, DataError, Recorded, Rows
from bench.data.tablefile import Renamed, Table, Unreadable, instants, open_table
from routerd.core.validate import MAX_AMOUNT

NEEDED = ("task_id", "agent_id", "quality")
KINDS = ("domain", "work_type")
TIMES = ("time_ms", "date_ms")
COLUMNS = (*NEEDED, *KINDS, "task_text", "cost_usd", "latency_ms", *TIMES)
MAX_AGENTS = 1_000


def read(path: Path, name: str, columns: Mapping[str, str] | None = None) -> Recorded:
    """The recorded tasks of a file in the long schema. columns: what it calls them, by the schema's
    names; "" leaves one out. Raises DataError."""
    table = open_table(path)
    if columns:
        table = Renamed(table, named(path, table, columns))
    for column in NEEDED:
        if column not in table.names:
            has = ", ".join(table.names[:12]) or "none"
            told = f"the column {column} is missing; its columns are {has}"
            raise DataError(f"{path}: {told}; say which it is by --columns {column}=COLUMN")
    if table.rows == 0:
        raise DataError(f"{path} has no rows")
    return _Reader(path, table).recorded(name)


def named(path: Path, table: Table, columns: Mapping[str, str]) -> Mapping[str, str]:
    """The columns, every one of which is there. Raises DataError."""
    for name, column in columns.items():
        if name not in COLUMNS:
            raise DataError(f"--columns: {name!r} is none of {', '.join(COLUMNS)}")
        if column and column not in table.names:
            has = ", ".join(table.names[:12]) or "none"
            raise DataError(f"{path}: the column {column} is missing; its columns are {has}")
    return columns


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
            told = "cost_usd is missing, although other rows have one"
            raise self._wrong(row, f"{told}; fill it in, or leave it out: --columns cost_usd=")
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
            timed = column in TIMES
            values = instants(self.table, column) if timed else self.table.floats(column)
        except Unreadable as error:
            wanted = "a date as 2025-01-31, or milliseconds since 1970" if timed else "a number"
            wanted += ", written with a point" if "," in error.value else ""
            told = f"{column} is {error.value[:40]!r}; it must be {wanted}"
            raise self._wrong(error.row, told) from None
        missing = np.isnan(values)
        if needed and missing.any():
            told = f"{column} is missing or not a number; write 0 if the run failed"
            row = int(missing.argmax())
            raise self._wrong(row, f"{told}, or leave the row out if nobody judged it")
        with np.errstate(invalid="ignore"):
            wrong = (values < low) | (values > high) | np.isinf(values)
        if wrong.any():
            row = int(wrong.argmax())
            span = f"in [{low:g}, {high:g}]" if np.isfinite(high) else f"finite and >= {low:g}"
            if high == 1.0 < values[row] <= 100.0:
                span += "; divide percentages by 100"
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
        column = self._first_of(KINDS)
        if column is None:
            return ("",) * len(self.task_ids)
        of_row = self.table.texts(column)
        domains = [of_row[row] or "" for row in self.first]
        for row, (task, domain) in enumerate(zip(self.task.tolist(), of_row, strict=True)):
            if (domain or "") != domains[task]:
                told = f"{column} is {domain or ''!r}, but {domains[task]!r} in another row"
                raise self._wrong(row, f"{told} of this task")
        return tuple(domains)

    def _texts(self) -> tuple[str, ...]:
        if "task_text" not in self.table.names:
            return ("",) * len(self.task_ids)
        return tuple(text or "" for text in self.table.texts("task_text", self.first))

    def _times(self) -> Array | None:
        column = self._first_of(TIMES)
        if column is None:
            return None
        times: Array = self._numbers(column, 0.0, np.inf)[self.first]
        return None if np.isnan(times).all() else times

    def _first_of(self, columns: Sequence[str]) -> str | None:
        return next((name for name in columns if name in self.table.names), None)

    def _wrong(self, row: int, told: str) -> DataError:
        who = f"task {self.task_of[row]}, agent {self.agent_of[row]}"
        return DataError(f"{self.path}: row {row + 1} ({who}): {told}")


def positions(values: Sequence[str], known: Sequence[str]) -> Rows:
    """The index of each value among the known ones."""
    index = {value: i for i, value in enumerate(known)}
    return np.fromiter((index[value] for value in values), dtype=np.intp, count=len(values))
