"""Bugs to plant into the engine, one of each kind that the simulator has to find."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any
from weakref import WeakKeyDictionary

from routerd.core import apply as apply_module
from routerd.core import credit, overrides
from routerd.core.answers import Ack, Answer
from routerd.core.events import OutcomeReported
from routerd.core.follow import ran
from routerd.core.outcomes import cancelled, write_registers
from routerd.core.rules import Override
from routerd.core.state import Credit, OpenDecision, State
from routerd.core.trials import tell
from routerd.core.values import Follows, Outcome, OutcomeKind
from routerd.core.view import View
from routerd.engine.committer import Committer
from routerd.engine.sequencer import Sequencer

Patch = tuple[object, str, Any]
"""An object, its attribute, and what stands there instead."""


def ack_before_durable() -> Patch:
    """Outcomes are acknowledged when they are committed: power loss takes some."""

    def after_sync(
        self: Committer, position: int, future: asyncio.Future[Any], done: Any
    ) -> asyncio.Future[Any]:
        future.set_result(done)
        return future

    return Committer, "_after_sync", after_sync


def apply_twice() -> Patch:
    """The credit of an outcome is given twice, as if it had come in two events."""
    move = credit.move_credit

    def twice(state: State, entry: OpenDecision, now: Credit) -> None:
        old = entry.credit
        move(state, entry, now)
        if old.quality is None and now.quality is not None:
            entry.credit = old
            move(state, entry, now)

    return apply_module, "move_credit", twice


def log_twice() -> Patch:
    """An outcome that is sent again is taken for a new one."""
    report = Sequencer.report

    def forgetful(self: Sequencer, outcome: Outcome) -> Ack:
        self.state.outcomes.pop(outcome.outcome_id, None)
        return report(self, outcome)

    return Sequencer, "report", forgetful


def lost_retraction() -> Patch:
    """A retraction is logged and changes nothing."""

    def deaf(reports: Any, outcome: Outcome, time_ms: int, position: int) -> None:
        if outcome.kind is not OutcomeKind.RETRACT:
            write_registers(reports, outcome, time_ms, position)

    return apply_module, "write_registers", deaf


def wrong_basis() -> Patch:
    """A decision rests on what was estimated for the first task like it, not on position - 1."""
    settle = Sequencer.settle
    remembered: WeakKeyDictionary[Sequencer, dict[Any, Any]] = WeakKeyDictionary()

    def stale(self: Sequencer, view: View, request: Any, *, explain: bool) -> Answer:
        estimates = remembered.setdefault(self, {})
        like_this = view.query.x, view.state.roster.ids
        mean, variance = estimates.setdefault(like_this, view.quality)
        view.know(mean, variance, view.across)
        return settle(self, view, request, explain=explain)

    return Sequencer, "settle", stale


def told_to_namesake() -> Patch:
    """What a deleted experiment decided is told to a new one of the same id."""

    def mistaken(state: State, entry: OpenDecision, old: Credit, new: Credit) -> None:
        for trial in state.trials.values():
            trial.since = 0
        tell(state, entry, old, new)

    return credit, "tell", mistaken


def probe_over_budget() -> Patch:
    """As many agents are tried at once as are asked for, whatever is left of the budget."""

    def all_of_them(view: View, eligible: Sequence[int], most: int) -> int:
        return most

    return import_module("routerd.core.stages.probe"), "fitting", all_of_them


def refused_owes() -> Patch:
    """An agent whose claim was refused is taken for one that says nothing."""

    def everybody(entry: OpenDecision) -> bool:
        return not cancelled(entry.reports)

    return apply_module, "owes", everybody


def group_without_bound() -> Patch:
    """A group's outcome counts for the latest of its decisions alone."""

    def uncounted(state: State, position: int, event: OutcomeReported) -> None:
        right(state, position, event)
        for name in event.decision_ids[:-1]:
            state.decisions[name].told -= 1

    right = apply_module.apply_outcome
    return apply_module, "apply_outcome", uncounted


def forgetful_start() -> Patch:
    """What the end of a log calls for is not asked for when it is opened."""
    return Sequencer, "_go_on", lambda self: None


def tried_again() -> Patch:
    """A follow-up forgets who was tried before the decision that it goes on from."""

    def last_only(state: State, follows: Follows) -> tuple[str, ...]:
        return (ran(state, state.decisions[follows.decision_id]),)

    return apply_module, "tried", last_only


def expired_rule() -> Patch:
    """An override goes on when its time is over, as long as nothing removes it."""

    def never(override: Override, time_ms: int) -> bool:
        return False

    return overrides, "has_expired", never


PLANTED: dict[str, Callable[[], Patch]] = {
    "ack-before-durable": ack_before_durable,
    "apply-twice": apply_twice,
    "log-twice": log_twice,
    "lost-retraction": lost_retraction,
    "wrong-basis": wrong_basis,
    "told-to-namesake": told_to_namesake,
    "expired-rule": expired_rule,
    "probe-over-budget": probe_over_budget,
    "refused-owes": refused_owes,
    "group-without-bound": group_without_bound,
    "tried-again": tried_again,
    "forgetful-start": forgetful_start,
}


@contextmanager
def planted(name: str) -> Iterator[None]:
    """The bug is there until the end of the block."""
    where, attribute, bug = PLANTED[name]()
    right = getattr(where, attribute)
    setattr(where, attribute, bug)
    try:
        yield
    finally:
        setattr(where, attribute, right)
