"""Agents, heartbeats and capability profiles: wire messages to values and back.

As in routerd.server.convert, only what the wire adds is looked at here. A definition is held to the
rules of the configuration file, and its violations are named as fields of the request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from google.protobuf.message import Message

from routerd.config import ConfigErrors, parse_agent
from routerd.core.answers import CapabilityRecord, Listed, Profile
from routerd.core.errors import Violation, invalid
from routerd.core.sections import ENTRIES
from routerd.core.settings import Agent
from routerd.core.values import AgentSource, AgentStatus, Heartbeat, Listing, StatusCause
from routerd.server.lengths import cut
from routerd.v1 import agents_pb2

PAGE_BYTES = 2**20

STATUSES: dict[AgentStatus, agents_pb2.AgentStatus] = {
    status: getattr(agents_pb2, f"AGENT_STATUS_{status}") for status in AgentStatus
}
SOURCES: dict[AgentSource, agents_pb2.AgentSource] = {
    source: getattr(agents_pb2, f"AGENT_SOURCE_{source}") for source in AgentSource
}
CAUSES: dict[StatusCause | None, agents_pb2.StatusCause] = {
    cause: getattr(agents_pb2, f"STATUS_CAUSE_{cause}") for cause in StatusCause
}
CAUSES[None] = agents_pb2.STATUS_CAUSE_UNSPECIFIED

E = TypeVar("E", bound=str)
M = TypeVar("M", bound=Message)


def registered(wire: agents_pb2.RegisterAgentRequest) -> Agent:
    """The agent to take in. Raises RouterError with every violation."""
    agent, wrong = agent_of(wire.agent_id, wire.definition)
    if agent is None:
        raise invalid(wrong)
    return agent


def updated(
    wire: agents_pb2.UpdateAgentRequest,
) -> tuple[str, Agent | None, AgentStatus | None]:
    """The agent's id, its new definition and its new status. Raises RouterError likewise."""
    agent: Agent | None = None
    wrong: list[Violation] = []
    if wire.HasField("definition"):
        agent, wrong = agent_of(wire.agent_id, wire.definition)
    elif not wire.status:
        wrong.append(Violation("definition", "is absent, and so is status; give one of them"))
    status, unknown = named(STATUSES, "status", wire.status, agents_pb2.AgentStatus)
    if wrong or unknown:
        raise invalid([*wrong, *unknown])
    return wire.agent_id, agent, status


def agent_of(
    agent_id: str, wire: agents_pb2.AgentDefinition
) -> tuple[Agent | None, list[Violation]]:
    """A definition as a typed agent, or what is wrong with it."""
    most = dict.fromkeys(("capabilities", "specializations", "metadata"), ENTRIES)
    long = cut(wire, "definition", **most)
    data: dict[str, Any] = {
        "id": agent_id,
        "type": wire.type,
        "model": wire.model,
        "capabilities": list(wire.capabilities),
        "specializations": list(wire.specializations),
        "head_start": wire.head_start,
        "metadata": {key: wire.metadata[key] for key in wire.metadata},
    }
    if wire.version:
        data["version"] = wire.version
    if wire.pool:
        data["pool"] = wire.pool
    if wire.HasField("prices"):
        told = wire.prices
        data["prices"] = {field.name: getattr(told, field.name) for field in told.DESCRIPTOR.fields}
    if wire.max_concurrency:
        data["max_concurrency"] = wire.max_concurrency
    try:
        made = parse_agent(data)
    except ConfigErrors as errors:
        return None, [*long, *(Violation(field_of(path), text) for path, text in errors.errors)]
    return None if long else made, long


def field_of(path: str) -> str:
    """A path in a configuration file as a field of the request."""
    return "agent_id" if path == "id" else f"definition.{path}"


def named(
    known: Mapping[E, int], field: str, number: int, enum: Any
) -> tuple[E | None, list[Violation]]:
    """The value of an enum's number, None for 0; a violation for one that is not known here."""
    found = {wire: value for value, wire in known.items()}.get(number)
    if found is None and number:
        return None, [Violation(field, f"{number} is none of {', '.join(enum.keys())}")]
    return found, []


def heartbeat_of(wire: agents_pb2.HeartbeatRequest) -> Heartbeat:
    """A heartbeat as a value. Raises RouterError for a status that is not known here."""
    status, unknown = named(STATUSES, "status", wire.status, agents_pb2.AgentStatus)
    if unknown:
        raise invalid(unknown)
    return Heartbeat(wire.agent_id, status or AgentStatus.ONLINE, wire.lease_ms)


def agents_asked(wire: agents_pb2.ListAgentsRequest) -> Listing:
    """Which agents to list. Raises RouterError for enum numbers that are not known here."""
    status, unknown = named(STATUSES, "status", wire.status, agents_pb2.AgentStatus)
    source, strange = named(SOURCES, "source", wire.source, agents_pb2.AgentSource)
    if unknown or strange:
        raise invalid([*unknown, *strange])
    return Listing(
        pool=wire.pool,
        type=wire.type,
        capability=wire.capability,
        status=status,
        source=source,
        page_size=wire.page_size,
        page_token=wire.page_token,
    )


def profiles_asked(wire: agents_pb2.ListCapabilityProfilesRequest) -> Listing:
    return Listing(
        pool=wire.pool,
        work_type=wire.work_type,
        page_size=wire.page_size,
        page_token=wire.page_token,
    )


def agent(told: Listed, lease_left_ms: int) -> agents_pb2.Agent:
    """An agent for the wire."""
    return agents_pb2.Agent(
        agent_id=told.agent.id,
        definition=definition(told.agent),
        source=SOURCES[told.source],
        status=STATUSES[told.status],
        status_cause=CAUSES[told.cause],
        status_time_ms=told.since_ms,
        lease_ms=told.lease_ms,
        lease_left_ms=lease_left_ms,
        in_flight=told.in_flight,
        cooling_until_time_ms=told.cooling_until_ms,
        on_trial=told.on_trial,
    )


def definition(of: Agent) -> agents_pb2.AgentDefinition:
    prices = None
    if of.prices is not None:
        prices = agents_pb2.Prices(
            input_usd_per_mtok=of.prices.input_usd_per_mtok,
            output_usd_per_mtok=of.prices.output_usd_per_mtok,
        )
    return agents_pb2.AgentDefinition(
        version=of.version,
        type=of.type,
        pool=of.pool,
        model=of.model,
        capabilities=of.capabilities,
        specializations=of.specializations,
        head_start=of.head_start,
        prices=prices,
        max_concurrency=of.max_concurrency or 0,
        metadata=of.metadata,
    )


def profile(told: Profile, work_type: str = "") -> agents_pb2.CapabilityProfile:
    """A profile for the wire; with a work type, only the record of it."""
    return agents_pb2.CapabilityProfile(
        agent_id=told.agent_id,
        overall=record(told.overall),
        records=[record(r) for r in told.records if work_type in ("", r.work_type)],
    )


def record(told: CapabilityRecord) -> agents_pb2.CapabilityRecord:
    return agents_pb2.CapabilityRecord(
        work_type=told.work_type,
        outcomes=told.outcomes,
        mean_quality=told.mean_quality,
        mean_cost_usd=told.mean_cost_usd,
        mean_latency_ms=told.mean_latency_ms,
        last_chosen_time_ms=told.last_ms,
        cue=told.cue,
    )


def fitting(messages: Iterable[M]) -> list[M]:
    """The first messages that fit into PAGE_BYTES together; always the first of all."""
    fit: list[M] = []
    room = PAGE_BYTES
    for message in messages:
        room -= message.ByteSize()
        if fit and room < 0:
            break
        fit.append(message)
    return fit
