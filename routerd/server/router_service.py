"""routerd.v1.RouterService: convert, engine, await durable, convert."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from functools import partial

from google.protobuf.message import Message

from routerd.engine.sequencer import Sequencer
from routerd.server import convert
from routerd.server.hearing import Asked, asked, each_asked, hear, hear_many, quick, slow
from routerd.server.interceptors import Partition
from routerd.server.many import (
    Routing,
    asked_streamed,
    check_batch,
    reported_streamed,
    routed_batch,
    routed_streamed,
    told,
)
from routerd.server.pipeline import Kind, Pipeline
from routerd.server.refusals import inside
from routerd.settings import Server
from routerd.signals.hybrid import Classifier
from routerd.v1 import router_pb2

SERVICE = router_pb2.DESCRIPTOR.services_by_name["RouterService"]


class RouterService:
    """Chooses agents and learns from outcomes.

    power: whether a decision is answered only when it survives power loss. Outcomes always do.
    classifier: finds work types in descriptions; None for none. It may be replaced at any time.
    """

    def __init__(self, power: bool, limits: Server, classifier: Classifier | None) -> None:
        self._power = power
        self._limits = limits
        self.classifier = classifier

    async def Route(
        self, wire: router_pb2.RouteRequest, partition: Partition, deadline_s: float
    ) -> router_pb2.RouteResponse:
        question = asked(partition.sequencer, wire)
        if self.classifier is not None:
            question = await hear(self.classifier, partition.sequencer, question, deadline_s)
        work = Routing(partition.sequencer, question)
        return await partition.committer.settle(work, deadline_s, platter=self._power)

    async def RouteBatch(
        self, wire: router_pb2.RouteBatchRequest, partition: Partition, deadline_s: float
    ) -> router_pb2.RouteBatchResponse:
        check_batch(partition.sequencer, wire)
        several = each_asked(partition.sequencer, wire.requests)
        if self.classifier is not None:
            several = await hear_many(self.classifier, partition.sequencer, several, deadline_s)
        work = partial(routed_batch, partition.sequencer, wire, several)
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
            before=partial(self._before, partition.sequencer),
            work=partial(routed_streamed, partition.sequencer),
            answer=convert.route_stream_response,
            platter=self._power,
        )
        return Pipeline(kind, partition.committer, self._limits).answers(wires)

    async def Preview(
        self, wire: router_pb2.PreviewRequest, partition: Partition, deadline_s: float
    ) -> router_pb2.PreviewResponse:
        request = convert.inner_request(wire)
        sequencer = partition.sequencer
        with inside("request"):
            question = asked(sequencer, request)
            if self.classifier is not None:
                question = await hear(self.classifier, sequencer, question, deadline_s)
            answer = sequencer.preview(question.request, explain=question.explain)
        await partition.committer.durable(sequencer.position, platter=self._power)
        return router_pb2.PreviewResponse(answer=question.response(answer))

    async def Claim(
        self, wire: router_pb2.ClaimRequest, partition: Partition, deadline_s: float
    ) -> router_pb2.ClaimResponse:
        claim = convert.claim_of(wire)
        told = await partition.change(deadline_s, partition.sequencer.claim, claim)
        return convert.claim_response(claim, told)

    async def ReportOutcome(
        self, wire: router_pb2.ReportOutcomeRequest, partition: Partition, deadline_s: float
    ) -> router_pb2.ReportOutcomeResponse:
        def work() -> router_pb2.ReportOutcomeResponse:
            outcome = told(partition.sequencer, wire)
            return convert.outcome_response(partition.sequencer.report(outcome))

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
            before=lambda wire, deadline_s: None,
            work=partial(reported_streamed, partition.sequencer),
            answer=convert.stream_outcomes_response,
            platter=True,
        )
        return Pipeline(kind, partition.committer, self._limits).answers(wires)

    def _before(
        self, sequencer: Sequencer, wire: router_pb2.RouteStreamRequest, deadline_s: float
    ) -> Asked | Awaitable[Asked]:
        """A message's request with what is made of its description, or the wait for that."""
        question, classifier = asked_streamed(sequencer, wire), self.classifier
        if classifier is None:
            return question
        known = quick(classifier, sequencer, question)
        return slow(classifier, question, deadline_s) if known is None else known
