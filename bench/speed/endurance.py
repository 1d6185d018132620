"""What a long log costs: `python -m bench.speed.endurance FOLDER`, a table in some 15 minutes.

Two data directories are filled, one with a few decisions and one with many, outcomes among them; a
folder that was filled before is used again. Then a daemon is started on each, and they are asked in
turn, so that whatever else the machine does hits both alike. Told are: seconds until the port
opens, and how much of the processors that took; Route's median on both, and their ratio; resident
memory, where it stands when the bound of open decisions is reached, and after more decisions.

What is read from disk is in the page cache, or starts wait for the disk.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import grpc

from bench.speed.targets import rss_mib
from routerd.child import address_of
from routerd.clock import wall_clock
from routerd.config import parse
from routerd.core.values import Outcome, Request, Task
from routerd.engine.sequencer import Sequencer
from routerd.log.snapshot import Snapshots
from routerd.log.sqlite import SqliteLog
from routerd.settings import Config
from routerd.v1 import router_pb2, router_pb2_grpc

AGENTS = 8
WORK_TYPES = ("code", "text", "chat", "plan")
AT_ONCE = 64
IN_BATCH = 250
CONFIG: dict[str, Any] = {
    "agents": [{"id": f"agent-{i}"} for i in range(AGENTS)],
    "features": [
        {"kind": "category", "name": "work_type"},
        {"kind": "number", "name": "complexity"},
    ],
    "outcomes": {"window_hours": 1e6},
    "audit": {"enabled": False},
    "listen": "127.0.0.1:0",
}


class Filled(NamedTuple):
    """A log that was made: its events, and MB that its maker held at a bound, and at the end."""

    decisions: int
    events: int
    open_decisions: int
    mb_at_bound: float
    mb_at_end: float


class Start(NamedTuple):
    """What it took until the port opened: seconds, and CPU seconds of the daemon and of those that
    it started."""

    wall_s: float
    own_cpu_s: float
    others_cpu_s: float


def cpu_s(pid: int) -> tuple[float, float]:
    """CPU seconds of a process, and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system, children, of_system = (int(field) for field in fields[11:15])
    ticks = os.sysconf("SC_CLK_TCK")
    return (user + system) / ticks, (children + of_system) / ticks


def filled(directory: Path, config: Config, decisions: int) -> Filled:
    """As fill, or what fill told of this directory at an earlier run."""
    told = directory / "filled.json"
    if not told.exists():
        told.write_text(json.dumps(fill(directory, config, decisions)._asdict()))
    return Filled(**json.loads(told.read_text()))


def fill(directory: Path, config: Config, decisions: int) -> Filled:
    """Make so many decisions, and tell what came of two in three."""
    with closing(SqliteLog.open(directory)) as log:
        sequencer = Sequencer.open(log, config, wall_clock())
        at_bound = 0.0
        for i in range(decisions):
            work_type = WORK_TYPES[i % len(WORK_TYPES)]
            task = Task(task_id=f"t{i}", work_type=work_type, complexity=i % 10 / 10)
            answer = sequencer.route(Request(f"request-{i:09d}", task))
            if i % 3:
                name, good = answer.decision_id, i % 2 == 0
                said = Outcome(f"outcome-{i}", name, success=good, cost_usd=0.002, latency_ms=900.0)
                sequencer.report(said)
            if i % AT_ONCE == 0:
                sequencer.commit()
            if not at_bound and len(sequencer.state.decisions) == config.limits.open_decisions:
                at_bound = rss_mib(os.getpid())
        sequencer.commit()
        state = sequencer.state
        Snapshots(directory).write(state, 2)
        open_ones = len(state.decisions)
        return Filled(decisions, state.position, open_ones, at_bound, rss_mib(os.getpid()))


@contextmanager
def serving(directory: Path, config: Config) -> Iterator[tuple[str, Start, int]]:
    """A daemon on a data directory: its address, what its start took, and its pid."""
    file = directory / "routerd.json"
    file.write_text(
        json.dumps(CONFIG | {"limits": {"open_decisions": config.limits.open_decisions}})
    )
    began = time.perf_counter()
    command = ["serve", "--config", str(file), "--data", str(directory)]
    with subprocess.Popen(
        [sys.executable, "-m", "routerd", *command], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            address = address_of(process)
            took = Start(time.perf_counter() - began, *cpu_s(process.pid))
            yield address, took, process.pid
        finally:
            process.kill()


def medians_us(addresses: list[str], calls: int) -> list[float]:
    """Route's median at each address, asked in turn."""
    stubs = [
        router_pb2_grpc.RouterServiceStub(grpc.insecure_channel(address)) for address in addresses
    ]
    took: list[list[float]] = [[] for _ in stubs]
    for i in range(calls):
        for stub, own in zip(stubs, took, strict=True):
            request = router_pb2.RouteRequest(request_id=f"measured-{i}")
            request.task.work_type = WORK_TYPES[i % len(WORK_TYPES)]
            began = time.perf_counter()
            stub.Route(request, timeout=10.0)
            own.append(1e6 * (time.perf_counter() - began))
    return [statistics.median(own) for own in took]


def decide_more(address: str, decisions: int) -> None:
    """Have a daemon make more decisions, in batches."""
    stub = router_pb2_grpc.RouterServiceStub(grpc.insecure_channel(address))
    for begin in range(0, decisions, IN_BATCH):
        batch = router_pb2.RouteBatchRequest()
        for i in range(begin, begin + IN_BATCH):
            request = batch.requests.add(request_id=f"more-{i}")
            request.task.work_type = WORK_TYPES[i % len(WORK_TYPES)]
        stub.RouteBatch(batch, timeout=60.0)


def measure(folder: Path, given: argparse.Namespace) -> dict[str, str]:
    """The figures and what they are of."""
    config = parse(CONFIG | {"limits": {"open_decisions": given.open}})
    few, many = folder / "few", folder / "many"
    filled(few, config, given.few)
    made = filled(many, config, given.many)
    shutil.rmtree(many / "seals", ignore_errors=True)
    with serving(many, config) as (_, unsealed, _):
        pass
    starts = []
    for _ in range(given.starts):
        with serving(many, config) as (_, start, _):
            starts.append(start)
    with serving(few, config) as (short, first, _), serving(many, config) as (long, _, pid):
        at_start = rss_mib(pid)
        medians_us([short, long], given.calls // 10)
        at_few, at_many = medians_us([short, long], given.calls)
        after_calls = rss_mib(pid)
        decide_more(long, given.more)
        after_more = rss_mib(pid)
    snapshot = max((many / "snapshots").iterdir())
    return {
        "decisions, events": f"{made.decisions:,}, {made.events:,}",
        "open decisions": f"{made.open_decisions:,}",
        "log, snapshot": f"{mb(many / 'log.db')}, {mb(snapshot)}",
        "start, nothing logged": told(first),
        "start from a snapshot": told(min(starts)),
        "the first start, which seals": told(unsealed),
        f"Route p50 after {given.few:,}": f"{at_few:.0f} us",
        f"Route p50 after {given.many:,}": f"{at_many:.0f} us, {at_many / at_few:.3f} of that",
        "memory of who made them, at the bound": f"{made.mb_at_bound:.0f} MB",
        "memory of who made them, at the end": f"{made.mb_at_end:.0f} MB",
        "memory of the daemon, started": f"{at_start:.0f} MB",
        f"memory of the daemon, {given.calls:,} calls later": f"{after_calls:.0f} MB",
        f"memory of the daemon, {given.more:,} decisions later": f"{after_more:.0f} MB",
    }


def mb(file: Path) -> str:
    return f"{file.stat().st_size / 2**20:.0f} MB"


def told(start: Start) -> str:
    return (
        f"{start.wall_s:.1f} s; CPU {start.own_cpu_s:.1f} s, "
        f"and {start.others_cpu_s:.1f} s beside it"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="an empty folder for the data, or one filled so")
    parser.add_argument("--few", type=int, default=1_000)
    parser.add_argument("--many", type=int, default=1_000_000)
    parser.add_argument("--open", type=int, default=200_000, help="limits.open_decisions")
    parser.add_argument("--calls", type=int, default=2_000)
    parser.add_argument("--more", type=int, default=50_000, help="decisions in batches, at the end")
    parser.add_argument("--starts", type=int, default=2, help="of which the best is told")
    given = parser.parse_args()
    for what, figure in measure(given.folder, given).items():
        print(f"| {what} | {figure} |")


if __name__ == "__main__":
    main()
