"""What the audit file tells, as values: decisions, and sums over them.

SQLite gives out whatever stands in a damaged file: a text where a number belongs, a word that is
none, JSON that was cut. So a row is a value of one of these types, or damage.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

import msgspec

from routerd.core.signals import Classified
from routerd.core.values import Follows, Reason

T = TypeVar("T")

Position = Annotated[int, msgspec.Meta(ge=1)]
Count = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
Flag = Literal[0, 1]

JSON = ("labels", "alternatives", "stages", "conditions", "signal")


class Spoilt(Exception):
    """A row that nobody wrote so; says which, and what is wrong with it."""


class Conditions(msgspec.Struct, frozen=True):
    """Of what a request asked for: what is told of it."""

    follows: Follows | None = None


class Decided(msgspec.Struct, frozen=True):
    """A row of the table decisions, by its columns; see routerd.audit.schema."""

    position: Position
    decision_id: str
    request_id: str
    time_ms: int
    task_id: str
    group_id: str
    session_id: str
    work_type: str
    domain: str
    labels: dict[str, str]
    agent_id: str
    propensity: float
    u: float
    confidence: float | None
    policy_id: str
    reason: Reason
    sentence: str
    fallback_agent_id: str
    alternatives: tuple[str, ...]
    stages: tuple[str, ...]
    open: Flag
    messages: Count
    executed_agent_id: str
    quality: float | None
    cost_usd: float | None
    latency_ms: float | None
    quality_assumed: Flag
    conditions: Conditions
    signal: Classified | None
    description: str
    escalate_below: float | None
    companion_of: str
    inclusion: float | None
    claimed: Flag | None


COLUMNS = Decided.__struct_fields__


class Sums(NamedTuple):
    """Counts and sums over some decisions; see the message Summary."""

    key: str
    decisions: int
    open: int
    explored: int
    quality_count: int
    quality_sum: float
    cost_count: int
    cost_usd_sum: float
    latency_count: int
    latency_ms_sum: float


def decided(cells: Sequence[Any]) -> Decided:
    """The decision in a row of COLUMNS. Raises Spoilt."""
    row = dict(zip(COLUMNS, cells, strict=True))
    what = f"decisions, position {row['position']}"
    for name in JSON:
        row[name] = in_json(row[name], f"{what}, column {name}")
    return value(row, Decided, what)


def sums(cells: Sequence[Any], table: str) -> Sums:
    """A key and sums, of a table. Raises Spoilt."""
    return value(cells, Sums, table)


def in_json(cell: object, what: str) -> object:
    """What a text of JSON says; None of an empty one. Raises Spoilt."""
    try:
        return msgspec.json.decode(value(cell, str, what)) if cell != "" else None
    except msgspec.DecodeError as error:
        raise Spoilt(f"{what}: {error}") from None


def value(found: object, kind: type[T], what: str) -> T:
    """Something found in the file as the type that it was written as. Raises Spoilt."""
    try:
        return msgspec.convert(found, kind)
    except msgspec.ValidationError as error:
        raise Spoilt(f"{what}: {error}") from None
