"""Agents that come and go over RPC, and how they stand."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from routerd.core.errors import ErrorReason
from routerd.core.events import (
    AgentDeregistered,
    AgentRegistered,
    AgentStatusChanged,
    AgentUpdated,
    ConfigApplied,
)
from routerd.core.reasons import law_of
from routerd.core.settings import EngineConfig
from routerd.core.values import AgentSource, AgentStatus, Exclusion, Listing, StatusCause
from routerd.engine.verify import verify
from tests.core.engine import AGENTS, START_MS, Engine

CONFIGURED = ErrorReason.AGENT_IS_CONFIGURED
UNKNOWN = ErrorReason.AGENT_NOT_FOUND


def law(engine: Engine, **request: object) -> dict[str, float]:
    return law_of(engine.route(**request).decision)


def excluded(engine: Engine, **request: object) -> dict[str, tuple[str, str]]:
    """Who could not be chosen, and why."""
    decision = engine.route(**request).decision
    return {e.agent_id: (e.reason, e.detail) for e in decision.excluded}


def sound(engine: Engine) -> bool:
    """Whether the log alone gives the same state, and every law again."""
    found = verify(engine.log)
    assert found.mismatches == ()
    assert found.laws_exact == found.decisions
    return found.state_hashes == {"default": engine.state.hash()}


def test_a_registered_agent_is_one_like_any_other() -> None:
    """It is an event, can be chosen, meets conditions, learns, and is told with its source."""
    engine = Engine()
    told = engine.register("guest", pool="paid", capabilities=["fly"], version="3")
    assert (told.source, told.status, told.cause) == (AgentSource.RPC, AgentStatus.ONLINE, None)
    assert told.position == engine.sequencer.position == 2
    (event,) = engine.events(AgentRegistered)
    assert event.agent == told.agent
    assert set(law(engine)) == {"guest", "large", "medium", "small"}
    assert set(law(engine, required_capabilities=["fly"])) == {"guest"}
    for _ in range(9):
        engine.report(engine.route(agent_id="guest").decision_id, quality=1.0)
    assert engine.state.learner.state()["n"][engine.state.arm_of["guest"]] == 9
    assert engine.registry.get("large").source is AgentSource.CONFIG
    assert sound(engine)


def test_the_same_registration_twice_is_one() -> None:
    """With the same body nothing changes; with another it is refused, and says what differs."""
    engine = Engine()
    first = engine.register("guest", pool="paid", metadata={"a": "1", "b": "2"})
    again = engine.register("guest", pool="paid", metadata={"b": "2", "a": "1"})
    assert again == first
    register, exists = engine.register, ErrorReason.AGENT_EXISTS
    refusal = engine.refused(exists, register, "guest", pool="free", version="2")
    assert refusal.metadata == {"agent_id": "guest", "differ": "version, pool, metadata"}
    assert "UpdateAgent" in refusal.message


def test_an_update_replaces_the_definition() -> None:
    """What the new one leaves out has its default again; the same one is no event."""
    engine = Engine()
    engine.register("guest", pool="paid", capabilities=["code"])
    told = engine.update("guest", capabilities=["vision"])
    assert (told.agent.pool, told.agent.capabilities) == ("default", ("vision",))
    assert set(law(engine, pool="paid")) == {"large", "medium"}
    before = engine.sequencer.position
    engine.update("guest", capabilities=["vision"])
    assert engine.sequencer.position == before
    assert sound(engine)


def test_a_new_version_says_so_in_the_log() -> None:
    """Whoever reads the log sees which version came after which; other changes name none."""
    engine = Engine()
    engine.register("guest")
    engine.update("guest", pool="paid")
    engine.update("guest", pool="paid", version="2")
    changes = [(e.agent.version, e.previous_version) for e in engine.events(AgentUpdated)]
    assert changes == [("1", ""), ("2", "1")]


def test_prices_are_the_first_guess_at_a_cost() -> None:
    """A registered agent's price keeps it out of cheap requests; an update changes that."""
    engine = Engine()
    engine.register("guest", prices={"output_usd_per_mtok": 100.0})
    assert excluded(engine, max_cost_usd=0.02)["guest"][0] == Exclusion.OVER_MAX_COST
    engine.update("guest", prices={"output_usd_per_mtok": 1.0})
    assert excluded(engine, max_cost_usd=0.02) == {}
    assert sound(engine)


def test_a_removed_agent_keeps_what_it_learnt() -> None:
    """It leaves the law; late outcomes count; back again it is the agent that it was."""
    engine = Engine()
    engine.register("guest")
    open_ones = [engine.route(agent_id="guest").decision_id for _ in range(9)]
    for name in open_ones[:8]:
        engine.report(name, quality=1.0)
    engine.deregister("guest")
    assert "guest" not in law(engine)
    engine.refused(UNKNOWN, engine.route, agent_id="guest")
    engine.refused(UNKNOWN, engine.registry.get, "guest")
    engine.deregister("guest")  # again
    engine.refused(UNKNOWN, engine.deregister, "nobody")
    engine.report(open_ones[8], quality=1.0)
    engine.register("guest", version="2")
    arm = engine.state.arm_of["guest"]
    assert engine.state.learner.state()["n"][arm] == 9
    assert "guest" in law(engine)
    assert [e.agent_id for e in engine.events(AgentDeregistered)] == ["guest"]
    assert sound(engine)


def test_rpc_does_not_touch_what_the_file_defines() -> None:
    """A configured agent can be neither redefined nor removed; its status can be set."""
    engine = Engine()
    for call in (engine.register, engine.update, engine.deregister):
        refusal = engine.refused(CONFIGURED, call, "small")
        assert "configuration file" in refusal.message
    assert engine.set_status("small", "OFFLINE").status is AgentStatus.OFFLINE
    assert "small" not in law(engine)
    assert sound(engine)


def test_a_configuration_takes_over_an_agent() -> None:
    """An id that the file defines from now on is the file's, with what was learnt under it."""
    engine = Engine()
    engine.register("guest", pool="paid")
    engine.set_status("guest", "BUSY")
    for _ in range(4):
        engine.report(engine.route(agent_id="guest").decision_id, quality=1.0)
    engine.open(agents=[*AGENTS, {"id": "guest", "pool": "free"}])
    told = engine.registry.get("guest")
    assert (told.source, told.agent.pool) == (AgentSource.CONFIG, "free")
    assert told.status is AgentStatus.BUSY
    assert engine.state.learner.state()["n"][engine.state.arm_of["guest"]] == 4
    engine.refused(CONFIGURED, engine.deregister, "guest")
    engine.open()
    engine.refused(UNKNOWN, engine.registry.get, "guest")
    assert sound(engine)


@pytest.mark.parametrize("features", [[], [{"kind": "number", "name": "complexity"}]])
def test_registered_agents_outlive_a_restart(features: list[dict[str, str]]) -> None:
    """They are in the log, so a restart, or one with another schema, has them still."""
    engine = Engine()
    engine.register("guest", pool="paid")
    engine.set_status("guest", "OFFLINE")
    engine.open(features=features)
    assert len(engine.events(ConfigApplied)) == 2
    told = engine.registry.get("guest")
    assert (told.agent.pool, told.status) == ("paid", AgentStatus.OFFLINE)
    engine.set_status("guest", "ONLINE")
    assert set(law(engine, pool="paid")) == {"guest", "large", "medium"}
    assert sound(engine)


def test_the_number_of_agents_is_bounded() -> None:
    """Arms are kept, so removed agents count; an id that has an arm may come back."""
    engine = Engine(limits={"agents": 5})
    engine.register("one")
    engine.register("two")
    full = ErrorReason.TOO_MANY_AGENTS
    assert engine.refused(full, engine.register, "three").metadata["limit"] == "5"
    engine.deregister("one")
    assert "limits.agents" in engine.refused(full, engine.register, "three").message
    engine.register("one", pool="paid")
    engine.open(limits={"agents": 6})
    engine.register("three")


def test_a_configuration_adds_no_more_agents_than_there_may_be() -> None:
    """At a start and at a reload, removed ones included; one that adds none is always taken."""
    engine = Engine(limits={"agents": 4})
    full = ErrorReason.TOO_MANY_AGENTS
    agents = [{"id": f"agent-{i}"} for i in range(3)]

    def reload(**config: Any) -> None:
        engine.sequencer.configure(msgspec.convert(config, EngineConfig))

    told = engine.refused(full, reload, agents=agents, limits={"agents": 5})
    assert "limits.agents is 5" in told.message
    engine.refused(full, engine.open, agents=agents, limits={"agents": 5})
    reload(agents=agents, limits={"agents": 6})
    reload(agents=[*agents, {"id": "large"}], limits={"agents": 3})
    engine.refused(full, reload, agents=[*agents, {"id": "new"}], limits={"agents": 6})


def test_an_offline_agent_is_not_chosen() -> None:
    """Not even when the request names it, or nobody else is left; the refusal says why."""
    engine = Engine()
    engine.set_status("large", "OFFLINE")
    assert excluded(engine) == {"large": ("OFFLINE", "is offline: it was set so")}
    nobody = ErrorReason.NO_ELIGIBLE_AGENT
    refusal = engine.refused(nobody, engine.route, agent_id="large")
    assert refusal.metadata == {"large": "OFFLINE: is offline: it was set so"}
    engine.set_status("medium", "OFFLINE")
    refusal = engine.refused(nobody, engine.route, pool="paid")
    assert set(refusal.metadata) == {"large", "medium", "small"}
    engine.set_status("medium", "ONLINE")
    assert set(law(engine, pool="paid")) == {"medium"}
    assert sound(engine)


def test_a_lasting_reason_is_told_before_a_passing_one() -> None:
    """A pool that nobody is in stays EMPTY_POOL when agents are offline besides."""
    engine = Engine()
    engine.set_status("large", "OFFLINE")
    engine.refused(ErrorReason.EMPTY_POOL, engine.route, pool="nowhere")
    engine.refused(ErrorReason.MISSING_CAPABILITY, engine.route, required_capabilities=["fly"])
    vision = {"required_capabilities": ["vision"]}
    engine.refused(ErrorReason.NO_ELIGIBLE_AGENT, engine.route, **vision)


def test_a_busy_agent_is_chosen_only_if_nobody_else_is_left() -> None:
    """Busy ones are left out while another can be chosen, unless the request names one."""
    engine = Engine()
    engine.beat("large", "BUSY")
    assert excluded(engine) == {"large": ("BUSY", "is busy, and others are not")}
    assert set(law(engine, required_capabilities=["vision"])) == {"large"}
    assert set(law(engine, agent_id="large")) == {"large", "medium", "small"}
    engine.set_status("medium", "BUSY")
    assert set(law(engine, pool="paid")) == {"large", "medium"}
    assert set(law(engine)) == {"small"}
    engine.set_status("small", "OFFLINE")
    assert set(law(engine)) == {"large", "medium"}
    assert sound(engine)


def test_what_was_set_and_what_is_told_both_count() -> None:
    """The worse of the two holds: an agent that somebody took out does not come back by beating."""
    engine = Engine()
    engine.beat("small")
    assert engine.registry.get("small").cause is StatusCause.HEARTBEAT
    engine.wall.now_ms += 5
    engine.set_status("small", "OFFLINE")
    engine.wall.now_ms += 5
    engine.beat("small", "BUSY")
    told = engine.registry.get("small")
    assert (told.status, told.cause) == (AgentStatus.OFFLINE, StatusCause.SET)
    assert told.since_ms == START_MS + 5
    engine.set_status("small", "ONLINE")
    told = engine.registry.get("small")
    assert (told.status, told.cause) == (AgentStatus.BUSY, StatusCause.HEARTBEAT)
    assert told.since_ms == START_MS + 10
    assert sound(engine)


def test_only_what_a_heartbeat_changes_is_an_event() -> None:
    """A thousand beats that say the same are one event; another status or lease is one more."""
    engine = Engine()
    for _ in range(1_000):
        engine.beat("small", lease_ms=500)
    engine.beat("small", lease_ms=900)
    engine.beat("small", "BUSY", lease_ms=900)
    engine.beat("small", "OFFLINE", lease_ms=900)
    engine.beat("small", "OFFLINE", lease_ms=500)
    said = [(e.status, e.lease_ms) for e in engine.events(AgentStatusChanged)]
    assert said == [("ONLINE", 500), ("ONLINE", 900), ("BUSY", 900), ("OFFLINE", 0)]
    assert engine.registry.leases() == {}


def test_an_agent_whose_lease_ended_comes_back_by_beating() -> None:
    """The end of a lease is one event; without a lease nothing ends; a beat brings it back."""
    engine = Engine()
    engine.beat("small", lease_ms=500)
    assert engine.registry.leases() == {"small": 500}
    engine.end_lease("small")
    engine.end_lease("small")
    engine.end_lease("large")
    assert excluded(engine) == {"small": ("OFFLINE", "is offline: its heartbeats stopped")}
    assert engine.registry.get("small").cause is StatusCause.LEASE_ENDED
    assert engine.registry.leases() == {}
    engine.beat("small", lease_ms=500)
    assert excluded(engine) == {}
    assert len(engine.events(AgentStatusChanged)) == 3
    assert sound(engine)


def test_an_agent_that_is_gone_has_no_status() -> None:
    """It comes back as a new one does: online, without a lease."""
    engine = Engine()
    engine.register("guest")
    engine.beat("guest", "BUSY")
    engine.deregister("guest")
    engine.refused(UNKNOWN, engine.beat, "guest")
    engine.end_lease("guest")  # its timer may still run out
    engine.register("guest")
    told = engine.registry.get("guest")
    assert (told.status, told.lease_ms) == (AgentStatus.ONLINE, 0)
    engine.set_status("small", "OFFLINE")
    engine.open(agents=AGENTS[:2])
    engine.open()
    assert engine.registry.get("small").status is AgentStatus.ONLINE
    assert sound(engine)


def test_agents_are_told_in_pages() -> None:
    """Pages follow the ids, whoever comes or goes between them; filters hold together."""
    engine = Engine()
    for i in range(4):
        engine.register(f"guest-{i}", pool="paid", type="bot", capabilities=["code"])
    page = engine.registry.page(Listing(page_size=3))
    assert [told.agent.id for told in page.agents] == ["guest-0", "guest-1", "guest-2"]
    engine.deregister("guest-2")
    engine.register("guest-9")
    rest = engine.registry.page(Listing(page_size=9, page_token=page.next))
    assert [told.agent.id for told in rest.agents] == [
        "guest-3",
        "guest-9",
        "large",
        "medium",
        "small",
    ]
    assert rest.next == ""
    engine.set_status("guest-3", "BUSY")

    def found(**filters: object) -> list[str]:
        listing = Listing(**filters)  # type: ignore[arg-type]
        return [told.agent.id for told in engine.registry.page(listing).agents]

    assert found(pool="free") == ["small"]
    assert found(capability="code", source=AgentSource.CONFIG) == ["large", "medium"]
    assert found(type="bot", status=AgentStatus.ONLINE) == ["guest-0", "guest-1"]
    assert found(status=AgentStatus.BUSY) == ["guest-3"]
    wrong = Listing(page_size=-1, pool="\0")
    refusal = engine.refused(ErrorReason.FIELD_VIOLATIONS, engine.registry.page, wrong)
    assert [v.field for v in refusal.violations] == ["pool", "page_size"]
