"""The load measurement: what it counts, what it leaves out, and that both servers are called."""

from __future__ import annotations

import asyncio
import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from click.testing import CliRunner

from bench.speed import drive, load, targets
from bench.speed.callers import BATCH, Caller, Point
from bench.speed.load import Figures, Ratio
from routerd import child
from routerd.child import NotServing, serving
from routerd.cli.main import main
from routerd.v1 import router_pb2

CLOSED = Point("unary", "closed", concurrency=2)
OPEN = Point("unary", "open", rate=50.0)


async def test_a_closed_loop_has_as_many_calls_in_flight_as_callers() -> None:
    """Never more, and at some time all of them."""
    in_flight = most = 0

    async def call(data: bytes) -> bytes:
        nonlocal in_flight, most
        in_flight += 1
        most = max(most, in_flight)
        await asyncio.sleep(0.001)
        in_flight -= 1
        return data

    shown = await drive.closed(call, [b"a", b"b"], concurrency=3, seconds=0.05)
    assert most == 3
    assert shown.latency_us.size == len(shown.answers) >= 3
    assert set(shown.answers) == {b"a", b"b"}


async def test_an_open_loop_counts_from_the_time_that_a_call_was_meant_to_start() -> None:
    """Behind a server that takes calls one by one, the wait in its queue is latency."""
    one_by_one = asyncio.Lock()

    async def call(data: bytes) -> bytes:
        async with one_by_one:
            await asyncio.sleep(0.01)
        return data

    shown = await drive.open_loop(call, [b""], rate_per_s=2_000.0, seconds=0.02, seed=1)
    assert shown.latency_us.size == 40
    # The last call is meant to start some 20 ms after the first, and ends 40 times 10 ms after it.
    assert shown.latency_us.max() > 300_000


async def test_a_late_client_counts_its_own_delay() -> None:
    """What was meant to start while the client itself was held up is not left out."""

    async def call(data: bytes) -> bytes:
        return data

    async def hold_up() -> None:
        await asyncio.sleep(0.02)
        time.sleep(0.1)  # the whole event loop

    calls = drive.open_loop(call, [b""], rate_per_s=500.0, seconds=0.1, seed=1)
    shown, _ = await asyncio.gather(calls, hold_up())
    assert shown.latency_us.max() > 50_000
    assert (shown.latency_us > 10_000).sum() > 10


async def test_arrivals_are_those_of_the_seed() -> None:
    """Both servers are called at the same times."""

    async def arrivals(seed: int) -> list[float]:
        told: list[float] = []

        async def until(moment_s: float) -> None:
            told.append(moment_s)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(drive, "until", until)

            async def call(data: bytes) -> bytes:
                return data

            await drive.open_loop(call, [b""], rate_per_s=100.0, seconds=1.0, seed=seed)
        return np.diff(told).round(6).tolist()

    assert await arrivals(1) == await arrivals(1) != await arrivals(2)


def test_a_row_holds_the_median_round_and_the_range() -> None:
    """Of calls a second and percentiles; calls and failures are summed."""
    told = [Figures(per_s, 1e3 / per_s, 2e3 / per_s, 10, 1) for per_s in (1.0, 4.0, 2.0)]
    row = load.row(CLOSED, "echo", told)
    assert (row.target, row.loop, row.concurrency, row.rate) == ("echo", "closed", 2, None)
    assert (row.per_s, row.per_s_range) == (2.0, (1.0, 4.0))
    assert (row.p50_us, row.p50_us_range) == (500.0, (250.0, 1000.0))
    assert (row.rounds, row.calls, row.failed) == (3, 30, 3)


def test_ratios_are_of_rounds_side_by_side() -> None:
    """The median of ratios, not the ratio of medians: neighbours had the same disturbances."""
    floor = [Figures(per_s, 1.0, 1.0, 1, 0) for per_s in (100.0, 10.0, 40.0)]
    ours = [Figures(per_s, 2.0, 3.0, 1, 0) for per_s in (50.0, 9.0, 8.0)]
    ratios = load.compared(floor, ours)
    assert ratios["per_s"] == Ratio(0.5, 0.2, 0.9)
    assert ratios["p50_us"] == Ratio(2.0, 2.0, 2.0)


def test_a_round_without_answers_has_no_percentiles() -> None:
    """A server that answers nothing is not fast."""
    shown = drive.Round(np.array([]), failed=5, elapsed_s=1.0, answers=[])
    figures = load.summary(shown, CLOSED)
    assert (figures.per_s, figures.failed) == (0.0, 5)
    assert math.isnan(figures.p50_us)


def test_a_batch_counts_its_requests() -> None:
    """A second's worth of batches is so many requests; their time is that of a call."""
    shown = drive.Round(np.array([10.0, 20.0]), failed=0, elapsed_s=2.0, answers=[])
    figures = load.summary(shown, Point("batch", "closed", concurrency=1))
    assert (figures.per_s, figures.calls, figures.p50_us) == (BATCH, 2, 15.0)


def test_points_are_those_of_the_modes_that_are_asked_for() -> None:
    """Of all modes when none is named."""
    assert {point.mode for point in load.points(["batch", "stream"])} == {"batch", "stream"}
    assert load.points([]) == list(load.POINTS)
    modes = {point.mode for point in load.POINTS}
    assert modes == {"unary", "stream", "outcomes", "batch"}


def test_both_servers_are_measured_at_every_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real daemon and a real echo in processes of their own; the rows are written as JSON."""
    streams = [Point(mode, "closed", concurrency=8) for mode in ("stream", "outcomes", "batch")]
    monkeypatch.setattr(load, "POINTS", (CLOSED, OPEN, *streams))
    monkeypatch.setattr(load, "WARM_UP", 100)
    out = tmp_path / "results.json"
    arguments = ["bench", "load", "--out", str(out), "--rounds", "2", "--seconds", "0.1"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    rows = json.loads(out.read_text())
    assert [(r["mode"], r["loop"], r["target"]) for r in rows] == [
        (mode, loop, target)
        for mode, loop in (
            ("unary", "closed"),
            ("unary", "open"),
            ("stream", "closed"),
            ("outcomes", "closed"),
            ("batch", "closed"),
        )
        for target in ("echo", "routerd")
    ]
    for row in rows:
        assert (row["rounds"], row["failed"]) == (2, 0)
        assert row["calls"] > 0
        assert row["per_s"] > 0
        assert 0 < row["p50_us"] <= row["p99_us"]
    told = [(r["concurrency"], r["rate"]) for r in rows]
    assert told == [(2, None)] * 2 + [(None, 50.0)] * 2 + [(8, None)] * 6
    assert list(tmp_path.iterdir()) == [out]  # the daemon's log is gone


async def test_a_stream_is_never_further_ahead_than_told() -> None:
    """All messages are sent, each is answered, and so many at most wait for their answers."""
    waiting = most = 0

    class Stream:
        """A stream that answers in order, after a while."""

        def __init__(self) -> None:
            self.told: asyncio.Queue[Any] = asyncio.Queue()

        async def write(self, data: bytes) -> None:
            nonlocal waiting, most
            waiting += 1
            most = max(most, waiting)
            await self.told.put(data)

        async def done_writing(self) -> None:
            await self.told.put(grpc.aio.EOF)

        async def read(self) -> Any:
            nonlocal waiting
            await asyncio.sleep(0.001)
            waiting -= 1
            return await self.told.get()

    payloads = [bytes([i]) for i in range(20)]
    shown = await drive.streamed(Stream, payloads, ahead=4, seconds=10.0)
    assert shown.answers == payloads
    assert most == 4
    assert shown.latency_us.size == 20


def test_the_daemon_learns_from_outcomes_of_its_decisions(tmp_path: Path) -> None:
    """After the warm-up, each decision asked for then has its outcome in the log."""

    async def warmed_up(address: str) -> bytes:
        async with grpc.aio.insecure_channel(address) as channel:
            ours = Caller("routerd", channel)
            await load.warm_up(ours, ours)
            return await ours.route(ours.payloads[0])

    with targets.routerd(tmp_path) as serving:
        answer = router_pb2.RouteResponse.FromString(asyncio.run(warmed_up(serving.address)))
    # The configuration, the floor's decisions, ours with an outcome each, and this one.
    assert answer.position == 1 + 3 * load.WARM_UP + 1


def test_a_server_that_does_not_start_is_told(tmp_path: Path) -> None:
    """With its exit code or what it said, in one sentence."""
    command = [sys.executable, "-m", "json.tool"]
    with pytest.raises(NotServing, match="did not start"), serving(command):
        pass


def test_a_server_that_does_not_end_is_said_to_be_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is killed, and whoever asked for it gets a sentence."""
    monkeypatch.setattr(child, "STOP_S", 0.1)
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    program = f"{deaf}; print('x listening on here, now', flush=True); signal.pause()"
    told = pytest.raises(NotServing, match="did not end")
    with told, serving([sys.executable, "-c", program]) as server:
        assert server.address == "here"


def test_a_missing_directory_is_a_usage_error(tmp_path: Path) -> None:
    """One sentence and exit code 2, before anything is started."""
    out = tmp_path / "nowhere" / "results.json"
    result = CliRunner().invoke(main, ["bench", "load", "--out", str(out)])
    assert result.exit_code == 2
    assert f"there is no directory {out.parent} to write" in result.output
