"""Events as rows of the audit's tables. Nothing is decided here; see routerd.audit.book."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from routerd.audit.book import Case
from routerd.audit.told import value
from routerd.core.events import (
    AgentCooledDown,
    AgentDeregistered,
    AgentEvent,
    AgentRecovered,
    AgentRegistered,
    AgentStatusChanged,
    AgentUpdated,
    CompetenceDisputed,
    ConfigApplied,
    Decision,
    DriftDetected,
)
from routerd.core.outcomes import DEFAULT_SOURCE
from routerd.core.reasons import law_of, sentence
from routerd.core.settings import Agent
from routerd.core.standing import Standing
from routerd.core.values import AgentStatus, Outcome, OutcomeKind, Preference, StatusCause

Row = dict[str, Any]
HealthEvent = AgentCooledDown | AgentRecovered | DriftDetected | CompetenceDisputed

ASKED = (
    "agent_id",
    "pool",
    "required_capabilities",
    "max_cost_usd",
    "max_latency_ms",
    "preference",
    "follows",
)
UNASKED = ("", (), None, Preference())


def in_json(found: object) -> str:
    """Compact JSON, equal for equal values."""
    return msgspec.json.encode(found, order="deterministic").decode()


def decision_row(case: Case, event: Decision, config_position: int) -> Row:
    query = event.query
    asked = msgspec.structs.asdict(query)
    return {
        "position": case.position,
        "decision_id": case.decision_id,
        "request_id": query.request_id,
        "time_ms": event.time_ms,
        "config_position": config_position,
        "task_id": query.task_id,
        "group_id": query.group_id,
        "session_id": query.session_id,
        "work_type": query.work_type,
        "signal": "" if query.signal is None else in_json(query.signal),
        "description": query.description,
        "domain": query.domain,
        "labels": in_json(query.labels),
        "follows": query.follows.decision_id if query.follows else "",
        "companion_of": query.companion_of,
        "inclusion": event.inclusion,
        "escalate_below": event.escalate_below,
        "conditions": in_json({k: asked[k] for k in ASKED if asked[k] not in UNASKED}),
        "agent_id": event.agent_id,
        "propensity": event.propensity,
        "u": event.u,
        "eligible": len(event.agents),
        "confidence": event.confidence,
        "policy_id": event.policy_id,
        "reason": str(event.reason),
        "sentence": sentence(event),
        "fallback_agent_id": event.fallback,
        "alternatives": in_json(event.alternatives),
        "stages": in_json(event.stages),
        **result_row(case),
    }


def result_row(case: Case) -> Row:
    """The columns of a decision that change after it was made."""
    result = case.result
    return {
        "open": int(case.closed is None),
        "closed_position": case.closed,
        "messages": case.messages,
        "told_ms": case.told_ms or None,
        "claimed": None if case.claimed is None else int(case.claimed),
        "executed_agent_id": result.agent_id,
        "quality": result.quality,
        "cost_usd": result.cost_usd,
        "latency_ms": result.latency_ms,
        "quality_assumed": int(result.assumed),
    }


def candidate_rows(position: int, event: Decision) -> Iterator[Row]:
    for agent_id, probability in law_of(event).items():
        yield candidate(position, agent_id, probability, "", "")
    for out in event.excluded:
        yield candidate(position, out.agent_id, 0.0, str(out.reason), out.detail)


def candidate(position: int, agent_id: str, p: float, exclusion: str, detail: str) -> Row:
    return {
        "position": position,
        "agent_id": agent_id,
        "probability": p,
        "exclusion": exclusion,
        "detail": detail,
    }


def label_rows(position: int, event: Decision) -> Iterator[Row]:
    for key, label in event.query.labels.items():
        yield {"key": key, "value": label, "position": position}


def outcome_row(position: int, time_ms: int, outcome: Outcome) -> Row:
    return {
        "position": position,
        "outcome_id": outcome.outcome_id,
        "decision_id": outcome.decision_id,
        "group_id": outcome.group_id,
        "time_ms": time_ms,
        "event_time_ms": outcome.event_time_ms or None,
        "kind": str(outcome.kind),
        "source": outcome.source or DEFAULT_SOURCE,
        "success": None if outcome.success is None else int(outcome.success),
        "signal": outcome.signal,
        "quality": outcome.quality,
        "cost_usd": outcome.cost_usd,
        "latency_ms": outcome.latency_ms,
        "reported_confidence": outcome.reported_confidence,
        "executed_agent_id": outcome.executed_agent_id,
        "cancelled": int(outcome.cancelled),
        "explanation": outcome.explanation,
    }


def outcome_of(row: Row) -> Outcome:
    """The outcome in a row, as far as it counts. Raises Spoilt."""
    return Outcome(
        outcome_id=row["outcome_id"],
        decision_id=row["decision_id"],
        kind=value(row["kind"], OutcomeKind, "outcomes, column kind"),
        source=row["source"],
        success=None if row["success"] is None else bool(row["success"]),
        quality=row["quality"],
        cost_usd=row["cost_usd"],
        latency_ms=row["latency_ms"],
        reported_confidence=row["reported_confidence"],
        executed_agent_id=row["executed_agent_id"],
        cancelled=bool(row["cancelled"]),
        event_time_ms=row["event_time_ms"] or 0,
    )


def config_row(position: int, event: ConfigApplied, before: Row | None) -> Row:
    """before: the row of the configuration until then."""
    config = msgspec.json.decode(event.config)
    row = {
        "position": position,
        "time_ms": event.time_ms,
        "engine_version": event.engine_version,
        "fingerprint": event.fingerprint,
        "policy_id": config["policy"]["id"],
        "config": event.config.decode(),
    }
    found: list[Row] = []
    if before is not None:
        for name in ("engine_version", "fingerprint"):
            found += differences(name, before[name], row[name])
        found += differences("", msgspec.json.decode(before["config"]), config)
    return {**row, "changes": in_json(found)}


def differences(path: str, old: Any, new: Any) -> list[Row]:
    """Where two values of JSON differ, each place by its path; agents go by their ids.

    >>> differences("", {"seed": 1, "agents": [{"id": "a"}]}, {"seed": 2, "agents": []})
    [{'path': 'agents[a]', 'from': {'id': 'a'}, 'to': None}, {'path': 'seed', 'from': 1, 'to': 2}]
    """
    if old == new:
        return []
    if isinstance(old, dict) and isinstance(new, dict):
        dot = "." if path else ""
        keys = sorted(old.keys() | new.keys())
        return [
            found
            for key in keys
            for found in differences(f"{path}{dot}{key}", old.get(key), new.get(key))
        ]
    if path == "agents":
        was, now = ({agent["id"]: agent for agent in agents or ()} for agents in (old, new))
        return [
            found
            for name in sorted(was.keys() | now.keys())
            for found in differences(f"agents[{name}]", was.get(name), now.get(name))
        ]
    return [{"path": path, "from": old, "to": new}]


def agent_row(agent: Agent) -> Row:
    """The columns that define an agent."""
    prices = agent.prices
    return {
        "agent_id": agent.id,
        "version": agent.version,
        "type": agent.type,
        "pool": agent.pool,
        "model": agent.model,
        "capabilities": in_json(agent.capabilities),
        "specializations": in_json(agent.specializations),
        "head_start": agent.head_start,
        "input_usd_per_mtok": prices.input_usd_per_mtok if prices else None,
        "output_usd_per_mtok": prices.output_usd_per_mtok if prices else None,
        "max_concurrency": agent.max_concurrency,
        "metadata": in_json(agent.metadata),
    }


def standing_row(standing: Standing) -> Row:
    """The columns that say how an agent stands."""
    return {
        "status": str(standing.status),
        "held": str(standing.held),
        "held_ms": standing.held_ms,
        "told": str(standing.told),
        "told_cause": str(standing.told_cause or ""),
        "told_ms": standing.told_ms,
        "lease_ms": standing.lease_ms,
    }


def standing_of(row: Row) -> Standing:
    """The standing in an agent's row. Raises Spoilt."""
    cause = row["told_cause"]
    return Standing(
        held=value(row["held"], AgentStatus, "agents, column held"),
        held_ms=row["held_ms"],
        told=value(row["told"], AgentStatus, "agents, column told"),
        told_cause=value(cause, StatusCause, "agents, column told_cause") if cause else None,
        told_ms=row["told_ms"],
        lease_ms=row["lease_ms"],
    )


def agent_event_row(position: int, event: AgentEvent | HealthEvent) -> Row:
    row: Row = {"position": position, "time_ms": event.time_ms}
    row |= {"status": "", "cause": "", "until_ms": None, "version": "", "definition": ""}
    match event:
        case AgentRegistered(agent=agent) | AgentUpdated(agent=agent):
            told = "registered" if isinstance(event, AgentRegistered) else "updated"
            defined = {"version": agent.version, "definition": in_json(agent)}
            return {**row, "agent_id": agent.id, "event": told, **defined}
        case AgentDeregistered():
            return {**row, "agent_id": event.agent_id, "event": "deregistered"}
        case AgentStatusChanged():
            said = {"status": str(event.status), "cause": str(event.cause)}
            return {**row, "agent_id": event.agent_id, "event": "status", **said}
        case AgentCooledDown():
            why = {"cause": str(event.cause), "until_ms": event.until_ms}
            return {**row, "agent_id": event.agent_id, "event": "cooled_down", **why}
        case DriftDetected():
            way = "BETTER" if event.size > 0 else "WORSE"
            return {**row, "agent_id": event.agent_id, "event": "drifted", "cause": way}
        case AgentRecovered():
            return {**row, "agent_id": event.agent_id, "event": "recovered"}
        case CompetenceDisputed():
            said = {"cause": f"says {event.competence:.3g}, has shown {event.shown:.3g}"}
            return {**row, "agent_id": event.agent_id, "event": "disputed", **said}
