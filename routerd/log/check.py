"""The chain of what a snapshot stands for: held before serving, although no start folds it again.

A long one is read by two processes of its own while the snapshot is read here.

python -m routerd.log.check DIR PARTITION AFTER THROUGH     the part of one of them
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import islice, pairwise
from pathlib import Path

from routerd.log.base import Log, LogCorrupt, LogUnavailable
from routerd.log.sqlite import SqliteLog

# So many entries are looked through sooner than a process is started.
FEW = 50_000
PROCESSES = 2
DAMAGED, UNREADABLE = 3, 4


@contextmanager
def checked(log: Log, partition: str, through: int, directory: Path | None) -> Iterator[None]:
    """Hold every entry up to a position to the chain, at the latest when the block ends.

    directory: where the log is, if others may read it there. Raises LogCorrupt, LogUnavailable.
    """
    after = log.base(partition).position
    if through - after <= FEW or directory is None:
        look_through(log, partition, after, through)
        yield
        return
    bounds = [after + (through - after) * part // PROCESSES for part in range(PROCESSES + 1)]
    parts = [started(directory, partition, *part) for part in pairwise(bounds)]
    try:
        yield
        for part in parts:
            _, told = part.communicate()
            if part.returncode == DAMAGED:
                position, _, what = told.partition(" ")
                raise LogCorrupt(partition, int(position), what)
            if part.returncode:
                raise LogUnavailable(f"cannot check the log: {told.strip()}")
    finally:
        for part in parts:
            part.kill()
            with part:  # which waits, and closes what it told
                pass


def look_through(log: Log, partition: str, after: int, through: int) -> None:
    """Read the entries behind a position up to another one. Raises LogCorrupt."""
    for _ in islice(log.read(partition, after), through - after):
        pass


def started(directory: Path, partition: str, after: int, through: int) -> subprocess.Popen[str]:
    args = (str(directory), partition, str(after), str(through))
    return subprocess.Popen(
        [sys.executable, "-m", "routerd.log.check", *args], stderr=subprocess.PIPE, text=True
    )


def main(directory: str, partition: str, after: str, through: str) -> int:
    try:
        with closing(SqliteLog.open(directory, read_only=True)) as log:
            look_through(log, partition, int(after), int(through))
    except LogCorrupt as error:
        sys.stderr.write(f"{error.position} {error.what}")
        return DAMAGED
    except LogUnavailable as error:
        sys.stderr.write(str(error))
        return UNREADABLE
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
