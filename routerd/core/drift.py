"""When an agent changes: what its outcomes are tested for, and what is kept of what was learnt.

A discount is (arm, since, keep): the arm's outcomes of decisions before position `since` weigh
`keep` of what they did. It holds for those that come late, are revised or taken back as well, so
that sums stay exact whatever the order. Looks from before it are no more under way.
"""

from __future__ import annotations

import math

import numpy as np

from learners.drift import CORRECTION
from routerd.core.awaited import pass_over
from routerd.core.events import DriftDetected
from routerd.core.state import Credit, OpenDecision, State


def watch(state: State, entry: OpenDecision, credit: Credit) -> None:
    """Show the detector the first quality of a decision, before the learner sees it.

    One that is told again after a retraction is no evidence of its own, and one from before the
    agent's latest change none of what became of it.
    """
    if credit.quality is None or entry.learnt:
        return
    if not state.config.drift.enabled or entry.generation != state.generation:
        return
    if state.discounts and weight_of(state, credit.arm, entry.position) < 1.0:
        return
    x = np.frombuffer(entry.decision.query.x)
    mean = state.learner.mean(x, credit.arm)
    state.detector.observe(credit.arm, mean, credit.quality, entry.position)


def is_plain(state: State) -> bool:
    """Whether the latest outcome makes a change of its agent plain."""
    level = state.detector.latest_level
    return level > CORRECTION and level > CORRECTION + math.log(
        state.config.drift.outcomes_per_false_alarm
    )


def drift_of(state: State) -> DriftDetected:
    """The change of the agent that was heard of last."""
    rule, arm = state.config.drift, state.detector.latest_arm
    change = state.detector.change(arm)
    return DriftDetected(
        time_ms=state.time_ms,
        agent_id=next(agent_id for agent_id, k in state.arm_of.items() if k == arm),
        size=change.size,
        evidence=change.evidence,
        outcomes=change.outcomes,
        since=change.since,
        keep=keep_of(rule.kept_outcomes, state.learner.weight_of(arm) - change.outcomes),
        count=state.learner.count,
    )


def keep_of(outcomes: float, before: float) -> float:
    """The weight that leaves so many outcomes of those from before a change."""
    if before > 0:
        return min(1.0, outcomes / before)
    return 1.0 if outcomes else 0.0  # results may still come


def apply_drift(state: State, event: DriftDetected) -> None:
    arm = state.arm_of[event.agent_id]
    state.drifts[event.agent_id] = event
    discount(state, arm, event.since, event.keep)


def inherit(state: State, arm: int) -> None:
    """What the version before taught weighs less from here on, and what it is about to teach."""
    before = state.learner.weight_of(arm) + len(state.under_way.get(arm, ()))
    discount(state, arm, state.position, keep_of(state.config.drift.inherited_outcomes, before))


def discount(state: State, arm: int, since: int, keep: float) -> None:
    """Discount an arm; its outcomes since then, as far as their decisions are open, are kept."""
    state.detector.reset(arm)
    if keep == 1.0:
        return
    state.learner.discount(arm, keep)
    pass_over(state, arm, since - 1)
    for entry in reversed(state.decisions.values()):
        if entry.position < since:
            break
        quality = entry.credit.quality
        if entry.credit.arm == arm and quality is not None and entry.generation == state.generation:
            given_back = (1.0 - keep) * weight_of(state, arm, entry.position)
            x, epoch = np.frombuffer(entry.decision.query.x), state.epoch(entry.decision.time_ms)
            state.learner.observe(arm, x, quality, given_back, epoch)
    oldest = next((entry.position for entry in state.decisions.values()), since)
    # one that is not younger than every open decision never weighs again
    state.discounts = tuple(d for d in (*state.discounts, (arm, since, keep)) if d[1] > oldest)


def weight_of(state: State, arm: int, position: int) -> float:
    """What an outcome of the decision at a position weighs for an arm."""
    weight = 1.0
    for of, since, keep in state.discounts:
        if of == arm and position < since:
            weight *= keep
    return weight
