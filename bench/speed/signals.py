"""What classifying descriptions costs: rules, a remembered text, and an endpoint that hangs.

    python -m bench.speed.signals [ROUNDS]

The last is measured on two daemons side by side, called in turn at the same rate with tasks that
need no classifier. To one of them ten requests are always on their way whose descriptions wait for
an endpoint that takes calls and never answers: some have a deadline before its time-out, some
after. Differences are theirs.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import grpc
import numpy as np

from bench.speed import targets
from bench.speed.callers import Caller, Point
from bench.speed.load import Ratio, compared, in_turns
from routerd.child import Serving
from routerd.settings_signals import Endpoint, Label, Rule, Signals
from routerd.signals.hybrid import Classifier
from routerd.v1 import router_pb2, router_pb2_grpc, types_pb2

RULES, CHARS, TEXTS, WORDS = 200, 2_000, 2_000, 10_000
"""Of so many words, each as likely: a word is in one text of forty."""
HANGING = 10
TIMEOUT_MS = 2_000
DEADLINES_S = (1.0, 5.0)
"""Of the requests that wait for the endpoint: before its time-out, and after."""

RATE, SECONDS, ROUNDS, WARM_UP_S = 200.0, 5.0, 10, 2.0


class Spread(NamedTuple):
    """Times of single calls on a processor, in microseconds."""

    p50_us: float
    p99_us: float


class Hung(NamedTuple):
    """p50 and p99: others beside hanging calls, over others alone. late: hanging requests that were
    answered after their deadline or not at all; longest_s: by deadline."""

    p50: Ratio
    p99: Ratio
    requests: int
    late: int
    longest_s: dict[float, float]


def words(count: int) -> list[str]:
    """Made-up words of two to four syllables."""
    rng = random.Random(1)
    syllables = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "er")]
    return ["".join(rng.choices(syllables, k=rng.randint(2, 4))) for _ in range(count)]


def rules(known: Sequence[str]) -> Iterator[Rule]:
    """Rules of every kind, three patterns each: alternatives, gaps, endings, whole words."""
    rng = random.Random(2)
    for i in range(RULES):
        a, b, c, d, e = rng.sample(known, 5)
        some = (f"{a}|{b}", rf"{b}\s+(?:the|a)\s+{c}", f"{c}(?:s|ed|ing)?")
        yield Rule(f"label-{i}", any=some, all=(f"{d}.*{e}",), words=i % 2 == 0)


def texts(known: Sequence[str]) -> list[str]:
    """Different texts of CHARS characters."""
    rng = random.Random(3)
    return [" ".join(rng.choices(known, k=CHARS // 4))[:CHARS] for _ in range(TEXTS)]


def timed(call: Callable[[str], object], told: Sequence[str]) -> Spread:
    """How much of a processor's time a call takes for each text, the first ones included."""
    taken = []
    for text in told:
        start_s = time.thread_time()
        call(text)
        taken.append((time.thread_time() - start_s) * 1e6)
    p50, p99 = np.percentile(taken, (50, 99))
    return Spread(float(p50), float(p99))


def by_rules() -> Spread:
    """A description looked through by all rules."""
    known = words(WORDS)
    return timed(Classifier(Signals(rules=tuple(rules(known))), {}).quick, texts(known))


def remembered() -> Spread:
    """A description whose label the endpoint gave before."""
    told = texts(words(WORDS))

    async def measured() -> Spread:
        server = await asyncio.start_server(obliging, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            classifier = Classifier(asked_at(port, failures=1), {})
            forever_s = asyncio.get_running_loop().time() + 3600
            for at in range(0, len(told), 8):
                await asyncio.gather(*(classifier.ask(t, forever_s) for t in told[at : at + 8]))
            heard = [classifier.quick(text) for text in told]
            assert all(each is not None and each.cached for each in heard)
            spread = timed(classifier.quick, told)
            await classifier.close()
        return spread

    return asyncio.run(measured())


def asked_at(port: int, failures: int) -> Signals:
    """An endpoint on this machine; so many failures open its breaker."""
    endpoint = Endpoint(
        url=f"http://127.0.0.1:{port}",
        reply="token",
        protocol="llama_cpp",
        timeout_ms=TIMEOUT_MS,
        max_calls=HANGING,
        failures=failures,
    )
    return Signals(endpoint=endpoint, labels={"code": Label()})


async def obliging(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server that answers each request with the same label."""
    body = b'{"content": "code"}'
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
            await reader.readexactly(int(length))
            writer.write(answer % len(body) + body)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def hanging(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server that takes whatever comes, and never answers."""
    while await reader.read(65_536):
        pass
    writer.close()


class Crowd:
    """Requests that wait for the endpoint, HANGING of them at any time."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.requests = self.late = 0
        self.longest_s = dict.fromkeys(DEADLINES_S, 0.0)
        self._router = router_pb2_grpc.RouterServiceStub(channel)
        self._tasks = [asyncio.create_task(self._ask(i)) for i in range(HANGING)]

    async def go(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _ask(self, number: int) -> None:
        deadline_s = DEADLINES_S[number % len(DEADLINES_S)]
        while True:
            self.requests += 1
            task = types_pb2.Task(description=f"text {number} {self.requests}")
            start_s = time.perf_counter()
            try:
                await self._router.Route(router_pb2.RouteRequest(task=task), timeout=deadline_s)
            except grpc.aio.AioRpcError:
                self.late += 1
            took_s = time.perf_counter() - start_s
            self.longest_s[deadline_s] = max(self.longest_s[deadline_s], took_s)


async def beside_a_hung_endpoint(directory: Path, rounds: int, seconds: float = SECONDS) -> Hung:
    """Two daemons in turn, round by round. directory: where their logs stand for the while."""
    hung = await asyncio.start_server(hanging, "127.0.0.1", 0)
    signals = asked_at(hung.sockets[0].getsockname()[1], failures=10**9)
    loop = asyncio.get_running_loop()
    with TemporaryDirectory(dir=directory, prefix="signals-") as name:
        folders = [Path(name) / target for target in ("alone", "beside")]
        for folder in folders:
            folder.mkdir()
        daemons = [targets.routerd(folder, signals) for folder in folders]
        alone, beside = [await loop.run_in_executor(None, each.__enter__) for each in daemons]
        try:
            return await turns(alone, beside, rounds, seconds)
        finally:
            for each in daemons:
                await loop.run_in_executor(None, each.__exit__, None, None, None)
            hung.close()


async def turns(alone: Serving, beside: Serving, rounds: int, seconds: float) -> Hung:
    point = Point("unary", "open", rate=RATE)
    async with (
        grpc.aio.insecure_channel(alone.address) as to_alone,
        grpc.aio.insecure_channel(beside.address) as to_beside,
    ):
        callers = [Caller("alone", to_alone), Caller("beside", to_beside)]
        for caller in callers:
            await caller.run(point, WARM_UP_S, 0, [])
        crowd = Crowd(to_beside)
        try:
            figures = await in_turns(callers, point, rounds, seconds)
        finally:
            await crowd.go()
    ratios = compared(figures["alone"], figures["beside"])
    return Hung(ratios["p50_us"], ratios["p99_us"], crowd.requests, crowd.late, crowd.longest_s)


def main(rounds: int = ROUNDS) -> None:
    told = by_rules()
    print(f"{RULES} rules, {CHARS} characters: p50 {told.p50_us:.0f} us, p99 {told.p99_us:.0f} us")
    told = remembered()
    print(f"a remembered text of {CHARS}: p50 {told.p50_us:.0f} us, p99 {told.p99_us:.0f} us")
    hung = asyncio.run(beside_a_hung_endpoint(Path.cwd(), rounds))
    for name, ratio in (("p50", hung.p50), ("p99", hung.p99)):
        spread = f"{ratio.least:.2f}-{ratio.largest:.2f}"
        print(f"others beside {HANGING} hung calls / alone, {name}: {ratio.median:.2f} ({spread})")
    longest = ", ".join(f"{took:.2f} s of {most:g} s" for most, took in hung.longest_s.items())
    print(f"{hung.requests} hung requests, {hung.late} not answered in time; longest {longest}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
