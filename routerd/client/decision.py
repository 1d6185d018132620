"""A decision in the caller's hands: the agent to run, and what came of it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from routerd.client.wire import message
from routerd.v1 import router_pb2, types_pb2

Report = Callable[["Decision", types_pb2.Outcome], None]

METRICS = ("success", "quality", "cost_usd", "latency_ms", "reported_confidence")


@dataclass(eq=False, slots=True, kw_only=True)
class Decision:
    """The agent to run for one task. Leaving its `with` block reports what came of it.

    Inside the block set what you know: success, quality (0 to 1), cost_usd, latency_ms (else the
    block's own time), reported_confidence, explanation; and executed_agent_id if another agent ran.
    What stays None says nothing. An exception in the block means success=False, unless set.

    from_fallback: the daemon gave no answer in time and the client's table did; `reason` says why.
    Then there is no propensity, and no decision_id until the daemon heard of it. answer: the
    daemon's whole answer.
    """

    request: router_pb2.RouteRequest = field(repr=False)
    report: Report = field(repr=False)
    agent_id: str
    reason: str
    reason_code: str = ""
    decision_id: str = ""
    propensity: float | None = None
    confidence: float | None = None
    fallback: str = ""
    alternatives: tuple[str, ...] = ()
    policy_id: str = ""
    from_fallback: bool = False
    answer: router_pb2.RouteResponse | None = field(default=None, repr=False)

    success: bool | None = None
    quality: float | None = None
    cost_usd: float | None = None
    latency_ms: float | None = None
    reported_confidence: float | None = None
    explanation: str = ""
    executed_agent_id: str = ""
    source: str = ""

    _started_s: float = field(default=0.0, repr=False)

    @property
    def request_id(self) -> str:
        """The key under which the daemon decides this once."""
        return self.request.request_id

    def outcome(self, **told: Any) -> types_pb2.Outcome:
        """An outcome of this decision with these fields. After a fallback it names who ran."""
        fields = {"outcome_id": str(uuid.uuid4()), "decision_id": self.decision_id, **told}
        outcome = message(types_pb2.Outcome, fields)
        if self.from_fallback and outcome.kind != types_pb2.OUTCOME_KIND_RETRACT:
            outcome.executed_agent_id = outcome.executed_agent_id or self.agent_id
            outcome.explanation = "; ".join(filter(None, [self.reason, outcome.explanation]))
        return outcome

    def told(self) -> dict[str, Any]:
        """What was set on it so far, as fields of an outcome."""
        metrics = {name: getattr(self, name) for name in METRICS}
        told = {name: value for name, value in metrics.items() if value is not None}
        if self.executed_agent_id:
            told["executed_agent_id"] = self.executed_agent_id
        return told

    def __enter__(self) -> Self:
        self._started_s = time.monotonic()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # To be cancelled or interrupted says nothing about the agent.
        broken_off = error is not None and not isinstance(error, Exception)
        if error is not None and not broken_off and self.success is None and self.quality is None:
            self.success = False
            self.explanation = self.explanation or type(error).__name__
        if self.latency_ms is None and not broken_off:
            self.latency_ms = (time.monotonic() - self._started_s) * 1000
        told = self.told()
        if told:
            whose = {"source": self.source, "explanation": self.explanation}
            self.report(self, self.outcome(**told, **whose))

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace)


def decided(
    request: router_pb2.RouteRequest, answer: router_pb2.RouteResponse, report: Report
) -> Decision:
    """The daemon's decision."""
    sure = answer.decision_confidence if answer.HasField("decision_confidence") else None
    return Decision(
        request=request,
        report=report,
        agent_id=answer.agent_id,
        reason=answer.reason,
        reason_code=reason_word(answer.reason_code),
        decision_id=answer.decision_id,
        propensity=answer.propensity,
        confidence=sure,
        fallback=answer.fallback_agent_id,
        alternatives=tuple(answer.alternative_agent_ids),
        policy_id=answer.policy_id,
        answer=answer,
    )


def reason_word(code: int) -> str:
    """The reason as the documentation calls it; its number where this version knows no word."""
    known = types_pb2.ReasonCode.DESCRIPTOR.values_by_number.get(code)
    return known.name.removeprefix("REASON_CODE_") if known else str(code)
