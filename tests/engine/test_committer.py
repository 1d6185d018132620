"""The committer: who waits is told when it is durable, or that it is not, and never too early."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from routerd.core.errors import ErrorReason, RouterError
from routerd.engine import committer as committer_module
from routerd.engine import writer
from routerd.engine.committer import SYNC_EVERY, Committer
from routerd.log.base import LogUnavailable
from routerd.log.snapshot import Snapshots
from routerd.router import request_of
from tests.core.engine import Engine
from tests.log.faulty import PATIENCE_S, FaultyLog


class Stack:
    """An engine, its committer, and what health was told."""

    def __init__(self) -> None:
        self.log = FaultyLog()
        self.engine = Engine(self.log, clock="logical")
        self.health: list[bool] = []
        self.committer = Committer(self.engine.sequencer, self.health.append, most=256)

    def decide(self, **fields: Any) -> int:
        """A decision that is not committed; its position."""
        return self.engine.sequencer.route(request_of(fields)).position

    def wait(self, position: int, *, platter: bool = False) -> asyncio.Task[None]:
        return asyncio.create_task(self.committer.durable(position, platter=platter))


@asynccontextmanager
async def stack() -> AsyncIterator[Stack]:
    made = Stack()
    try:
        yield made
    finally:
        made.log.heal()
        await made.committer.close()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try a failed disk again after milliseconds instead of a second."""
    monkeypatch.setattr(committer_module, "RETRY_S", 0.005)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not true():
            await asyncio.sleep(0.001)


async def refused(waiting: Awaitable[None]) -> None:
    with pytest.raises(RouterError) as caught:
        await waiting
    assert caught.value.reason is ErrorReason.READ_ONLY


async def test_all_that_is_queued_is_one_commit() -> None:
    """All that was decided before somebody waits for it is written in one append."""
    async with stack() as s:
        before = len(s.log.appends)
        waiting = [s.wait(s.decide()) for _ in range(10)]
        await asyncio.gather(*waiting)
        assert s.log.appends[before:] == [10]
        assert s.engine.sequencer.durable == s.engine.sequencer.position


async def test_the_platter_is_waited_for_only_by_who_asks() -> None:
    """A commit answers one caller; the other waits until the fsync returned."""
    async with stack() as s:
        s.log.flowing.clear()
        position = s.decide()
        slow = s.wait(position, platter=True)
        await s.wait(position)
        await asyncio.sleep(0.02)
        assert not slow.done()
        s.log.flowing.set()
        await slow
        assert s.log.synced["default"] >= position


async def test_a_running_fsync_does_not_answer_for_what_came_later() -> None:
    """What is committed while an fsync runs waits for the next one; many share it."""
    async with stack() as s:
        s.log.flowing.clear()
        first = s.wait(s.decide(), platter=True)
        await until(lambda: s.committer._sync_task is not None)
        await asyncio.sleep(0.02)  # the fsync is in its thread now
        later = [s.wait(s.decide(), platter=True) for _ in range(5)]
        await until(lambda: s.engine.sequencer.durable == s.engine.sequencer.position)
        syncs = s.log.syncs
        s.log.flowing.set()
        await asyncio.gather(first, *later)
        assert s.log.syncs == syncs + 2


async def test_a_cancelled_caller_takes_nobody_along() -> None:
    """The event of a call that went away is written, and the others are answered."""
    async with stack() as s:
        gone, stays = s.wait(s.decide()), s.wait(s.decide())
        await asyncio.sleep(0)
        gone.cancel()
        await stays
        assert s.engine.sequencer.durable == s.engine.sequencer.position
        s.log.flowing.clear()
        gone = s.wait(s.decide(), platter=True)
        stays = s.wait(s.decide(), platter=True)
        await asyncio.sleep(0.02)
        gone.cancel()
        s.log.flowing.set()
        await stays


async def test_a_failed_append_refuses_all_who_wait_and_tells_health_once() -> None:
    """READ_ONLY for each waiter, NOT_SERVING once, SERVING once when the disk works again."""
    async with stack() as s:
        s.log.full = True
        waiting = [s.wait(s.decide(), platter=i % 2 == 0) for i in range(6)]
        for task in waiting:
            await refused(task)
        assert s.health == [False]
        assert s.engine.sequencer.position == 1
        await until(lambda: s.log.probes > 3)
        assert s.health == [False]
        s.log.heal()
        await until(lambda: not s.engine.sequencer.read_only)
        assert s.health == [False, True]
        await s.wait(s.decide(), platter=True)
        assert s.engine.refold().hash() == s.engine.state.hash()


async def test_a_failed_fsync_refuses_only_who_waits_for_the_platter() -> None:
    """What was committed stays answered; what had to reach the platter is not acknowledged."""
    async with stack() as s:
        s.log.unsyncable = True
        position = s.decide(request_id="r")
        platter = s.wait(position, platter=True)
        await s.wait(position)
        await refused(platter)
        assert s.health == [False]
        await s.wait(position)  # is durable still: reads and repeated calls are answered
        await refused(s.wait(position, platter=True))
        assert s.health == [False]
        s.log.heal()
        await until(lambda: not s.engine.sequencer.read_only)
        await s.wait(position, platter=True)
        assert s.log.synced["default"] >= position
        assert s.health == [False, True]


async def test_what_a_failed_disk_forgot_is_never_called_synced() -> None:
    """Positions that are given again after a failure wait for an fsync of their own."""
    async with stack() as s:
        s.log.forgetful = True
        s.log.sync()
        position = s.decide(request_id="lost")
        await s.wait(position)
        s.log.unsyncable = True
        await refused(s.wait(position, platter=True))
        s.log.heal()
        await until(lambda: not s.engine.sequencer.read_only)
        assert s.engine.sequencer.position == 1
        again = s.decide(request_id="other")
        assert again == position
        s.log.flowing.clear()
        waiting = s.wait(again, platter=True)
        await asyncio.sleep(0.02)
        assert not waiting.done()
        s.log.flowing.set()
        await waiting
        assert s.log.synced["default"] == again


async def test_a_probe_waits_for_the_fsync_that_runs() -> None:
    """An fsync that began before a failure ends first: it covers no position given later."""
    async with stack() as s:
        s.log.flowing.clear()
        first = s.wait(s.decide(), platter=True)
        await asyncio.sleep(0.02)
        s.log.full = True
        await refused(s.wait(s.decide()))
        await refused(first)
        s.log.full = False
        await asyncio.sleep(0.05)
        assert s.log.probes == 0
        s.log.flowing.set()
        await until(lambda: not s.engine.sequencer.read_only)
        assert s.committer.synced == s.engine.sequencer.durable


async def test_memory_that_the_log_does_not_hold_is_not_durable() -> None:
    """While the log can be neither written nor read, a repeated lost call is refused again."""
    async with stack() as s:
        s.log.full = s.log.dark = True
        await refused(s.wait(s.decide(request_id="lost")))
        position = s.decide(request_id="lost")  # memory still knows it
        await refused(s.wait(position))
        assert s.health == [False]
        s.log.heal()
        await until(lambda: not s.engine.sequencer.read_only)
        await s.wait(s.decide(request_id="lost"), platter=True)
        assert s.engine.refold().hash() == s.engine.state.hash()


async def test_a_disk_that_fails_while_no_file_can_be_opened(tmp_path: Path) -> None:
    """To look for snapshots takes a descriptor; without one whoever waits is refused all the same,
    and it is tried again until it works."""
    async with stack() as s:
        s.engine.sequencer.snapshots = Snapshots(tmp_path)
        s.engine.sequencer.snapshots.directory.mkdir()
        await s.wait(s.decide(), platter=True)
        s.log.unsyncable = True
        with no_descriptors():
            async with asyncio.timeout(PATIENCE_S):
                await refused(s.wait(s.decide(request_id="again"), platter=True))
            s.log.heal()
            probes = s.log.probes
            await until(lambda: s.log.probes > probes + 1)
            assert s.health == [False]
        await until(lambda: not s.engine.sequencer.read_only)
        await s.wait(s.decide(request_id="again"), platter=True)
        assert s.engine.refold().hash() == s.engine.state.hash()


@contextmanager
def no_descriptors() -> Iterator[None]:
    """No file can be opened in this process."""
    held = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, held[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, held)


@pytest.mark.parametrize("broken", ["fold", "react"])
async def test_a_fault_of_ours_while_recovering_is_told_and_tried_again(
    broken: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever keeps the state from being made anew: who waits is refused, nothing is accepted, and
    health says so until it works."""

    def fault(*_: object) -> Any:
        raise TypeError("nobody foresaw it")

    async with stack() as s:
        await s.wait(s.decide(request_id="kept"), platter=True)
        position = s.decide(request_id="lost")
        s.log.unsyncable = s.log.forgetful = True
        with monkeypatch.context() as patched:
            patched.setattr(writer, broken, fault)
            async with asyncio.timeout(PATIENCE_S):
                await refused(s.wait(position, platter=True))
            s.log.heal()
            await until(lambda: s.log.probes > 3)
            with pytest.raises(RouterError) as error:
                s.decide(request_id="new")
            assert error.value.reason is ErrorReason.READ_ONLY
            assert s.health == [False]
        await until(lambda: s.health == [False, True])
        assert "nobody foresaw it" in caplog.text
        assert s.decide(request_id="kept") == position - 1
        await s.wait(s.decide(request_id="lost"), platter=True)
        assert s.engine.refold().hash() == s.engine.state.hash()


async def test_a_commit_that_fails_by_a_fault_of_ours_has_its_traceback_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A disk that fails needs none: its sentence says it all."""

    def fault(*_: object, **__: object) -> Any:
        raise TypeError("nobody foresaw it")

    async with stack() as s:
        with monkeypatch.context() as patched:
            patched.setattr(s.log, "append", fault)
            await refused(s.wait(s.decide()))
        await until(lambda: s.health == [False, True])
        s.log.full = True
        await refused(s.wait(s.decide()))
    ours, disk = (r for r in caplog.records if "serving read-only" in r.getMessage())
    assert ours.exc_info is not None
    assert "fault" in ours.getMessage()
    assert disk.exc_info is None
    assert "the log cannot be written" in disk.getMessage()


async def test_a_damaged_log_stays_read_only() -> None:
    """Damage that is met while recovering ends the attempts; what is durable is still answered."""
    async with stack() as s:
        await s.wait(s.decide())
        s.log.full = True
        await refused(s.wait(s.decide()))
        entries = s.log._entries["default"]
        entries[0] = entries[0]._replace(payload=b"")
        s.log.heal()
        await until(lambda: s.log.probes > 0)
        probes = s.log.probes
        await asyncio.sleep(0.03)
        assert (s.log.probes, s.health) == (probes, [False])
        await s.wait(2)


async def test_closing_makes_all_durable() -> None:
    """close() commits and syncs what is queued."""
    s = Stack()
    position = s.decide()
    await s.committer.close()
    assert s.log.synced["default"] == position


async def test_closing_a_failing_log_says_so_and_ends() -> None:
    """A close that cannot sync raises; one after a failure ends its attempts and does not."""
    s = Stack()
    await s.wait(s.decide())
    s.log.unsyncable = True
    with pytest.raises(LogUnavailable):
        await s.committer.close()
    s = Stack()
    s.log.full = True
    await refused(s.wait(s.decide()))
    await s.committer.close()
    probes = s.log.probes
    await asyncio.sleep(0.03)
    assert s.log.probes == probes


async def test_the_platter_is_reached_now_and_then_unasked() -> None:
    """Even when nobody waits for an fsync, one follows after a bounded number of commits."""
    async with stack() as s:
        before = s.log.syncs
        for _ in range(SYNC_EVERY // 256 + 1):
            for _ in range(256):
                position = s.decide(agent_id="small")
            await s.wait(position)
        await until(lambda: s.log.syncs > before)
