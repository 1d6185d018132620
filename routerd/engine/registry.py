"""The calls that change or tell who can be chosen, on the sequencer that orders them.

They are checked, answered and made durable like decisions and outcomes. Definitions come typed:
whoever reads them from a wire or a program holds them to the rules of the configuration first.
"""

from __future__ import annotations

from collections.abc import Mapping

from routerd.core.answers import Listed, Logged, Page, Profile
from routerd.core.errors import ErrorReason, RouterError, not_registered
from routerd.core.events import (
    AgentDeregistered,
    AgentRegistered,
    AgentStatusChanged,
    AgentUpdated,
)
from routerd.core.profile import profile
from routerd.core.registry import too_many
from routerd.core.settings import Agent
from routerd.core.standing import UNHEARD_OF, Standing
from routerd.core.state import State
from routerd.core.validate import (
    LEASE_MS,
    PAGE_SIZE,
    check_agent_id,
    check_heartbeat,
    check_listing,
)
from routerd.core.values import AgentSource, AgentStatus, Heartbeat, Listing, StatusCause
from routerd.engine.sequencer import Sequencer


class Registry:
    """The agents of a partition. Every method is synchronous, like the sequencer's."""

    def __init__(self, sequencer: Sequencer) -> None:
        self._sequencer = sequencer

    @property
    def state(self) -> State:
        return self._sequencer.state

    def register(self, agent: Agent) -> Listed:
        """Take an agent in; one that is registered just so already is told as it stands.

        Raises AGENT_IS_CONFIGURED, AGENT_EXISTS, TOO_MANY_AGENTS, READ_ONLY.
        """
        self._require_not_configured(agent.id)
        known = self.state.registered.get(agent.id)
        if known is None:
            self._require_room(agent.id)
            self._sequencer.change(AgentRegistered, agent)
        elif known != agent:
            raise exists(known, agent)
        return self.get(agent.id)

    def update(
        self, agent_id: str, agent: Agent | None = None, status: AgentStatus | None = None
    ) -> Listed:
        """Replace an agent's definition, set its status, or both; what is so already stays.

        Raises FIELD_VIOLATIONS, AGENT_NOT_FOUND, AGENT_IS_CONFIGURED, READ_ONLY.
        """
        check_agent_id(self.state, agent_id)
        known = self._agent(agent_id)
        if agent is not None:
            self._require_not_configured(agent_id)
        if agent is not None and agent != known:
            previous = known.version if agent.version != known.version else ""
            self._sequencer.change(AgentUpdated, agent, previous)
        if status is not None and status is not self._standing(agent_id).held:
            self._sequencer.change(AgentStatusChanged, agent_id, status, StatusCause.SET)
        return self.get(agent_id)

    def deregister(self, agent_id: str) -> Logged:
        """Let an agent go; what it learnt is kept for its return. One that is gone stays gone.

        Raises FIELD_VIOLATIONS, AGENT_NOT_FOUND, AGENT_IS_CONFIGURED, READ_ONLY.
        """
        check_agent_id(self.state, agent_id)
        self._require_not_configured(agent_id)
        if agent_id in self.state.registered:
            self._sequencer.change(AgentDeregistered, agent_id)
        elif agent_id not in self.state.arm_of:
            raise not_registered(agent_id)
        return Logged(self.state.position)

    def beat(self, beat: Heartbeat) -> Logged:
        """Take a heartbeat; only one that says something new is an event.

        Who is offline has no lease. Raises FIELD_VIOLATIONS, AGENT_NOT_FOUND, READ_ONLY.
        """
        if self.is_news(beat):
            told = (beat.agent_id, beat.status, StatusCause.HEARTBEAT, lease_of(beat))
            self._sequencer.change(AgentStatusChanged, *told)
        return Logged(self.state.position)

    def is_news(self, beat: Heartbeat) -> bool:
        """Whether a heartbeat says something that the last one did not. Raises as beat does."""
        check_heartbeat(self.state, beat)
        standing = self._standing(self._agent(beat.agent_id).id)
        said = (standing.told_cause, standing.told, standing.lease_ms)
        return said != (StatusCause.HEARTBEAT, beat.status, lease_of(beat))

    def end_lease(self, agent_id: str) -> Logged:
        """An agent's heartbeats stopped: it is offline until the next. Raises READ_ONLY."""
        if self._standing(agent_id).lease_ms:
            told = (agent_id, AgentStatus.OFFLINE, StatusCause.LEASE_ENDED)
            self._sequencer.change(AgentStatusChanged, *told)
        return Logged(self.state.position)

    def lease_ms(self, agent_id: str) -> int:
        """How long an agent's heartbeats hold; 0 while no lease runs."""
        return self._standing(agent_id).lease_ms

    def leases(self) -> dict[str, int]:
        """The agents with a lease, and its length in ms."""
        standings = self.state.standings.items()
        return {agent_id: s.lease_ms for agent_id, s in standings if s.lease_ms}

    def get(self, agent_id: str) -> Listed:
        """An agent as it stands. Raises FIELD_VIOLATIONS, AGENT_NOT_FOUND."""
        check_agent_id(self.state, agent_id)
        return self._listed(self._agent(agent_id), self._in_flight())

    def page(self, listing: Listing) -> Page:
        """The agents that a listing admits, in id order. Raises FIELD_VIOLATIONS."""
        check_listing(self.state, listing)
        size, in_flight, told = listing.page_size or PAGE_SIZE, self._in_flight(), []
        for agent in self.state.roster.agents:
            listed = self._listed(agent, in_flight)
            if agent.id > listing.page_token and admits(listing, listed):
                told.append(listed)
        following = told[size - 1].agent.id if len(told) > size else ""
        return Page(tuple(told[:size]), following, self.state.position)

    def profile(self, agent_id: str) -> Profile:
        """What an agent has shown. Raises FIELD_VIOLATIONS, AGENT_NOT_FOUND."""
        check_agent_id(self.state, agent_id)
        return profile(self.state, self._agent(agent_id).id)

    def _agent(self, agent_id: str) -> Agent:
        index = self.state.roster.index.get(agent_id)
        if index is None:
            raise not_registered(agent_id)
        return self.state.roster.agents[index]

    def _standing(self, agent_id: str) -> Standing:
        return self.state.standings.get(agent_id, UNHEARD_OF)

    def _in_flight(self) -> Mapping[str, int]:
        since_ms = self.state.in_flight_since_ms(self._sequencer.time_ms())
        return self.state.in_flight.counted(since_ms)

    def _listed(self, agent: Agent, in_flight: Mapping[str, int]) -> Listed:
        standing, cooling = self._standing(agent.id), self.state.cooling.get(agent.id)
        return Listed(
            agent=agent,
            source=AgentSource.RPC if agent.id in self.state.registered else AgentSource.CONFIG,
            status=standing.status,
            cause=standing.cause,
            since_ms=standing.since_ms,
            lease_ms=standing.lease_ms,
            in_flight=in_flight.get(agent.id, 0),
            position=self.state.position,
            cooling_until_ms=cooling.until_ms if cooling else 0,
            on_trial=cooling is not None and cooling.until_ms <= self._sequencer.time_ms(),
        )

    def _require_not_configured(self, agent_id: str) -> None:
        if agent_id in self.state.roster.index and agent_id not in self.state.registered:
            text = (
                f"agent {agent_id!r} is defined by the configuration file: change it there; "
                "over RPC only its status can be set"
            )
            facts = {"agent_id": agent_id}
            raise RouterError(ErrorReason.AGENT_IS_CONFIGURED, text, metadata=facts)

    def _require_room(self, agent_id: str) -> None:
        known, limit = self.state.arm_of, self.state.config.limits.agents
        if agent_id not in known and len(known) >= limit:
            raise too_many(agent_id, len(known) + 1, limit)


def lease_of(beat: Heartbeat) -> int:
    """How long a heartbeat holds, in ms."""
    return 0 if beat.status is AgentStatus.OFFLINE else beat.lease_ms or LEASE_MS


def admits(listing: Listing, listed: Listed) -> bool:
    """Whether an agent passes every filter."""
    agent = listed.agent
    return (
        listing.pool in ("", agent.pool)
        and listing.type in ("", agent.type)
        and (not listing.capability or listing.capability in agent.capabilities)
        and listing.status in (None, listed.status)
        and listing.source in (None, listed.source)
    )


def exists(known: Agent, agent: Agent) -> RouterError:
    """The refusal of a registration under an id that another definition has."""
    differ = [f for f in Agent.__struct_fields__ if getattr(known, f) != getattr(agent, f)]
    text = (
        f"agent {agent.id!r} is registered with another {', '.join(differ)}; "
        "UpdateAgent changes a registered agent"
    )
    facts = {"agent_id": agent.id, "differ": ", ".join(differ)}
    return RouterError(ErrorReason.AGENT_EXISTS, text, metadata=facts)
