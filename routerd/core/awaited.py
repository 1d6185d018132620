"""Looks that are under way: open decisions whose quality is yet to be told, by arm.

Which of them will ever tell, nobody knows. Where outcomes come at once or never, one that was made
before another that told will not; where they come late, those behind it are on their way. So of an
agent's looks those count that were made since the latest one of which a quality is known. Those of
before it were passed over, and how many of all the answered and passed over ones were answered is
what can be expected of those under way.

state.under_way has their positions, in order; tally.newest where they begin; state.awaited is how
many are awaited of all agents, those passed over included; state.answered of how many open
decisions a quality is known.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort

from routerd.core.outcomes import owes
from routerd.core.state import OpenDecision, State


class Recounted:
    """Around every change of an open decision: it counts as what it was, and then as what it is."""

    __slots__ = ("entry", "state")

    def __init__(self, state: State, entry: OpenDecision) -> None:
        self.state, self.entry = state, entry

    def __enter__(self) -> None:
        leave(self.state, self.entry)

    def __exit__(self, *_: object) -> None:
        enter(self.state, self.entry)


def enter(state: State, entry: OpenDecision) -> None:
    """Count a decision as answered, which passes over the looks before it, or as awaited.

    One that was made for other learners is neither, nor is one that owes no result.
    """
    if entry.generation != state.generation:
        return
    arm, position = entry.credit.arm, entry.position
    if entry.credit.quality is not None:
        state.answered += 1
        pass_over(state, arm, position)
    elif owes(entry):
        state.awaited += 1
        if position > state.tally.newest.item(arm):
            insort(state.under_way.setdefault(arm, []), position)


def leave(state: State, entry: OpenDecision) -> None:
    """Undo `enter`, but that what was passed over stays so."""
    if entry.generation != state.generation:
        return
    arm, position = entry.credit.arm, entry.position
    if entry.credit.quality is not None:
        state.answered -= 1
    elif owes(entry):
        state.awaited -= 1
        if position > state.tally.newest.item(arm):
            first = bisect_left(state.under_way[arm], position)
            forget(state, arm, first, first + 1)


def pass_over(state: State, arm: int, position: int) -> None:
    """Looks at an arm up to a position are no more under way."""
    if position > state.tally.newest.item(arm):
        state.tally.newest[arm] = position
        if arm in state.under_way:
            forget(state, arm, 0, bisect_right(state.under_way[arm], position))


def forget(state: State, arm: int, first: int, end: int) -> None:
    """Take these of an arm's looks out, and it with its last one."""
    if first < end:
        del state.under_way[arm][first:end]
        if not state.under_way[arm]:
            del state.under_way[arm]
