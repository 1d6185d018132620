"""How routerd starts another process of its own, and a server until a block ends."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, NamedTuple

# With -P no module is taken from the directory that it is started in, whatever lies there.
PYTHON = (sys.executable, "-P")
ROUTERD = (*PYTHON, "-m", "routerd")
START_S = STOP_S = 30.0


class Serving(NamedTuple):
    """A server's process, and where it listens."""

    address: str
    pid: int


class NotServing(Exception):
    """A server did not start, or did not end well; says what it said."""


@contextmanager
def serving(command: Sequence[str], stderr: IO[str] | None = None) -> Iterator[Serving]:
    """A server that runs until the block ends; then SIGTERM and a clean end.

    Settings of a daemon in this process's environment are not its own. Raises NotServing.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ROUTERD_")}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=stderr, text=True, env=environment
    ) as process:
        try:
            yield Serving(address_of(process), process.pid)
            process.terminate()
            try:
                code = process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                raise NotServing(f"the server did not end within {STOP_S:g} s") from None
            if code != 0:
                raise NotServing(f"the server ended with code {code}")
        finally:
            if process.poll() is None:
                process.kill()


def address_of(process: subprocess.Popen[str]) -> str:
    """The address in a server's first line, once it accepts calls. Raises NotServing."""
    deadline = threading.Timer(START_S, process.kill)
    deadline.start()
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
    finally:
        deadline.cancel()  # Ctrl-C too: Python waits for threads
    found = re.search(r" listening on (\S+),", line)
    if found is None:
        raise NotServing(f"the server did not start{': ' + line.strip() if line else ''}")
    return found[1]
