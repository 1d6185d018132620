"""Limits, deadlines, health and draining: what a call meets besides its method."""

from __future__ import annotations

import asyncio
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2

from bench.speed import flood
from routerd.clock import wall_clock
from routerd.log.base import LogStuck
from routerd.v1 import router_pb2, types_pb2
from tests.server.harness import Running, in_process, refused, until

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
NAMES = ("", "routerd.v1.RouterService", "routerd.v1.AuditService")


class Watch:
    """What a watcher of health was told, in order."""

    def __init__(self, running: Running, name: str) -> None:
        self.told: list[int] = []
        self._call = running.client.health.Watch(health_pb2.HealthCheckRequest(service=name))
        self._task = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        try:
            async for response in self._call:
                self.told.append(response.status)
        except (grpc.aio.AioRpcError, asyncio.CancelledError):
            pass  # the server ended


async def watches(running: Running) -> list[Watch]:
    found = [Watch(running, name) for name in NAMES]
    await until(lambda: all(watch.told == [SERVING] for watch in found))
    return found


async def test_overload_is_refused_at_once_and_says_when_to_come_back() -> None:
    """Beyond max_in_flight a call changes nothing and is told to wait; room makes it pass."""
    async with in_process(max_in_flight=1) as running:
        route = await running.client.route()
        report = await running.stalled_report(route.decision_id)
        before = running.state()
        refusal = await refused(running.client.route())
        assert refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert refusal.reason == "OVERLOADED"
        assert int(refusal.pushback_ms or 0) > 0
        assert running.state() == before
        running.disk.flowing.set()
        await report
        assert (await running.client.route()).decision_id


async def test_a_call_without_a_deadline_gets_the_servers() -> None:
    """On a stalled disk such a call ends in DEADLINE_EXCEEDED; what it said is kept."""
    async with in_process(default_timeout_ms=100) as running:
        route = await running.client.route()
        running.disk.flowing.clear()
        outcome = types_pb2.Outcome(decision_id=route.decision_id, outcome_id="o", success=True)
        request = router_pb2.ReportOutcomeRequest(outcome=outcome)
        refusal = await refused(running.client.router.ReportOutcome(request))
        assert refusal.code is grpc.StatusCode.DEADLINE_EXCEEDED
        assert refusal.reason == "DEADLINE_PASSED"
        running.disk.flowing.set()
        assert (await running.client.router.ReportOutcome(request)).duplicate


async def test_calls_that_are_late_change_nothing() -> None:
    """Calls whose deadline passed while the server was busy are not carried out."""
    delays_s: list[float] = []
    wall = wall_clock()

    def clock() -> int:
        time.sleep(delays_s.pop() if delays_s else 0.0)
        return wall()

    async with in_process(clock) as running:
        before = await running.client.route()
        delays_s += [0.5, *[0.0] * 9]  # the tenth call keeps the event loop for so long
        route = running.client.router.Route
        calls = [route(router_pb2.RouteRequest(), timeout=0.2) for _ in range(40)]
        codes = [await call.code() for call in calls]
        assert codes.count(grpc.StatusCode.DEADLINE_EXCEEDED) >= 30
        after = await running.client.route()
        assert after.position == before.position + 10 + 1


async def test_a_bug_is_logged_and_tells_the_caller_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An exception that nobody foresaw is INTERNAL; the log says where, and quotes no words."""
    bugs: list[Exception] = []
    wall = wall_clock()

    def clock() -> int:
        if bugs:
            raise bugs.pop()
        return wall()

    async with in_process(clock) as running:
        before = running.state()
        bugs.append(ValueError("a secret"))
        refusal = await refused(running.client.route())
        assert refusal.code is grpc.StatusCode.INTERNAL
        assert not refusal.status.details
        assert running.state() == before
        assert (await running.client.route()).position == before[0] + 1
    told = f"{refusal.message} {caplog.text}"
    assert "in clock" in caplog.text
    assert "ValueError" in caplog.text
    assert "a secret" not in told


async def test_a_cancelled_call_is_finished_all_the_same(running: Running) -> None:
    """Who hangs up while the disk works has still reported."""
    route = await running.client.route()
    report = await running.stalled_report(route.decision_id, outcome_id="o-1")
    report.cancel()
    running.disk.flowing.set()
    again = await running.client.report(
        decision_id=route.decision_id, outcome_id="o-1", success=True
    )
    assert again.duplicate


async def test_a_full_disk_is_told_by_calls_and_by_health(running: Running) -> None:
    """Without room: READ_ONLY, NOT_SERVING, no change, reads go on; with room: serving again."""
    route = await running.client.route()
    health = await watches(running)
    before = running.state()
    running.disk.full = True
    for call in (
        running.client.route(),
        running.client.report(decision_id=route.decision_id, success=True),
    ):
        refusal = await refused(call)
        assert refusal.code is grpc.StatusCode.UNAVAILABLE
        assert refusal.reason == "READ_ONLY"
    await until(lambda: all(watch.told == [SERVING, NOT_SERVING] for watch in health))
    assert running.state() == before
    assert (await running.client.decision(route.decision_id)).agent_id == route.agent_id
    running.disk.full = False
    await until(lambda: all(watch.told == [SERVING, NOT_SERVING, SERVING] for watch in health))
    assert (await running.client.route()).position == before[0] + 1


async def test_stop_tells_health_refuses_and_answers_what_is_in_flight(running: Running) -> None:
    """A drain: NOT_SERVING first, DRAINING for new calls, the admitted call gets its answer."""
    route = await running.client.route()
    health = await watches(running)
    report = await running.stalled_report(route.decision_id)
    stop = running.stop()
    await until(lambda: all(watch.told == [SERVING, NOT_SERVING] for watch in health))
    refusal = await refused(running.client.route())
    assert refusal.code is grpc.StatusCode.UNAVAILABLE
    assert refusal.reason == "DRAINING"
    assert not report.done()
    running.disk.flowing.set()
    assert (await report).position == route.position + 1
    await stop
    assert (await refused(running.client.route())).code is grpc.StatusCode.UNAVAILABLE


async def test_a_drain_under_load_tells_every_call_to_come_again(running: Running) -> None:
    """Callers that ask again at once, up to the end of the server, see UNAVAILABLE and no other."""
    codes: set[grpc.StatusCode] = set()
    left = asyncio.Event()

    async def call() -> None:
        while not left.is_set():
            code = await running.client.router.Route(router_pb2.RouteRequest()).code()
            codes.add(code)

    callers = [asyncio.create_task(call()) for _ in range(100)]
    await until(lambda: running.state()[0] > 100)
    await running.stop()
    left.set()
    await asyncio.gather(*callers)
    assert codes == {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}


async def test_a_drain_ends_when_its_time_is_over() -> None:
    """A call that the disk never lets go is cut off after drain_timeout_ms, and so is the disk."""
    async with in_process(drain_timeout_ms=50) as running:
        route = await running.client.route()
        report = await running.stalled_report(route.decision_id)
        stop = running.stop()
        assert (await refused(report)).code in (
            grpc.StatusCode.UNAVAILABLE,
            grpc.StatusCode.CANCELLED,
        )
        with pytest.raises(LogStuck):
            await stop


async def test_who_watches_health_and_reads_nothing_holds_up_nobody(
    running: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A client without a window for a single byte: the others hear of changes, and a drain ends."""
    monkeypatch.setattr(flood, "WINDOW_SIZE", (flood.WINDOW_SIZE[0], 0))
    deaf = flood.Connection(running.address, "/grpc.health.v1.Health/Watch", b"", "60S")
    deaf.call(0.0)
    deaf.flush()
    await until(lambda: running.app.health.watchers == 1)
    (watch, *_) = await watches(running)
    running.disk.full = True
    await refused(running.client.route())
    await until(lambda: watch.told == [SERVING, NOT_SERVING])
    await running.stop()
    deaf.socket.close()
    assert "cut off" not in caplog.text


async def test_health_knows_each_service_and_no_other(running: Running) -> None:
    """Every service of the package can be asked for by name."""
    check = running.client.health.Check
    for name in NAMES:
        response = await check(health_pb2.HealthCheckRequest(service=name))
        assert response.status == SERVING
    refusal = await refused(check(health_pb2.HealthCheckRequest(service="nobody")))
    assert refusal.code is grpc.StatusCode.NOT_FOUND


async def test_health_lists_the_services(running: Running) -> None:
    """Reflection names the method, so it answers."""
    told = await running.client.health.List(health_pb2.HealthListRequest())  # type: ignore[attr-defined]
    assert {told.statuses[name].status for name in NAMES} == {SERVING}


async def test_too_many_watchers_of_health_are_refused() -> None:
    """Each takes memory as long as it stays: `server.max_streams` bounds them too."""
    async with in_process(max_streams=1) as running:
        first = Watch(running, "")
        await until(lambda: first.told == [SERVING])
        another = running.client.health.Watch(health_pb2.HealthCheckRequest())
        assert (await refused(another.read())).reason == "OVERLOADED"
        check = running.client.health.Check(health_pb2.HealthCheckRequest())
        assert (await check).status == SERVING


@pytest.mark.parametrize("max_wait_ms", [60_000, 1])
async def test_a_burst_is_answered_and_not_cancelled(max_wait_ms: int) -> None:
    """Thousands of calls at once wait for their turn, or are told that they would for too long."""
    async with in_process(max_wait_ms=max_wait_ms) as running:
        route = running.client.router.Route
        calls = [route(router_pb2.RouteRequest(), timeout=60) for _ in range(2_500)]
        codes = {await call.code() for call in calls}
    told = {grpc.StatusCode.OK} | (
        {grpc.StatusCode.RESOURCE_EXHAUSTED} if max_wait_ms == 1 else set()
    )
    assert codes == told
