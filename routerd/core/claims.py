"""Claims: an agent says how able it is before it starts, and is believed as far as it was right.

Self-reports fall into BINS of equal width. Of each agent and bin, sums of the quality that came of
them give what such a report is worth: with PRIOR pseudo-outcomes at the report itself, so a new
agent is taken at its word. Of reports that are high enough, from an agent that was not, a share of
EXPLORED is accepted all the same, drawn by the request's hash: else it could never mend.
"""

from __future__ import annotations

import msgspec

from routerd.core.awaited import Recounted
from routerd.core.budgets import settle
from routerd.core.draw import uniform
from routerd.core.events import ClaimMade, CompetenceDisputed
from routerd.core.state import Claimed, Credit, OpenDecision, State
from routerd.core.tally import QUALITY

BINS = 5
PRIOR = 5.0
EXPLORED = 0.05
CLAIM = "claim"
ENOUGH = 10
"""Outcomes below which a profile disputes nothing."""


def bin_of(competence: float) -> int:
    return min(int(competence * BINS), BINS - 1)


def expected(state: State, arm: int, competence: float) -> float:
    """The quality that an agent's self-report of this height stands for."""
    where = (arm, bin_of(competence), 0)
    told, total = max(state.claims.n.item(where), 0.0), state.claims.s.item(where)
    return min(max((total + PRIOR * competence) / (told + PRIOR), 0.0), 1.0)


def judged(state: State, decision_id: str, competence: float | None, time_ms: int) -> ClaimMade:
    """The answer to a claim on an open decision; a function of the state, so that it verifies."""
    decision, bar = state.decisions[decision_id].decision, state.config.thresholds.claim
    if competence is None:
        return ClaimMade(time_ms, decision_id, accepted=False)
    worth = expected(state, state.arm_of[decision.agent_id], competence)
    seed, request_id = state.config.seed, decision.query.request_id
    explored = competence >= bar and uniform(seed, state.partition, request_id, CLAIM) < EXPLORED
    return ClaimMade(time_ms, decision_id, worth >= bar or explored, competence, worth)


def dispute(state: State, claim: ClaimMade) -> CompetenceDisputed | None:
    """What an agent's results say against its claim; None when they do not."""
    if claim.competence is None:
        return None
    decision = state.decisions[claim.decision_id].decision
    arm, cell = state.arm_of[decision.agent_id], decision.query.cell
    told, total = state.tally.told[arm, :, QUALITY], state.tally.total[arm, :, QUALITY]
    count, quality = float(told[cell]), float(total[cell])
    if count < ENOUGH:
        count, quality = float(told.sum()), float(total.sum())
    if count < ENOUGH:
        return None
    shown = min(max(quality / count, 0.0), 1.0)
    if abs(claim.competence - shown) <= state.config.thresholds.dispute:
        return None
    where = (claim.decision_id, decision.agent_id)
    return CompetenceDisputed(claim.time_ms, *where, claim.competence, shown, round(count))


def apply_claim(state: State, position: int, event: ClaimMade) -> None:
    """One claim a decision; an agent that is not let has its hands free, and costs nothing."""
    entry = state.decisions.get(event.decision_id)
    if entry is None or entry.claim is not None:
        return
    with Recounted(state, entry):
        entry.claim = Claimed(position, event.accepted, event.competence, event.expected)
    if not event.accepted:
        state.in_flight.end(entry)
        settle(state, entry, event.time_ms)
    elif entry.generation == state.generation:
        learn_claim(state, entry, entry.credit, 1.0)


def apply_dispute(state: State, event: CompetenceDisputed) -> None:
    """What an agent's results say against its claim stays with it."""
    entry = state.decisions.get(event.decision_id)
    if entry is not None and entry.claim is not None:
        entry.claim = msgspec.structs.replace(entry.claim, disputed=True)


def learn_claim(state: State, entry: OpenDecision, credit: Credit, weight: float) -> None:
    """What came of an accepted claim, if the agent that made it ran; weight -1 takes it back."""
    arm, decision, claim = state.arm_of[entry.decision.agent_id], entry.decision, entry.claim
    if claim is None or not claim.accepted or claim.competence is None:
        return
    if credit.quality is None or credit.arm != arm:
        return
    where, epoch = bin_of(claim.competence), state.epoch(decision.time_ms)
    state.claims.observe(arm, where, 0, credit.quality, weight, epoch)
