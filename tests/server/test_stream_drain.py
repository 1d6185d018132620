"""A drain meets open streams: what was read is acknowledged, and nobody else has to wait."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest

from routerd.v1 import audit_pb2, router_pb2
from tests.server.harness import (
    PATIENCE_S,
    Client,
    Running,
    in_process,
    pump,
    read,
    refused,
    until,
)
from tests.server.messages import TASK, asked, reported


async def drained(running: Running) -> None:
    """Stop a server while a stream waits for the disk: it gets the answers to what was read."""
    decision = await running.client.route(task=TASK)
    running.disk.flowing.clear()
    call = running.client.router.StreamOutcomes()
    for message in reported(decision.decision_id, "a", "b", "c"):
        await call.write(message)
    await until(lambda: running.state()[0] == decision.position + 3)
    stop = running.stop()
    assert (await refused(running.client.route())).reason == "DRAINING"
    running.disk.flowing.set()
    assert [a.ack.outcome_id for a in await read(call, 3)] == ["a", "b", "c"]
    assert (await refused(call.read())).reason == "DRAINING"
    async with asyncio.timeout(PATIENCE_S):
        await stop


async def test_a_drain_acknowledges_what_was_read(running: Running) -> None:
    """Then the stream ends in DRAINING, and the client knows what to send elsewhere."""
    await drained(running)


@pytest.mark.parametrize("kind", ["answers", "events"])
async def test_who_reads_nothing_holds_up_no_drain(kind: str) -> None:
    """Who reads gets all its answers meanwhile; what nobody read can be asked for again."""
    small = [("grpc.http2.bdp_probe", 0), ("grpc.use_local_subchannel_pool", 1)]
    async with (
        in_process(drain_timeout_ms=3_600_000, max_unanswered=200) as running,
        grpc.aio.insecure_channel(running.address, options=small) as channel,
    ):
        stalled: Any
        if kind == "events":
            for _ in range(10):
                batch = [router_pb2.RouteRequest(task=TASK) for _ in range(100)]
                await running.client.router.RouteBatch(router_pb2.RouteBatchRequest(requests=batch))
            watched = audit_pb2.WatchEventsRequest(from_position=1)
            stalled = Client(channel).audit.WatchEvents(watched)
            await stalled.read()
        else:
            stalled = Client(channel).router.RouteStream()
            messages = asked({"request_id": "again", "explain": True, "task": TASK}) * 10_000
            pumping = asyncio.create_task(pump(stalled, messages))
        await until(lambda: running.app.gate._sending.stalled(0.5) == 1)
        await drained(running)
        if kind == "answers":
            pumping.cancel()
        stalled.cancel()
