"""From stored records to a state: the same fold for serving, recovery and verification.

It starts from the newest snapshot that fits the log, or from position 1.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from routerd.core.apply import apply
from routerd.core.events import Record
from routerd.core.state import State
from routerd.log.base import EventUnfit, Log
from routerd.log.check import checked
from routerd.log.codec import decision_id, records
from routerd.log.reach import require_reached
from routerd.log.snapshot import Snapshots, position_of, start_of

UNFIT = (ArithmeticError, AssertionError, LookupError, ValueError, msgspec.MsgspecError)


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


def apply_stored(state: State, record: Record) -> None:
    """Apply a record that was read; EventUnfit when that fails."""
    try:
        apply(state, record, decision_id(record.position, record.hash))
    except UNFIT as error:
        what = f"its event does not fit those before it ({error!r})"
        raise EventUnfit(state.partition, record.position, what) from error


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
