"""How a daemon bears many times the load that it can answer.

    python -m bench.speed.overload [SECONDS [WORK_MS]]

First a calm load, then TIMES what it can answer, from a process that costs next to nothing (see
bench.speed.flood). A decision is made to take WORK_MS, most of it asleep: on one machine, client
and server then do not fight for the processors, and what is measured is the refusing. On a machine
that does other things as well, more WORK_MS makes fewer calls of TIMES the load, so that a share of
a core can refuse them.
"""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from bench.speed.flood import Call
from bench.speed.targets import rss_mib
from routerd.child import PYTHON, serving
from routerd.engine.sequencer import Sequencer
from routerd.v1 import router_pb2

WORK_MS, TIMES, CALM_SHARE, CONNECTIONS = 10.0, 10.0, 0.25, 8
MAX_WAIT = 3.0
OK, RESOURCE_EXHAUSTED = 0, 8  # of gRPC
CONFIG = {"agents": [{"id": f"agent-{i}"} for i in range(8)], "audit": {"enabled": False}}


def serve(work_ms: float) -> None:
    """`routerd` with this program's arguments, whose every decision takes so long."""
    settle = Sequencer.settle

    def slowly(*given: object, **named: object) -> object:
        time.sleep(work_ms / 1000)
        return settle(*given, **named)  # type: ignore[arg-type]

    Sequencer.settle = slowly  # type: ignore[assignment]
    runpy.run_module("routerd", run_name="__main__")


def called(address: str, rate: float, seconds: float) -> list[Call]:
    message = router_pb2.RouteRequest(task={"work_type": "code"}).SerializeToString()
    command = [
        sys.executable,
        "-m",
        "bench.speed.flood",
        address,
        "/routerd.v1.RouterService/Route",
    ]
    command += [str(rate), str(seconds), str(CONNECTIONS)]
    done = subprocess.run(command, input=message.hex(), capture_output=True, text=True, check=True)
    return [Call(*call) for call in json.loads(done.stdout)]


def told(name: str, calls: list[Call], seconds: float) -> str:
    """A line about calls: how many ended how, and how long the answered ones took."""
    answered = np.array([call.latency_us for call in calls if call.status == OK]) / 1000
    p50, p99 = np.percentile(answered, (50, 99)) if len(answered) else (np.nan, np.nan)
    codes = dict(sorted(Counter(call.status for call in calls).items()))
    pushed = sum(call.pushback for call in calls if call.status == RESOURCE_EXHAUSTED)
    return (
        f"{name}: {len(calls) / seconds:.0f} calls/s, by status {codes}, {pushed} with pushback; "
        f"answered {len(answered) / seconds:.0f}/s, p50 {p50:.1f} ms, p99 {p99:.1f} ms"
    )


def main(seconds: float = 60.0, work_ms: float = WORK_MS) -> None:
    most = 1000 / work_ms
    config = {**CONFIG, "server": {"max_wait_ms": int(MAX_WAIT * work_ms)}}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "routerd.json"
        file.write_text(json.dumps({**config, "data_dir": f"{folder}/log"}))
        command = [*PYTHON, "-m", "bench.speed.overload", str(work_ms), "serve"]
        with serving([*command, "--config", str(file), "--listen", "127.0.0.1:0"]) as daemon:
            calm = called(daemon.address, CALM_SHARE * most, seconds / 2)
            print(told("calm", calm, seconds / 2))
            before_mb = rss_mib(daemon.pid)
            flood = called(daemon.address, TIMES * most, seconds)
            print(told(f"{TIMES:.0f} times", flood, seconds))
            print(f"resident memory {before_mb:.0f} MB before, {rss_mib(daemon.pid):.0f} MB after")


if __name__ == "__main__":
    if sys.argv[2:3] == ["serve"]:
        serve(float(sys.argv.pop(1)))
    else:
        main(*map(float, sys.argv[1:]))
