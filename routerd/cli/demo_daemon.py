"""A daemon of one's own: started in a subprocess on a free port, ended by SIGTERM."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from routerd.child import ROUTERD
from routerd.cli.output import Failed

START_S = 30.0
STOP_S = 30.0


@contextmanager
def daemon(config_file: Path, data_dir: Path, seed: int) -> Iterator[str]:
    """The address of a daemon that runs until the block ends; then SIGTERM and a clean end.

    Raises Failed with what the daemon said when it does not start or does not end with code 0.
    """
    command = [*ROUTERD, "serve"]
    flags = {"config": config_file, "data": data_dir, "listen": "127.0.0.1:0", "seed": seed}
    command += [part for name, value in flags.items() for part in (f"--{name}", str(value))]
    told = data_dir.with_suffix(".stderr")
    with (
        told.open("w") as stderr,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=stderr, text=True, env=_environment()
        ) as process,
    ):
        try:
            yield _address(process, told)
            process.terminate()
            code = process.wait(STOP_S)
            if code != 0:
                raise Failed(f"the daemon ended with code {code}: {told.read_text().strip()}")
        finally:
            if process.poll() is None:
                process.kill()


def _environment() -> dict[str, str]:
    """This process's environment without settings of a daemon, which flags give here."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ROUTERD_")}


def _address(process: subprocess.Popen[str], told: Path) -> str:
    """The address in the daemon's first line, once it accepts calls."""
    deadline = threading.Timer(START_S, process.kill)
    deadline.start()
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
    finally:
        deadline.cancel()  # Ctrl-C too: Python waits for threads
    found = re.search(r" listening on (\S+),", line)
    if found is None:
        raise Failed(f"the daemon did not start: {told.read_text().strip() or line.strip()}")
    return found[1]
