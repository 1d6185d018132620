"""What the learners hold: of each decision, as its outcomes tell, and of imported outcomes."""

from __future__ import annotations

import numpy as np

from learners.base import Array
from routerd.core.claims import learn_claim
from routerd.core.drift import weight_of
from routerd.core.events import OutcomesImported
from routerd.core.head_starts import take_slots
from routerd.core.outcomes import Current, current
from routerd.core.outlook import is_due
from routerd.core.paths import terms
from routerd.core.state import Credit, OpenDecision, State
from routerd.core.tally import COST, LATENCY, QUALITY
from routerd.core.trials import tell

NOTHING = Credit(-1)

Place = tuple[Array, int, int, int]
"""Of what was decided, or imported: x, the cell of its work type, epoch and position."""


def credit_of(state: State, entry: OpenDecision) -> Credit:
    """What the learners should hold now: the executed agent, not the decided one, is credited."""
    now = current(entry.reports, state.config.outcomes.sources)
    arm = state.arm_of[now.executed_agent_id or entry.decision.agent_id]
    return Credit(arm, now.quality, now.cost_usd, now.latency_ms, sure_of(state, entry, now))


def sure_of(state: State, entry: OpenDecision, now: Current) -> bool | None:
    """Whether the reported confidence calls for no other agent; None where nobody asks, or said."""
    if state.config.cascade is None:
        return None
    if entry.escalated:
        return False
    confidence = now.reported_confidence
    return None if confidence is None else confidence >= state.config.thresholds.cascade


def move_credit(state: State, entry: OpenDecision, credit: Credit) -> None:
    """Take the old values out of all sums and add the new ones, at the decision's own epoch."""
    old, entry.credit = entry.credit, credit
    decision = entry.decision
    if decision.trial is not None:
        tell(state, entry, old, credit)
    if entry.generation != state.generation or old == credit:
        return
    x, cell = np.frombuffer(decision.query.x), decision.query.cell
    at = x, cell, state.epoch(decision.time_ms), entry.position
    first = credit.quality is not None and not entry.learnt
    if first:
        entry.learnt = True
        state.contexts.push(x, cell)
    same_arm = old.arm == credit.arm
    learn(state, at, old, credit if same_arm else NOTHING, -1.0)
    learn(state, at, credit, old if same_arm else NOTHING, 1.0)
    learn_paths(state, at, entry.start, old, credit)
    if entry.claim is not None and (old.arm, old.quality) != (credit.arm, credit.quality):
        learn_claim(state, entry, old, -1.0)
        learn_claim(state, entry, credit, 1.0)
    if first and is_due(state.contexts.seen):
        refresh_outlook(state)


def learn(state: State, at: Place, credit: Credit, other: Credit, weight: float) -> None:
    """Add what a credit holds and the other does not; a negative weight takes it back."""
    x, cell, epoch, position = at
    arm, told = credit.arm, state.tally
    if credit.quality is not None and credit.quality != other.quality:
        left = weight * weight_of(state, arm, position) if state.discounts else weight
        state.learner.observe(arm, x, credit.quality, left, epoch)
        told.observed(arm, cell, QUALITY, credit.quality, weight)
    if credit.cost_usd is not None and credit.cost_usd != other.cost_usd:
        state.cost.observe(arm, cell, credit.cost_usd, weight, epoch)
        told.observed(arm, cell, COST, credit.cost_usd, weight)
    if credit.latency_ms is not None and credit.latency_ms != other.latency_ms:
        state.latency.observe(arm, cell, credit.latency_ms, weight, epoch)
        told.observed(arm, cell, LATENCY, credit.latency_ms, weight)


def learn_paths(state: State, at: Place, start: int, old: Credit, credit: Credit) -> None:
    """Let what is known of paths follow a credit that moves."""
    was = terms(old.arm, old.sure, old.quality, start)
    now = terms(credit.arm, credit.sure, credit.quality, start)
    if was != now:
        _, cell, epoch, _ = at
        for told, weight in ((was, -1.0), (now, 1.0)):
            for kind, arm, value in told:
                state.paths.observe(arm, cell, kind, value, weight, epoch)


def apply_import(state: State, event: OutcomesImported) -> None:
    """Learn from each, as of now; up to where is kept by agent, who may become known later."""
    learnt = state.imports.setdefault(event.source, {})
    take_slots(state, event.new_slots)
    epoch = state.epoch(event.time_ms)
    for told in event.outcomes:
        learnt[told.agent_id] = event.through
        arm, x = state.arm_of[told.agent_id], np.frombuffer(told.x)
        state.contexts.push(x, told.cell)
        credit = Credit(arm, told.quality, told.cost_usd, told.latency_ms)
        learn(state, (x, told.cell, epoch, state.position), credit, NOTHING, event.weight)


def refresh_outlook(state: State) -> None:
    state.outlook.refresh(state.contexts, state.learner, state.cost, state.latency)
