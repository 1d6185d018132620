"""The projector as a process: one for a data directory, beside the daemon or without one."""

from __future__ import annotations

import fcntl
import os
import select
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from routerd.audit.projector import BATCH, Projector
from routerd.audit.schema import audit_path
from routerd.core.base import DEFAULT_PARTITION
from routerd.log.check import checked
from routerd.log.reach import missing, require_reached
from routerd.log.snapshot import Snapshots
from routerd.log.sqlite import SqliteLog

SHORTEST_S, LONGEST_S = 0.01, 0.25


class Busy(Exception):
    """Another process projects this directory."""


@contextmanager
def claimed(directory: Path, *, wait: bool) -> Iterator[None]:
    """The right to write a directory's audit files. Raises Busy, or waits until it is free."""
    fd = os.open(directory / "audit.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            pid = os.read(fd, 20).decode().strip() or "unknown"
            raise Busy(
                f"the process with pid {pid} keeps the audit of {directory}: stop its daemon, "
                "or start it with `audit: {enabled: false}`"
            ) from None
        os.ftruncate(fd, 0)
        os.write(fd, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(fd)


def catch_up(
    directory: Path,
    *,
    rebuild: bool = False,
    keep: int | None = None,
    told: Callable[[int, int, str], None] | None = None,
) -> dict[str, int]:
    """Bring the audit of every partition up to the log's end; the position of each.

    All of the log is held to its chain. keep: see Projector. told(position, end, partition) hears
    how far it is. Raises Busy, LogUnavailable, LogCorrupt, LogCompacted when the daemon lets go of
    entries meanwhile, sqlite3.OperationalError, routerd.audit.store.Unusable.
    """
    reached = {}
    with (
        closing(SqliteLog.open(directory, read_only=True)) as log,
        claimed(directory, wait=False),
    ):
        for partition in log.partitions() or [DEFAULT_PARTITION]:
            require_reached(log, partition, Snapshots(directory).paths(partition))
            end, _ = log.last(partition)
            made = Projector(log, partition, directory, rebuild=rebuild, keep=keep)
            with closing(made) as projector, checked(log, partition, end, directory):
                if projector.position > end and log.power_held:
                    path = audit_path(directory, partition)
                    raise missing(partition, end, projector.position, path)
                while projector.advance():
                    if told is not None:
                        told(projector.position, end, partition)
                reached[partition] = projector.position
    return reached


def follow(
    directory: Path,
    lifeline: int | None = None,
    *,
    rebuild: bool = False,
    keep: int | None = None,
    batch: int = BATCH,
) -> None:
    """Keep the audit up with a log that grows, for ever or until the lifeline is cut.

    lifeline: a descriptor whose other end the daemon holds: however that ends, this ends too.
    keep: see Projector. batch: the most events of one transaction.
    Raises as catch_up does, but for Busy: it waits for its turn.
    """
    with (
        closing(SqliteLog.open(directory, read_only=True)) as log,
        claimed(directory, wait=True),
        ExitStack() as stack,
    ):
        projectors: dict[str, Projector] = {}
        pause_s = SHORTEST_S
        while not is_cut(lifeline, pause_s):
            log.require_in_place()
            for partition in log.partitions():
                if partition not in projectors:
                    made = Projector(
                        log, partition, directory, rebuild=rebuild, keep=keep, batch=batch
                    )
                    projectors[partition] = stack.enter_context(closing(made))
            busy = [projector.advance() for projector in projectors.values()]
            pause_s = 0.0 if any(busy) else min(max(2 * pause_s, SHORTEST_S), LONGEST_S)


def is_cut(lifeline: int | None, pause_s: float) -> bool:
    """Wait that long; whether the lifeline's other end was closed."""
    ready, _, _ = select.select([] if lifeline is None else [lifeline], [], [], pause_s)
    return bool(ready) and not os.read(ready[0], 4096)
