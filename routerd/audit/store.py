"""The audit file as the projector sees it: written one batch a transaction.

Only the projector's process imports this module. It uses the interpreter's SQLite, which never
opens the log; the log's SQLite, apsw's, never opens the audit file in this process.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from routerd import __version__
from routerd.audit import schema
from routerd.audit.book import Case, Result
from routerd.audit.retention import FORGET
from routerd.audit.rows import Row, outcome_of, standing_of
from routerd.audit.told import Spoilt, in_json, value
from routerd.core.outcomes import Reports, write_registers
from routerd.core.state import GENESIS

BUSY_TIMEOUT_S = 10.0

TYPES: dict[str, Any] = {"TEXT": str, "INTEGER": int, "REAL": float}

CASE = """
SELECT position, decision_id, request_id, time_ms, agent_id, work_type, group_id, messages, told_ms,
    claimed, executed_agent_id, quality, cost_usd, latency_ms
FROM decisions WHERE decision_id = :decision_id AND open = 1
"""
ASKED = "SELECT decision_id FROM decisions WHERE request_id = ? AND open = 1"
# A group's outcome is kept by the latest of its decisions; ids of decisions sort by position.
TOLD = """
SELECT decision_id FROM decisions WHERE open = 1 AND decision_id IN (
    SELECT ifnull((SELECT max(g.decision_id) FROM group_outcomes g WHERE g.position = o.position),
        o.decision_id)
    FROM outcomes o WHERE outcome_id = ?)
"""
REPORTS = """
SELECT * FROM outcomes WHERE decision_id = :decision_id
UNION ALL
SELECT outcomes.* FROM group_outcomes g JOIN outcomes USING (position)
WHERE g.decision_id = :decision_id
ORDER BY position
"""


class Unusable(Exception):
    """The file is no audit of this version: damaged, of another format, or of another log."""


class Mark(NamedTuple):
    """How far the log is in the tables."""

    position: int = 0
    hash: bytes = GENESIS


class Store:
    """The tables. Raises Unusable wherever SQLite finds the file damaged."""

    def __init__(self, path: Path, partition: str) -> None:
        """Opens the file, making it if need be. Raises Unusable, sqlite3.OperationalError."""
        self.path = path
        self._partition = partition
        with damaged(path):
            self._connection = sqlite3.connect(path, BUSY_TIMEOUT_S, isolation_level=None)
            try:
                self._prepare()
            except BaseException:
                self._connection.close()
                raise

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written in it, or nothing."""
        with damaged(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # SQLite ends it itself when the disk is full
                    self._connection.execute("ROLLBACK")
                raise

    def mark(self) -> Mark:
        row = self._one("SELECT position, hash FROM mark")
        return Mark() if row is None else Mark(row[0], bytes.fromhex(row[1]))

    def insert(self, table: str, rows: list[Row]) -> None:
        """Rows of the same columns."""
        self._put("INSERT", table, rows)

    def replace(self, table: str, rows: list[Row]) -> None:
        """Rows of the same columns, in the place of those with their keys."""
        self._put("REPLACE", table, rows)

    def _put(self, verb: str, table: str, rows: list[Row]) -> None:
        if rows:
            names = ", ".join(rows[0])
            marks = ", ".join(f":{name}" for name in rows[0])
            sql = f"{verb} INTO {table} ({names}) VALUES ({marks})"
            self._connection.executemany(sql, rows)

    def update_decisions(self, rows: list[Row]) -> None:
        """Rows with a position and the columns that change."""
        if rows:
            columns = ", ".join(f"{name} = :{name}" for name in rows[0] if name != "position")
            sql = f"UPDATE decisions SET {columns} WHERE position = :position"
            self._connection.executemany(sql, rows)

    def forget(self, before: int) -> None:
        """Let go of closed decisions up to a position (see routerd.audit.retention)."""
        for statement in FORGET:
            self._connection.execute(statement, {"before": before})

    def last_config(self) -> Row | None:
        row = self._row("configs", "SELECT * FROM configs ORDER BY position DESC LIMIT 1")
        if row is not None:
            with damaged(self.path):
                in_json(row["config"], "configs, column config")
        return row

    def agents(self) -> list[Row]:
        rows = self._rows("agents", "SELECT * FROM agents")
        with damaged(self.path):
            for row in rows:
                standing_of(row)
        return rows

    def sums(self, table: str, key: Row) -> Row | None:
        """The row of performance or groups with this key."""
        where = " AND ".join(f"{name} = :{name}" for name in key)
        return self._row(table, f"SELECT * FROM {table} WHERE {where}", **key)

    def case(self, decision_id: str) -> Case | None:
        """An open case, without its reports."""
        row = self._row("decisions", CASE, decision_id=decision_id)
        if row is None:
            return None
        cells = [*row.values()]
        head: list[Any] = [*cells[:7], Result(*cells[10:])]
        case = Case(*head)
        case.messages, case.told_ms = row["messages"], row["told_ms"] or 0
        case.claimed = None if row["claimed"] is None else bool(row["claimed"])
        return case

    def reports(self, case: Case) -> Reports:
        """What was said of a case, told again in the order in which it was accepted."""
        reports: Reports = {}
        with damaged(self.path):
            for row in self._rows("outcomes", REPORTS, decision_id=case.decision_id):
                write_registers(reports, outcome_of(row), row["time_ms"], row["position"])
        return reports

    def asked(self, request_id: str) -> str | None:
        """The open decision of a request."""
        row = self._one(ASKED, request_id)
        return None if row is None else str(row[0])

    def told(self, outcome_id: str) -> str | None:
        """The open decision that keeps an outcome."""
        row = self._one(TOLD, outcome_id)
        return None if row is None else str(row[0])

    def _prepare(self) -> None:
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        found = {sql for (sql,) in self._all("SELECT sql FROM sqlite_schema")}
        if not found:
            self._create()
        whole = found.issuperset(schema.statements())
        if found and not (whole and self._one("PRAGMA user_version") == (schema.VERSION,)):
            raise Unusable(f"{self.path} is of another version of routerd")
        self._shapes = {
            table: shape(table, columns)
            for (table,) in self._all("SELECT name FROM sqlite_schema WHERE type = 'table'")
            if (columns := self._all(f"PRAGMA table_info({table})"))
        }

    def _create(self) -> None:
        with self.transaction():
            for statement in schema.statements():
                self._connection.execute(statement)
            facts = {"partition": self._partition, "routerd": __version__}
            self.insert("meta", [{"key": key, "value": value} for key, value in facts.items()])
            self._connection.execute(f"PRAGMA user_version = {schema.VERSION}")

    def _all(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with damaged(self.path):
            return self._connection.execute(sql, values).fetchall()

    def _one(self, sql: str, *values: object) -> tuple[Any, ...] | None:
        found = self._all(sql, *values)
        return found[0] if found else None

    def _rows(self, table: str, sql: str, **named: object) -> list[Row]:
        """Rows of a table, each cell of its column's type."""
        with damaged(self.path):
            cursor = self._connection.execute(sql, named)
            names = [column[0] for column in cursor.description]
            rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
            for row in rows:
                value(row, self._shapes[table], table)
        return rows

    def _row(self, table: str, sql: str, **named: object) -> Row | None:
        found = self._rows(table, sql, **named)
        return found[0] if found else None


def shape(table: str, columns: list[tuple[Any, ...]]) -> type[msgspec.Struct]:
    """What a row of a table is, or of some of its columns, as SQLite tells them."""
    kinds = (
        (name, TYPES[kind] if needed or key else TYPES[kind] | None)
        for _, name, kind, needed, _, key in columns
    )
    return msgspec.defstruct(table, [(name, kind, None) for name, kind in kinds])


@contextmanager
def damaged(path: Path) -> Iterator[None]:
    """Turns what SQLite says of a damaged file, or of one that is none, into Unusable."""
    try:
        yield
    except Spoilt as error:
        raise Unusable(f"{path} is damaged: table {error}") from error
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        # Busy, full, not permitted: the file itself may be whole. What Python says, of texts that
        # are none, has no code of SQLite's.
        if isinstance(error, sqlite3.OperationalError) and hasattr(error, "sqlite_errorcode"):
            raise
        raise Unusable(f"{path} is damaged: {error}") from error
