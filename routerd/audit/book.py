"""What came of each decision, folded from the log by the engine's own rules and nothing but them.

The engine forgets a decision when it is closed, and keeps what it learnt. The audit keeps the
decision: this fold needs no learners and no more memory than its shelf.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import msgspec

from routerd.core.events import (
    AnyEvent,
    ClaimMade,
    ConfigApplied,
    Decision,
    DecisionsClosed,
    OutcomeReported,
)
from routerd.core.outcomes import Reports, cancelled, current, write_registers
from routerd.core.settings import EngineConfig
from routerd.core.values import Outcome


class Result(NamedTuple):
    """What counts of all that was said about a decision, and who gets the credit.

    assumed: the quality is `outcomes.missing_quality`, because nobody told one in time.
    """

    agent_id: str
    quality: float | None = None
    cost_usd: float | None = None
    latency_ms: float | None = None
    assumed: bool = False


class Case(msgspec.Struct):
    """A decision as the audit follows it.

    reports: None until they are needed. messages: how many outcomes were accepted, those of its
    group included. told_ms: when the last one was; 0 without any. closed: the position where it was
    closed. claimed: whether its agent's claim was accepted; None without one.
    """

    position: int
    decision_id: str
    request_id: str
    time_ms: int
    agent_id: str
    work_type: str
    group_id: str
    result: Result
    reports: Reports | None = None
    messages: int = 0
    told_ms: int = 0
    closed: int | None = None
    claimed: bool | None = None


class Change(NamedTuple):
    """A case and what it had come to before; None before it was decided."""

    case: Case
    before: Result | None


class Shelf(Protocol):
    """Where the open cases stand; one that was closed is not found any more."""

    def find(self, decision_id: str) -> Case | None:
        """The open case of a decision."""
        ...

    def reports(self, case: Case) -> Reports:
        """What was said of it so far."""
        ...

    def is_asked(self, request_id: str) -> bool:
        """Whether an open case answers this request."""
        ...

    def is_told(self, outcome_id: str) -> bool:
        """Whether an outcome that an open case keeps has this id."""
        ...

    def put(self, case: Case) -> None:
        """A new case."""
        ...

    def tell(self, case: Case, outcome: Outcome) -> None:
        """An outcome that was accepted; its id is known as long as this case is open."""
        ...


class Book:
    """The fold. config: the one in force; None before position 1."""

    def __init__(self, shelf: Shelf, config: EngineConfig | None = None) -> None:
        self.config = config
        self._shelf = shelf

    def fold(self, position: int, decision_id: str, event: AnyEvent) -> list[Change]:
        """What one event changes, by the rules of routerd.core.apply: so nothing by a repetition.

        decision_id is the name of the position, used by decisions only.
        """
        match event:
            case ConfigApplied():
                self.config = msgspec.json.decode(event.config, type=EngineConfig)
            case Decision():
                return self._decided(position, decision_id, event)
            case OutcomeReported():
                return self._reported(position, event)
            case DecisionsClosed():
                return self._closed_all(position, event)
            case ClaimMade():
                for case in self._open((event.decision_id,)):
                    if case.claimed is None:
                        case.claimed = event.accepted
        return []

    def _decided(self, position: int, decision_id: str, event: Decision) -> list[Change]:
        query = event.query
        if self._shelf.is_asked(query.request_id):
            return []
        case = Case(
            position=position,
            decision_id=decision_id,
            request_id=query.request_id,
            time_ms=event.time_ms,
            agent_id=event.agent_id,
            work_type=query.work_type,
            group_id=query.group_id,
            result=Result(event.agent_id),
            reports={},
        )
        self._shelf.put(case)
        return [Change(case, None)]

    def _reported(self, position: int, event: OutcomeReported) -> list[Change]:
        """An outcome of one decision, or of all that were open in a group."""
        outcome = event.outcome
        cases = self._open(event.decision_ids or (outcome.decision_id,))
        if not cases or self._shelf.is_told(outcome.outcome_id):
            return []
        self._shelf.tell(cases[-1], outcome)  # of a group the latest, which closes last
        return [self._told(position, case, event) for case in cases]

    def _told(self, position: int, case: Case, event: OutcomeReported) -> Change:
        assert self.config is not None, "position 1 is a configuration"
        if case.reports is None:
            case.reports = self._shelf.reports(case)
        write_registers(case.reports, event.outcome, event.time_ms, position)
        now = current(case.reports, self.config.outcomes.sources)
        before, executed = case.result, now.executed_agent_id or case.agent_id
        case.result = Result(executed, now.quality, now.cost_usd, now.latency_ms)
        case.messages += 1
        case.told_ms = event.time_ms
        return Change(case, before)

    def _open(self, decision_ids: tuple[str, ...]) -> list[Case]:
        found = (self._shelf.find(decision_id) for decision_id in decision_ids)
        return [case for case in found if case is not None]

    def _closed_all(self, position: int, event: DecisionsClosed) -> list[Change]:
        assert self.config is not None, "position 1 is a configuration"
        missing, ids = self.config.outcomes.missing_quality, event.decision_ids
        ended, censored = ids[: len(ids) - event.censored], ids[len(ids) - event.censored :]
        changes = [self._closed(position, case, missing) for case in self._open(ended)]
        return changes + [self._closed(position, case, None) for case in self._open(censored)]

    def _closed(self, position: int, case: Case, missing: float | None) -> Change:
        before = case.result
        if missing is not None and before.quality is None and self._owes(case):
            case.result = before._replace(quality=missing, assumed=True)
        case.closed = position
        return Change(case, before)

    def _owes(self, case: Case) -> bool:
        """Whether an agent was to tell a result: it was let, and nobody stopped it."""
        if case.claimed is False:
            return False
        if case.reports is None:
            case.reports = self._shelf.reports(case)
        return not cancelled(case.reports)
