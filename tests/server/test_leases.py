"""Heartbeats: who stops is offline when its lease ends, and nothing else ends a lease."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import grpc
import pytest

from routerd.core.answers import Listed
from routerd.core.events import AgentStatusChanged
from routerd.core.values import AgentStatus, StatusCause
from routerd.engine.fold import fold
from routerd.engine.registry import Registry
from routerd.log.codec import records
from routerd.server import leases
from routerd.server.leases import LATE_S
from routerd.v1 import agents_pb2, agents_pb2_grpc
from tests.core.engine import Clock
from tests.e2e.daemon import Daemon, verified
from tests.server.harness import CONFIG, PATIENCE_S, Disk, Running, in_process, refused, until

DAY_MS = 24 * 3_600_000
ONLINE, OFFLINE = AgentStatus.ONLINE, AgentStatus.OFFLINE
BUSY = agents_pb2.AGENT_STATUS_BUSY
SHORT_MS, LONG_MS = 100, 600_000


def said(disk: Disk) -> list[tuple[str, str, str]]:
    """What the log holds about statuses."""
    events = [record.event for record in records(disk, "default")]
    return [(e.agent_id, e.status, e.cause) for e in events if isinstance(e, AgentStatusChanged)]


def standing(running: Running, agent_id: str) -> Listed:
    return Registry(running.app.sequencer).get(agent_id)


async def offline(running: Running, agent_id: str) -> None:
    await until(lambda: standing(running, agent_id).status is OFFLINE)


async def test_an_agent_that_falls_silent_is_offline_until_it_beats(running: Running) -> None:
    """Its lease ends once, its next beat brings it back: three events for any number of beats."""
    assert await running.client.beat(*["small"] * 50, lease_ms=SHORT_MS) == 50
    await offline(running, "small")
    refusal = await refused(running.client.route(agent_id="small"))
    assert refusal.facts["small"] == "OFFLINE: is offline: its heartbeats stopped"
    told = await running.client.agent("Get", agent_id="small")
    assert (told.lease_ms, told.lease_left_ms) == (0, 0)
    assert told.status_cause == agents_pb2.STATUS_CAUSE_LEASE_ENDED
    await running.client.beat("small", lease_ms=LONG_MS)
    assert (await running.client.route(agent_id="small")).agent_id == "small"
    assert said(running.disk) == [
        ("small", ONLINE, StatusCause.HEARTBEAT),
        ("small", OFFLINE, StatusCause.LEASE_ENDED),
        ("small", ONLINE, StatusCause.HEARTBEAT),
    ]


async def test_a_beat_moves_the_end_of_a_lease(running: Running) -> None:
    """It starts anew with each beat, be it longer or shorter than before."""
    client = running.client
    await client.beat("small", "large", "medium", lease_ms=LONG_MS)
    first = (await client.agent("Get", agent_id="small")).lease_left_ms
    async with asyncio.timeout(PATIENCE_S):
        while (left := (await client.agent("Get", agent_id="small")).lease_left_ms) >= first:
            pass
    assert 0 < left < first <= LONG_MS
    await client.beat("small", lease_ms=LONG_MS)
    assert (await client.agent("Get", agent_id="small")).lease_left_ms > left
    await client.beat("large", lease_ms=SHORT_MS)
    await client.beat("large", lease_ms=LONG_MS)
    await client.beat("medium", lease_ms=SHORT_MS)
    await offline(running, "medium")  # so the short timer of the other has run out as well
    assert standing(running, "large").status is ONLINE
    assert [who for who, status, _ in said(running.disk) if status == OFFLINE] == ["medium"]


async def test_a_lease_outlives_its_stream(running: Running) -> None:
    """A stream that breaks off says nothing; one that stands and is silent ends a lease."""
    broken: Any = running.client.agents.Heartbeat()
    silent: Any = running.client.agents.Heartbeat()
    await silent.write(agents_pb2.HeartbeatRequest(agent_id="large", lease_ms=SHORT_MS))
    await broken.write(agents_pb2.HeartbeatRequest(agent_id="small", lease_ms=LONG_MS))
    await until(lambda: standing(running, "small").lease_ms == LONG_MS)
    broken.cancel()
    await offline(running, "large")
    assert standing(running, "small").status is ONLINE
    await silent.write(agents_pb2.HeartbeatRequest(agent_id="large", status=BUSY, lease_ms=LONG_MS))
    await silent.done_writing()
    assert (await silent).heartbeats == 2
    assert standing(running, "large").status is AgentStatus.BUSY


async def test_a_wrong_beat_ends_its_stream_and_those_before_it_count(running: Running) -> None:
    """The refusal names what is wrong; an agent that is removed learns it by its next beat."""
    client = running.client
    await client.agent("Register", agent_id="guest")
    refusal = await refused(client.beat("small", "nobody", "large", lease_ms=LONG_MS))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "AGENT_NOT_FOUND")
    assert standing(running, "small").lease_ms == LONG_MS
    assert standing(running, "large").lease_ms == 0
    refusal = await refused(client.beat("", lease_ms=99))
    assert refusal.fields == ["agent_id", "lease_ms"]
    assert refusal.message.endswith("lease_ms: is 99; it must lie in [100, 86400000]")
    call: Any = client.agents.Heartbeat()
    await call.write(agents_pb2.HeartbeatRequest(agent_id="guest"))
    await until(lambda: standing(running, "guest").lease_ms == 30_000)
    await client.agents.DeregisterAgent(agents_pb2.DeregisterAgentRequest(agent_id="guest"))
    await call.write(agents_pb2.HeartbeatRequest(agent_id="guest"))
    assert (await refused(call)).reason == "AGENT_NOT_FOUND"


async def test_no_jump_of_the_clock_ends_a_lease() -> None:
    """Three days forward or back, events are dated so, and the lease runs on as before."""
    clock = Clock()
    async with in_process(clock) as running:
        await running.client.beat("small", lease_ms=LONG_MS)
        for jump_ms in (3 * DAY_MS, -6 * DAY_MS, 3 * DAY_MS):
            clock.now_ms += jump_ms
            await running.client.beat("large", lease_ms=SHORT_MS)
            await offline(running, "large")
            told = await running.client.agent("Get", agent_id="small")
            assert told.status == agents_pb2.AGENT_STATUS_ONLINE
            assert 0 < told.lease_left_ms <= LONG_MS


async def test_stopping_ends_no_lease_and_starting_starts_each_anew() -> None:
    """The server does not blame agents for the beats that it does not hear."""
    disk = Disk()
    async with in_process(disk=disk) as running:
        decision_id = (await running.client.route()).decision_id
        await running.client.beat("small", lease_ms=1_000)
        stalled = await running.stalled_report(decision_id)  # the drain waits for it
        stopping = running.stop()
        await asyncio.sleep(1.1)  # there is nothing to wait for: nothing may happen
        disk.flowing.set()
        await stalled
        await stopping
    assert fold(disk, "default").standings["small"].status is ONLINE
    async with in_process(disk=disk) as running:
        assert (await running.client.agent("Get", agent_id="small")).lease_ms == 1_000
        await offline(running, "small")


async def test_a_process_that_stood_still_blames_no_agent(running: Running) -> None:
    """As by SIGSTOP, or with its virtual machine: the beats of that time are still to be read."""
    await running.client.beat("small", lease_ms=1_000)
    time.sleep(1 + 2 * LATE_S)
    await running.client.beat("small", lease_ms=1_000)
    assert said(running.disk) == [("small", ONLINE, StatusCause.HEARTBEAT)]
    await offline(running, "small")


async def test_a_lease_that_ends_on_a_full_disk_starts_anew(running: Running) -> None:
    """Nothing can be logged then, so nothing is decided either; with room again, it runs anew."""
    await running.client.beat("small", lease_ms=SHORT_MS)
    running.disk.full = True
    await until(lambda: running.app.sequencer.read_only)
    assert said(running.disk) == [("small", ONLINE, StatusCause.HEARTBEAT)]
    running.disk.full = False
    await offline(running, "small")
    assert said(running.disk)[1:] == [("small", OFFLINE, StatusCause.LEASE_ENDED)]


async def test_a_fault_of_ours_ends_no_lease_for_good(
    running: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told, and tried again until the agent that fell silent is offline."""

    def fault(*_: object) -> Any:
        raise TypeError("nobody foresaw it")

    monkeypatch.setattr(leases, "AGAIN_S", 0.01)
    with monkeypatch.context() as patched:
        patched.setattr(Registry, "end_lease", fault)
        await running.client.beat("small", lease_ms=SHORT_MS)
        await until(lambda: caplog.text.count("nobody foresaw it") > 1)
        assert "the lease of agent small cannot end" in caplog.text
    await offline(running, "small")


def test_leases_survive_kill_9(tmp_path: Path) -> None:
    """After a restart each agent with a lease has a whole one to come back; then it is offline."""
    with Daemon(tmp_path, CONFIG) as daemon:
        with grpc.insecure_channel(daemon.address) as channel:
            agents: Any = agents_pb2_grpc.AgentServiceStub(channel)
            beat = agents_pb2.HeartbeatRequest
            beats = [
                beat(agent_id="small", lease_ms=LONG_MS),
                beat(agent_id="large", lease_ms=SHORT_MS),
                beat(agent_id="medium", status=BUSY, lease_ms=LONG_MS),
            ]
            agents.Heartbeat(iter(beats))
            daemon.kill()
        daemon.start()
        with grpc.insecure_channel(daemon.address) as channel:
            agents = agents_pb2_grpc.AgentServiceStub(channel)

            def told(agent_id: str) -> agents_pb2.Agent:
                request = agents_pb2.GetAgentRequest(agent_id=agent_id)
                agent: agents_pb2.Agent = agents.GetAgent(request).agent
                return agent

            patience = time.monotonic() + PATIENCE_S
            while told("large").status != agents_pb2.AGENT_STATUS_OFFLINE:
                assert time.monotonic() < patience
            assert told("small").status == agents_pb2.AGENT_STATUS_ONLINE
            assert told("medium").status == agents_pb2.AGENT_STATUS_BUSY
            assert 0 < told("medium").lease_left_ms <= LONG_MS
        assert daemon.end() == 0
    assert verified(daemon.data).mismatches == ()
