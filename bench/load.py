"""How fast routerd answers over gRPC, beside a bare echo on the same machine in the same run.

Both servers run from the start and take turns, round by round, so that whatever else the machine
does hits both alike. What counts are the medians over rounds, and of the ratios of neighbours.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import grpc
import msgspec
import numpy as np

from bench import targets
from bench.decide import tasks
from bench.drive import TIMEOUT_S, Call, Round, closed, open_loop
from routerd.v1 import router_pb2, types_pb2

CONCURRENCY = (1, 2, 4, 8, 16, 32, 64)
RATES_PER_S = (100.0, 300.0, 600.0)
PAYLOADS = 512
WARM_UP = 1_000
OUTCOMES_A_ROUND = 100

SERVICE = router_pb2.DESCRIPTOR.services_by_name["RouterService"]
ROUTE = f"/{SERVICE.full_name}/Route"
REPORT = f"/{SERVICE.full_name}/ReportOutcome"
MODES = {"unary": "Route", "stream": "RouteStream", "batch": "RouteBatch"}

Range = tuple[float, float]


class Point(NamedTuple):
    """One way of calling: closed loops have callers, open loops a rate of calls a second."""

    mode: str
    loop: str
    concurrency: int | None = None
    rate: float | None = None


POINTS = (
    *(Point("unary", "closed", concurrency=callers) for callers in CONCURRENCY),
    *(Point("unary", "open", rate=rate) for rate in RATES_PER_S),
)


class Figures(NamedTuple):
    """What one round at one target comes to."""

    per_s: float
    p50_us: float
    p99_us: float
    calls: int
    failed: int


class Row(msgspec.Struct):
    """One target at one point: medians over rounds, with the least and the largest."""

    target: str
    mode: str
    loop: str
    concurrency: int | None
    rate: float | None
    per_s: float
    p50_us: float
    p99_us: float
    rounds: int
    calls: int
    failed: int
    per_s_range: Range
    p50_us_range: Range
    p99_us_range: Range


class Ratio(NamedTuple):
    """routerd over the echo, of rounds side by side: the median, the least and the largest."""

    median: float
    least: float
    largest: float


class Measured(NamedTuple):
    """ratios: for each point those of per_s, p50_us and p99_us. skipped: what was, and why."""

    rows: list[Row]
    ratios: dict[Point, dict[str, Ratio]]
    skipped: list[str]


class Target:
    """One server and the calls that are made to it."""

    def __init__(self, name: str, channel: grpc.aio.Channel, payloads: Sequence[bytes]) -> None:
        self.name = name
        self.payloads = payloads
        route: Any = channel.unary_unary(ROUTE)
        report: Any = channel.unary_unary(REPORT)
        self.route: Call = lambda data: route(data, timeout=TIMEOUT_S)
        self.report: Call = lambda data: report(data, timeout=TIMEOUT_S)

    async def run(self, point: Point, seconds: float, seed: int) -> Round:
        if point.concurrency is not None:
            return await closed(self.route, self.payloads, point.concurrency, seconds)
        assert point.rate is not None
        return await open_loop(self.route, self.payloads, point.rate, seconds, seed)


def run(directory: Path, rounds: int, seconds: float, done: Callable[[], None]) -> Measured:
    """Measure. directory: where the log goes, on the disk in question. done: told of each round.

    Raises targets.NotServing.
    """
    with (
        TemporaryDirectory(dir=directory, prefix="load-") as scratch,
        targets.routerd(Path(scratch)) as ours,
    ):
        answer = asyncio.run(first_answer(ours))
        with targets.echo(answer) as floor:
            return asyncio.run(measure(floor, ours, rounds, seconds, done))


async def first_answer(address: str) -> router_pb2.RouteResponse:
    """An answer of the daemon, for the echo to repeat."""
    async with grpc.aio.insecure_channel(address) as channel:
        (request,) = requests(1)
        answer = await Target("routerd", channel, [request]).route(request)
    return router_pb2.RouteResponse.FromString(answer)


async def measure(
    echo_address: str, address: str, rounds: int, seconds: float, done: Callable[[], None]
) -> Measured:
    """Every point, round by round, the targets in turn."""
    payloads = list(requests(PAYLOADS))
    async with (
        grpc.aio.insecure_channel(echo_address) as to_echo,
        grpc.aio.insecure_channel(address) as to_routerd,
    ):
        floor, ours = Target("echo", to_echo, payloads), Target("routerd", to_routerd, payloads)
        await warm_up(floor, ours)
        gc.freeze()
        figures: dict[tuple[Point, str], list[Figures]] = {}
        for number in range(rounds):
            for point in POINTS:
                for target in (floor, ours) if number % 2 == 0 else (ours, floor):
                    gc.collect()
                    shown = await target.run(point, seconds, seed=number)
                    figures.setdefault((point, target.name), []).append(summary(shown))
                    if target is ours:
                        await teach(ours, shown.answers[-OUTCOMES_A_ROUND:], seed=number)
                    done()
    rows = [row(point, name, figures[point, name]) for point in POINTS for name in NAMES]
    ratios = {p: compared(figures[p, "echo"], figures[p, "routerd"]) for p in POINTS}
    return Measured(rows, ratios, skipped())


NAMES = ("echo", "routerd")


def skipped() -> list[str]:
    """The modes that the contract has no method for."""
    return [
        f"{mode}: {SERVICE.full_name} has no {method}"
        for mode, method in MODES.items()
        if method not in SERVICE.methods_by_name
    ]


def requests(count: int) -> Iterator[bytes]:
    """Seeded requests, without a request_id: each is a new decision."""
    for task, _ in tasks(targets.FEATURES, count):
        wire = types_pb2.Task(work_type=task.work_type, features=task.features)
        yield router_pb2.RouteRequest(task=wire).SerializeToString()


async def warm_up(floor: Target, ours: Target) -> None:
    """Call both until they are warm; the daemon learns from an outcome of each decision."""
    for at in range(0, WARM_UP, OUTCOMES_A_ROUND):
        data = [ours.payloads[i % PAYLOADS] for i in range(at, at + OUTCOMES_A_ROUND)]
        await asyncio.gather(*map(floor.route, data))
        await teach(ours, await asyncio.gather(*map(ours.route, data)), seed=at)


async def teach(ours: Target, answers: Sequence[bytes], seed: int) -> None:
    """Report seeded outcomes of answered decisions."""
    rng = np.random.default_rng(seed)
    reports = []
    for data in answers:
        answer = router_pb2.RouteResponse.FromString(data)
        skill = (1 + int(answer.agent_id.rpartition("-")[2])) / (targets.AGENTS + 1)
        quality = float(rng.beta(4.0 * skill, 4.0 * (1.0 - skill)))
        outcome = types_pb2.Outcome(
            decision_id=answer.decision_id, quality=quality, cost_usd=0.01 * skill
        )
        wire = router_pb2.ReportOutcomeRequest(outcome=outcome)
        reports.append(ours.report(wire.SerializeToString()))
    await asyncio.gather(*reports)


def summary(shown: Round) -> Figures:
    """Calls a second and percentiles of one round; without any call they are not a number."""
    calls = shown.latency_us.size
    p50, p99 = np.percentile(shown.latency_us, (50, 99)) if calls else (np.nan, np.nan)
    return Figures(calls / shown.elapsed_s, float(p50), float(p99), calls, shown.failed)


def row(point: Point, target: str, told: Sequence[Figures]) -> Row:
    """The figures of all rounds as one row of the results."""
    ranges = {}
    for name in ("per_s", "p50_us", "p99_us"):
        values = [getattr(figures, name) for figures in told]
        ranges[name] = (round(median(values), 1), round(min(values), 1), round(max(values), 1))
    return Row(
        target=target,
        mode=point.mode,
        loop=point.loop,
        concurrency=point.concurrency,
        rate=point.rate,
        per_s=ranges["per_s"][0],
        p50_us=ranges["p50_us"][0],
        p99_us=ranges["p99_us"][0],
        rounds=len(told),
        calls=sum(figures.calls for figures in told),
        failed=sum(figures.failed for figures in told),
        per_s_range=ranges["per_s"][1:],
        p50_us_range=ranges["p50_us"][1:],
        p99_us_range=ranges["p99_us"][1:],
    )


def compared(floor: Sequence[Figures], ours: Sequence[Figures]) -> dict[str, Ratio]:
    """How routerd's rounds compare with the echo's beside them."""
    ratios = {}
    for name in ("per_s", "p50_us", "p99_us"):
        values = [getattr(b, name) / getattr(a, name) for a, b in zip(floor, ours, strict=True)]
        ratios[name] = Ratio(median(values), min(values), max(values))
    return ratios
