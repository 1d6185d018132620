"""A projector may die at any instant: the audit it leaves is whole, and the next one goes on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec

from routerd.audit.process import catch_up
from routerd.audit.schema import audit_path
from routerd.clock import wall_clock
from routerd.core.settings import EngineConfig
from routerd.engine.sequencer import Sequencer
from routerd.log.sqlite import SqliteLog
from tests.audit.made import BUSY, column, contents, play, projected

ROOT = Path(__file__).parents[2]
KILLS = 20


class Load(threading.Thread):
    """Somebody who writes to a log until told to stop; at once so much that there is work."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.stopped = threading.Event()
        self.log = SqliteLog.open(directory)
        config = msgspec.convert(BUSY, EngineConfig)
        self.sequencer = Sequencer.open(self.log, config, wall_clock())
        self.write(400, seed=0)

    def write(self, requests: int, seed: int) -> None:
        play(self.sequencer, requests, seed)
        self.sequencer.commit()

    def run(self) -> None:
        seed = 1
        while not self.stopped.wait(0.005):
            self.write(10, seed)
            seed += 1


def killed(nursery: subprocess.Popen[str], delay_s: float) -> None:
    """Start a projector, and kill -9 it."""
    assert nursery.stdin
    assert nursery.stdout
    nursery.stdin.write("\n")
    nursery.stdin.flush()
    pid = int(nursery.stdout.readline())
    time.sleep(delay_s)  # the instant is what is random here
    os.kill(pid, signal.SIGKILL)
    assert nursery.stdout.readline() == "gone\n"


def test_no_kill_loses_or_doubles_a_row(tmp_path: Path) -> None:
    """20 kills -9 at random under load; then the audit equals one made anew, row for row."""
    rng, data = random.Random(4), tmp_path / "data"
    load = Load(data)
    reached = []
    command = [sys.executable, "-m", "tests.audit.nursery", str(data)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as nursery:
        load.start()
        try:
            for _ in range(KILLS):
                killed(nursery, rng.uniform(0.0, 0.25))
                reached.append(position(data))
        finally:
            load.stopped.set()
            load.join()
            assert nursery.stdin
            nursery.stdin.close()
    end = catch_up(data)["default"]
    assert end == load.log.last("default")[0]
    assert contents(audit_path(data)) == contents(projected(load.log, tmp_path))
    load.log.close()
    at_work = sum(0 < position < end for position in reached)
    print(f"{KILLS} kills, {at_work} at work; {end} events, then at {reached}")
    assert reached == sorted(reached)
    assert len(set(reached)) > 2


def position(data: Path) -> int:
    """How far the audit is; 0 while it has no tables."""
    if not audit_path(data).exists():
        return 0
    found = column(audit_path(data), "SELECT name FROM sqlite_schema WHERE name = 'mark'")
    marks = column(audit_path(data), "SELECT position FROM mark") if found else []
    return int(marks[0]) if marks else 0
