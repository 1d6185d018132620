"""What the engine answers: a logged decision with what people and programs ask about it."""

from __future__ import annotations

from typing import NamedTuple

from routerd.core.values import Decision


class Estimate(NamedTuple):
    mean: float
    sd: float


class Candidate(NamedTuple):
    """One agent as the law saw it; the estimates are None where they were not kept."""

    agent_id: str
    probability: float
    quality: Estimate | None = None
    cost_usd: Estimate | None = None
    latency_ms: Estimate | None = None
    utility: Estimate | None = None
    exclusion: str = ""
    detail: str = ""


class Answer(NamedTuple):
    """A decision and its place in the log; decision_id is empty in a preview."""

    decision_id: str
    position: int
    decision: Decision
    candidates: tuple[Candidate, ...]
    sentence: str


class Ack(NamedTuple):
    """An accepted outcome; position is where it was first accepted."""

    outcome_id: str
    position: int
    duplicate: bool


class Found(NamedTuple):
    """A decision looked up; the metrics are the current values of what was reported."""

    decision_id: str
    position: int
    decision: Decision
    open: bool
    quality: float | None
    cost_usd: float | None
    latency_ms: float | None
    executed_agent_id: str
    reports: int
    sentence: str
