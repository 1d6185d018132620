"""What a log says of agents, as far as it is about those of the judged configuration.

An agent that the judged configuration defines is as it says from the start, and does not come,
change or go over RPC; one that is in the log's file alone is not there.
"""

from __future__ import annotations

from collections.abc import Iterable

from routerd.core.events import AgentDeregistered, AgentEvent, AgentRegistered, AgentUpdated
from routerd.core.health import AgentCooledDown, AgentRecovered
from routerd.core.registry import seat
from routerd.core.settings import Agent
from routerd.core.state import State

AboutAgent = AgentEvent | AgentCooledDown | AgentRecovered


def concerns(state: State, event: AboutAgent) -> bool:
    """Whether an event is about an agent of the judged ones, as it stands there."""
    match event:
        case AgentRegistered() | AgentUpdated():
            return event.agent.id not in {agent.id for agent in state.config.agents}
        case AgentDeregistered():
            return event.agent_id in state.registered
        case AgentRecovered():
            return event.agent_id in state.cooling
    return event.agent_id in state.roster.index


def leave_to_file(state: State, agents: Iterable[Agent]) -> None:
    """The log's file defines these from here on, and the judged one has not those of RPC."""
    taken_over = [agent.id for agent in agents if agent.id in state.registered]
    for agent_id in taken_over:
        del state.registered[agent_id]
    if taken_over:
        seat(state)
