"""The two servers of a load measurement, each in a process of its own: routerd, and an echo."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from bench.decide import engine
from routerd.core.process_settings import Audit, Config, Server
from routerd.core.signal_settings import Signals

AGENTS, FEATURES = 8, 32
START_S = STOP_S = 30.0


class Serving(NamedTuple):
    """A server's process, and where it listens."""

    address: str
    pid: int


class NotServing(Exception):
    """A server did not start, or did not end well; says what it said."""


@contextmanager
def routerd(directory: Path, signals: Signals | None = None) -> Iterator[Serving]:
    """A daemon with its log in `directory`, and a classifier if it is given one.

    Raises NotServing.
    """
    decided_on = engine(AGENTS, FEATURES).state.config
    fields = {name: getattr(decided_on, name) for name in decided_on.__struct_fields__}
    config = Config(
        **fields | {"clock": "wall"},
        data_dir=str(directory / "log"),
        server=Server(max_wait_ms=60_000),  # what is measured is how fast, not who is refused
        audit=Audit(enabled=False),  # a projector would take its time from the echo's turns too
        signals=signals or Signals(),
    )
    file = directory / "routerd.yaml"
    file.write_bytes(msgspec.json.encode(config))
    with started(["routerd", "serve", "--config", str(file), "--listen", "127.0.0.1:0"]) as serving:
        yield serving


@contextmanager
def echo(directory: Path, answers: Mapping[str, bytes]) -> Iterator[Serving]:
    """An echo that gives these answers, by method. Raises NotServing."""
    file = directory / "answers.json"
    file.write_text(json.dumps({name: data.hex() for name, data in answers.items()}))
    with started(["bench.echo", str(file)]) as serving:
        yield serving


@contextmanager
def started(module: Sequence[str]) -> Iterator[Serving]:
    """Run `python -m module` until the block ends."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ROUTERD_")}
    command = [sys.executable, "-m", *module]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield Serving(address_of(process), process.pid)
            process.terminate()
            code = process.wait(STOP_S)
            if code != 0:
                raise NotServing(f"{module[0]} ended with code {code}")
        finally:
            if process.poll() is None:
                process.kill()


def address_of(process: subprocess.Popen[str]) -> str:
    """Host and port from the first line of a server, once it accepts calls."""
    deadline = threading.Timer(START_S, process.kill)
    deadline.start()
    assert process.stdout is not None
    line = process.stdout.readline()
    deadline.cancel()
    found = re.search(r" listening on (\S+),", line)
    if found is None:
        raise NotServing(f"it did not start, and said: {line.strip() or 'nothing'}")
    return found[1]
