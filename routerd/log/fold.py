"""From stored records to a state: the same fold for serving, recovery and verification."""

from __future__ import annotations

import msgspec

from routerd.core.apply import apply
from routerd.core.state import State
from routerd.core.values import Record
from routerd.log.base import Log, LogCorrupt
from routerd.log.codec import decision_id, records

UNFIT = (ArithmeticError, AssertionError, LookupError, ValueError, msgspec.MsgspecError)


def fold(log: Log, partition: str) -> State:
    """The state after every event of the log. Raises LogCorrupt, LogUnavailable."""
    state = State(partition)
    for record in records(log, partition):
        apply_stored(state, record)
    return state


def apply_stored(state: State, record: Record) -> None:
    """Apply a record that was read; LogCorrupt when the engine cannot have written it there."""
    try:
        apply(state, record, decision_id(record.position, record.hash))
    except UNFIT as error:
        what = f"its event does not fit those before it ({error!r})"
        raise LogCorrupt(state.partition, record.position, what) from error
