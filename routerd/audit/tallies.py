"""Sums over decisions: what each agent did at each kind of work, and what each group came to.

Floats are added in the order of the log, wherever batches begin, so that a rebuild gives the same.
"""

from __future__ import annotations

from collections.abc import Iterator

from routerd.audit.book import Change, Result
from routerd.audit.rows import Row
from routerd.audit.store import Store
from routerd.core.events import AnyEvent, Decision
from routerd.core.values import Reason

METRICS = (("quality", "quality_sum"), ("cost", "cost_usd_sum"), ("latency", "latency_ms_sum"))
NOTHING = {name: 0 for metric, total in METRICS for name in (f"{metric}_count", total)}
STARTS: dict[str, Row] = {
    "performance": {"decisions": 0, "open": 0, "explored": 0, **NOTHING},
    "groups": {
        **{"decisions": 0, "open": 0, "explored": 0, "first_ms": None, "last_ms": None},
        **NOTHING,
    },
}


class Tallies:
    """The rows of both tables of sums that a batch touches."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rows: dict[str, dict[tuple[str, ...], Row]] = {table: {} for table in STARTS}

    def add(self, change: Change, event: AnyEvent) -> None:
        """Count what an event changed."""
        case, before = change
        tables = [self._performance(case.agent_id, case.work_type)]
        if case.group_id:
            tables.append(self._row("groups", {"group_id": case.group_id}))
            since = tables[1]["first_ms"]
            tables[1]["first_ms"] = case.time_ms if since is None else since
            tables[1]["last_ms"] = max(case.time_ms, tables[1]["last_ms"] or 0)
        for row in tables:
            if isinstance(event, Decision):
                row["decisions"] += 1
                row["open"] += 1
                row["explored"] += event.reason is Reason.SAMPLED
            row["open"] -= case.closed is not None
        if before is not None and before != case.result:
            for result, sign in ((before, -1), (case.result, 1)):
                tables[0] = self._performance(result.agent_id, case.work_type)
                for row in tables:
                    count(row, result, sign)

    def rows(self) -> Iterator[tuple[str, list[Row]]]:
        """Each table and its rows."""
        for table, rows in self._rows.items():
            yield table, list(rows.values())

    def _performance(self, agent_id: str, work_type: str) -> Row:
        return self._row("performance", {"agent_id": agent_id, "work_type": work_type})

    def _row(self, table: str, key: Row) -> Row:
        """The row of a key, to be changed."""
        name = tuple(key.values())
        found = self._rows[table].get(name)
        if found is None:
            held = self._store.sums(table, key) or {}
            start = STARTS[table].items()
            found = {**key, **{column: held.get(column, zero) for column, zero in start}}
            self._rows[table][name] = found
        return found


def count(row: Row, result: Result, sign: int) -> None:
    """Add a result to the sums, or take it out; sums of nothing are exactly 0."""
    values = (result.quality, result.cost_usd, result.latency_ms)
    for (metric, total), value in zip(METRICS, values, strict=True):
        if value is not None:
            row[f"{metric}_count"] += sign
            row[total] = row[total] + sign * value if row[f"{metric}_count"] else 0.0
