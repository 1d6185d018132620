"""Whether idle connections, and clients that never read, slow down the others; and what they cost.

Two daemons run side by side and are called in turn, at the same times. One of them also has a
crowd: connections that send nothing but an HTTP/2 ping every 30 s, and streams whose client sends
requests and never reads an answer. Differences are the crowd's.
"""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import grpc
import msgspec

from bench.speed import targets
from bench.speed.callers import Caller, Point, requests
from bench.speed.load import Figures, Ratio, compared, in_turns
from routerd.child import Serving
from routerd.v1 import router_pb2

PING_S = 30.0
OPEN_AT_ONCE = 100
READERS = 4
STILL_S = 1.0
WARM_UP_S = 2.0
FILES_BESIDE = 200

# The least that makes a connection of HTTP/2 (RFC 9113): its preface, empty settings, and pings.
HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0"
ACK = b"\0\0\0\x04\x01\0\0\0\0"
PING = b"\0\0\x08\x06\0\0\0\0\0" + bytes(8)


class Row(msgspec.Struct):
    """One daemon: medians over rounds, its memory, and what became of the crowd.

    rss_mib: of the daemon's process, before the crowd came and at the end. lost: idle connections
    that ended. unread: requests that were answered, and nobody read the answer.
    """

    target: str
    connections: int
    per_s: float
    p50_us: float
    p99_us: float
    failed: int
    rss_mib_before: float
    rss_mib: float
    lost: int
    unread: int


class Measured(NamedTuple):
    """p50 and p99: crowded over alone, of rounds side by side."""

    rows: list[Row]
    p50: Ratio
    p99: Ratio


class Idle(asyncio.Protocol):
    """A connection that says hello, then only pings."""

    def __init__(self, on_lost: Callable[[], None]) -> None:
        self._on_lost = on_lost
        self._greeted = False
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._transport.write(HELLO)

    def data_received(self, data: bytes) -> None:
        if not self._greeted:
            self._greeted = True
            self._transport.write(ACK)

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_lost()

    def ping(self) -> None:
        self._transport.write(PING)

    def close(self) -> None:
        self._transport.abort()


class Crowd:
    """Idle connections to one daemon, and streams that nobody reads."""

    def __init__(self, address: str) -> None:
        self.lost = self.unread = 0
        self.address = address
        self._idle: list[Idle] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def come(self, connections: int, caller: Caller) -> None:
        """Connect, and send on streams until the daemon takes no more."""
        await self.connect(connections)
        self._tasks.append(asyncio.create_task(self._ping()))
        first = before = await next_position(caller)
        self._tasks += [asyncio.create_task(self._send()) for _ in range(READERS)]
        await asyncio.sleep(STILL_S)
        while (now := await next_position(caller)) != before:
            before = now
            await asyncio.sleep(STILL_S)
        self.unread = now - first

    async def connect(self, connections: int) -> None:
        host, _, port = self.address.rpartition(":")
        loop = asyncio.get_running_loop()
        while len(self._idle) < connections:
            count = min(OPEN_AT_ONCE, connections - len(self._idle))
            opened = (
                loop.create_connection(lambda: Idle(self._count_lost), host, int(port))
                for _ in range(count)
            )
            self._idle += [idle for _, idle in await asyncio.gather(*opened)]

    async def go(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        told = self.lost
        for idle in self._idle:
            idle.close()
        await asyncio.sleep(0)
        self.lost = told

    def _count_lost(self) -> None:
        self.lost += 1

    async def _ping(self) -> None:
        while True:
            for idle in self._idle:
                await asyncio.sleep(PING_S / len(self._idle))
                idle.ping()

    async def _send(self) -> None:
        """A stream whose answers, long ones, are never read.

        Without the first option the client's gRPC would take in megabytes of them unasked.
        """
        options = [("grpc.http2.bdp_probe", 0), ("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(self.address, options=options) as channel:
            call: Any = channel.stream_stream("/routerd.v1.RouterService/RouteStream")()
            (request,) = requests(1)
            request.explain = True
            data = router_pb2.RouteStreamRequest(request=request).SerializeToString()
            while True:
                await call.write(data)


async def next_position(caller: Caller) -> int:
    """The position that the daemon's next decision will have."""
    return (await caller.preview()).position


def run(
    directory: Path,
    connections: int,
    rounds: int,
    seconds: float,
    rate: float,
    done: Callable[[], None],
) -> Measured:
    """Measure calls at a rate a second. directory: where the logs go. done: told of each round.

    Raises NotServing, and ValueError when this process may not open so many files.
    """
    allow_files(connections + FILES_BESIDE)
    with TemporaryDirectory(dir=directory, prefix="idle-") as name:
        folders = [Path(name) / target for target in ("alone", "crowded")]
        for folder in folders:
            folder.mkdir()
        with targets.routerd(folders[0]) as alone, targets.routerd(folders[1]) as crowded:
            point = Point("unary", "open", rate=rate)
            return asyncio.run(measure(alone, crowded, connections, rounds, seconds, point, done))


async def measure(
    alone: Serving,
    crowded: Serving,
    connections: int,
    rounds: int,
    seconds: float,
    point: Point,
    done: Callable[[], None],
) -> Measured:
    """Both daemons in turn, round by round, the crowd at one of them."""
    crowd = Crowd(crowded.address)
    async with (
        grpc.aio.insecure_channel(alone.address) as to_alone,
        grpc.aio.insecure_channel(crowded.address) as to_crowded,
    ):
        callers = [Caller("alone", to_alone), Caller("crowded", to_crowded)]
        for caller in callers:
            await caller.run(point, WARM_UP_S, 0, [])
        before = [targets.rss_mib(serving.pid) for serving in (alone, crowded)]
        try:
            await crowd.come(connections, callers[1])
            figures = await in_turns(callers, point, rounds, seconds, done)
            after = [targets.rss_mib(serving.pid) for serving in (alone, crowded)]
        finally:
            await crowd.go()
    ratios = compared(figures["alone"], figures["crowded"])
    there = {"alone": (0, 0, 0), "crowded": (connections, crowd.lost, crowd.unread)}
    rows = [
        row(name, figures[name], there[name], memory)
        for name, memory in zip(figures, zip(before, after, strict=True), strict=True)
    ]
    return Measured(rows, ratios["p50_us"], ratios["p99_us"])


def row(
    name: str, told: list[Figures], there: tuple[int, int, int], memory: tuple[float, float]
) -> Row:
    connections, lost, unread = there
    return Row(
        target=name,
        connections=connections,
        per_s=round(median(figures.per_s for figures in told), 1),
        p50_us=round(median(figures.p50_us for figures in told), 1),
        p99_us=round(median(figures.p99_us for figures in told), 1),
        failed=sum(figures.failed for figures in told),
        rss_mib_before=memory[0],
        rss_mib=memory[1],
        lost=lost,
        unread=unread,
    )


def allow_files(count: int) -> None:
    """Let this process, and those that it starts, open so many files. Raises ValueError."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise ValueError(f"it takes {count} open files, and {hard} are allowed (ulimit -Hn)")
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
