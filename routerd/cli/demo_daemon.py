"""The demo's own daemon, on a free port."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from routerd.child import ROUTERD, NotServing, serving
from routerd.cli.output import Failed


@contextmanager
def daemon(config_file: Path, data_dir: Path, seed: int) -> Iterator[str]:
    """The address of a daemon that runs until the block ends.

    Raises Failed with what the daemon said when it does not start or does not end with code 0.
    """
    flags = {"config": config_file, "data": data_dir, "listen": "127.0.0.1:0", "seed": seed}
    told = data_dir.with_suffix(".stderr")
    command = [*ROUTERD, "serve", *(f"--{name}={value}" for name, value in flags.items())]
    try:
        with told.open("w") as stderr, serving(command, stderr) as found:
            yield found.address
    except NotServing as error:
        raise Failed(f"{error}\n{told.read_text()}".strip()) from None
