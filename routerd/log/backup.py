"""A copy of a log that is in use, whole and checked, or none at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import IO

from routerd.log.base import LogUnavailable
from routerd.log.disk import sync_directory, sync_file
from routerd.log.fold import start_of
from routerd.log.reach import require_all_reached
from routerd.log.snapshot import ENDING, FOLDER, Snapshots
from routerd.log.sqlite import SqliteLog


def back_up(source: Path, target: Path, told: Callable[[int, int, str], None]) -> dict[str, int]:
    """Copy the log of a directory to another one, with its snapshots; the last position of each
    partition in the copy.

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
            with one_moment(log, source) as snapshots:
                copy_snapshots(snapshots, staging)
                log.copy(staging / "log.db", lambda done, of: told(done, of, "copying"))
            ends = checked(staging, told)
            require_start(staging)
            fd = os.open(staging / "log.db", os.O_RDWR)
            try:
                sync_file(fd)
            finally:
                os.close(fd)
            if (staging / FOLDER).exists():
                (staging / FOLDER).rename(target / FOLDER)
            (staging / "log.db").rename(target / "log.db")
            sync_directory(target)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return ends


@contextmanager
def one_moment(log: SqliteLog, source: Path) -> Iterator[Mapping[str, IO[bytes]]]:
    """The snapshots of a directory by their names, open, with the log as it was beside them.

    A daemon writes new ones, deletes old ones, and lets the log go of what these stand for: where
    it did so meanwhile, they are opened again.
    """
    while True:
        listed = listing(source)
        with ExitStack() as stack:
            try:
                found = {path.name: stack.enter_context(path.open("rb")) for path in listed}
            except FileNotFoundError:
                continue
            stack.enter_context(log.moment())
            if listing(source) == listed:
                yield found
                return


def listing(source: Path) -> list[Path]:
    return sorted((source / FOLDER).glob(f"*{ENDING}"))


def copy_snapshots(snapshots: Mapping[str, IO[bytes]], target: Path) -> None:
    for name, file in snapshots.items():
        (target / FOLDER).mkdir(exist_ok=True)
        with (target / FOLDER / name).open("wb") as copy:
            shutil.copyfileobj(file, copy)


def require_start(directory: Path) -> None:
    """LogCorrupt when the log ends before a snapshot, or was compacted and none fits it."""
    snapshots = Snapshots(directory)
    with closing(SqliteLog.open(directory, read_only=True)) as log:
        require_all_reached(log, snapshots)
        for partition in log.partitions():
            if log.base(partition).position:
                start_of(log, partition, snapshots.paths(partition))


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
        log.require_order()
    return ends
