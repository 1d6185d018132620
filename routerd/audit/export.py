"""Decisions joined with what came of them, as one table for other programs: Parquet or CSV.

It is read from the log alone, by the fold that the audit file is made by. So it needs no projector,
and a copy of a log is enough.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import islice, takewhile
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from routerd.audit.book import Book, Case
from routerd.audit.rows import Row, in_json
from routerd.core.events import Decision
from routerd.core.outcomes import Reports, current
from routerd.core.reasons import law_of
from routerd.core.values import Outcome
from routerd.core.worth import weights_of, worth
from routerd.log.base import Log
from routerd.log.codec import decision_id, records

TELL_EVERY = 1_000
ROWS_AT_ONCE = 4_096

# Columns and their types: lists and mappings are texts of JSON, but x in Parquet.
COLUMNS = {
    **{"decision_id": str, "position": int, "time_ms": int, "config_position": int},
    **{"request_id": str, "task_id": str, "group_id": str, "session_id": str},
    **{"work_type": str, "domain": str, "labels": str, "x": list},
    **{"agent_id": str, "propensity": float, "u": float, "law": str, "excluded": str},
    **{"policy_id": str, "reason": str, "decision_confidence": float, "stages": str},
    **{"follows": str, "fallback_agent_id": str, "executed_agent_id": str},
    **{"quality": float, "cost_usd": float, "latency_ms": float, "utility": float},
    **{"quality_assumed": bool, "messages": int, "open": bool},
}


class MissingPyarrow(Exception):
    """Parquet was asked for, and what writes it is not installed."""


class Made(NamedTuple):
    """A decision, what its utility was made of, and where its configuration stands."""

    event: Decision
    weights: tuple[float, float, float]
    config_position: int


class OpenCases:
    """A shelf in memory, see routerd.audit.book.Shelf: the cases that are open."""

    def __init__(self) -> None:
        self.cases: dict[str, Case] = {}
        self._requests: set[str] = set()
        self._outcomes: set[str] = set()
        self._told: dict[str, list[str]] = {}

    def find(self, decision_id: str) -> Case | None:
        return self.cases.get(decision_id)

    def reports(self, case: Case) -> Reports:
        raise AssertionError("cases in memory keep their reports")

    def is_asked(self, request_id: str) -> bool:
        return request_id in self._requests

    def is_told(self, outcome_id: str) -> bool:
        return outcome_id in self._outcomes

    def put(self, case: Case) -> None:
        self.cases[case.decision_id] = case
        self._requests.add(case.request_id)

    def tell(self, case: Case, outcome: Outcome) -> None:
        self._outcomes.add(outcome.outcome_id)
        self._told.setdefault(case.decision_id, []).append(outcome.outcome_id)

    def drop(self, case: Case) -> None:
        """Forget a case that was closed, with its ids."""
        del self.cases[case.decision_id]
        self._requests.discard(case.request_id)
        self._outcomes.difference_update(self._told.pop(case.decision_id, ()))


def decisions(
    log: Log, partition: str, told: Callable[[int, int, str], None] | None = None
) -> Iterator[Row]:
    """Every decision of a partition up to its end as it is now, in the order of the log; of a log
    that was compacted, those that it still has.

    told(position, end, partition) hears how far it is. Raises LogCorrupt, LogUnavailable.
    """
    end, _ = log.last(partition)
    shelf, made = OpenCases(), dict[str, Made]()
    book, config_position = Book(shelf), 0
    for record in takewhile(lambda record: record.position <= end, records(log, partition)):
        name, config = decision_id(record.position, record.hash), book.config
        changes = book.fold(record.position, name, record.event)
        if book.config is not config:
            config_position = record.position
        for case, before in changes:
            if before is None and isinstance(record.event, Decision):
                assert book.config is not None
                weights = weights_of(book.config.utility, record.event.query.preference)
                made[name] = Made(record.event, weights, config_position)
            elif case.closed is not None:
                shelf.drop(case)
                yield row_of(case, made.pop(case.decision_id))
        if told is not None and record.position % TELL_EVERY == 0:
            told(record.position, end, partition)
    for name, case in shelf.cases.items():
        yield row_of(case, made[name])


def row_of(case: Case, made: Made) -> Row:
    event, query, result = made.event, made.event.query, case.result
    assert case.reports is not None, "cases in memory keep their reports"
    # Whose word counts is in the result; whether anybody named an agent needs no ranks.
    named = current(case.reports, ()).executed_agent_id
    return {
        "decision_id": case.decision_id,
        "position": case.position,
        "time_ms": event.time_ms,
        "config_position": made.config_position,
        "request_id": query.request_id,
        "task_id": query.task_id,
        "group_id": query.group_id,
        "session_id": query.session_id,
        "work_type": query.work_type,
        "domain": query.domain,
        "labels": in_json(query.labels),
        "x": np.frombuffer(query.x).tolist(),
        "agent_id": event.agent_id,
        "propensity": event.propensity,
        "u": event.u,
        "law": in_json(law_of(event)),
        "excluded": in_json({e.agent_id: str(e.reason) for e in event.excluded}),
        "policy_id": event.policy_id,
        "reason": str(event.reason),
        "decision_confidence": event.confidence,
        "stages": in_json(event.stages),
        "follows": event.query.follows.decision_id if event.query.follows else "",
        "fallback_agent_id": event.fallback,
        "executed_agent_id": result.agent_id if named else "",
        "quality": result.quality,
        "cost_usd": result.cost_usd,
        "latency_ms": result.latency_ms,
        "utility": worth(made.weights, result.quality, result.cost_usd, result.latency_ms),
        "quality_assumed": result.assumed,
        "messages": case.messages,
        "open": case.closed is None,
    }


class Writer(Protocol):
    """Takes rows, many at once."""

    def __call__(self, rows: list[Row]) -> None: ...


def write(rows: Iterator[Row], path: Path) -> int:
    """Write rows to a .parquet or .csv file; how many they were.

    The file is there when it is whole. Raises MissingPyarrow, OSError.
    """
    count, partial = 0, path.with_name(f"{path.name}.partial")
    opened = WRITERS[path.suffix]
    try:
        with opened(partial) as take:
            while some := list(islice(rows, ROWS_AT_ONCE)):
                take(some)
                count += len(some)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return count


@contextmanager
def csv_file(path: Path) -> Iterator[Writer]:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()

        def take(rows: list[Row]) -> None:
            writer.writerows({**row, "x": in_json(row["x"])} for row in rows)

        yield take


@contextmanager
def parquet_file(path: Path) -> Iterator[Writer]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise MissingPyarrow(
            'Parquet needs pyarrow: pip install "routerd[export]", or give a file that ends in .csv'
        ) from error
    types: dict[type, Any] = {
        **{str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64()},
        **{bool: pyarrow.bool_(), list: pyarrow.list_(pyarrow.float64())},
    }
    schema = pyarrow.schema([(name, types[kind]) for name, kind in COLUMNS.items()])
    with parquet.ParquetWriter(path, schema) as writer:

        def take(rows: list[Row]) -> None:
            writer.write_table(pyarrow.Table.from_pylist(rows, schema))

        yield take


WRITERS: dict[str, Callable[[Path], AbstractContextManager[Writer]]] = {
    ".parquet": parquet_file,
    ".csv": csv_file,
}
