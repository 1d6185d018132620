"""Outcomes that were recorded elsewhere, as an event, so that replay learns from them again."""

from __future__ import annotations

from routerd.core.base import Event, Value


class Recorded(Value, frozen=True):
    """What an agent once made of a task, encoded as a request's is. x: raw float64."""

    agent_id: str
    x: bytes
    cell: int
    quality: float
    cost_usd: float | None = None
    latency_ms: float | None = None


class OutcomesImported(Event, frozen=True, tag=True):
    """Outcomes that were learnt from without a decision.

    source: a hash of the file that they are from, in hex. through: how many of its rows these
    agents are done with. weight: what each counts, where a reported outcome counts 1. new_slots: as
    in Query.
    """

    source: str
    through: int
    outcomes: tuple[Recorded, ...] = ()
    weight: float = 1.0
    new_slots: tuple[tuple[str, str], ...] = ()
