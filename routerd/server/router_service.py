"""routerd.v1.RouterService: convert, engine, await durable, convert."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from google.protobuf.message import Message

from routerd.core.errors import RouterError, Violation, invalid
from routerd.core.settings import Server
from routerd.core.validate import check_outcome, check_request
from routerd.log.batch import route_many
from routerd.log.sequencer import Sequencer
from routerd.server import convert
from routerd.server.errors import message_status
from routerd.server.interceptors import Partition
from routerd.server.pipeline import Begun, Pipeline
from routerd.v1 import router_pb2

SERVICE = router_pb2.DESCRIPTOR.services_by_name["RouterService"]

# A response lists at most so many candidates: they take less than the 4 MiB that clients accept.
BATCH_CANDIDATES = 16_384


class Batch(NamedTuple):
    """A batch's response, and the position up to which it answers."""

    position: int
    response: router_pb2.RouteBatchResponse


class RouterService:
    """Chooses agents and learns from outcomes.

    power: whether a decision is answered only when it survives power loss. Outcomes always do.
    """

    def __init__(self, power: bool, limits: Server) -> None:
        self._power = power
        self._most_unanswered = limits.max_unanswered
        self._default_timeout_s = limits.default_timeout_ms / 1000

    async def Route(
        self, wire: router_pb2.RouteRequest, partition: Partition, deadline_s: float
    ) -> router_pb2.RouteResponse:
        def work() -> router_pb2.RouteResponse:
            return routed(partition.sequencer, wire)

        return await partition.committer.settle(work, deadline_s, platter=self._power)

    async def RouteBatch(
        self, wire: router_pb2.RouteBatchRequest, partition: Partition, deadline_s: float
    ) -> router_pb2.RouteBatchResponse:
        def work() -> Batch:
            return routed_batch(partition.sequencer, wire)

        batch = await partition.committer.settle(work, deadline_s, platter=self._power)
        return batch.response

    def RouteStream(
        self,
        wires: AsyncIterator[router_pb2.RouteStreamRequest],
        partition: Partition,
        deadline_s: float | None,
    ) -> AsyncIterator[Message]:
        def begin(wire: router_pb2.RouteStreamRequest) -> Begun[router_pb2.RouteResponse]:
            def work() -> router_pb2.RouteResponse:
                return routed_streamed(partition.sequencer, wire)

            message_deadline_s = self._deadline_s(wire.timeout_ms)
            future = partition.committer.begin(work, message_deadline_s, platter=self._power)
            return Begun(wire.request.request_id, message_deadline_s, future)

        pipeline = Pipeline[router_pb2.RouteResponse]("RouteStreamRequest", self._most_unanswered)
        return pipeline.answers(wires, begin, convert.route_stream_response)

    async def Preview(
        self, wire: router_pb2.PreviewRequest, partition: Partition, deadline_s: float
    ) -> router_pb2.PreviewResponse:
        request = convert.inner_request(wire)
        with inside("request"):
            answer = partition.sequencer.preview(
                convert.request_of(request), explain=request.explain
            )
        await partition.committer.durable(partition.sequencer.position, platter=self._power)
        response = convert.route_response(answer, explain=request.explain)
        return router_pb2.PreviewResponse(answer=response)

    async def ReportOutcome(
        self, wire: router_pb2.ReportOutcomeRequest, partition: Partition, deadline_s: float
    ) -> router_pb2.ReportOutcomeResponse:
        def work() -> router_pb2.ReportOutcomeResponse:
            return convert.outcome_response(partition.sequencer.report(convert.outcome_of(wire)))

        return await partition.committer.settle(work, deadline_s, platter=True)

    def StreamOutcomes(
        self,
        wires: AsyncIterator[router_pb2.StreamOutcomesRequest],
        partition: Partition,
        deadline_s: float | None,
    ) -> AsyncIterator[Message]:
        def begin(
            wire: router_pb2.StreamOutcomesRequest,
        ) -> Begun[router_pb2.ReportOutcomeResponse]:
            def work() -> router_pb2.ReportOutcomeResponse:
                return reported_streamed(partition.sequencer, wire)

            message_deadline_s = self._deadline_s(wire.timeout_ms)
            future = partition.committer.begin(work, message_deadline_s, platter=True)
            return Begun(wire.outcome.outcome_id, message_deadline_s, future)

        pipeline = Pipeline[router_pb2.ReportOutcomeResponse](
            "StreamOutcomesRequest", self._most_unanswered
        )
        return pipeline.answers(wires, begin, convert.stream_outcomes_response)

    def _deadline_s(self, timeout_ms: int) -> float:
        """When a message that was read now is late; one with a wrong timeout is refused anyway."""
        timeout_s = timeout_ms / 1000 if timeout_ms > 0 else self._default_timeout_s
        return asyncio.get_running_loop().time() + timeout_s


def routed(sequencer: Sequencer, wire: router_pb2.RouteRequest) -> router_pb2.RouteResponse:
    answer = sequencer.route(convert.request_of(wire), explain=wire.explain)
    return convert.route_response(answer, explain=wire.explain)


def routed_batch(sequencer: Sequencer, wire: router_pb2.RouteBatchRequest) -> Batch:
    """Each request's answer or Status, in order. Raises for what is wrong with all of them."""
    asked = [(convert.request_of(request), request.explain) for request in wire.requests]
    most = sequencer.state.config.limits.batch
    if len(asked) > most:
        text = f"has {len(asked)} entries; limits.batch is {most}"
        raise invalid([Violation("requests", text)])
    candidates = sum(explain for _, explain in asked) * len(sequencer.state.roster.ids)
    if candidates > BATCH_CANDIDATES:
        text = f"asks with explain for {candidates} candidates; the limit is {BATCH_CANDIDATES}"
        raise invalid([Violation("requests", text)])
    results = [
        convert.route_result(
            request.request_id,
            message_status(told, "RouteRequest")
            if isinstance(told, RouterError)
            else convert.route_response(told, explain=explain),
        )
        for (request, explain), told in zip(asked, route_many(sequencer, asked), strict=True)
    ]
    return Batch(sequencer.position, router_pb2.RouteBatchResponse(results=results))


def routed_streamed(
    sequencer: Sequencer, wire: router_pb2.RouteStreamRequest
) -> router_pb2.RouteResponse:
    def check() -> None:
        request = convert.request_of(convert.inner_request(wire))
        with inside("request"):
            check_request(sequencer.state, request)

    if wrong := convert.timeout_violations(wire.timeout_ms):
        raise joined(wrong, check)
    request = convert.inner_request(wire)
    with inside("request"):
        return routed(sequencer, request)


def reported_streamed(
    sequencer: Sequencer, wire: router_pb2.StreamOutcomesRequest
) -> router_pb2.ReportOutcomeResponse:
    """Without an outcome_id an outcome is refused: sent again, it would be learnt twice."""
    wrong = convert.timeout_violations(wire.timeout_ms)
    if not wire.outcome.outcome_id:
        wrong.append(Violation("outcome.outcome_id", "is required in a stream; make one"))
    if wrong:
        raise joined(wrong, lambda: check_outcome(sequencer.state, convert.outcome_of(wire)))
    return convert.outcome_response(sequencer.report(convert.outcome_of(wire)))


def joined(found: Sequence[Violation], check: Callable[[], Any]) -> RouterError:
    """One refusal for what was found around a message and what `check` finds inside it."""
    try:
        check()
    except RouterError as error:
        return invalid([*found, *error.violations])
    return invalid(found)


@contextmanager
def inside(field: str) -> Iterator[None]:
    """Names the violations of a refusal as fields of an enclosing message."""
    try:
        yield
    except RouterError as error:
        if not error.violations:
            raise
        wrong = [Violation(f"{field}.{v.field}", v.description) for v in error.violations]
        raise invalid(wrong) from None
