"""What a long log costs: `python -m bench.endurance`.

Two data directories are filled, one with a few decisions and one with many, outcomes among them.
Then a daemon is started on each, and they are asked in turn, so that whatever else the machine does
hits both alike. Told are: seconds until the port opens, with the snapshot and without one; Route's
median on both, and their ratio; resident memory, where it stands when the bound of open decisions
is reached, and after as many decisions again.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import grpc

from routerd.clock import wall_clock
from routerd.config import parse
from routerd.core.settings import Config, engine_part
from routerd.core.values import Outcome, Request, Task
from routerd.log.sequencer import Sequencer
from routerd.log.snapshot import Snapshots
from routerd.log.sqlite import SqliteLog
from routerd.v1 import router_pb2, router_pb2_grpc

AGENTS = 8
WORK_TYPES = ("code", "text", "chat", "plan")
AT_ONCE = 64
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


def resident_mb(pid: str = "self") -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def fill(directory: Path, config: Config, decisions: int) -> Filled:
    """Make so many decisions, and tell what came of two in three."""
    with closing(SqliteLog.open(directory)) as log:
        sequencer = Sequencer.open(log, engine_part(config), wall_clock())
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
                at_bound = resident_mb()
        sequencer.commit()
        state = sequencer.state
        Snapshots(directory).write(state, 2)
        open_ones = len(state.decisions)
        return Filled(decisions, state.position, open_ones, at_bound, resident_mb())


@contextmanager
def serving(directory: Path, config: Config) -> Iterator[tuple[str, float, str]]:
    """A daemon on a data directory: its address, seconds until it listened, and its pid."""
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
            assert process.stdout is not None
            line = process.stdout.readline()
            took_s = time.perf_counter() - began
            found = re.search(r"listening on (\S+),", line)
            assert found, line
            yield found[1], took_s, str(process.pid)
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


def measure(folder: Path, few: int, many: int, open_decisions: int, calls: int) -> dict[str, Any]:
    config = parse(CONFIG | {"limits": {"open_decisions": open_decisions}})
    fill(folder / "few", config, few)
    filled = fill(folder / "many", config, many)
    with (
        serving(folder / "few", config) as (short, short_s, _),
        serving(folder / "many", config) as (long, long_s, pid),
    ):
        started_mb = resident_mb(pid)
        medians_us([short, long], calls // 10)
        at_few, at_many = medians_us([short, long], calls)
        ended_mb = resident_mb(pid)
    with serving(folder / "many", config) as (_, again_s, _):
        pass
    return {
        **filled._asdict(),
        "snapshot_mb": sum(p.stat().st_size for p in (folder / "many" / "snapshots").iterdir())
        / 2**20,
        "log_mb": (folder / "many" / "log.db").stat().st_size / 2**20,
        "start_s": {"few": short_s, "many": min(long_s, again_s)},
        "route_p50_us": {"few": at_few, "many": at_many, "ratio": at_many / at_few},
        "daemon_mb": {"started": started_mb, "after_calls": ended_mb},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="an empty folder for the data")
    parser.add_argument("--few", type=int, default=1_000)
    parser.add_argument("--many", type=int, default=1_000_000)
    parser.add_argument("--open", type=int, default=200_000, help="limits.open_decisions")
    parser.add_argument("--calls", type=int, default=2_000)
    given = parser.parse_args()
    told = measure(given.folder, given.few, given.many, given.open, given.calls)
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
