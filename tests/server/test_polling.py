"""The loop that polls: when it does, when it sleeps, and that it misses no event and no timer."""

from __future__ import annotations

import asyncio
import os
import selectors
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from routerd.server.polling import MEMORY, WITHIN_A_CALL_S, Awake, event_loop, usable_processors

AWAKE_S = 400e-6
TICK_S = 20e-6
SOON_S, LATE_S = AWAKE_S / 2, 10 * AWAKE_S


class Wire:
    """A selector with a simulated clock and one socket, to which something is sent at a time.

    Each look at the clock takes TICK_S. Where the selector sleeps before that time, it is as if it
    had slept until then: the clock goes there, and what is sent comes.
    """

    def __init__(self) -> None:
        self.now_s = 100.0
        self.looks = 0
        self.due_s = float("inf")
        self.slept = 0
        self.ours, self.theirs = socket.socketpair()
        self.selector = Awake(AWAKE_S, self._clock)
        self.selector.register(self.ours, selectors.EVENT_READ)

    def close(self) -> None:
        self.selector.close()
        self.ours.close()
        self.theirs.close()

    def event(self, after_s: float) -> bool:
        """Wait for what comes so much later; whether the selector slept meanwhile."""
        self.due_s, before = self.now_s + after_s, self.slept
        assert self.selector.select(None)
        assert self.ours.recv(1) == b"x"
        return self.slept > before

    def send(self) -> None:
        self.due_s = float("inf")
        self.theirs.send(b"x")

    def _clock(self) -> float:
        self.looks += 1
        self.now_s += TICK_S
        if self.now_s >= self.due_s:
            self.send()
        return self.now_s


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    made = Wire()
    base = selectors.DefaultSelector.select

    def select(self: selectors.DefaultSelector, timeout: float | None = None) -> object:
        ready = base(self, 0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        made.slept += 1
        wakes_s = made.due_s if timeout is None else made.now_s + timeout
        made.now_s = min(wakes_s, made.due_s)
        if made.due_s <= wakes_s:
            made.send()
        return base(self, 0)

    monkeypatch.setattr(selectors.DefaultSelector, "select", select)
    yield made
    made.close()


def test_it_polls_once_most_waits_end_soon(wire: Wire) -> None:
    """At first it sleeps; after enough short waits it does not any more."""
    slept = [wire.event(SOON_S) for _ in range(2 * MEMORY)]
    assert slept[0] is True
    assert slept[-MEMORY // 2 :] == [False] * (MEMORY // 2)
    assert slept == sorted(slept, reverse=True)


def test_it_sleeps_again_when_waits_get_long(wire: Wire) -> None:
    """A few long waits are polled for in vain, for the bounded time; then none is."""
    for _ in range(4 * MEMORY):
        wire.event(SOON_S)
    looks = []
    for _ in range(MEMORY):
        before = wire.looks
        assert wire.event(LATE_S)
        looks.append(wire.looks - before)
    assert AWAKE_S / TICK_S <= looks[0] <= AWAKE_S / TICK_S + 3
    assert looks[-1] <= 3


def test_the_waits_within_a_call_say_nothing(wire: Wire) -> None:
    """Where a call has many events in a row but the next call comes late, it sleeps."""
    for _ in range(4 * MEMORY):
        for _ in range(5):
            wire.event(WITHIN_A_CALL_S / 5)
        before = wire.looks
        assert wire.event(LATE_S)
        assert wire.looks - before <= 3


def test_a_timer_is_met_while_it_polls(wire: Wire) -> None:
    """It polls no longer than until the timer, and an empty answer lets the loop run it."""
    for _ in range(4 * MEMORY):
        wire.event(SOON_S)
    before_s = wire.now_s
    assert wire.selector.select(SOON_S) == []
    assert SOON_S <= wire.now_s - before_s < SOON_S + 4 * TICK_S


def test_timers_do_not_keep_it_awake(wire: Wire) -> None:
    """A wait that timers interrupt is one wait: it is polled for once, not behind each timer."""
    for _ in range(4 * MEMORY):
        wire.event(SOON_S)
    before = wire.looks
    for _ in range(10):
        assert wire.selector.select(2 * AWAKE_S) == []
    assert wire.slept >= 10
    assert wire.looks - before <= AWAKE_S / TICK_S + 10 * 3


@pytest.mark.parametrize("timeout", [0, -1])
def test_a_look_that_may_not_wait_does_not(wire: Wire, timeout: float) -> None:
    """What is ready is given at once, and nothing is waited for."""
    assert wire.selector.select(timeout) == []
    wire.send()
    assert len(wire.selector.select(timeout)) == 1
    assert wire.slept == 0


@pytest.mark.parametrize(
    ("busy_poll_us", "processors", "polls"), [(400, 2, True), (0, 2, False), (400, 1, False)]
)
def test_a_loop_polls_where_somebody_else_can_run(
    busy_poll_us: int, processors: int, polls: bool
) -> None:
    """It polls unless it was told not to, or has the only processor."""
    loop = event_loop(busy_poll_us, processors)
    try:
        assert isinstance(loop._selector, Awake) is polls  # type: ignore[attr-defined]
    finally:
        loop.close()


def test_a_real_loop_talks() -> None:
    """On real sockets and the real clock every message is heard, and every timer runs."""

    async def talk() -> list[bytes]:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            loop = asyncio.get_running_loop()
            heard = []
            for number in range(200):
                ours.setblocking(False)
                loop.call_later(0.0001 * (number % 7), theirs.send, b"%d" % number)
                heard.append(await loop.sock_recv(ours, 100))
        return heard

    with asyncio.Runner(loop_factory=lambda: event_loop(400, 2)) as runner:
        assert runner.run(talk()) == [b"%d" % number for number in range(200)]


def test_the_processors_are_those_that_may_be_used() -> None:
    """One at least, and no more than the machine has."""
    assert 1 <= usable_processors() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(
    ("quota", "count"), [("50000 100000\n", 1), ("200000 100000\n", 2), ("max 100000\n", 8)]
)
def test_a_containers_quota_bounds_them(
    quota: str, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has half a processor's time has none to poll with, however many there are."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    (tmp_path / "cpu.max").write_text(quota)
    assert usable_processors(tmp_path / "cpu.max") == count
    assert usable_processors(tmp_path / "none") == 8
