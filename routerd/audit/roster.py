"""The rows of agents: who there is, who was there, and how each one stands.

By the rules of routerd.core.registry: the configuration's agents go with it, the others when they
are deregistered; one that comes back has no standing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from routerd.audit.rows import Row, agent_row, standing_of, standing_row
from routerd.core.events import (
    AgentDeregistered,
    AgentEvent,
    AgentRegistered,
    AgentStatusChanged,
    AgentUpdated,
)
from routerd.core.settings import Agent
from routerd.core.standing import UNHEARD_OF
from routerd.core.values import AgentSource


class AgentRows:
    """Every agent's row, and which of them changed. rows: as the file has them.

    Of a log that was compacted, events may tell of agents that nobody introduced: they have no row.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = {row["agent_id"]: row for row in rows}
        self._changed: dict[str, Row] = {}

    def changed(self) -> list[Row]:
        return list(self._changed.values())

    def configured(self, position: int, agents: Mapping[str, Agent]) -> None:
        """Take over the agents of a configuration, in id order."""
        for agent_id in sorted(agents):
            self._define(position, agents[agent_id], AgentSource.CONFIG)
        for agent_id, row in sorted(self._rows.items()):
            if agent_id not in agents and row["source"] == AgentSource.CONFIG:
                self._remove(position, agent_id)

    def fold(self, position: int, event: AgentEvent) -> None:
        """Take over an event about one agent."""
        match event:
            case AgentRegistered() | AgentUpdated():
                self._define(position, event.agent, AgentSource.RPC)
            case AgentDeregistered():
                self._remove(position, event.agent_id)
            case AgentStatusChanged() if event.agent_id in self._rows:
                standing = standing_of(self._rows[event.agent_id]).after(event)
                self._put(position, event.agent_id, standing_row(standing))

    def _define(self, position: int, agent: Agent, source: AgentSource) -> None:
        held = self._rows.get(agent.id)
        row = {**agent_row(agent), "source": str(source), "removed_position": None}
        if held is None or held["removed_position"] is not None:
            row |= standing_row(UNHEARD_OF)
        self._put(position, agent.id, row)

    def _remove(self, position: int, agent_id: str) -> None:
        row = self._rows.get(agent_id)
        if row is not None and row["removed_position"] is None:
            self._put(position, agent_id, {"removed_position": position})

    def _put(self, position: int, agent_id: str, columns: Row) -> None:
        """Write columns, if they say something new."""
        held = self._rows.get(agent_id, {"since_position": position})
        if any(name not in held or held[name] != value for name, value in columns.items()):
            row = {**held, **columns, "changed_position": position}
            self._rows[agent_id] = self._changed[agent_id] = row
