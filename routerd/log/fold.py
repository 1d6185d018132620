"""From stored records to a state: the same fold for serving, recovery and verification.

It starts from the newest snapshot that fits the log, or from position 1.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from routerd.core.apply import apply
from routerd.core.events import Record
from routerd.core.state import State
from routerd.log.base import Log, LogCorrupt
from routerd.log.check import checked
from routerd.log.codec import decision_id, goes_on_from, records
from routerd.log.reach import require_reached
from routerd.log.snapshot import Snapshots, Unusable, load, position_of

UNFIT = (ArithmeticError, AssertionError, LookupError, ValueError, msgspec.MsgspecError)

logger = logging.getLogger(__name__)


def fold(log: Log, partition: str, snapshots: Snapshots | None = None) -> State:
    """The state after every event of the log. Raises LogCorrupt, LogUnavailable."""
    paths = snapshots.paths(partition) if snapshots else []
    require_reached(log, partition, paths)
    with undisturbed():
        state = start_of(log, partition, paths)
        for record in records(log, partition, state.position):
            apply_stored(state, record)
    return state


def checked_fold(log: Log, partition: str, snapshots: Snapshots | None) -> State:
    """As fold, and every entry that the log has is held to the chain, not only those folded."""
    newest = snapshots.paths(partition)[:1] if snapshots else []
    through = min(position_of(newest[0]), log.last(partition)[0]) if newest else 0
    directory = snapshots.data_dir if snapshots else None
    with checked(log, partition, through, directory):
        return fold(log, partition, snapshots)


def start_of(log: Log, partition: str, paths: Iterable[Path]) -> State:
    """The state to fold on from: of the first snapshot that fits, else of position 0.

    A damaged snapshot, or one of another log, is passed over. So is one that another engine
    version or another machine made, unless the log was compacted: then it is all there is. Raises
    LogCorrupt when a compacted log has no snapshot that fits.
    """
    base = log.base(partition).position
    for path in paths:
        try:
            head, state = load(path)
        except (Unusable, OSError) as error:
            logger.warning("passed over: %s", error)
            continue
        if not goes_on_from(log, partition, state.position, state.chain):
            logger.warning("passed over: %s is not of this log", path)
        elif not head.is_ours and not base:
            logger.info("passed over: %s was made by version %s", path, head.engine_version)
        else:
            return state
    if base:
        what = f"it was compacted up to position {base}, and no snapshot fits it"
        raise LogCorrupt(partition, base + 1, what)
    return State(partition)


def apply_stored(state: State, record: Record) -> None:
    """Apply a record that was read; LogCorrupt when the engine cannot have written it there."""
    try:
        apply(state, record, decision_id(record.position, record.hash))
    except UNFIT as error:
        what = f"its event does not fit those before it ({error!r})"
        raise LogCorrupt(state.partition, record.position, what) from error


@contextmanager
def undisturbed() -> Iterator[None]:
    """No collection of garbage: it would look through the growing state again and again."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
