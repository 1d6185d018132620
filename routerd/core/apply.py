"""apply(state, record): the only place where state changes."""

from __future__ import annotations

import msgspec

from routerd.core.awaited import Recounted
from routerd.core.budgets import charge, charge_exploration, keep_ledgers, settle
from routerd.core.claims import apply_claim, apply_dispute
from routerd.core.cooldown import (
    apply_cooldown,
    apply_recovery,
    begin_trial,
    count_result,
    counts_results,
    result_of,
)
from routerd.core.credit import apply_import, credit_of, move_credit, refresh_outlook
from routerd.core.drift import apply_drift, watch
from routerd.core.encode import Encoder
from routerd.core.events import (
    AgentCooledDown,
    AgentDeregistered,
    AgentRecovered,
    AgentRegistered,
    AgentStatusChanged,
    AgentUpdated,
    ClaimMade,
    CompetenceDisputed,
    ConfigApplied,
    Decision,
    DecisionsClosed,
    DriftDetected,
    ExperimentDeleted,
    ExperimentPromoted,
    ExperimentStarted,
    ExperimentStopped,
    OutcomeReported,
    OutcomesImported,
    OverrideRemoved,
    OverrideSet,
    Record,
)
from routerd.core.experiment import in_force
from routerd.core.follow import ran, tried
from routerd.core.head_starts import take_slots
from routerd.core.models import take_fresh_models
from routerd.core.open_decisions import let_go, take_in
from routerd.core.outcomes import owes, write_registers
from routerd.core.overrides import Overrides, Placed
from routerd.core.registry import (
    agents_of,
    apply_definition,
    apply_removal,
    apply_status,
    seat,
    take_arms,
)
from routerd.core.settings import EmbeddingFeature, EngineConfig, TextFeature
from routerd.core.state import Credit, OpenDecision, State
from routerd.core.trials import apply_experiment, configured, count_decision
from routerd.core.values import FollowCause, Follows

OF_DECISIONS = (Decision, OutcomeReported, DecisionsClosed)
"""Events after which the outlook stays, unless it is due (see routerd.core.outlook)."""


def apply(state: State, record: Record, decision_id: str) -> None:
    """Fold one record. decision_id is the name of its position, used by decisions only."""
    position, event = record.position, record.event
    assert position > state.position, "events are applied in the order of the log"
    state.position, state.chain = position, record.hash
    if position == 1:
        state.origin = record.hash
    assert event.time_ms >= state.time_ms, "event time never runs backwards"
    state.time_ms = event.time_ms
    state.heard = ""
    match event:
        case ConfigApplied():
            apply_config(state, event)
        case Decision():
            apply_decision(state, position, decision_id, event)
        case OutcomeReported():
            apply_outcome(state, position, event)
        case DecisionsClosed():
            apply_closing(state, event)
        case DriftDetected():
            apply_drift(state, event)
        case OutcomesImported():
            apply_import(state, event)
        case AgentRegistered() | AgentUpdated():
            apply_definition(state, event)
        case AgentDeregistered():
            apply_removal(state, event)
        case AgentStatusChanged():
            apply_status(state, event)
        case OverrideSet() | OverrideRemoved():
            apply_override(state, event)
        case ExperimentStarted() | ExperimentStopped() | ExperimentPromoted() | ExperimentDeleted():
            apply_experiment(state, event)
        case AgentCooledDown():
            apply_cooldown(state, event)
        case AgentRecovered():
            apply_recovery(state, event)
        case ClaimMade():
            apply_claim(state, position, event)
        case CompetenceDisputed():
            apply_dispute(state, event)
    state.in_flight.expire(state.in_flight_since_ms(event.time_ms))
    epoch = state.epoch(event.time_ms)
    faded = epoch > state.cost.epoch  # they go together
    if faded:
        for model in (state.learner, state.cost, state.latency, state.paths, state.claims):
            model.advance(epoch)
    if faded or not isinstance(event, OF_DECISIONS):
        refresh_outlook(state)


def apply_config(state: State, event: ConfigApplied) -> None:
    """Take over a configuration; what was learnt stays unless its schema or model changed.

    An agent or a rule that came over RPC and is now in the configuration is the configuration's.
    """
    config = msgspec.json.decode(event.config, type=EngineConfig)
    first = state.generation == 0
    kept = not first and learning_basis(state.config) == learning_basis(config)
    if not first:
        keep_ledgers(state, config)
        before = configured(state)
        if (before.policy, before.static_routes) != (config.policy, config.static_routes):
            state.promoted = None  # the file says otherwise now, and was written later
        config = in_force(config, state.promoted)
    state.config, state.config_bytes = config, event.config
    state.engine_version, state.fingerprint = event.engine_version, event.fingerprint
    for agent in config.agents:
        state.registered.pop(agent.id, None)
    for override in config.overrides:
        state.placed.pop(override.id, None)
    if config.cooldown is None:  # no result is counted any more that could take an agent back
        state.health, state.cooling = {}, {}
    take_overrides(state)
    if not kept:
        start_anew(state)
    seat(state)


def start_anew(state: State) -> None:
    """Fresh learners; decisions made for the old ones stay open, but teach no more."""
    known = agents_of(state)
    take_arms(state, known)
    state.generation += 1
    state.slots = {}
    state.encoder = Encoder(state.config.features, state.config.seed)
    take_fresh_models(state, [known.get(agent_id) for agent_id in state.arm_of])
    state.under_way, state.awaited, state.answered = {}, 0, 0
    state.discounts = ()
    state.drifts = {}
    state.imports = {}


def learning_basis(config: EngineConfig) -> dict[str, object]:
    """What the sums are expressed in, by key: when any of it changes, learning starts anew."""
    hashed = any(isinstance(f, TextFeature | EmbeddingFeature) for f in config.features)
    return {
        "features": config.features,
        "policy.learner": config.policy.learner,
        "seed": config.seed if hashed else None,
        "utility.cost_scale_usd": config.utility.cost_scale_usd,
        "utility.latency_scale_ms": config.utility.latency_scale_ms,
    }


def apply_override(state: State, event: OverrideSet | OverrideRemoved) -> None:
    if isinstance(event, OverrideSet):
        state.placed[event.override.id] = Placed(event.override, event.time_ms)
    else:
        del state.placed[event.override_id]
    take_overrides(state)


def take_overrides(state: State) -> None:
    """Take all overrides together: those of the configuration, and those that came over RPC."""
    placed = [placed.override for placed in state.placed.values()]
    state.overrides = Overrides((*state.config.overrides, *placed))
    ends = [override.expires_time_ms for override in placed if override.expires_time_ms]
    state.overrides_expire_ms = min(ends, default=0)


def apply_decision(state: State, position: int, decision_id: str, event: Decision) -> None:
    """Open a decision; a second one for a request that is open already changes nothing."""
    query = event.query
    if query.request_id in state.requests:
        return
    take_slots(state, query.new_slots)
    credit = Credit(arm=state.arm_of[event.agent_id])
    state.tally.decided(credit.arm, query.cell, event.time_ms)
    entry = OpenDecision(position, state.generation, event, credit, in_flight=True)
    if query.follows is not None:
        go_on(state, entry, query.follows)
    take_in(state, decision_id, entry)
    if event.trial is not None:
        count_decision(state, event.trial, event.agent_id)
    if event.predicted_usd is not None:
        charge(state, entry)
    if event.given_up is not None:
        charge_exploration(state, event)
    if event.agent_id in state.cooling:
        begin_trial(state, event.agent_id, decision_id, event.time_ms)
    if query.companion_of:
        first = state.decisions[query.companion_of]
        first.companions = (*first.companions, decision_id)
    if query.session_id:
        serve(state, query.session_id, event.agent_id, position)


def serve(state: State, session_id: str, agent_id: str, position: int) -> None:
    """An agent serves a session; those above the bound that waited longest are forgotten."""
    state.sessions.pop(session_id, None)
    state.sessions[session_id] = (agent_id, position)
    while len(state.sessions) > state.config.limits.sessions:
        state.sessions.popitem(last=False)


def go_on(state: State, entry: OpenDecision, follows: Follows) -> None:
    """A decision goes on from another, whose agent is done with the task."""
    before = state.decisions[follows.decision_id]
    entry.tried = tried(state, follows)
    state.in_flight.end(before)
    if follows.cause is FollowCause.LOW_CONFIDENCE and state.config.cascade is not None:
        entry.start = state.arm_of[entry.tried[-1]]
        before.escalated = True
        with Recounted(state, before):
            move_credit(state, before, credit_of(state, before))
    if follows.cause is FollowCause.FAILED and not before.counted:
        before.counted = True
        count_result(state, entry.tried[-1], follows.decision_id, passed=False)


def apply_outcome(state: State, position: int, event: OutcomeReported) -> None:
    """Write what was said into the decision's registers and move the learners' credit."""
    outcome = event.outcome
    names = event.decision_ids or (outcome.decision_id,)
    entries = [state.decisions[name] for name in names if name in state.decisions]
    if not entries or outcome.outcome_id in state.outcomes:
        return
    state.outcomes[outcome.outcome_id] = (event.digest, position)
    latest = entries[-1]  # of a group, which closes last
    latest.outcome_ids = (*latest.outcome_ids, outcome.outcome_id)
    for entry in entries:
        entry.told += 1
        state.in_flight.end(entry)
        with Recounted(state, entry):
            write_registers(entry.reports, outcome, event.time_ms, position)
            credit = credit_of(state, entry)
            watch(state, entry, credit)
            move_credit(state, entry, credit)
        settle(state, entry, event.time_ms)
    passed = result_of(outcome)
    if passed is not None and not latest.counted:
        latest.counted = True
        if counts_results(state):
            count_result(state, ran(state, latest), outcome.decision_id, passed=passed)


def apply_closing(state: State, event: DecisionsClosed) -> None:
    """Forget decisions with their ids; one whose window ended in silence gets the default."""
    missing = state.config.outcomes.missing_quality
    ended = len(event.decision_ids) - event.censored
    for i, decision_id in enumerate(event.decision_ids):
        entry = let_go(state, decision_id)
        if entry is None:
            continue
        silent = entry.credit.quality is None and owes(entry)
        if missing is not None and silent and i < ended:
            move_credit(state, entry, msgspec.structs.replace(entry.credit, quality=missing))
        for outcome_id in entry.outcome_ids:
            del state.outcomes[outcome_id]
