"""routerd.v1.AgentService: convert, registry, await durable, convert."""

from __future__ import annotations

import math

from routerd.core.answers import Listed, Logged
from routerd.core.validate import check_agent_id, check_heartbeat, check_listing
from routerd.core.values import Heartbeat
from routerd.server import convert_agents as convert
from routerd.server.interceptors import Partition
from routerd.server.refusals import besides
from routerd.server.streams import Wires
from routerd.v1 import agents_pb2

SERVICE = agents_pb2.DESCRIPTOR.services_by_name["AgentService"]


class AgentService:
    """Keeps the agents. Its changes are on the platter when they are answered."""

    async def RegisterAgent(
        self, wire: agents_pb2.RegisterAgentRequest, partition: Partition, deadline_s: float
    ) -> agents_pb2.RegisterAgentResponse:
        taken = convert.registered(wire)
        told = await partition.change(deadline_s, partition.registry.register, taken)
        return agents_pb2.RegisterAgentResponse(
            agent=agent(told, partition), position=told.position
        )

    async def UpdateAgent(
        self, wire: agents_pb2.UpdateAgentRequest, partition: Partition, deadline_s: float
    ) -> agents_pb2.UpdateAgentResponse:
        def check() -> None:
            if not wire.HasField("definition"):  # which is checked with its id
                check_agent_id(partition.sequencer.state, wire.agent_id)

        with besides(check):
            change = convert.updated(wire)
        told = await partition.change(deadline_s, partition.registry.update, *change)
        return agents_pb2.UpdateAgentResponse(agent=agent(told, partition), position=told.position)

    async def DeregisterAgent(
        self, wire: agents_pb2.DeregisterAgentRequest, partition: Partition, deadline_s: float
    ) -> agents_pb2.DeregisterAgentResponse:
        done = await partition.change(deadline_s, partition.registry.deregister, wire.agent_id)
        return agents_pb2.DeregisterAgentResponse(position=done.position)

    async def GetAgent(
        self, wire: agents_pb2.GetAgentRequest, partition: Partition, deadline_s: float
    ) -> agents_pb2.GetAgentResponse:
        told = partition.registry.get(wire.agent_id)
        await partition.committer.durable(told.position, platter=False)
        return agents_pb2.GetAgentResponse(agent=agent(told, partition), position=told.position)

    async def ListAgents(
        self, wire: agents_pb2.ListAgentsRequest, partition: Partition, deadline_s: float
    ) -> agents_pb2.ListAgentsResponse:
        def check() -> None:
            wire.ClearField("status")
            wire.ClearField("source")
            check_listing(partition.sequencer.state, convert.agents_asked(wire))

        with besides(check):
            listing = convert.agents_asked(wire)
        page = partition.registry.page(listing)
        agents = convert.fitting(agent(told, partition) for told in page.agents)
        cut = len(agents) < len(page.agents)
        await partition.committer.durable(page.position, platter=False)
        return agents_pb2.ListAgentsResponse(
            agents=agents,
            next_page_token=agents[-1].agent_id if cut else page.next,
            position=page.position,
        )

    async def Heartbeat(
        self,
        wires: Wires[agents_pb2.HeartbeatRequest],
        partition: Partition,
        deadline_s: float | None,
    ) -> agents_pb2.HeartbeatResponse:
        count = 0
        async for wire in wires:
            await take(heard(wire, partition), partition, deadline_s or math.inf)
            count += 1
        return agents_pb2.HeartbeatResponse(heartbeats=count)

    async def GetCapabilityProfile(
        self, wire: agents_pb2.GetCapabilityProfileRequest, partition: Partition, deadline_s: float
    ) -> agents_pb2.GetCapabilityProfileResponse:
        profile = convert.profile(partition.registry.profile(wire.agent_id))
        position = partition.sequencer.position
        await partition.committer.durable(position, platter=False)
        return agents_pb2.GetCapabilityProfileResponse(profile=profile, position=position)

    async def ListCapabilityProfiles(
        self,
        wire: agents_pb2.ListCapabilityProfilesRequest,
        partition: Partition,
        deadline_s: float,
    ) -> agents_pb2.ListCapabilityProfilesResponse:
        page = partition.registry.page(convert.profiles_asked(wire))
        profiles = convert.fitting(
            convert.profile(partition.registry.profile(told.agent.id), wire.work_type)
            for told in page.agents
        )
        cut = len(profiles) < len(page.agents)
        await partition.committer.durable(page.position, platter=False)
        return agents_pb2.ListCapabilityProfilesResponse(
            profiles=profiles,
            next_page_token=profiles[-1].agent_id if cut else page.next,
            position=page.position,
        )


def agent(told: Listed, partition: Partition) -> agents_pb2.Agent:
    return convert.agent(told, partition.leases.left_ms(told.agent.id))


def heard(wire: agents_pb2.HeartbeatRequest, partition: Partition) -> Heartbeat:
    """A heartbeat off the wire. Raises all that is wrong with what is no value."""

    def check() -> None:
        wire.ClearField("status")
        check_heartbeat(partition.sequencer.state, convert.heartbeat_of(wire))

    with besides(check):
        return convert.heartbeat_of(wire)


async def take(beat: Heartbeat, partition: Partition, deadline_s: float) -> None:
    """Renew an agent's lease; what is new about the agent is on the platter afterwards."""
    registry, leases = partition.registry, partition.leases

    def said() -> Logged:
        logged = registry.beat(beat)
        leases.renew(beat.agent_id)
        return logged

    if registry.is_news(beat):
        await partition.change(deadline_s, said)
    else:
        leases.renew(beat.agent_id)
