"""routerd.v1.RouterService: convert, engine, await durable, convert."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

from google.protobuf.message import Message

from routerd.core.settings import Server
from routerd.server import convert
from routerd.server.interceptors import Partition
from routerd.server.many import (
    Batch,
    Routing,
    inside,
    reported_streamed,
    routed_batch,
    routed_streamed,
)
from routerd.server.pipeline import Kind, Pipeline
from routerd.v1 import router_pb2

SERVICE = router_pb2.DESCRIPTOR.services_by_name["RouterService"]


class RouterService:
    """Chooses agents and learns from outcomes.

    power: whether a decision is answered only when it survives power loss. Outcomes always do.
    """

    def __init__(self, power: bool, limits: Server) -> None:
        self._power = power
        self._limits = limits

    async def Route(
        self, wire: router_pb2.RouteRequest, partition: Partition, deadline_s: float
    ) -> router_pb2.RouteResponse:
        work = Routing(partition.sequencer, wire)
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
        kind = Kind[router_pb2.RouteStreamRequest](
            name="RouteStreamRequest",
            key=lambda wire: wire.request.request_id,
            work=partial(routed_streamed, partition.sequencer),
            answer=convert.route_stream_response,
            platter=self._power,
        )
        return Pipeline(kind, partition.committer, self._limits).answers(wires)

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
        kind = Kind[router_pb2.StreamOutcomesRequest](
            name="StreamOutcomesRequest",
            key=lambda wire: wire.outcome.outcome_id,
            work=partial(reported_streamed, partition.sequencer),
            answer=convert.stream_outcomes_response,
            platter=True,
        )
        return Pipeline(kind, partition.committer, self._limits).answers(wires)
