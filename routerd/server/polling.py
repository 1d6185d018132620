"""An event loop that looks out for the next call for a moment before it sleeps, where that pays.

Who got an answer often asks the next thing at once. To put a thread to sleep and wake it again
takes as much of a processor as a call does, on a virtual machine more, and what the caches held is
lost meanwhile. So where calls follow each other soon, the loop asks for events again and again, for
a bounded time; where they do not, it sleeps as any loop does. (Compare the halt polling of KVM and
`busy_poll` of Linux's sockets.)
"""

from __future__ import annotations

import asyncio
import os
import selectors
import time
from collections.abc import Callable
from pathlib import Path

# Shorter waits are those within a call: they say nothing about when the next one comes.
WITHIN_A_CALL_S = 50e-6
# One wait among so many, and the share of waits that must end soon for polling to pay.
MEMORY, ENOUGH = 16, 0.5

CPU_MAX = Path("/sys/fs/cgroup/cpu.max")
"""The processor time that a container may use, and in which period: two numbers in microseconds."""

Ready = list[tuple[selectors.SelectorKey, int]]


class Awake(selectors.DefaultSelector):
    """A selector that polls for `awake_s` before it sleeps, while most waits end as soon."""

    def __init__(self, awake_s: float, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._awake_s = awake_s
        self._now = now
        self._soon = 0.0  # the share of late waits that ended within awake_s
        self._waiting_since_s: float | None = None

    def select(self, timeout: float | None = None) -> Ready:
        ready = super().select(0)
        if not ready and (timeout is None or timeout > 0):
            ready = self._wait(timeout)
        if ready:
            self._waiting_since_s = None
        return ready

    def _wait(self, timeout: float | None) -> Ready:
        begun_s = now_s = self._now()
        if self._waiting_since_s is None:  # not since a timer only
            self._waiting_since_s = begun_s
        end_s = self._waiting_since_s + (self._awake_s if self._soon >= ENOUGH else 0.0)
        if timeout is not None:
            end_s = min(end_s, begun_s + timeout)
        ready: Ready = []
        while not ready and now_s < end_s:
            ready = super().select(0)
            now_s = self._now()
        if not ready:
            ready = super().select(None if timeout is None else max(timeout - now_s + begun_s, 0))
            now_s = self._now()
        waited_s = now_s - self._waiting_since_s
        if ready and waited_s > WITHIN_A_CALL_S:
            self._soon += ((waited_s <= self._awake_s) - self._soon) / MEMORY
        return ready


def event_loop(busy_poll_us: int, processors: int | None = None) -> asyncio.AbstractEventLoop:
    """A loop that polls so long; processors: how many may be used, by default what the system says.

    With one processor there is nobody who could send anything meanwhile: it never polls.
    """
    count = usable_processors() if processors is None else processors
    selector = Awake(busy_poll_us * 1e-6) if busy_poll_us and count > 1 else None
    return asyncio.SelectorEventLoop(selector)


def usable_processors(quota: Path = CPU_MAX) -> int:
    """How many processors this process may run on, and its container's quota pays for in full."""
    if hasattr(os, "sched_getaffinity"):
        there = len(os.sched_getaffinity(0))
    else:
        there = os.cpu_count() or 1
    try:
        most_us, period_us = quota.read_text().split()
        return min(there, max(1, int(most_us) // int(period_us)))
    except (OSError, ValueError):  # there is no such file, or it says "max"
        return there
