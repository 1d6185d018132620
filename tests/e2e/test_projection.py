"""The daemon's projector: it is there, it comes back, and it ends with the daemon."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

import grpc

from routerd.audit.schema import audit_path
from routerd.v1 import router_pb2, router_pb2_grpc
from tests.e2e.daemon import PATIENCE_S, Daemon

CONFIG: dict[str, Any] = {
    "agents": [{"id": "large"}, {"id": "small"}],
    "audit": {"enabled": True},
}


@asynccontextmanager
async def calling(daemon: Daemon) -> AsyncIterator[Any]:
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        yield router_pb2_grpc.RouterServiceStub(channel)


async def route(daemon: Daemon, request_id: str) -> int:
    """Decide; the decision's position."""
    async with calling(daemon) as router:
        request = router_pb2.RouteRequest(request_id=request_id)
        answer = await router.Route(request, timeout=PATIENCE_S)
        return int(answer.position)


def projected(data: Path) -> list[str]:
    """The requests whose decisions are in the audit, in order."""
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(audit_path(data))) as db:
        rows = db.execute("SELECT request_id FROM decisions ORDER BY position").fetchall()
        return [row[0] for row in rows]
    return []


def projector(data: Path) -> int:
    """The pid of the projector that has its turn."""
    return int((data / "audit.lock").read_text() or 0)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not true():
            await asyncio.sleep(0.02)


async def test_a_projector_that_dies_comes_back_and_goes_on(tmp_path: Path) -> None:
    """kill -9 of the projector: another one takes over, and every decision is there once."""
    with Daemon(tmp_path, CONFIG) as daemon:
        await route(daemon, "a")
        await until(lambda: projected(daemon.data) == ["a"])
        first = projector(daemon.data)
        os.kill(first, signal.SIGKILL)
        await route(daemon, "b")
        await until(lambda: projected(daemon.data) == ["a", "b"])
        assert projector(daemon.data) != first
        assert "the projector ended with code -9" in daemon.complaints()
        assert daemon.end() == 0


async def test_a_projector_without_room_costs_nobody_a_call(tmp_path: Path) -> None:
    """It says so and ends; calls are answered meanwhile, and the next one takes up the rest."""
    with Daemon(tmp_path, CONFIG) as daemon:
        await route(daemon, "a")
        await until(lambda: projected(daemon.data) == ["a"])
        first = projector(daemon.data)
        resource.prlimit(first, resource.RLIMIT_FSIZE, (4_096, 4_096))
        await route(daemon, "b")
        await until(lambda: projected(daemon.data) == ["a", "b"])
        assert projector(daemon.data) != first
        assert "the projector ended with code 1" in daemon.complaints()
        told = f"cannot write the audit of {daemon.data}: a file in {daemon.data} may not grow"
        assert told in daemon.complaints()
        assert "Traceback" not in daemon.complaints()
        assert daemon.end() == 0


async def test_what_is_long_past_goes_from_the_audit(tmp_path: Path) -> None:
    """Of the latest audit.keep_events events closed decisions stay, and of all the open ones."""
    config = {**CONFIG, "audit": {"keep_events": 1_000}, "limits": {"open_decisions": 50}}
    with Daemon(tmp_path, config) as daemon:
        async with calling(daemon) as router:
            for batch in range(12):
                requests = [
                    router_pb2.RouteRequest(request_id=f"r{batch * 100 + i}") for i in range(100)
                ]
                message = router_pb2.RouteBatchRequest(requests=requests)
                await router.RouteBatch(message, timeout=PATIENCE_S)
        last = await route(daemon, "last")
        await until(lambda: projected(daemon.data)[-1:] == ["last"])
        assert 400 < len(projected(daemon.data)) < 600, "each has a closing"
        assert last > 2_000
        assert daemon.end() == 0


async def test_no_projector_outlives_its_daemon(tmp_path: Path) -> None:
    """kill -9 of the daemon ends its projector; the next daemon's goes on with the same file."""
    with Daemon(tmp_path, CONFIG) as daemon:
        await route(daemon, "a")
        await until(lambda: projected(daemon.data) == ["a"])
        first = projector(daemon.data)
        daemon.kill()
        await until(lambda: not alive(first))
        daemon.start()
        await route(daemon, "b")
        await until(lambda: projected(daemon.data) == ["a", "b"])
        second = projector(daemon.data)
        assert daemon.end() == 0
        assert not alive(second)


def alive(pid: int) -> bool:
    """Whether a process is at work; one that only waits to be reaped is not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
