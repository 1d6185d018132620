"""Promises 12 and 16 on a disk whose fsyncs take long, or for ever."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path
from typing import Any

import grpc

from routerd.v1 import router_pb2
from tests.e2e.daemon import Daemon, verified
from tests.e2e.test_kill import Ledger, Stubs, hold_to_the_ledgers, report, route, send_again
from tests.server.harness import Client, refused

CONFIG: dict[str, Any] = {
    "agents": [{"id": "large"}, {"id": "medium"}, {"id": "small"}],
    "server": {"drain_timeout_ms": 300},
}
FSYNC_MS = 500


def on_slow_disk(folder: Path, delay_ms: int) -> tuple[Daemon, Path]:
    """A daemon, and the file that says how long an fsync takes."""
    file = folder / "delay"
    file.write_text(str(delay_ms))
    return Daemon(folder, CONFIG, program=("tests.faults.slow_disk", str(file))), file


def syncs(file: Path) -> list[tuple[float, float]]:
    """When each fsync began and ended."""
    lines = Path(f"{file}.done").read_text().splitlines()
    return [(float(began), float(ended)) for began, ended in (line.split() for line in lines)]


async def test_a_slow_fsync_is_never_answered_early(tmp_path: Path) -> None:
    """Deadlines pass in DEADLINE_EXCEEDED; each answer has a whole fsync behind its call."""
    told: list[tuple[float, float]] = []
    late = 0
    daemon, file = on_slow_disk(tmp_path, FSYNC_MS)
    ledgers = [Ledger(f"c{i}") for i in range(6)]

    async def work(ledger: Ledger, stub: Stubs) -> None:
        nonlocal late
        rng = random.Random(ledger.name)
        for number in range(4):
            request_id = f"{ledger.name}-{number}"
            ledger.routes[request_id] = None
            routed = await route(ledger, stub, request_id)
            fields = {"outcome_id": request_id, "decision_id": routed.decision_id, "quality": 0.5}
            request = router_pb2.ReportOutcomeRequest(outcome=fields)
            ledger.outcomes[request_id] = (request.outcome, None)
            sent_s = time.monotonic()
            try:
                await stub.router.ReportOutcome(request, timeout=rng.choice((0.1, 20.0)))
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
                    raise
                late += 1
            else:
                told.append((sent_s, time.monotonic()))

    with daemon:
        async with grpc.aio.insecure_channel(daemon.address) as channel:
            await asyncio.gather(*(work(ledger, Stubs(channel)) for ledger in ledgers))
            found = syncs(file)
            assert late
            assert told
            for sent_s, answered_s in told:
                assert any(
                    sent_s <= began_s and ended_s <= answered_s for began_s, ended_s in found
                )
            file.write_text("0")
            await asyncio.gather(*(send_again(ledger, Stubs(channel)) for ledger in ledgers))
        assert daemon.end() == 0
    hold_to_the_ledgers(daemon.data, ledgers)


async def test_a_stuck_disk_holds_up_no_shutdown(tmp_path: Path) -> None:
    """SIGTERM while an fsync hangs: it ends by itself, says so, and has kept its word."""
    ledger = Ledger("c")
    daemon, file = on_slow_disk(tmp_path, 0)
    with daemon:
        async with grpc.aio.insecure_channel(daemon.address) as channel:
            stub = Stubs(channel)
            ledger.routes["c-0"] = None
            routed = await route(ledger, stub, "c-0")
            fields: dict[str, Any] = {"decision_id": routed.decision_id, "quality": 1.0}
            first = router_pb2.ReportOutcomeRequest(outcome={**fields, "outcome_id": "kept"})
            await report(ledger, stub, first.outcome)
            file.write_text("-1")
            second = router_pb2.ReportOutcomeRequest(outcome={**fields, "outcome_id": "unheard"})
            ledger.outcomes["unheard"] = (second.outcome, None)
            hangs = stub.router.ReportOutcome(second, timeout=0.2)
            assert (await refused(hangs)).code is grpc.StatusCode.DEADLINE_EXCEEDED
            assert (await Client(channel).route()).agent_id  # who needs no fsync is not held up
        assert await asyncio.to_thread(daemon.end) == 1
        assert "the disk has not answered for 0.3 s" in daemon.complaints()
        assert "Traceback" not in daemon.complaints()
        file.write_text("0")
        daemon.start()
        async with grpc.aio.insecure_channel(daemon.address) as channel:
            await send_again(ledger, Stubs(channel))
        assert daemon.end() == 0
    assert verified(daemon.data).mismatches == ()
