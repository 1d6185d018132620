"""How fast routerd answers over gRPC, beside a bare echo on the same machine in the same run.

Both servers run from the start and take turns, round by round, so that whatever else the machine
does hits both alike. What counts are the medians over rounds, and of the ratios of neighbours.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

import grpc
import msgspec
import numpy as np

from bench.speed import targets
from bench.speed.callers import BATCH, Caller, Point
from bench.speed.drive import Round

CONCURRENCY = (1, 2, 4, 8, 16, 32, 64)
RATES_PER_S = (100.0, 300.0, 600.0)
AHEAD = (1, 16, 256)
BATCH_CALLERS = (1, 2)
WARM_UP = 1_000
OUTCOMES_A_ROUND = 100

Range = tuple[float, float]

POINTS = (
    *(Point("unary", "closed", concurrency=callers) for callers in CONCURRENCY),
    *(Point("unary", "open", rate=rate) for rate in RATES_PER_S),
    *(Point("stream", "closed", concurrency=ahead) for ahead in AHEAD),
    *(Point("outcomes", "closed", concurrency=ahead) for ahead in AHEAD),
    *(Point("batch", "closed", concurrency=callers) for callers in BATCH_CALLERS),
)


class Figures(NamedTuple):
    """What one round at one target comes to. per_s: requests or outcomes, a batch's one by one."""

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
    """ratios: for each point those of per_s, p50_us and p99_us."""

    rows: list[Row]
    ratios: dict[Point, dict[str, Ratio]]


def points(modes: Sequence[str]) -> list[Point]:
    """The points of these modes; of all when none is named."""
    return [point for point in POINTS if not modes or point.mode in modes]


def run(
    directory: Path,
    rounds: int,
    seconds: float,
    done: Callable[[], None],
    modes: Sequence[str] = (),
) -> Measured:
    """Measure. directory: where the log goes, on the disk in question. done: told of each round.

    Raises NotServing.
    """
    with (
        TemporaryDirectory(dir=directory, prefix="load-") as name,
        targets.routerd(scratch := Path(name)) as ours,
    ):
        answers = asyncio.run(first_answers(ours.address))
        with targets.echo(scratch, answers) as floor:
            addresses = floor.address, ours.address
            return asyncio.run(measure(*addresses, rounds, seconds, done, points(modes)))


async def first_answers(address: str) -> dict[str, bytes]:
    """Answers of the daemon by method, for the echo to repeat."""
    async with grpc.aio.insecure_channel(address) as channel:
        return await Caller("routerd", channel).samples()


async def measure(
    echo_address: str,
    address: str,
    rounds: int,
    seconds: float,
    done: Callable[[], None],
    chosen: Sequence[Point],
) -> Measured:
    """Every point, round by round, the targets in turn."""
    async with (
        grpc.aio.insecure_channel(echo_address) as to_echo,
        grpc.aio.insecure_channel(address) as to_routerd,
    ):
        floor, ours = Caller("echo", to_echo), Caller("routerd", to_routerd)
        await warm_up(floor, ours)
        gc.freeze()
        figures: dict[tuple[Point, str], list[Figures]] = {}
        for number in range(rounds):
            for point in chosen:
                outcomes = await ours.outcomes(seconds) if point.mode == "outcomes" else []
                for target in (floor, ours) if number % 2 == 0 else (ours, floor):
                    gc.collect()
                    shown = await target.run(point, seconds, number, outcomes)
                    figures.setdefault((point, target.name), []).append(summary(shown, point))
                    if target is ours and point.mode == "unary":
                        await ours.teach(shown.answers[-OUTCOMES_A_ROUND:], seed=number)
                    done()
    rows = [row(point, name, figures[point, name]) for point in chosen for name in NAMES]
    ratios = {p: compared(figures[p, "echo"], figures[p, "routerd"]) for p in chosen}
    return Measured(rows, ratios)


NAMES = ("echo", "routerd")


async def warm_up(floor: Caller, ours: Caller) -> None:
    """Call both until they are warm; the daemon learns from an outcome of each decision."""
    for at in range(0, WARM_UP, OUTCOMES_A_ROUND):
        data = [ours.payloads[i % len(ours.payloads)] for i in range(at, at + OUTCOMES_A_ROUND)]
        await asyncio.gather(*map(floor.route, data))
        await ours.teach(await asyncio.gather(*map(ours.route, data)), seed=at)


def summary(shown: Round, point: Point) -> Figures:
    """What one round comes to; without any call its percentiles are not a number."""
    calls = shown.latency_us.size
    p50, p99 = np.percentile(shown.latency_us, (50, 99)) if calls else (np.nan, np.nan)
    per_s = calls * (BATCH if point.mode == "batch" else 1) / shown.elapsed_s
    return Figures(per_s, float(p50), float(p99), calls, shown.failed)


async def in_turns(
    callers: Sequence[Caller],
    point: Point,
    rounds: int,
    seconds: float,
    done: Callable[[], None] = lambda: None,
) -> dict[str, list[Figures]]:
    """Two servers called alike, who is first changing from round to round; figures by name."""
    figures: dict[str, list[Figures]] = {caller.name: [] for caller in callers}
    for number in range(rounds):
        for caller in callers if number % 2 == 0 else callers[::-1]:
            shown = await caller.run(point, seconds, number, [])
            figures[caller.name].append(summary(shown, point))
            done()
    return figures


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
