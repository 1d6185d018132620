"""Promise 2, for every request to the disk: it fails, once or for a while, under the real daemon.

SQLite's files stand on a disk that counts (tests.log.disk), and the fsyncs of routerd itself are
counted with them. Time is simulated, so that the second until the disk is tried again is not
waited for.
"""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from google.protobuf.message import Message

from routerd.core.errors import ErrorReason, RouterError
from routerd.core.settings import EngineConfig
from routerd.engine.committer import RETRY_S, Committer
from routerd.engine.fold import fold
from routerd.engine.sequencer import Sequencer
from routerd.log import connections
from routerd.log.base import LogUnavailable
from routerd.log.codec import records
from routerd.log.sqlite import SqliteLog
from routerd.server.interceptors import Partition
from routerd.server.router_service import RouterService
from routerd.settings import Server
from routerd.v1 import router_pb2, types_pb2
from tests.faults.configs import CONFIG, LEARNER
from tests.faults.disk import PARTITION
from tests.faults.loop import Loop
from tests.faults.marks import Marks
from tests.faults.model import START_MS, Asked, Model
from tests.log.disk import Disk, Event, watched_disk

TASKS = 2
SEVERAL = 8
ENGINE = {**CONFIG, "policy": {"kind": "thompson", "learner": LEARNER}}


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """The disk under SQLite and under the log's own fsyncs."""
    with watched_disk() as disk:

        def sync_file(fd: int) -> None:
            try:
                disk.ask(Event("sync", f"descriptor {fd}"))
            except Exception as error:
                raise OSError(5, "input/output error") from error
            os.fdatasync(fd)

        monkeypatch.setattr(connections, "sync_file", sync_file)
        yield disk


class Serving:
    """What a client does, and what it is told, on a log that may fail at any request."""

    def __init__(self, loop: Loop, log: SqliteLog, model: Model) -> None:
        self.loop = loop
        self.model = model
        self.health = [True]
        typed = msgspec.convert(ENGINE, EngineConfig)
        self.sequencer = Sequencer.open(log, typed, lambda: START_MS + int(1000 * loop.time()))
        committer = Committer(self.sequencer, self.health.append, most=256)
        self.partition = Partition.of(self.sequencer, committer)
        self.service = RouterService(True, Server(), None)
        self.refusals = 0

    async def work(self, started: int) -> None:
        """Route and report, each until it is answered; the keys go on from `started`."""
        for number in range(started, started + TASKS):
            key = f"r{number}"
            wire = router_pb2.RouteRequest(request_id=key, task={"work_type": "code"})
            self.model.requests.setdefault(key, Asked())
            answer = await self.until_answered("Route", wire)
            routed = self.model.routed(key, answer, 0, 0, True)
            outcome = types_pb2.Outcome(
                outcome_id=key, decision_id=routed.decision_id, quality=number % 3 / 2
            )
            self.model.outcomes[key] = outcome
            report = router_pb2.ReportOutcomeRequest(outcome=outcome)
            ack = await self.until_answered("ReportOutcome", report)
            self.model.acknowledged(outcome, ack, 0)

    async def until_answered(self, method: str, wire: Message) -> Any:
        """The answer. While there is none: READ_ONLY, told by health, and over by itself."""
        for _ in range(20):
            try:
                deadline_s = self.loop.time() + 100.0
                return await getattr(self.service, method)(wire, self.partition, deadline_s)
            except RouterError as error:
                if error.reason is not ErrorReason.READ_ONLY:
                    raise
            self.refusals += 1
            assert self.health[-1] is False
            await asyncio.sleep(2 * RETRY_S)
        raise AssertionError("the disk works again, and the daemon does not")


async def lived(loop: Loop, directory: Path, attempts: int) -> tuple[Model, int]:
    """Two lives of a daemon on a log; what it told, and how often it said no."""
    model = Model()
    refusals = 0
    for started in (0, TASKS):
        for _ in range(attempts):
            try:
                log = SqliteLog.open(directory)
            except LogUnavailable:
                refusals += 1
                continue
            try:
                serving = Serving(loop, log, model)
                break
            except LogUnavailable:
                refusals += 1
                with suppress(LogUnavailable):
                    log.close()
        await serving.work(started)
        refusals += serving.refusals
        assert serving.health[-1] is True
        assert fold(log, PARTITION).hash() == serving.sequencer.state.hash()
        try:
            await serving.partition.committer.close()
        except LogUnavailable:
            refusals += 1
        with suppress(LogUnavailable):
            log.close()
    return model, refusals


@pytest.mark.parametrize("lasting", [1, SEVERAL])
def test_no_failing_request_to_the_disk_loses_what_was_acknowledged(
    disk: Disk, lasting: int
) -> None:
    """Whichever fails: nothing acknowledged is lost or there twice, and serving goes on."""
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
    logging.disable(logging.CRITICAL)
    refused = first = 0
    try:
        while first <= len(disk.history):
            first += 1
            with tempfile.TemporaryDirectory(dir=memory) as folder:
                directory = Path(folder)
                disk.history.clear()
                disk.failing = range(first, first + lasting)
                with closing(Loop()) as loop:
                    life = lived(loop, directory, attempts=lasting + 2)
                    model, refusals = loop.run_until_complete(life)
                disk.failing = range(0)
                refused += refusals > 0
                with closing(SqliteLog.open(directory)) as log:
                    found = list(records(log, PARTITION))
                    model.hold_log(found)
                    marks = Marks(model)
                    marks.read(found)
                    model.hold_sums(marks.decisions, marks.values_of, fold(log, PARTITION))
    finally:
        logging.disable(logging.NOTSET)
    assert first > 50
    assert refused > first // 2, "most requests that fail are noticed"
    print(f"{first - 1} requests, each failing {lasting} times from there; {refused} refused calls")
