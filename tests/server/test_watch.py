"""WatchEvents: every event once and in order, live, and at nobody else's cost."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, get_args

import grpc
import pytest

from routerd.core.events import AnyEvent, ConfigApplied, Record
from routerd.log.base import Entry
from routerd.log.codec import decision_id, record_of, records
from routerd.server import watches
from routerd.server.convert_events import TYPES
from routerd.server.watches import AT_ONCE, BUFFER
from routerd.v1 import agents_pb2, audit_pb2
from tests.server.harness import (
    CONFIG,
    PATIENCE_S,
    Client,
    Daemon,
    Refusal,
    Running,
    in_process,
    refused,
)


class Watch:
    """An open stream of events."""

    def __init__(self, call: Any) -> None:
        self.call = call

    async def take(self, count: int) -> list[audit_pb2.Event]:
        """The next events, as many as are asked for."""
        events: list[audit_pb2.Event] = []
        async with asyncio.timeout(PATIENCE_S):
            while len(events) < count:
                response = await self.call.read()
                assert response is not grpc.aio.EOF
                events.append(response.event)
        return events

    async def refusal(self) -> Refusal:
        """Why it ended."""

        async def read_on() -> None:
            while await self.call.read() is not grpc.aio.EOF:
                pass

        return await refused(read_on())


@asynccontextmanager
async def watching(client: Client, **fields: Any) -> AsyncIterator[Watch]:
    call = client.audit.WatchEvents(audit_pb2.WatchEventsRequest(**fields))
    try:
        yield Watch(call)
    finally:
        call.cancel()


def kinds(events: list[audit_pb2.Event]) -> list[str]:
    return [audit_pb2.EventType.Name(e.type).removeprefix("EVENT_TYPE_") for e in events]


async def test_every_event_comes_once_and_in_order(running: Running) -> None:
    """From position 1: what stands in the log, each with the body of its type."""
    client = running.client
    route = await client.route(task={"work_type": "code", "group_id": "plan"})
    await client.report(decision_id=route.decision_id, success=False, explanation="it broke")
    await client.report(group_id="plan", quality=0.5)
    await client.agent("Register", agent_id="guest", definition={"pool": "paid"})
    await client.agent("Update", agent_id="guest", definition={"version": "2"})
    await client.agent("Update", agent_id="guest", status=agents_pb2.AGENT_STATUS_BUSY)
    await client.agents.DeregisterAgent(agents_pb2.DeregisterAgentRequest(agent_id="guest"))
    async with watching(client, from_position=1) as watch:
        events = await watch.take(8)
    stored = list(records(running.disk, "default"))
    assert [(e.position, e.time_ms) for e in events] == [
        (record.position, record.event.time_ms) for record in stored
    ]
    assert [e.type for e in events] == [TYPES[type(record.event)] for record in stored]
    config, decision, outcome, group, came, changed, busy, gone = events
    assert isinstance(stored[0].event, ConfigApplied)
    assert config.config.config_json.encode() == stored[0].event.config
    told = await client.decision(route.decision_id)
    told.ClearField("outcome")
    assert decision.decision == told
    assert decision.decision.decision_id == decision_id(2, stored[1].hash)
    assert (outcome.outcome.outcome.success, outcome.outcome.outcome.source) == (False, "caller")
    assert outcome.outcome.outcome.HasField("success")
    assert outcome.outcome.outcome.explanation == "it broke"
    assert list(group.outcome.decision_ids) == [route.decision_id]
    assert (came.agent.agent_id, came.agent.definition.pool) == ("guest", "paid")
    assert (changed.agent.definition.version, changed.agent.previous_version) == ("2", "1")
    assert busy.agent.status == agents_pb2.AGENT_STATUS_BUSY
    assert busy.agent.status_cause == agents_pb2.STATUS_CAUSE_SET
    assert gone.agent == audit_pb2.AgentChange(agent_id="guest")


async def test_it_follows_the_log_as_it_grows(client: Client) -> None:
    """Events arrive while they happen, and a stream that broke is taken up where it ended."""
    first = await client.route()
    async with watching(client, from_position=first.position) as watch:
        assert (await watch.take(1))[0].decision.decision_id == first.decision_id
        second = await client.route()
        assert (await watch.take(1))[0].decision.decision_id == second.decision_id
    third = await client.route()
    async with watching(client, from_position=second.position + 1) as watch:
        assert (await watch.take(1))[0].decision.decision_id == third.decision_id


async def test_without_a_position_it_begins_with_the_next_event(running: Running) -> None:
    """What was logged before is not sent."""
    await running.client.route()
    async with watching(running.client) as watch:
        taking = asyncio.create_task(watch.take(1))
        while not running.app.watches.followers:
            await asyncio.sleep(0.002)
        route = await running.client.route()
        (event,) = await taking
    assert event.position == route.position


async def test_only_the_types_that_are_asked_for(running: Running) -> None:
    """Other events are passed over."""
    outcome = audit_pb2.EVENT_TYPE_OUTCOME
    for _ in range(3):
        route = await running.client.route()
        await running.client.report(decision_id=route.decision_id, quality=0.5)
    types = [outcome, audit_pb2.EVENT_TYPE_CONFIG_APPLIED]
    async with watching(running.client, from_position=1, types=types) as watch:
        assert kinds(await watch.take(4)) == ["CONFIG_APPLIED", "OUTCOME", "OUTCOME", "OUTCOME"]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"from_position": 0}, ["from_position"]),
        ({"from_position": 3}, ["from_position"]),
        ({"types": [0, 2, 99]}, ["types[0]", "types[2]"]),
        ({"types": [2] * 99, "from_position": -1}, ["types", "from_position"]),
    ],
)
async def test_wrong_questions_are_refused_by_name(
    running: Running, fields: dict[str, Any], named: list[str]
) -> None:
    """Places that the log does not have, and types that there are none of."""
    async with watching(running.client, **fields) as watch:
        refusal = await watch.refusal()
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.fields == named


async def test_a_deadline_ends_it(running: Running) -> None:
    """A watch with a deadline ends with it; without one it has none."""
    request = audit_pb2.WatchEventsRequest()
    refusal = await Watch(running.client.audit.WatchEvents(request, timeout=0.2)).refusal()
    assert refusal.code is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_watchers_are_bounded() -> None:
    """One more than audit.max_watchers is told so; when one leaves there is room again."""
    async with in_process(config={**CONFIG, "audit": {"max_watchers": 2}}) as running:
        client = running.client
        async with watching(client, from_position=1) as first:
            await first.take(1)
            async with watching(client, from_position=1) as second:
                await second.take(1)
                async with watching(client, from_position=1) as third:
                    refusal = await third.refusal()
                assert refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED
                assert refusal.reason == "OVERLOADED"
                assert "`audit.max_watchers`" in refusal.message
            async with asyncio.timeout(PATIENCE_S):
                while len(running.app.watches.followers) > 1:
                    await asyncio.sleep(0.002)
            async with watching(client, from_position=1) as again:
                await again.take(1)


async def test_who_never_reads_is_behind_and_holds_up_nobody() -> None:
    """The server reads for it no further than its buffers are full; others see everything."""
    labels = {f"k{i}": "v" * 120 for i in range(30)}
    async with (
        in_process(max_wait_ms=60_000) as running,
        watching(running.client, from_position=1) as slow,
        watching(running.client, from_position=1) as quick,
    ):
        await slow.take(1)
        task = {"labels": labels}
        for _ in range(20):
            answers = await asyncio.gather(*(running.client.route(task=task) for _ in range(100)))
        end = max(answer.position for answer in answers)
        events = await quick.take(end)
        assert [event.position for event in events] == list(range(1, end + 1))
        reached = [follower.position for follower in running.app.watches.followers]
        assert max(reached) == end + 1
        assert min(reached) < end - BUFFER


async def test_who_looks_for_something_in_a_long_log_lets_calls_through(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However many look, and however little of it they want: few events in a turn of the loop."""
    turns = 0
    looked_at: Counter[int] = Counter()

    def counted(partition: str, entry: Entry) -> Record:
        looked_at[turns] += 1
        return record_of(partition, entry)

    monkeypatch.setattr(watches, "record_of", counted)
    end = 2 * BUFFER
    drift = audit_pb2.EVENT_TYPE_DRIFT_DETECTED
    async with in_process(max_wait_ms=60_000) as running:
        await burst(running.client, end)
        async with (
            watching(running.client, from_position=1, types=[drift]),
            watching(running.client, from_position=1, types=[drift]),
        ):
            while looked_at.total() < 2 * end:
                turns += 1
                await asyncio.sleep(0)
    assert max(looked_at.values()) <= AT_ONCE


async def test_the_end_of_the_server_ends_it(running: Running) -> None:
    """DRAINING, after which a client asks another server from where it was."""
    async with watching(running.client, from_position=1) as watch:
        await watch.take(1)
        running.stop()
        refusal = await watch.refusal()
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "DRAINING")
    assert refusal.message == "the server is shutting down: ask another, or ask again later"


async def test_a_log_that_lost_its_end_is_not_glossed_over(running: Running) -> None:
    """Events that were sent and then lost with the disk end the stream, with the way out."""
    client, app = running.client, running.app
    await client.route()
    lost = await client.route()
    async with watching(client, from_position=1) as watch:
        await watch.take(3)
        entries = running.disk._entries["default"]
        del entries[lost.position - 1 :]
        app.sequencer.fail()
        app.sequencer.recover()
        again = await client.route(request_id="another")
        assert again.position == lost.position
        await client.route()
        refusal = await watch.refusal()
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "READ_ONLY")
    assert f"position {lost.position}" in refusal.message


async def test_a_daemon_is_watched_by_many_at_once(daemon: Daemon) -> None:
    """Each watcher sees every event of a burst, from a log on disk."""
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        client = Client(channel)
        first = await client.route()
        watches = [asyncio.create_task(seen(client, first.position, count=201)) for _ in range(5)]
        answers = [answer for _ in range(10) for answer in await burst(client, 20)]
        positions = sorted([first.position, *(answer.position for answer in answers)])
        for found in await asyncio.gather(*watches):
            assert [event.position for event in found] == positions
            assert all(event.HasField("decision") for event in found)


async def seen(client: Client, position: int, count: int) -> list[audit_pb2.Event]:
    """The decisions from a position on."""
    types = [audit_pb2.EVENT_TYPE_DECISION]
    async with watching(client, from_position=position, types=types) as watch:
        return await watch.take(count)


def test_every_kind_of_event_has_a_type() -> None:
    """Whoever adds an event gives it a type and a body."""
    assert set(TYPES) == set(get_args(AnyEvent))
    assert len(set(TYPES.values())) == len(TYPES) == len(audit_pb2.EventType.keys()) - 1


async def burst(client: Client, count: int) -> list[Any]:
    return await asyncio.gather(*(client.route() for _ in range(count)))
