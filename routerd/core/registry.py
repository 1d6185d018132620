"""Who there is, how many may be, and how each one stands: what events about agents do to the state.

An agent comes from the configuration or over RPC. It gets an arm when it is first seen and keeps it
for good, so an agent that was removed and comes back still knows what it learnt.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from routerd.core.drift import inherit
from routerd.core.errors import ErrorReason, RouterError
from routerd.core.events import AgentDeregistered, AgentRegistered, AgentStatusChanged, AgentUpdated
from routerd.core.head_starts import take_head_starts
from routerd.core.models import priors
from routerd.core.settings import Agent, EngineConfig
from routerd.core.standing import UNHEARD_OF
from routerd.core.state import Roster, State
from routerd.core.values import AgentStatus


def agents_of(state: State) -> dict[str, Agent]:
    """Every agent by id: the configured ones, then those that came over RPC."""
    return {agent.id: agent for agent in state.config.agents} | state.registered


def take_arms(state: State, agents: Mapping[str, Agent]) -> int:
    """Give an arm to each agent that has none; how many those are."""
    fresh = [agent_id for agent_id in sorted(agents) if agent_id not in state.arm_of]
    for agent_id in fresh:
        state.arm_of[agent_id] = len(state.arm_of)
    return len(fresh)


def seat(state: State) -> None:
    """Make everything follow that depends on who there is: arms, first guesses, the roster."""
    agents = agents_of(state)
    fresh = take_arms(state, agents)
    if fresh:
        for model in (state.learner, state.tally, state.detector, state.paths, state.claims):
            model.add_arms(fresh)
    take_versions(state, agents)
    costs, latencies = priors(state.config, [agents.get(agent_id) for agent_id in state.arm_of])
    state.cost.set_priors(costs)
    state.latency.set_priors(latencies)
    state.roster = Roster(tuple(agents.values()), state.arm_of)
    take_head_starts(state)
    types = {agent.type for agent in agents.values()}
    state.failing = {name: times for name, times in state.failing.items() if name in types}
    # One that is gone has no standing: it comes back as a new one does, online.
    held: tuple[dict[str, Any], ...] = state.standings, state.away, state.health, state.cooling
    for by_agent in held:
        for agent_id in by_agent.keys() - agents.keys():
            del by_agent[agent_id]


def take_versions(state: State, agents: Mapping[str, Agent]) -> None:
    """A new version of an agent inherits what was learnt of the one before, at a discount."""
    for agent_id, agent in agents.items():
        if state.versions.setdefault(agent_id, agent.version) != agent.version:
            state.versions[agent_id] = agent.version
            inherit(state, state.arm_of[agent_id])


def apply_definition(state: State, event: AgentRegistered | AgentUpdated) -> None:
    agent_id = event.agent.id
    known = isinstance(event, AgentUpdated) and agent_id in state.registered
    assert (agent_id in state.roster.index) == known, "an agent is registered once, then updated"
    state.registered[agent_id] = event.agent
    seat(state)


def apply_removal(state: State, event: AgentDeregistered) -> None:
    del state.registered[event.agent_id]
    seat(state)


def apply_status(state: State, event: AgentStatusChanged) -> None:
    assert event.agent_id in state.roster.index, "only agents that there are have a status"
    standing = state.standings.get(event.agent_id, UNHEARD_OF).after(event)
    state.standings[event.agent_id] = standing
    if standing.status is AgentStatus.ONLINE:
        state.away.pop(event.agent_id, None)
    else:
        state.away[event.agent_id] = standing


def require_room(state: State, config: EngineConfig) -> None:
    """Raise TOO_MANY_AGENTS if a configuration has agents for which its limits have no room.

    One that adds none is never refused.
    """
    new = sorted({agent.id for agent in config.agents} - state.arm_of.keys())
    count = len(state.arm_of) + len(new)
    if new and count > config.limits.agents:
        raise too_many(new[0], count, config.limits.agents)


def too_many(agent_id: str, count: int, limit: int) -> RouterError:
    """The refusal of an agent that would be one too many."""
    text = (
        f"with {agent_id!r} {count} agents would be known, removed ones whose learning is kept "
        f"included; limits.agents is {limit}: use the id of a removed agent, or raise it"
    )
    facts = {"agent_id": agent_id, "limit": str(limit)}
    return RouterError(ErrorReason.TOO_MANY_AGENTS, text, metadata=facts)
