"""A copy of a log that is in use, whole and checked, or none at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from routerd.log.base import LogUnavailable
from routerd.log.disk import sync_directory, sync_file
from routerd.log.sqlite import SqliteLog


def back_up(source: Path, target: Path, told: Callable[[int, int, str], None]) -> dict[str, int]:
    """Copy the log of a directory to another one; the last position of each partition in the copy.

    Every entry of the copy is read and held to the chain before it gets its name. told(done, of,
    what) hears how far it is. Raises LogUnavailable, LogCorrupt, OSError.
    """
    if (target / "log.db").exists():
        raise LogUnavailable(f"{target} holds a log already: give a directory without one")
    with closing(SqliteLog.open(source, read_only=True)) as log:
        staging = target / "partial"
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        try:
            log.copy(staging / "log.db", lambda done, of: told(done, of, "copying"))
            ends = checked(staging, told)
            fd = os.open(staging / "log.db", os.O_RDWR)
            try:
                sync_file(fd)
            finally:
                os.close(fd)
            (staging / "log.db").rename(target / "log.db")
            sync_directory(target)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return ends


def checked(directory: Path, told: Callable[[int, int, str], None]) -> dict[str, int]:
    """The last position of each partition, every entry up to it read. Raises LogCorrupt."""
    ends = {}
    with closing(SqliteLog.open(directory, read_only=True)) as log:
        for partition in log.partitions():
            end, _ = log.last(partition)
            for entry in log.read(partition):
                if entry.position % 1_000 == 0:
                    told(entry.position, end, "checking")
            ends[partition] = end
    return ends
