"""The open decisions and what is an index over them, or a count: all of it follows from here.

So a state that is made anew from its decisions has what the one had that saw them come and go.
"""

from __future__ import annotations

from routerd.core.awaited import enter, leave
from routerd.core.state import OpenDecision, State


def take_in(state: State, decision_id: str, entry: OpenDecision) -> None:
    """One more, made now or taken over: to be called in the order of the log."""
    query = entry.decision.query
    state.decisions[decision_id] = entry
    state.requests[query.request_id] = decision_id
    if query.group_id:
        state.groups.setdefault(query.group_id, {})[decision_id] = None
    state.in_flight.begin(entry)
    enter(state, entry)


def let_go(state: State, decision_id: str) -> OpenDecision | None:
    """One less; None where it is not open."""
    entry = state.decisions.pop(decision_id, None)
    if entry is None:
        return None
    query = entry.decision.query
    del state.requests[query.request_id]
    if query.group_id:
        del state.groups[query.group_id][decision_id]
        if not state.groups[query.group_id]:
            del state.groups[query.group_id]
    state.in_flight.end(entry)
    leave(state, entry)
    return entry
