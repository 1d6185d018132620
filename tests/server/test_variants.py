"""One by one, on streams and in batches, the same requests leave the same log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc

from routerd.v1 import router_pb2, types_pb2
from tests.e2e import script
from tests.server.harness import (
    PATIENCE_S,
    Client,
    in_process,
    told,
)

# For the requests without a work type.
RULES = [{"label": "code", "any": ["fix"]}, {"label": "search", "any": ["find"], "all": ["9"]}]


class Variant:
    """A way to send the same requests and outcomes."""

    def __init__(self, client: Client) -> None:
        self.router = client.router

    async def route(self, requests: Sequence[router_pb2.RouteRequest]) -> list[str]:
        """The decision of each request; empty where it was refused."""
        answers = []
        for request in requests:
            try:
                answers.append((await self.router.Route(request, timeout=PATIENCE_S)).decision_id)
            except grpc.aio.AioRpcError:
                answers.append("")
        return answers

    async def report(self, outcomes: Sequence[types_pb2.Outcome]) -> None:
        for outcome in outcomes:
            request = router_pb2.ReportOutcomeRequest(outcome=outcome)
            await self.router.ReportOutcome(request, timeout=PATIENCE_S)


class Streams(Variant):
    async def route(self, requests: Sequence[router_pb2.RouteRequest]) -> list[str]:
        messages = [router_pb2.RouteStreamRequest(request=request) for request in requests]
        answers = await told(self.router.RouteStream(timeout=PATIENCE_S), messages)
        return [a.result.answer.decision_id for a in answers]

    async def report(self, outcomes: Sequence[types_pb2.Outcome]) -> None:
        messages = [router_pb2.StreamOutcomesRequest(outcome=outcome) for outcome in outcomes]
        answers = await told(self.router.StreamOutcomes(timeout=PATIENCE_S), messages)
        assert all(a.HasField("ack") for a in answers)


class Batches(Streams):
    async def route(self, requests: Sequence[router_pb2.RouteRequest]) -> list[str]:
        decided = []
        for at in range(0, len(requests), 64):
            wire = router_pb2.RouteBatchRequest(requests=requests[at : at + 64])
            response = await self.router.RouteBatch(wire, timeout=PATIENCE_S)
            decided += [r.answer.decision_id for r in response.results]
        return decided


async def logged(variant: type[Variant]) -> tuple[list[str], list[Any]]:
    """The decisions and the log after 2,000 requests and their outcomes, sent in this way."""
    config = {**script.CONFIG, "outcomes": {}, "limits": {}, "signals": {"rules": RULES}}
    fields = [step.fields for step in script.steps() if step.of < 0][:2_000]
    requests = [router_pb2.RouteRequest(**f) for f in fields]
    async with in_process(config=config) as running:
        sender, decided = variant(running.client), []
        for at in range(0, len(requests), 250):
            fresh = await sender.route(requests[at : at + 250])
            decided += fresh
            await sender.report(
                [
                    types_pb2.Outcome(outcome_id=f"o-{at}-{i}", decision_id=name, quality=i % 9 / 8)
                    for i, name in enumerate(fresh)
                    if name and i % 3 == 0
                ]
            )
        assert running.app.sequencer.state.hash()
        return decided, list(running.disk.read("default"))


async def test_every_way_to_send_gives_the_same_log() -> None:
    """2,000 requests one by one, on a stream and in batches: the same decisions, byte for byte."""
    decided, log = await logged(Variant)
    assert 1_700 < len([name for name in decided if name]) < 2_000
    assert await logged(Streams) == (decided, log)
    assert await logged(Batches) == (decided, log)
