"""The registry over gRPC, by a server in this process and by the daemon alike."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from routerd.v1 import agents_pb2
from tests.server.harness import PATIENCE_S, Client, Running, in_process, refused, until

DEFINITION: dict[str, Any] = {
    "version": "7",
    "type": "reviewer",
    "pool": "guests",
    "model": "large-4",
    "capabilities": ["fly", "code"],
    "specializations": ["review"],
    "head_start": 0.25,
    "prices": {"input_usd_per_mtok": 1.5},
    "max_concurrency": 3,
    "metadata": {"team": "x"},
}


@pytest.fixture
async def client(client: Client) -> AsyncIterator[Client]:
    """The harness's client; the agents that came are gone again for the tests that follow."""
    yield client
    for agent in await listed(client, source=agents_pb2.AGENT_SOURCE_RPC):
        request = agents_pb2.DeregisterAgentRequest(agent_id=agent.agent_id)
        await client.agents.DeregisterAgent(request, timeout=PATIENCE_S)


def fresh_id() -> str:
    return f"guest-{uuid.uuid4().hex[:8]}"


async def listed(client: Client, size: int = 0, **filters: Any) -> list[agents_pb2.Agent]:
    """All agents of a listing, page after page."""
    agents: list[agents_pb2.Agent] = []
    token = ""
    while True:
        request = agents_pb2.ListAgentsRequest(page_size=size, page_token=token, **filters)
        page = await client.agents.ListAgents(request, timeout=PATIENCE_S)
        assert len(page.agents) <= (size or 100)
        agents += page.agents
        token = page.next_page_token
        if not token:
            return agents


async def test_an_agent_is_told_as_it_was_registered(client: Client) -> None:
    """Every field comes back, the defaults filled in; the same again is the same agent."""
    agent_id = fresh_id()
    agent = await client.agent("Register", agent_id=agent_id, definition=DEFINITION)
    assert agent.definition == agents_pb2.AgentDefinition(**DEFINITION)
    assert (agent.agent_id, agent.source) == (agent_id, agents_pb2.AGENT_SOURCE_RPC)
    assert agent.status == agents_pb2.AGENT_STATUS_ONLINE
    assert await client.agent("Register", agent_id=agent_id, definition=DEFINITION) == agent
    assert await client.agent("Get", agent_id=agent_id) == agent
    plain = await client.agent("Register", agent_id=fresh_id())
    assert (plain.definition.version, plain.definition.pool) == ("1", "default")
    assert not plain.definition.HasField("prices")


async def test_a_registered_agent_gets_tasks_until_it_is_removed(client: Client) -> None:
    """It is chosen by pool and capability; its decision accepts outcomes when it is gone."""
    agent_id = fresh_id()
    await client.agent("Register", agent_id=agent_id, definition={"pool": agent_id})
    route = await client.route(pool=agent_id)
    assert route.agent_id == agent_id
    assert (await client.agent("Get", agent_id=agent_id)).in_flight == 1
    request = agents_pb2.DeregisterAgentRequest(agent_id=agent_id)
    gone = await client.agents.DeregisterAgent(request, timeout=PATIENCE_S)
    assert gone.position > route.position
    assert (await refused(client.route(pool=agent_id))).reason == "EMPTY_POOL"
    assert (await refused(client.agent("Get", agent_id=agent_id))).reason == "AGENT_NOT_FOUND"
    await client.report(decision_id=route.decision_id, success=True)
    assert (await client.agents.DeregisterAgent(request, timeout=PATIENCE_S)).position


async def test_an_update_changes_definition_and_status_at_once(client: Client) -> None:
    """One call replaces the definition and sets the status; a second one the status alone."""
    agent_id = fresh_id()
    await client.agent("Register", agent_id=agent_id, definition=DEFINITION)
    offline = agents_pb2.AGENT_STATUS_OFFLINE
    changed = await client.agent(
        "Update", agent_id=agent_id, definition={"pool": agent_id}, status=offline
    )
    assert changed.definition.pool == agent_id
    assert not changed.definition.capabilities
    assert (changed.status, changed.status_cause) == (offline, agents_pb2.STATUS_CAUSE_SET)
    assert changed.status_time_ms > 0
    refusal = await refused(client.route(pool=agent_id))
    assert refusal.reason == "NO_ELIGIBLE_AGENT"
    assert refusal.facts[agent_id] == "OFFLINE: is offline: it was set so"
    online = agents_pb2.AGENT_STATUS_ONLINE
    assert (await client.agent("Update", agent_id=agent_id, status=online)).status == online
    assert (await client.route(pool=agent_id)).agent_id == agent_id


async def test_refusals_name_their_reason(client: Client) -> None:
    """Another definition, a configured agent, one that nobody knows."""
    agent_id = fresh_id()
    await client.agent("Register", agent_id=agent_id)
    other = await refused(client.agent("Register", agent_id=agent_id, definition=DEFINITION))
    assert (other.code, other.reason) == (grpc.StatusCode.ALREADY_EXISTS, "AGENT_EXISTS")
    assert "version" in other.facts["differ"]
    for verb in ("Register", "Update"):
        configured = await refused(client.agent(verb, agent_id="small", definition=DEFINITION))
        assert configured.code is grpc.StatusCode.FAILED_PRECONDITION
        assert configured.reason == "AGENT_IS_CONFIGURED"
    request = agents_pb2.DeregisterAgentRequest(agent_id="small")
    removal = await refused(client.agents.DeregisterAgent(request, timeout=PATIENCE_S))
    assert removal.reason == "AGENT_IS_CONFIGURED"
    unknown = await refused(client.agent("Update", agent_id="nobody", definition=DEFINITION))
    assert (unknown.code, unknown.reason) == (grpc.StatusCode.NOT_FOUND, "AGENT_NOT_FOUND")


async def test_every_violation_of_a_definition_is_listed_at_once(client: Client) -> None:
    """By the rules of the configuration file, under the names of the request's fields."""
    wrong = {
        "version": "v" * 129,
        "capabilities": [""],
        "prices": {"input_usd_per_mtok": -1.0, "output_usd_per_mtok": float("nan")},
        "head_start": 1.5,
        "max_concurrency": -2,
        "metadata": {"": "x"},
    }
    fields = [
        "agent_id",
        "definition.capabilities[0]",
        "definition.head_start",
        "definition.max_concurrency",
        'definition.metadata[""]',
        "definition.prices.input_usd_per_mtok",
        "definition.prices.output_usd_per_mtok",
        "definition.version",
    ]
    refusal = await refused(client.agent("Register", agent_id="a b", definition=wrong))
    assert sorted(refusal.fields) == fields
    fields.append("status")
    refusal = await refused(client.agent("Update", agent_id="a b", definition=wrong, status=9))
    assert sorted(refusal.fields) == fields


async def test_agents_are_listed_in_pages(client: Client) -> None:
    """Pages of any size tell each agent once, in the order of their ids; filters hold together."""
    pool = fresh_id()
    ids = sorted(fresh_id() for _ in range(5))
    for agent_id in ids:
        await client.agent("Register", agent_id=agent_id, definition={"pool": pool})
    for size in (1, 2, 5, 0):
        assert [a.agent_id for a in await listed(client, size, pool=pool)] == ids
    busy = agents_pb2.AGENT_STATUS_BUSY
    await client.agent("Update", agent_id=ids[3], status=busy)
    assert [a.agent_id for a in await listed(client, pool=pool, status=busy)] == ids[3:4]
    configured = await listed(client, source=agents_pb2.AGENT_SOURCE_CONFIG)
    assert [a.agent_id for a in configured] == ["large", "medium", "small"]


async def test_a_page_is_never_too_large_for_a_client(running: Running) -> None:
    """Definitions as large as they may be come in as many pages as they need."""
    large = {f"key-{i}": "x" * 1_024 for i in range(64)}
    ids = [f"guest-{i:02}" for i in range(20)]
    for agent_id in ids:
        await running.client.agent("Register", agent_id=agent_id, definition={"metadata": large})
    page = await running.client.agents.ListAgents(agents_pb2.ListAgentsRequest())
    assert 1 < len(page.agents) < 20
    assert page.ByteSize() < 2**20
    assert [a.agent_id for a in await listed(running.client)] == [*ids, "large", "medium", "small"]


async def test_a_change_is_on_the_platter_when_it_is_answered(running: Running) -> None:
    """While the disk holds back, a registration is not answered, though reads know it not yet."""
    running.disk.flowing.clear()
    before = running.app.sequencer.position
    register = asyncio.create_task(running.client.agent("Register", agent_id="guest"))
    await until(lambda: running.app.sequencer.position > before)
    await running.client.route()  # a decision needs no platter
    assert not register.done()
    running.disk.flowing.set()
    assert (await register).agent_id == "guest"


async def test_a_full_disk_takes_no_agents(running: Running) -> None:
    """READ_ONLY, and the agent is not there; those that are can still be read."""
    running.disk.full = True
    refusal = await refused(running.client.agent("Register", agent_id="guest"))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "READ_ONLY")
    assert len(await listed(running.client)) == 3
    running.disk.full = False
    await until(lambda: not running.app.sequencer.read_only)
    await running.client.agent("Register", agent_id="guest")


async def test_the_number_of_agents_is_bounded() -> None:
    """Beyond limits.agents a registration is refused, and says how many there may be."""
    config = {"agents": [{"id": "small"}], "limits": {"agents": 2}}
    async with in_process(config=config) as running:
        await running.client.agent("Register", agent_id="guest")
        refusal = await refused(running.client.agent("Register", agent_id="other"))
        assert refusal.code is grpc.StatusCode.FAILED_PRECONDITION
        assert (refusal.reason, refusal.facts["limit"]) == ("TOO_MANY_AGENTS", "2")


async def test_an_agent_at_its_limit_is_told_with_its_reason(client: Client) -> None:
    """AT_CAPACITY until an outcome gives a place back."""
    pool = fresh_id()
    limited = {"pool": pool, "max_concurrency": 1}
    await client.agent("Register", agent_id=pool, definition=limited)
    first = await client.route(pool=pool)
    refusal = await refused(client.route(pool=pool))
    assert refusal.facts[pool] == "AT_CAPACITY: has 1 decision in flight; its limit is 1"
    await client.report(decision_id=first.decision_id, latency_ms=5.0)
    await client.route(pool=pool)


@pytest.mark.parametrize("work_type", ["code", ""])
async def test_a_profile_tells_what_an_agent_has_shown(client: Client, work_type: str) -> None:
    """Counts and means of what was reported, a cue from ten outcomes on, and corrections."""
    agent_id = fresh_id()
    await client.agent("Register", agent_id=agent_id)
    names = []
    for i in range(12):
        route = await client.route(agent_id=agent_id, task={"work_type": work_type})
        names.append(route.decision_id)
        metrics = {"quality": float(i > 2), "cost_usd": 0.5}
        await client.report(decision_id=names[-1], **metrics)
    await client.report(decision_id=names[0], kind=3)
    request = agents_pb2.GetCapabilityProfileRequest(agent_id=agent_id)
    answer = await client.agents.GetCapabilityProfile(request, timeout=PATIENCE_S)
    (record,) = answer.profile.records
    assert (record.work_type, record.outcomes) == (work_type, 11)
    assert record.mean_quality == pytest.approx(9 / 11)
    assert record.mean_cost_usd == pytest.approx(0.5)
    assert not record.HasField("mean_latency_ms")
    assert record.last_chosen_time_ms > 0
    assert record.cue == f"82% on {work_type or 'work without a type'}, 11 outcomes"
    assert answer.profile.overall.cue == "82% on all work, 11 outcomes"


async def test_profiles_are_listed_in_pages(client: Client) -> None:
    """Each agent's once; with a work type only the records of it."""
    pool = fresh_id()
    ids = sorted(fresh_id() for _ in range(3))
    for agent_id in ids:
        await client.agent("Register", agent_id=agent_id, definition={"pool": pool})
        for work_type in ("code", "plan"):
            await client.route(agent_id=agent_id, task={"work_type": work_type})
    request = agents_pb2.ListCapabilityProfilesRequest
    first = await client.agents.ListCapabilityProfiles(request(pool=pool, page_size=2))
    token = first.next_page_token
    rest = await client.agents.ListCapabilityProfiles(
        request(pool=pool, page_token=token, work_type="plan")
    )
    assert [p.agent_id for p in (*first.profiles, *rest.profiles)] == ids
    assert [r.work_type for r in first.profiles[0].records] == ["code", "plan"]
    assert [r.work_type for r in rest.profiles[0].records] == ["plan"]
    assert rest.next_page_token == ""
