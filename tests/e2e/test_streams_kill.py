"""Promises 1 and 6 on streams: what was answered survives kill -9, and sending again is safe."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import grpc

from routerd.core.events import Decision, OutcomeReported
from routerd.log.codec import records
from routerd.log.sqlite import SqliteLog
from routerd.v1 import router_pb2, router_pb2_grpc
from tests.e2e.daemon import PATIENCE_S, Daemon, verified
from tests.e2e.test_kill import CONFIG

TASKS, KILLS = 400, 4


class Ledger:
    """What one client was answered: by request_id the decision, by outcome_id the position."""

    def __init__(self) -> None:
        self.decisions: dict[str, tuple[str, str, int]] = {}
        self.acks: dict[str, int] = {}
        self.again = 0

    def decided(self, told: router_pb2.RouteStreamResponse) -> None:
        answer = told.result.answer
        self.note(
            self.decisions,
            answer.request_id,
            (answer.decision_id, answer.agent_id, answer.position),
        )

    def learnt(self, told: router_pb2.StreamOutcomesResponse) -> None:
        assert told.ack.position, told.status
        self.again += told.ack.duplicate
        self.note(self.acks, told.outcome_id, told.ack.position)

    def note(self, where: dict[str, Any], key: str, value: Any) -> None:
        """Whatever was answered once is answered so for ever."""
        assert where.setdefault(key, value) == value


async def stream(call: Any, messages: Iterable[Any], take: Callable[[Any], None]) -> None:
    """Send everything, and take every answer; ends quietly when the daemon does."""

    async def send() -> None:
        for message in messages:
            await call.write(message)
        await call.done_writing()

    sending = asyncio.create_task(send())
    try:
        while (told := await call.read()) is not grpc.aio.EOF:
            take(told)
    except grpc.aio.AioRpcError:
        pass  # with the code of whatever failed first, a read or a write
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def session(address: str, ledger: Ledger, rng: random.Random) -> None:
    """Ask for every task that has no decision, report on those that have one; some of it again."""
    asked = [i for i in range(TASKS) if f"r-{i}" not in ledger.decisions or rng.random() < 0.1]
    decided = list(ledger.decisions.items())
    told = [item for item in decided if f"o-{item[0]}" not in ledger.acks or rng.random() < 0.1]
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = router_pb2_grpc.RouterServiceStub(channel)
        await asyncio.gather(
            stream(
                stub.RouteStream(timeout=PATIENCE_S),
                [
                    router_pb2.RouteStreamRequest(
                        request={"request_id": f"r-{i}", "task": {"work_type": f"w{i % 5}"}}
                    )
                    for i in asked
                ],
                ledger.decided,
            ),
            stream(
                stub.StreamOutcomes(timeout=PATIENCE_S),
                [
                    router_pb2.StreamOutcomesRequest(
                        outcome={"outcome_id": f"o-{key}", "decision_id": name, "quality": 0.5}
                    )
                    for key, (name, _, _) in told
                ],
                ledger.learnt,
            ),
        )


async def killed(daemon: Daemon, ledger: Ledger, rng: random.Random) -> None:
    """A session that ends by kill -9 after some answers."""
    enough = len(ledger.decisions) + len(ledger.acks) + rng.randrange(1, 60)
    running = asyncio.create_task(session(daemon.address, ledger, rng))
    while len(ledger.decisions) + len(ledger.acks) < enough and not running.done():
        await asyncio.sleep(0.001)
    daemon.kill()
    await running


def test_no_kill_loses_or_repeats_what_a_stream_was_answered(tmp_path: Path) -> None:
    """Every answer stays as it was; in the end each task is decided, and learnt from, once."""
    rng, ledger = random.Random(5), Ledger()
    with Daemon(tmp_path, CONFIG) as daemon:
        for _ in range(KILLS):
            asyncio.run(killed(daemon, ledger, rng))
            daemon.start()
        for _ in ("the rest is decided", "and learnt from"):
            asyncio.run(session(daemon.address, ledger, rng))
        assert daemon.end() == 0
        assert verified(daemon.data).mismatches == ()
        log = SqliteLog.open(daemon.data, read_only=True)
        events = [(record.position, record.event) for record in records(log, "default")]
        log.close()
    decisions = {e.query.request_id: at for at, e in events if isinstance(e, Decision)}
    outcomes = {e.outcome.outcome_id: at for at, e in events if isinstance(e, OutcomeReported)}
    assert decisions == {key: position for key, (_, _, position) in ledger.decisions.items()}
    assert outcomes == ledger.acks
    assert len(events) == 1 + 2 * TASKS
    assert ledger.again > 0
