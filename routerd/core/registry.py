"""Who there is and how each one stands: what the events about agents do to the state.

An agent comes from the configuration or over RPC. It gets an arm when it is first seen and keeps it
for good, so an agent that was removed and comes back still knows what it learnt.
"""

from __future__ import annotations

from collections.abc import Mapping

from routerd.core.drift import inherit
from routerd.core.events import AgentDeregistered, AgentRegistered, AgentStatusChanged, AgentUpdated
from routerd.core.head_starts import take_head_starts
from routerd.core.models import priors
from routerd.core.settings import Agent
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
        state.learner.add_arms(fresh)
        state.tally.add_arms(fresh)
        state.detector.add_arms(fresh)
        state.paths.add_arms(fresh)
        state.claims.add_arms(fresh)
    take_versions(state, agents)
    costs, latencies = priors(state.config, [agents.get(agent_id) for agent_id in state.arm_of])
    state.cost.set_priors(costs)
    state.latency.set_priors(latencies)
    state.roster = Roster(tuple(agents.values()), state.arm_of)
    take_head_starts(state)
    types = {agent.type for agent in agents.values()}
    state.failing = {name: times for name, times in state.failing.items() if name in types}
    # One that is gone has no standing: it comes back as a new one does, online.
    for agent_id in [gone for gone in state.standings if gone not in agents]:
        del state.standings[agent_id]
        state.away.pop(agent_id, None)
    for agent_id in [gone for gone in state.health if gone not in agents]:
        del state.health[agent_id]
    for agent_id in [gone for gone in state.cooling if gone not in agents]:
        del state.cooling[agent_id]


def take_versions(state: State, agents: Mapping[str, Agent]) -> None:
    """A new version of an agent inherits what was learnt of the one before, at a discount."""
    for agent_id, agent in agents.items():
        if state.versions.setdefault(agent_id, agent.version) != agent.version:
            state.versions[agent_id] = agent.version
            inherit(state, state.arm_of[agent_id])


def apply_definition(state: State, event: AgentRegistered | AgentUpdated) -> None:
    agent_id = event.agent.id
    known = agent_id in state.registered if isinstance(event, AgentUpdated) else False
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
