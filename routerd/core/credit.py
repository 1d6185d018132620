"""What the learners hold: of each decision, as its outcomes tell, and of imported outcomes."""

from __future__ import annotations

import numpy as np

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
    """Take the old values out of the sums and add the new ones, at the decision's own epoch."""
    old, entry.credit = entry.credit, credit
    if entry.decision.trial is not None:
        tell(state, entry, old, credit)
    if entry.generation != state.generation or old == credit:
        return
    decision = entry.decision
    epoch, cell = state.epoch(decision.time_ms), decision.query.cell
    x = np.frombuffer(decision.query.x)
    first = credit.quality is not None and not entry.learnt
    if first:
        entry.learnt = True
        state.contexts.push(x, cell)
    same_arm = old.arm == credit.arm
    for held, other, weight in ((old, credit, -1.0), (credit, old, 1.0)):
        if held.quality is not None and not (same_arm and held.quality == other.quality):
            left = (
                weight * weight_of(state, held.arm, entry.position) if state.discounts else weight
            )
            state.learner.observe(held.arm, x, held.quality, left, epoch)
            state.tally.observed(held.arm, cell, QUALITY, held.quality, weight)
        if held.cost_usd is not None and not (same_arm and held.cost_usd == other.cost_usd):
            state.cost.observe(held.arm, cell, held.cost_usd, weight, epoch)
            state.tally.observed(held.arm, cell, COST, held.cost_usd, weight)
        if held.latency_ms is not None and not (same_arm and held.latency_ms == other.latency_ms):
            state.latency.observe(held.arm, cell, held.latency_ms, weight, epoch)
            state.tally.observed(held.arm, cell, LATENCY, held.latency_ms, weight)
    was = terms(old.arm, old.sure, old.quality, entry.start)
    now = terms(credit.arm, credit.sure, credit.quality, entry.start)
    if was != now:
        for told, weight in ((was, -1.0), (now, 1.0)):
            for kind, arm, value in told:
                state.paths.observe(arm, cell, kind, value, weight, epoch)
    if entry.claim is not None and (old.arm, old.quality) != (credit.arm, credit.quality):
        learn_claim(state, entry, old, -1.0)
        learn_claim(state, entry, credit, 1.0)
    if first and is_due(state.contexts.seen):
        look_ahead(state)


def apply_import(state: State, event: OutcomesImported) -> None:
    """Learn from each, as of now; up to where is kept by agent, who may become known later."""
    learnt = state.imports.setdefault(event.source, {})
    take_slots(state, event.new_slots)
    epoch, weight = state.epoch(event.time_ms), event.weight
    for told in event.outcomes:
        learnt[told.agent_id] = event.through
        arm, x = state.arm_of[told.agent_id], np.frombuffer(told.x)
        state.learner.observe(arm, x, told.quality, weight, epoch)
        state.contexts.push(x, told.cell)
        state.tally.observed(arm, told.cell, QUALITY, told.quality, weight)
        if told.cost_usd is not None:
            state.cost.observe(arm, told.cell, told.cost_usd, weight, epoch)
            state.tally.observed(arm, told.cell, COST, told.cost_usd, weight)
        if told.latency_ms is not None:
            state.latency.observe(arm, told.cell, told.latency_ms, weight, epoch)
            state.tally.observed(arm, told.cell, LATENCY, told.latency_ms, weight)


def look_ahead(state: State) -> None:
    state.outlook.look(state.contexts, state.learner, state.cost, state.latency)
