"""What a log says of agents, as far as it is about those of the judged configuration.

An agent that the judged configuration defines is as it says from the start, and does not come,
change or go over RPC; one that is in the log's file alone is not there. How an agent stands, and
whether it is set aside, is as the log has it, for as long as the log has the agent.
"""

from __future__ import annotations

from collections.abc import Iterable, Set

from routerd.core.events import (
    AgentCooledDown,
    AgentDeregistered,
    AgentEvent,
    AgentRecovered,
    AgentRegistered,
    AgentUpdated,
)
from routerd.core.registry import seat
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


def follow_file(state: State, before: Set[str], now: Set[str]) -> None:
    """The log's file defines these agents from here on, and no longer all of those before."""
    forget(state, before - now)
    taken_over = [agent_id for agent_id in state.registered if agent_id in now]
    for agent_id in taken_over:
        del state.registered[agent_id]
    if taken_over:
        seat(state)


def forget(state: State, gone: Iterable[str]) -> None:
    """What befell agents that the log has no more says nothing of them when they come back."""
    for agent_id in gone:
        for held in (state.standings, state.away, state.health, state.cooling):
            held.pop(agent_id, None)
