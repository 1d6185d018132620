"""From a task to a decision, whatever happens: what both clients share. No network is here."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypedDict

import grpc

from routerd.breaker import Breaker
from routerd.client.channel import LARGEST
from routerd.client.decision import Decision, decided
from routerd.client.delivery import Delivery
from routerd.client.errors import InvalidArgument, NoAnswer, RouterdError, Violation
from routerd.client.outbox import Outbox, Report, logger
from routerd.client.table import Fallback, Table
from routerd.client.wire import message
from routerd.v1 import router_pb2, types_pb2

TaskLike = types_pb2.Task | Mapping[str, Any]


class Conditions(TypedDict, total=False):
    """The fields of RouteRequest besides the task."""

    request_id: str
    agent_id: str
    required_capabilities: Iterable[str]
    pool: str
    preference: types_pb2.Preference | Mapping[str, float]
    max_cost_usd: float | None
    max_latency_ms: float | None
    explain: bool
    event_time_ms: int
    follows: types_pb2.Follows | Mapping[str, Any]


class Told(TypedDict, total=False):
    """The fields of Outcome besides the decision's id."""

    outcome_id: str
    kind: types_pb2.OutcomeKind
    source: str
    success: bool | None
    quality: float | None
    cost_usd: float | None
    latency_ms: float | None
    reported_confidence: float | None
    executed_agent_id: str
    explanation: str
    event_time_ms: int
    group_id: str
    signal: str
    cancelled: bool


def request_of(task: TaskLike | None, conditions: Conditions) -> router_pb2.RouteRequest:
    """The request for the wire, with an id: sent again it is the same request.

    Raises TypeError and ValueError with the path of a field, see message; InvalidArgument for one
    that no daemon takes: gRPC says no more than that it is exhausted then, as in a flood.
    """
    wire = message(router_pb2.RouteRequest, {"task": task, **conditions})
    wire.request_id = wire.request_id or str(uuid.uuid4())
    size = wire.ByteSize()
    if size > LARGEST:
        text = f"has {size} bytes; a daemon takes {LARGEST}"
        raise InvalidArgument(
            f"the request {text}",
            code=grpc.StatusCode.INVALID_ARGUMENT,
            reason="FIELD_VIOLATIONS",
            violations=(Violation("", text),),
        )
    return wire


class Routing:
    """Decisions by the daemon, or by the table where no answer came. Safe to share by threads.

    queued: called when there is something to deliver.
    """

    def __init__(
        self,
        fallback: Fallback | None,
        *,
        fail_open: bool,
        outbox: int,
        queued: Callable[[], None],
    ) -> None:
        self.outbox = Outbox(outbox)
        self.delivery = Delivery(self.outbox, self._decided_late)
        self._fail_open = fail_open
        self._queued = queued
        self._table = Table(fallback)
        self._breaker = Breaker()

    def admits(self) -> bool:
        """Whether the daemon is to be asked. Without fail-open there is nobody else to ask."""
        return not self._fail_open or self._breaker.admits()

    def decided(
        self, request: router_pb2.RouteRequest, answer: router_pb2.RouteResponse
    ) -> Decision:
        """The daemon's decision."""
        self._heard(request, answer)
        return decided(request, answer, self._report)

    def failed(self, request: router_pb2.RouteRequest, error: RouterdError) -> Decision:
        """The table's decision in place of an answer. Raises refusals; without fail-open, all."""
        if not isinstance(error, NoAnswer):
            self._breaker.answered()
            raise error
        self._breaker.failed(error.retry_after_s)
        if not self._fail_open:
            raise error
        return self._fallen_back(request, str(error), error)

    def turned_away(self, request: router_pb2.RouteRequest) -> Decision:
        """The table's decision without asking. Raises NoAnswer when the table has no agent."""
        return self._fallen_back(request, "the calls before got no answer", None)

    def report(self, decision: Decision | str, told: Told) -> str:
        """Queue an outcome; its id."""
        if isinstance(decision, Decision):
            outcome = decision.outcome(**told)
            self._report(decision, outcome)
        else:
            fields = {"outcome_id": str(uuid.uuid4()), "decision_id": decision, **told}
            outcome = message(types_pb2.Outcome, fields)
            self._report(None, outcome)
        return outcome.outcome_id

    def close(self) -> None:
        """Give up what waits."""
        left = self.outbox.close()
        if left:
            logger.warning("closed with %d outcomes that the daemon does not have", left)

    def _report(self, decision: Decision | None, outcome: types_pb2.Outcome) -> None:
        self.outbox.put(Report(outcome, decision))
        self._queued()

    def _decided_late(self, decision: Decision, answer: router_pb2.RouteResponse) -> None:
        """The daemon heard of a decision that the table had made."""
        self._heard(decision.request, answer)
        decision.decision_id, decision.answer = answer.decision_id, answer

    def _heard(self, request: router_pb2.RouteRequest, answer: router_pb2.RouteResponse) -> None:
        self._breaker.answered()
        self._table.learn(request, answer)

    def _fallen_back(
        self, request: router_pb2.RouteRequest, why: str, error: NoAnswer | None
    ) -> Decision:
        agent_id = self._table.agent_for(request)
        if not agent_id:
            text = f"no answer, and no fallback for work type {request.task.work_type!r}: "
            if error is None:
                raise NoAnswer(text + why, code=grpc.StatusCode.UNAVAILABLE)
            raise NoAnswer(text + error.message, code=error.code)
        return Decision(
            request=request,
            report=self._report,
            agent_id=agent_id,
            reason=f"The daemon gave no answer, so the client's table did: {why}",
            from_fallback=True,
        )
