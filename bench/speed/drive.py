"""The client of a load measurement: the same calls at the same times, whoever answers.

Messages travel as bytes, so the client costs as little as it can and the same for every server.
"""

from __future__ import annotations

import asyncio
import collections
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

import grpc
import numpy as np

from learners.base import Array

TIMEOUT_S = 10.0
SPIN_S = 0.002

Call = Callable[[bytes], Awaitable[bytes]]


class Round(NamedTuple):
    """What one round of calls showed. answers: the last ones."""

    latency_us: Array
    failed: int
    elapsed_s: float
    answers: Sequence[bytes]


class Tape:
    """Takes down each call's latency from the time that it was meant to start."""

    def __init__(self, call: Call, payloads: Sequence[bytes]) -> None:
        self._call = call
        self._payloads = itertools.cycle(payloads)
        self._latency_s: list[float] = []
        self._answers: list[bytes] = []
        self._failed = 0

    async def one(self, meant_s: float) -> None:
        try:
            answer = await self._call(next(self._payloads))
        except grpc.aio.AioRpcError:
            self._failed += 1
            return
        self._latency_s.append(time.perf_counter() - meant_s)
        self._answers.append(answer)

    def round(self, elapsed_s: float) -> Round:
        latency_us = 1e6 * np.array(self._latency_s)
        return Round(latency_us, self._failed, elapsed_s, self._answers)


async def closed(call: Call, payloads: Sequence[bytes], concurrency: int, seconds: float) -> Round:
    """As many callers as told, each waiting for its answer before it calls again."""
    tape = Tape(call, payloads)
    started_s = time.perf_counter()
    end_s = started_s + seconds

    async def caller() -> None:
        while (now_s := time.perf_counter()) < end_s:
            await tape.one(now_s)

    await asyncio.gather(*(caller() for _ in range(concurrency)))
    return tape.round(time.perf_counter() - started_s)


async def streamed(
    stream: Callable[[], Any], payloads: Sequence[bytes], ahead: int, seconds: float
) -> Round:
    """One stream whose client is at most so many messages ahead of the answers to them.

    It ends before its time when there are no more payloads.
    """
    call = stream()
    room = asyncio.Semaphore(ahead)
    sent_s: collections.deque[float] = collections.deque()
    latency_s: list[float] = []
    answers: list[bytes] = []
    started_s = time.perf_counter()
    end_s = started_s + seconds

    async def send() -> None:
        for data in payloads:
            await room.acquire()
            now_s = time.perf_counter()
            if now_s >= end_s:
                break
            sent_s.append(now_s)
            await call.write(data)
        await call.done_writing()

    sending = asyncio.create_task(send())
    while (answer := await call.read()) is not grpc.aio.EOF:
        latency_s.append(time.perf_counter() - sent_s.popleft())
        answers.append(answer)
        room.release()
    elapsed_s = time.perf_counter() - started_s
    await sending
    return Round(1e6 * np.array(latency_s), 0, elapsed_s, answers)


async def open_loop(
    call: Call, payloads: Sequence[bytes], rate_per_s: float, seconds: float, seed: int
) -> Round:
    """Calls at the times of a Poisson process, whatever became of the earlier ones.

    A call that starts late, because the client or the server is behind, counts from the time that
    it should have started: nothing slow is left out (Tene, "How NOT to measure latency").
    """
    tape = Tape(call, payloads)
    rng = np.random.default_rng(seed)
    offsets_s = np.add.accumulate(rng.exponential(1.0 / rate_per_s, int(rate_per_s * seconds)))
    started_s = time.perf_counter()
    calls = []
    for meant_s in (started_s + offsets_s).tolist():
        await until(meant_s)
        calls.append(asyncio.create_task(tape.one(meant_s)))
    await asyncio.gather(*calls)
    return tape.round(time.perf_counter() - started_s)


async def until(moment_s: float) -> None:
    """Sleep, then spin: an event loop's timers are late by a millisecond."""
    while (left_s := moment_s - time.perf_counter()) > 0:
        await asyncio.sleep(max(0.0, left_s - SPIN_S))
