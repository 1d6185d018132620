"""The two servers of a load measurement, each in a process of its own: routerd, and an echo."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from bench.speed.decide import engine
from routerd.child import PYTHON, ROUTERD, Serving, serving
from routerd.settings import Audit, Config, Server
from routerd.settings_signals import Signals

AGENTS, FEATURES = 8, 32


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
    with serving([*ROUTERD, "serve", "--config", str(file), "--listen", "127.0.0.1:0"]) as found:
        yield found


@contextmanager
def echo(directory: Path, answers: Mapping[str, bytes]) -> Iterator[Serving]:
    """An echo that gives these answers, by method. Raises NotServing."""
    file = directory / "answers.json"
    file.write_text(json.dumps({name: data.hex() for name, data in answers.items()}))
    with serving([*PYTHON, "-m", "bench.speed.echo", str(file)]) as found:
        yield found


def rss_mib(pid: int) -> float:
    """The memory that a process holds, in MiB."""
    told = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, check=True)
    return round(int(told.stdout) / 1024, 1)
