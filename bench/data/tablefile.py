"""Tables that people bring: Parquet, CSV or JSON Lines, told apart by what is in the file."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np

from bench.data.recorded import Array, DataError, Rows

PARQUET_MAGIC = b"PAR1"
SEPARATORS = (",", ";", "\t")
TRUTH = {"true": 1.0, "false": 0.0}


class Table(Protocol):
    """Columns of a file; None or NaN is a value that is missing."""

    names: tuple[str, ...]
    rows: int

    def texts(self, name: str, rows: Rows | None = None) -> list[str | None]:
        """A column as texts, at some rows or at all."""

    def floats(self, name: str) -> Array:
        """A column as numbers, true and false as 1 and 0; raises Unreadable."""


class Unreadable(Exception):
    """A value that is no number: its row from 0, and itself."""

    def __init__(self, row: int, value: str) -> None:
        self.row = row
        self.value = value
        super().__init__(row, value)


class CsvTable:
    """A CSV file in memory, its fields separated as its header's are. Empty fields are missing."""

    def __init__(self, path: Path) -> None:
        csv.field_size_limit(sys.maxsize)
        with path.open(encoding="utf-8-sig", newline="") as lines:
            separator = max(SEPARATORS, key=lines.readline().count)
            lines.seek(0)
            reader = csv.reader(lines, delimiter=separator, skipinitialspace=True, strict=True)
            self.names = tuple(name.strip() for name in next(reader, []))
            self._data = [row for row in reader if row]
        self.rows = len(self._data)
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


class JsonTable:
    """A JSON object a line, or one array of them, in memory. Null and absent values are missing."""

    def __init__(self, path: Path, data: bytes) -> None:
        self._data = objects(path, data)
        self.names = tuple(dict.fromkeys(name for row in self._data for name in row))
        self.rows = len(self._data)

    def texts(self, name: str, rows: Rows | None = None) -> list[str | None]:
        data = self._data if rows is None else [self._data[row] for row in rows]
        return [in_text(row.get(name)) for row in data]

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


class Renamed:
    """A table whose columns are called otherwise: {name: column}; "" leaves a column out."""

    def __init__(self, table: Table, columns: Mapping[str, str]) -> None:
        self._table, self._columns = table, columns
        called = [name for name, column in columns.items() if column]
        self.names = (*called, *(name for name in table.names if name not in columns))
        self.rows = table.rows

    def texts(self, name: str, rows: Rows | None = None) -> list[str | None]:
        return self._table.texts(self._columns.get(name, name), rows)

    def floats(self, name: str) -> Array:
        return self._table.floats(self._columns.get(name, name))


def numbers(texts: Sequence[str | None]) -> Array:
    """Texts as numbers, NaN where one is missing; raises Unreadable."""
    found = np.full(len(texts), np.nan)
    for row, text in enumerate(texts):
        if text is not None:
            try:
                found[row] = float(text)
            except ValueError:
                if (truth := TRUTH.get(text.strip().lower())) is None:
                    raise Unreadable(row, text) from None
                found[row] = truth
    return found


def instants(table: Table, name: str) -> Array:
    """A column of milliseconds since 1970, or of dates, UTC if they name no zone; raises Unreadable
    at a value that is neither."""
    try:
        return table.floats(name)
    except Unreadable:
        texts = table.texts(name)
    found = np.full(len(texts), np.nan)
    for row, text in enumerate(texts):
        if text is not None:
            try:
                when = datetime.fromisoformat(text)
            except ValueError:
                raise Unreadable(row, text) from None
            found[row] = 1e3 * (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    return found


def objects(path: Path, data: bytes) -> list[dict[str, Any]]:
    """The rows of JSON Lines, or of an array. Raises DataError that names the line."""
    if data.startswith(b"["):
        try:
            return msgspec.json.decode(data, type=list[dict[str, Any]])
        except msgspec.MsgspecError as error:
            raise DataError(f"{path} is no JSON array of objects: {error}") from None
    one, found = msgspec.json.Decoder(dict[str, Any]), []
    for number, line in enumerate(data.splitlines(), 1):
        if line.strip():
            try:
                found.append(one.decode(line))
            except msgspec.MsgspecError as error:
                raise DataError(f"{path}: line {number} is no JSON object: {error}") from None
    return found


def in_text(value: Any) -> str | None:
    """A value of JSON as a CSV file would have it: what is nested stays JSON."""
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, dict | list):
        return msgspec.json.encode(value).decode()
    return str(value)


def open_table(path: Path) -> Table:
    """The file's columns; raises DataError when it is neither Parquet nor CSV nor JSON Lines."""
    try:
        with path.open("rb") as file:
            begins = file.read(64)
        if begins.startswith(PARQUET_MAGIC):
            return ParquetTable(path)
        if begins.lstrip()[:1] in (b"{", b"["):
            return JsonTable(path, path.read_bytes().strip())
        return CsvTable(path)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from None
    except ModuleNotFoundError:
        way_out = 'install pyarrow (pip install "routerd[bench]") or give the rows as CSV'
        raise DataError(f"{path} is Parquet: {way_out}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        told = f"is neither Parquet, JSON Lines nor CSV in UTF-8: {error}"
        raise DataError(f"{path} {told}") from None
    except ValueError as error:  # pyarrow's errors are ValueErrors
        raise DataError(f"{path} cannot be read as Parquet: {error}") from None
