"""What a log may let go of: what stands behind the snapshots that are kept, and in the audit."""

from __future__ import annotations

import logging

from routerd.core.state import State
from routerd.log.base import Log
from routerd.log.codec import goes_on_from
from routerd.log.snapshot import Snapshots, Unusable, check, position_of
from routerd.settings import Retention

# A start folds so many events sooner than anybody waits for a snapshot.
FEW = 1_000
# The writer does nothing else for as long as these take.
FORGET_AT_ONCE = 64

logger = logging.getLogger(__name__)


def due(snapshots: Snapshots, partition: str, position: int, every: int | None) -> bool:
    """Whether the next snapshot should be made, for a partition that is durable to a position."""
    return every is not None and position - newest(snapshots, partition) >= every


def newest(snapshots: Snapshots, partition: str) -> int:
    """The position of the newest snapshot; 0 when there is none."""
    return max(map(position_of, snapshots.paths(partition)), default=0)


def last_words(snapshots: Snapshots, state: State, rules: Retention) -> None:
    """A snapshot at the end of a process, so that the next start folds nothing. Raises OSError."""
    if due(snapshots, state.partition, state.position, rules.snapshot_events and FEW):
        snapshots.write(state, rules.snapshots)


def dispensable(
    log: Log, snapshots: Snapshots, partition: str, rules: Retention, projected: int | None
) -> int:
    """The position up to which a log may forget; 0 for nothing.

    That is behind its latest keep_events, behind all the snapshots that are kept, which are read
    once more, and behind what the audit holds: `projected`, None without an audit.
    """
    if rules.keep_events is None:
        return 0
    kept = snapshots.paths(partition)[: rules.snapshots]
    if len(kept) < rules.snapshots:
        return 0
    bounds = [log.last(partition)[0] - rules.keep_events, position_of(kept[-1])]
    bounds += [] if projected is None else [projected]
    through = min(bounds)
    if through <= log.base(partition).position:
        return 0
    try:
        for path in kept:
            marks = check(path)
            if not goes_on_from(log, partition, marks.position, marks.chain):
                logger.warning("nothing is compacted: %s is not of this log", path)
                return 0
    except (Unusable, OSError) as error:
        logger.warning("nothing is compacted: %s", error)
        return 0
    return through
