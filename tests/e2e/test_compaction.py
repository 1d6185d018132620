"""The daemon's own upkeep: snapshots while it serves, a log that stays short, starts from both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import grpc
import pytest

from routerd.log.snapshot import Snapshots
from routerd.log.sqlite import SqliteLog
from routerd.v1 import (
    audit_pb2,
    audit_pb2_grpc,
    router_pb2,
    router_pb2_grpc,
    types_pb2,
)
from tests.e2e.daemon import PATIENCE_S, Daemon, verified

KEPT = 1_000
CONFIG: dict[str, Any] = {
    "agents": [{"id": "large"}, {"id": "small"}],
    "limits": {"open_decisions": 50},
    "log": {"snapshot_events": 1_000, "snapshots": 2, "keep_events": KEPT},
    "audit": {"enabled": True},
}


class Stubs(NamedTuple):
    router: Any
    audit: Any


@asynccontextmanager
async def calling(daemon: Daemon) -> AsyncIterator[Stubs]:
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        router = router_pb2_grpc.RouterServiceStub(channel)
        yield Stubs(router, audit_pb2_grpc.AuditServiceStub(channel))


async def traffic(stubs: Stubs, batches: int, name: str) -> list[str]:
    """Batches of 100 decisions, one of each reported; the ids of the decisions."""
    ids = []
    for i in range(batches):
        request = router_pb2.RouteRequest(task=types_pb2.Task(work_type=f"w{i % 3}"))
        batch = router_pb2.RouteBatchRequest(requests=[request] * 100)
        answers = (await stubs.router.RouteBatch(batch, timeout=PATIENCE_S)).results
        ids += [answer.answer.decision_id for answer in answers]
        outcome = types_pb2.Outcome(
            decision_id=ids[-1], outcome_id=f"{name}-{i}", success=i % 2 == 0
        )
        report = router_pb2.ReportOutcomeRequest(outcome=outcome)
        await stubs.router.ReportOutcome(report, timeout=PATIENCE_S)
    return ids


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not true():
            await asyncio.sleep(0.05)


def start_of(data: Path) -> int:
    """The position behind which the log starts."""
    with closing(SqliteLog.open(data, read_only=True)) as log:
        return log.base("default").position


async def test_a_daemon_keeps_its_log_short_and_loses_nothing(tmp_path: Path) -> None:
    """Old events go, what was learnt from them stays, and the audit still tells of them."""
    with Daemon(tmp_path, CONFIG) as daemon:
        async with calling(daemon) as stubs:
            ids = await traffic(stubs, 12, "first")
            snapshots = Snapshots(daemon.data)
            await until(lambda: len(snapshots.paths("default")) == 1)
            ids += await traffic(stubs, 12, "second")
            await until(lambda: len(snapshots.paths("default")) == 2)
            await until(lambda: start_of(daemon.data) > 0)
            asked = audit_pb2.GetDecisionRequest(decision_id=ids[0])
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stubs.audit.GetDecision(asked, timeout=PATIENCE_S)
            assert caught.value.code() is grpc.StatusCode.OUT_OF_RANGE
        daemon.kill()
        daemon.start()
        async with calling(daemon) as stubs:
            ids += await traffic(stubs, 1, "after")
            request = router_pb2.PreviewRequest(request=router_pb2.RouteRequest())
            end = (await stubs.router.Preview(request, timeout=PATIENCE_S)).answer.position - 1
            summary = await stubs.audit.GetSummary(
                audit_pb2.GetSummaryRequest(at_least_position=end), timeout=PATIENCE_S
            )
            assert summary.total.decisions == len(ids)
        assert daemon.end() == 0
        found = verified(daemon.data)
        assert found.mismatches == ()
        assert found.starts["default"] > 1
        assert found.snapshots >= 1
        assert found.decisions < len(ids)


async def test_a_clean_end_leaves_a_snapshot_and_damage_behind_it_is_found(tmp_path: Path) -> None:
    """The next start folds nothing: it stands where the last one ended."""
    config = {**CONFIG, "log": {"keep_events": None}, "audit": {"enabled": False}}
    with Daemon(tmp_path, config) as daemon:
        async with calling(daemon) as stubs:
            await traffic(stubs, 12, "all")
        assert daemon.end() == 0
        (path,) = Snapshots(daemon.data).paths("default")
        daemon.start()
        assert f"{daemon.position:015d}" in path.name
        assert daemon.end() == 0
        found = verified(daemon.data)
        assert (found.mismatches, found.snapshots, found.starts) == ((), 1, {"default": 1})
        # Behind a snapshot little is folded, but all of the chain is read before serving.
        with closing(apsw.Connection(str(daemon.data / "log.db"))) as db:
            db.execute("UPDATE entry SET payload = x'00' WHERE position = 500")
        with pytest.raises(AssertionError, match="the log is damaged at position 500"):
            daemon.start()
        daemon.kill()
