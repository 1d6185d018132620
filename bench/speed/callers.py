"""Who calls the servers of a load measurement: what is sent, by mode, and what has failed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import grpc
import numpy as np

from bench.speed import targets
from bench.speed.decide import tasks
from bench.speed.drive import TIMEOUT_S, Call, Round, closed, open_loop, streamed
from routerd.v1 import router_pb2, types_pb2

PAYLOADS = 512
BATCH = 256
# A round in which they do not last ends early, and is measured by its own length.
OUTCOMES_PER_S = 6_400

SERVICE = router_pb2.DESCRIPTOR.services_by_name["RouterService"]


class Point(NamedTuple):
    """One way of calling. An open loop has a rate of calls a second; a closed one has callers, who
    wait for their answers, or on a stream, messages that are sent ahead of the answers."""

    mode: str
    loop: str
    concurrency: int | None = None
    rate: float | None = None


class Caller:
    """One server and the calls that are made to it, as bytes.

    Modes: unary Route; stream, a RouteStream; outcomes, a StreamOutcomes; batch, RouteBatch of
    BATCH requests.
    """

    def __init__(self, name: str, channel: grpc.aio.Channel) -> None:
        self.name = name
        self.payloads = [wire.SerializeToString() for wire in requests(PAYLOADS)]
        self.streamed = [
            router_pb2.RouteStreamRequest(request=wire).SerializeToString()
            for wire in requests(PAYLOADS)
        ]
        self.batches = [
            router_pb2.RouteBatchRequest(requests=wires).SerializeToString()
            for wires in batched(list(requests(PAYLOADS)))
        ]
        self._channel = channel
        self.route = self._unary("Route")
        self.report = self._unary("ReportOutcome")
        self.batch = self._unary("RouteBatch")

    def _unary(self, method: str) -> Call:
        call: Any = self._channel.unary_unary(f"/{SERVICE.full_name}/{method}")
        return lambda data: call(data, timeout=TIMEOUT_S)

    def _stream(self, method: str) -> Any:
        return self._channel.stream_stream(f"/{SERVICE.full_name}/{method}")

    async def run(
        self, point: Point, seconds: float, seed: int, outcomes: Sequence[bytes]
    ) -> Round:
        """One round. outcomes: to be streamed, if that is the mode."""
        if point.rate is not None:
            return await open_loop(self.route, self.payloads, point.rate, seconds, seed)
        assert point.concurrency is not None
        match point.mode:
            case "stream":
                many = self.streamed * (1 + int(OUTCOMES_PER_S * seconds) // PAYLOADS)
                open_stream = self._stream("RouteStream")
                shown = await streamed(open_stream, many, point.concurrency, seconds)
                return shown._replace(failed=sum(map(route_failed, shown.answers)))
            case "outcomes":
                open_stream = self._stream("StreamOutcomes")
                shown = await streamed(open_stream, outcomes, point.concurrency, seconds)
                return shown._replace(failed=sum(map(outcome_failed, shown.answers)))
            case "batch":
                return await closed(self.batch, self.batches, point.concurrency, seconds)
        return await closed(self.route, self.payloads, point.concurrency, seconds)

    async def outcomes(self, seconds: float) -> list[bytes]:
        """Outcomes of new decisions as messages of a stream, more than a round takes."""
        made = []
        for number in range(1 + int(OUTCOMES_PER_S * seconds) // BATCH):
            data = await self.batch(self.batches[number % len(self.batches)])
            for result in router_pb2.RouteBatchResponse.FromString(data).results:
                name = result.answer.decision_id
                outcome = types_pb2.Outcome(
                    decision_id=name, outcome_id=name, quality=0.75, cost_usd=0.01
                )
                made.append(router_pb2.StreamOutcomesRequest(outcome=outcome).SerializeToString())
        return made

    async def preview(self) -> router_pb2.RouteResponse:
        """What Route would answer now."""
        wire = router_pb2.PreviewRequest(request=next(requests(1)))
        data = await self._unary("Preview")(wire.SerializeToString())
        return router_pb2.PreviewResponse.FromString(data).answer

    async def samples(self) -> dict[str, bytes]:
        """An answer of each method that is measured."""
        (outcome, *_) = await self.outcomes(0.0)
        streams = {"RouteStream": self.streamed[0], "StreamOutcomes": outcome}
        answers = {
            "Route": await self.route(self.payloads[0]),
            "RouteBatch": await self.batch(self.batches[0]),
        }
        for method, data in streams.items():
            (answers[method],) = (
                await streamed(self._stream(method), [data], 1, TIMEOUT_S)
            ).answers
        return answers

    async def teach(self, answers: Sequence[bytes], seed: int) -> None:
        """Report seeded outcomes of answered decisions."""
        rng = np.random.default_rng(seed)
        reports = []
        for data in answers:
            answer = router_pb2.RouteResponse.FromString(data)
            skill = (1 + int(answer.agent_id.rpartition("-")[2])) / (targets.AGENTS + 1)
            quality = float(rng.beta(4.0 * skill, 4.0 * (1.0 - skill)))
            outcome = types_pb2.Outcome(
                decision_id=answer.decision_id, quality=quality, cost_usd=0.01 * skill
            )
            wire = router_pb2.ReportOutcomeRequest(outcome=outcome)
            reports.append(self.report(wire.SerializeToString()))
        await asyncio.gather(*reports)


def requests(count: int) -> Iterator[router_pb2.RouteRequest]:
    """Seeded requests, without a request_id: each is a new decision."""
    for task, _ in tasks(targets.FEATURES, count):
        wire = types_pb2.Task(work_type=task.work_type, features=task.features)
        yield router_pb2.RouteRequest(task=wire)


def route_failed(answer: bytes) -> bool:
    return router_pb2.RouteStreamResponse.FromString(answer).result.HasField("status")


def outcome_failed(answer: bytes) -> bool:
    return router_pb2.StreamOutcomesResponse.FromString(answer).HasField("status")


def batched(
    wires: Sequence[router_pb2.RouteRequest],
) -> Iterator[Sequence[router_pb2.RouteRequest]]:
    for at in range(0, len(wires), BATCH):
        yield wires[at : at + BATCH]
