"""Events of the log as messages."""

from __future__ import annotations

from typing import Any

from routerd.core.answers import Found
from routerd.core.errors import Violation, invalid
from routerd.core.events import (
    AgentCooledDown,
    AgentDeregistered,
    AgentRecovered,
    AgentRegistered,
    AgentStatusChanged,
    AgentUpdated,
    AnyEvent,
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
    RemovalCause,
)
from routerd.core.outcomes import DEFAULT_SOURCE
from routerd.core.reasons import sentence
from routerd.core.values import Outcome
from routerd.log.codec import decision_id
from routerd.server import convert_rules, convert_trials
from routerd.server.convert import OUTCOME_KINDS, decision_record
from routerd.server.convert_agents import CAUSES, STATUSES, definition
from routerd.v1 import audit_pb2, types_pb2

CONFIG_BYTES = 2**20

TYPES: dict[type[AnyEvent], audit_pb2.EventType] = {
    ConfigApplied: audit_pb2.EVENT_TYPE_CONFIG_APPLIED,
    Decision: audit_pb2.EVENT_TYPE_DECISION,
    OutcomeReported: audit_pb2.EVENT_TYPE_OUTCOME,
    DecisionsClosed: audit_pb2.EVENT_TYPE_DECISIONS_CLOSED,
    DriftDetected: audit_pb2.EVENT_TYPE_DRIFT_DETECTED,
    OutcomesImported: audit_pb2.EVENT_TYPE_OUTCOMES_IMPORTED,
    AgentRegistered: audit_pb2.EVENT_TYPE_AGENT_REGISTERED,
    AgentUpdated: audit_pb2.EVENT_TYPE_AGENT_UPDATED,
    AgentDeregistered: audit_pb2.EVENT_TYPE_AGENT_DEREGISTERED,
    AgentStatusChanged: audit_pb2.EVENT_TYPE_AGENT_STATUS_CHANGED,
    OverrideSet: audit_pb2.EVENT_TYPE_OVERRIDE_SET,
    OverrideRemoved: audit_pb2.EVENT_TYPE_OVERRIDE_REMOVED,
    ExperimentStarted: audit_pb2.EVENT_TYPE_EXPERIMENT_STARTED,
    ExperimentStopped: audit_pb2.EVENT_TYPE_EXPERIMENT_STOPPED,
    ExperimentPromoted: audit_pb2.EVENT_TYPE_EXPERIMENT_PROMOTED,
    ExperimentDeleted: audit_pb2.EVENT_TYPE_EXPERIMENT_DELETED,
    AgentCooledDown: audit_pb2.EVENT_TYPE_AGENT_COOLED_DOWN,
    AgentRecovered: audit_pb2.EVENT_TYPE_AGENT_RECOVERED,
    ClaimMade: audit_pb2.EVENT_TYPE_CLAIM,
    CompetenceDisputed: audit_pb2.EVENT_TYPE_COMPETENCE_DISPUTED,
}
KINDS = {kind: wire for wire, kind in OUTCOME_KINDS.items()}


def watched(wire: audit_pb2.WatchEventsRequest, end: int) -> tuple[int, tuple[type[AnyEvent], ...]]:
    """The first position, and the kinds of events. end: the log's. Raises FIELD_VIOLATIONS."""
    known = {number: kind for kind, number in TYPES.items()}
    names = ", ".join(audit_pb2.EventType.Name(number) for number in known)
    wrong = [
        Violation(f"types[{i}]", f"{number} is none of {names}")
        for i, number in enumerate(wire.types[:64])
        if number not in known
    ]
    if len(wire.types) > len(known):
        text = f"has {len(wire.types)} entries; there are {len(known)} types"
        wrong.append(Violation("types", text))
    position = wire.from_position if wire.HasField("from_position") else end + 1
    if not 1 <= position <= end + 1:
        text = f"is {position}; give 1 to {end + 1}, the position behind the log's end"
        wrong.append(Violation("from_position", text))
    if wrong:
        raise invalid(wrong)
    return position, tuple(known[number] for number in wire.types) or tuple(known.values())


def event(record: Record) -> audit_pb2.Event:
    """An event at its place."""
    told = record.event
    return audit_pb2.Event(
        position=record.position, time_ms=told.time_ms, type=TYPES[type(told)], **body(record)
    )


def body(record: Record) -> dict[str, Any]:
    """The one field of an event's body."""
    match record.event:
        case ConfigApplied() as told:
            return {"config": config_change(told)}
        case Decision() as told:
            name = decision_id(record.position, record.hash)
            made = (told, True, None, None, None, "", 0, sentence(told))
            return {"decision": decision_record(Found(name, record.position, *made))}
        case OutcomeReported() as told:
            accepted = audit_pb2.AcceptedOutcome(
                outcome=outcome(told.outcome), decision_ids=told.decision_ids
            )
            return {"outcome": accepted}
        case DecisionsClosed() as told:
            closed = audit_pb2.ClosedDecisions(
                decision_ids=told.decision_ids, censored=told.censored
            )
            return {"closed": closed}
        case DriftDetected() as told:
            return {"drift": drift(told)}
        case OutcomesImported() as told:
            imported = audit_pb2.ImportedOutcomes(source=told.source, outcomes=len(told.outcomes))
            return {"imported": imported}
        case AgentRegistered(agent=agent):
            defined = definition(agent)
            return {"agent": audit_pb2.AgentChange(agent_id=agent.id, definition=defined)}
        case AgentUpdated(agent=agent, previous_version=version):
            change = audit_pb2.AgentChange(agent_id=agent.id, definition=definition(agent))
            change.previous_version = version
            return {"agent": change}
        case AgentDeregistered() as told:
            return {"agent": audit_pb2.AgentChange(agent_id=told.agent_id)}
        case AgentStatusChanged() as told:
            return {"agent": status_change(told)}
        case AgentCooledDown() as told:
            return {"agent": cooldown(told)}
        case AgentRecovered() as told:
            return {"agent": audit_pb2.AgentChange(agent_id=told.agent_id)}
        case ClaimMade() | CompetenceDisputed() as told:
            return {"claim": claim(told)}
        case OverrideSet() | OverrideRemoved() as told:
            return {"override_change": override_change(told)}
        case ExperimentStarted(experiment=experiment):
            said = convert_trials.definition(experiment)
            begun = audit_pb2.ExperimentChange(experiment_id=experiment.id, definition=said)
            return {"experiment_change": begun}
        case ExperimentStopped() | ExperimentDeleted() as told:
            return {
                "experiment_change": audit_pb2.ExperimentChange(experiment_id=told.experiment_id)
            }
        case ExperimentPromoted() as told:
            promoted = audit_pb2.ExperimentChange(
                experiment_id=told.experiment_id, arm_id=told.arm_id
            )
            return {"experiment_change": promoted}


def override_change(told: OverrideSet | OverrideRemoved) -> audit_pb2.OverrideChange:
    if isinstance(told, OverrideRemoved):
        expired = told.cause is RemovalCause.EXPIRED
        return audit_pb2.OverrideChange(override_id=told.override_id, expired=expired)
    said = convert_rules.definition(told.override)
    return audit_pb2.OverrideChange(override_id=told.override.id, definition=said)


def drift(told: DriftDetected) -> audit_pb2.Drift:
    return audit_pb2.Drift(
        agent_id=told.agent_id,
        size=told.size,
        evidence=told.evidence,
        outcomes=told.outcomes,
        since_position=told.since,
        kept=told.keep,
    )


def config_change(told: ConfigApplied) -> audit_pb2.ConfigChange:
    return audit_pb2.ConfigChange(
        config_json=told.config.decode() if len(told.config) <= CONFIG_BYTES else "",
        engine_version=told.engine_version,
        fingerprint=told.fingerprint,
    )


def outcome(told: Outcome) -> types_pb2.Outcome:
    wire = types_pb2.Outcome(
        outcome_id=told.outcome_id,
        decision_id=told.decision_id,
        kind=KINDS[told.kind],
        source=told.source or DEFAULT_SOURCE,
        quality=told.quality,
        cost_usd=told.cost_usd,
        latency_ms=told.latency_ms,
        reported_confidence=told.reported_confidence,
        executed_agent_id=told.executed_agent_id,
        explanation=told.explanation,
        event_time_ms=told.event_time_ms,
        group_id=told.group_id,
        signal=told.signal,
        cancelled=told.cancelled,
    )
    if told.success is not None:
        wire.success = told.success
    return wire


def status_change(told: AgentStatusChanged) -> audit_pb2.AgentChange:
    return audit_pb2.AgentChange(
        agent_id=told.agent_id,
        status=STATUSES[told.status],
        status_cause=CAUSES[told.cause],
        lease_ms=told.lease_ms,
    )


def cooldown(told: AgentCooledDown) -> audit_pb2.AgentChange:
    return audit_pb2.AgentChange(
        agent_id=told.agent_id,
        until_time_ms=told.until_ms,
        cooldown_cause=f"COOLDOWN_CAUSE_{told.cause}",
        times=told.times,
    )


def claim(told: ClaimMade | CompetenceDisputed) -> audit_pb2.Claim:
    wire = audit_pb2.Claim(decision_id=told.decision_id, competence=told.competence)
    if isinstance(told, ClaimMade):
        said = audit_pb2.Claim(expected_quality=told.expected, accepted=told.accepted)
    else:
        shown, outcomes = told.shown, told.outcomes
        said = audit_pb2.Claim(agent_id=told.agent_id, shown_quality=shown, outcomes=outcomes)
    wire.MergeFrom(said)
    return wire
