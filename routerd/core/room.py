"""How many agents there may be, over RPC and by a configuration; each keeps its arm."""

from __future__ import annotations

from routerd.core.errors import ErrorReason, RouterError
from routerd.core.settings import EngineConfig
from routerd.core.state import State


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
