"""A copy of a data directory in use, whole and checked, or none at all.

Of the audit only what cannot be made anew: where the log was compacted, it tells of more than that.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple

from routerd.audit.queries import Audit, NoAudit, projected_through
from routerd.audit.reach import continues, open_audited
from routerd.audit.schema import audit_path
from routerd.log.base import LogUnavailable
from routerd.log.disk import sync_directory, sync_stored
from routerd.log.reach import require_all_reached
from routerd.log.snapshot import ENDING, FOLDER, Snapshots, start_of
from routerd.log.sqlite import SqliteLog


class Beside(NamedTuple):
    """What belongs to a log at one moment of it: its snapshots by their paths, and the audits of
    partitions that were compacted."""

    snapshots: Mapping[Path, IO[bytes]]
    audits: Mapping[str, Audit]


def back_up(source: Path, target: Path, told: Callable[[int, int, str], None]) -> dict[str, int]:
    """Copy the log of a directory to another one, with its snapshots, and the audit of a log that
    was compacted; the last position of each partition in the copy.

    Every entry of the copy is read and held to the chain before it gets its name. told(done, of,
    what) hears how far it is. Raises LogUnavailable, LogCorrupt, OSError.
    """
    require_free(target)
    with closing(open_audited(source, read_only=True)) as log:
        staging = target / "partial"
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        try:
            with one_moment(log, source) as beside:
                copy_beside(beside, staging)
                log.copy(staging / "log.db", lambda done, of: told(done, of, "copying"))
            ends = checked(staging, told)
            require_start(staging)
            put_in_place(staging, target)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return ends


def require_free(target: Path) -> None:
    """LogUnavailable where anything of a log is: it would be taken for a part of the copy."""
    for pattern in ("log.db*", "audit*.db*", f"{FOLDER}/*"):
        for found in target.glob(pattern):
            text = f"{target} holds a log already, or {found.name} of one; give another directory"
            raise LogUnavailable(text)


@contextmanager
def one_moment(log: SqliteLog, source: Path) -> Iterator[Beside]:
    """What belongs to a log, open, with the log as it was beside it.

    A daemon writes new snapshots, deletes old ones, and lets the log go of what these and the audit
    stand for: where it did so meanwhile, they are opened again.
    """
    while True:
        listed = listing(source)
        with ExitStack() as stack:
            audits = {name: stack.enter_context(a) for name, a in audits_of(log, source)}
            try:
                snapshots = {path: stack.enter_context(path.open("rb")) for path in listed}
            except FileNotFoundError:
                continue
            stack.enter_context(log.moment())
            if listing(source) == listed and not is_ahead(log, source, audits):
                fitting = {name: a for name, a in audits.items() if continues(a, log, name)}
                yield Beside(snapshots, fitting)
                return


def listing(source: Path) -> list[Path]:
    return sorted((source / FOLDER).glob(f"*{ENDING}"))


def audits_of(log: SqliteLog, source: Path) -> Iterator[tuple[str, closing[Audit]]]:
    """The audits that there are of partitions that were compacted."""
    for partition in log.partitions():
        with suppress(NoAudit):
            if log.base(partition).position:
                yield partition, closing(Audit(audit_path(source, partition)))


def is_ahead(log: SqliteLog, source: Path, audits: Mapping[str, Audit]) -> bool:
    """Whether a log was compacted behind its audit as it was opened, which went on since."""
    for partition in log.partitions():
        base = log.base(partition).position
        held = audits[partition].projected_through if partition in audits else 0
        if held < base <= (projected_through(source, partition, wanted=False) or 0):
            return True
    return False


def copy_beside(beside: Beside, target: Path) -> None:
    for path, file in beside.snapshots.items():
        (target / FOLDER).mkdir(exist_ok=True)
        with (target / FOLDER / path.name).open("wb") as copy:
            shutil.copyfileobj(file, copy)
    for partition, audit in beside.audits.items():
        audit.copy(audit_path(target, partition))


def put_in_place(staging: Path, target: Path) -> None:
    """Give all that was copied its name, the log last: without one, nothing there is served."""
    made = [path for path in staging.rglob("*") if path.is_file()]
    sync_stored(*made)
    if (staging / FOLDER).exists():
        sync_directory(staging / FOLDER)
        (staging / FOLDER).rename(target / FOLDER)
    for path in sorted(staging.glob("*.db"), key=lambda path: path.name == "log.db"):
        path.rename(target / path.name)
    sync_directory(target)


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
