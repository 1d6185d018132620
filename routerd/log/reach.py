"""Whether a log still reaches as far as what was made of it.

A log that lost its end, as with a deleted log.db-wal, is a whole one, only shorter: its chain says
nothing of it. What was made of it does. A snapshot gets its name once the log is on the platter up
to its position, so one that goes further proves a loss, whatever became of the machine.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

from routerd.core.state import Marks
from routerd.log.base import Log, LogCorrupt
from routerd.log.codec import ID_HASH_BYTES, hash_at, parse_decision_id
from routerd.log.snapshot import Snapshots, Unusable, check, decision_ids, position_of

HashesAt = Callable[[int], Collection[bytes]]
"""What a log has at a position: its hash, or those that it may have been, or none."""

logger = logging.getLogger(__name__)


def require_reached(log: Log, partition: str, snapshots: Iterable[Path]) -> None:
    """LogCorrupt when the log ends before a snapshot of it does.

    One that cannot be read, or is of another log, says nothing.
    """
    paths, (end, _) = list(snapshots), log.last(partition)
    if any(position_of(path) > end for path in paths):
        for path, marks in snapshots_of(paths, lambda position: at(log, partition, position)):
            if marks.position > end:
                raise missing(partition, end, marks.position, path)


def require_all_reached(log: Log, snapshots: Snapshots) -> None:
    """As require_reached, for every partition: also one of which the log has nothing left."""
    for partition in sorted(snapshots.partitions()):
        require_reached(log, partition, snapshots.paths(partition))


def missing(partition: str, end: int, position: int, path: Path) -> LogCorrupt:
    """The error of a log that ends too soon, and what is known to be up to a position."""
    what = (
        f"positions {end + 1} to {position} are missing, since {path} was made of them; "
        "if log.db-wal was left elsewhere, put it back; to go back to an older log on purpose, "
        "move that file away"
    )
    return LogCorrupt(partition, end + 1, what)


def snapshots_of(paths: Iterable[Path], hashes_at: HashesAt) -> Iterator[tuple[Path, Marks]]:
    """The marks of the snapshots that can be read and may be of a log.

    Those have its origin, as far as that is known, and what they hold of decisions may be its own.
    """
    found = {}
    for path in paths:
        try:
            found[path] = check(path), decision_ids(path)
        except (Unusable, OSError) as error:
            logger.warning("passed over: %s", error)
    known = origins(hashes_at, [marks for marks, _ in found.values()])
    for path, (marks, names) in found.items():
        if (not known or marks.origin in known) and are_of(names, hashes_at):
            yield path, marks


def origins(hashes_at: HashesAt, snapshots: Iterable[Marks]) -> set[bytes]:
    """What a log may have begun with; empty where nobody knows.

    One that was compacted has it no more, but the snapshots that fit it do.
    """
    fitting = (marks.origin for marks in snapshots if marks.chain in hashes_at(marks.position))
    return set(hashes_at(1)) or set(fitting)


def at(log: Log, partition: str, position: int) -> list[bytes]:
    """The hash that a log has at a position, if it has one."""
    if position < log.base(partition).position:
        return []
    found = hash_at(log, partition, position)
    return [] if found is None else [found]


def are_of(names: Iterable[str], hashes_at: HashesAt) -> bool:
    """Whether decisions may be a log's: the latest that it reaches to is, or it reaches to none."""
    for name in sorted(names, reverse=True):
        parsed = parse_decision_id(name)
        if parsed is not None and (found := hashes_at(parsed[0])):
            return parsed[1] in {entry_hash[:ID_HASH_BYTES] for entry_hash in found}
    return True
