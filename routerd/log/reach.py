"""Whether a log still reaches as far as what was made of it.

A log that lost its end, as with a deleted log.db-wal, is a whole one, only shorter: its chain says
nothing of it. What was made of it does. A snapshot gets its name once the log is on the platter up
to its position, so one that goes further proves a loss, whatever became of the machine.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from routerd.log.base import Log, LogCorrupt
from routerd.log.codec import ID_HASH_BYTES, hash_at, parse_decision_id
from routerd.log.snapshot import Snapshots, Unusable, decision_ids, position_of

logger = logging.getLogger(__name__)


def require_reached(log: Log, partition: str, snapshots: Iterable[Path]) -> None:
    """LogCorrupt when the log ends before a snapshot of it does.

    One that cannot be read, or is of another log, says nothing.
    """
    end, _ = log.last(partition)
    for path in snapshots:
        if position_of(path) > end and is_snapshot_of(log, partition, path):
            raise missing(partition, end, position_of(path), path)


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


def is_snapshot_of(log: Log, partition: str, path: Path) -> bool:
    try:
        return are_of(decision_ids(path), lambda position: at(log, partition, position))
    except (Unusable, OSError) as error:
        logger.warning("passed over: %s", error)
        return False


def at(log: Log, partition: str, position: int) -> list[bytes]:
    """The hash that a log has at a position, if it has one."""
    if position < log.base(partition).position:
        return []
    found = hash_at(log, partition, position)
    return [] if found is None else [found]


def are_of(names: Iterable[str], hashes_at: Callable[[int], Collection[bytes]]) -> bool:
    """Whether decisions may be those of a log: the latest that it reaches to is, or none is there.

    hashes_at: what the log has at a position.
    """
    for name in sorted(names, reverse=True):
        parsed = parse_decision_id(name)
        if parsed is not None and (found := hashes_at(parsed[0])):
            return parsed[1] in {entry_hash[:ID_HASH_BYTES] for entry_hash in found}
    return True
