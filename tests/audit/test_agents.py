"""The rows of agents: who there is and how each one stands, as the engine sees it."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from routerd.audit.projector import Projector
from routerd.core.registry import agents_of
from routerd.core.standing import UNHEARD_OF
from tests.audit.made import column, contents, projected, query
from tests.core.engine import AGENTS, Clock, Engine

STANDING = "status, held, held_ms, told, told_cause, told_ms, lease_ms"


@pytest.fixture
def engine() -> Engine:
    """Agents that came, beat, fell silent, went, were redefined and came back."""
    wall = Clock()
    engine = Engine(wall=wall)
    engine.register("new", pool="paid", prices={"input_usd_per_mtok": 2.0})
    engine.register("brief")
    for agent_id in ("new", "brief", "large"):
        wall.now_ms += 1_000
        engine.beat(agent_id)
    engine.set_status("medium", "OFFLINE")
    engine.set_status("new", "BUSY")
    engine.end_lease("new")
    engine.deregister("brief")
    engine.update("new", version="2", pool="free")
    wall.now_ms += 1_000
    engine.register("brief", model="other")
    engine.open(agents=[*AGENTS[1:], {"id": "new", "pool": "configured"}])
    return engine


def as_the_engine_sees_it(engine: Engine) -> dict[str, tuple[object, ...]]:
    """Each agent's pool, version and standing."""
    state = engine.state
    told: dict[str, tuple[object, ...]] = {}
    for agent_id, agent in agents_of(state).items():
        s = state.standings.get(agent_id, UNHEARD_OF)
        marks = (s.status, s.held, s.held_ms, s.told, s.told_cause or "", s.told_ms, s.lease_ms)
        told[agent_id] = (agent.pool, agent.version, *map(str, marks))
    return told


@pytest.mark.parametrize("batch", [1, 4, 1_000])
def test_agents_stand_as_the_engine_sees_them(engine: Engine, tmp_path: Path, batch: int) -> None:
    """Definition and standing are the state's, wherever the log is cut; who left says where."""
    audit = projected(engine.log, tmp_path, batch, restarts=True)
    sql = f"SELECT agent_id, pool, version, {STANDING} FROM agents WHERE removed_position IS NULL"
    found = {row[0]: (row[1], row[2], *map(str, row[3:])) for row in query(audit, sql)}
    assert found == as_the_engine_sees_it(engine)
    assert column(audit, "SELECT agent_id FROM agents WHERE removed_position > 0") == ["large"]
    sources = "SELECT agent_id, source FROM agents ORDER BY 1"
    assert dict(query(audit, sources)) == {
        "brief": "RPC",
        "large": "CONFIG",
        "medium": "CONFIG",
        "new": "CONFIG",
        "small": "CONFIG",
    }


def test_each_change_of_an_agent_is_kept(engine: Engine, tmp_path: Path) -> None:
    """agent_events tells them in order, with cause and definition; the view has them too."""
    audit = projected(engine.log, tmp_path)
    sql = "SELECT event, status, cause, version FROM agent_events WHERE agent_id = ?"
    assert query(audit, f"{sql} ORDER BY position", "new") == [
        ("registered", "", "", "1"),
        ("status", "ONLINE", "HEARTBEAT", ""),
        ("status", "BUSY", "SET", ""),
        ("status", "OFFLINE", "LEASE_ENDED", ""),
        ("updated", "", "", "2"),
    ]
    sql = "SELECT definition FROM agent_events WHERE agent_id = ? AND definition > ''"
    assert [json.loads(text)["model"] for text in column(audit, sql, "brief")] == ["", "other"]
    assert column(audit, "SELECT count(*) FROM events WHERE event = 'agent'") == [11]


def test_a_rebuild_gives_the_same_agents(engine: Engine, tmp_path: Path) -> None:
    """What was projected event by event is what a rebuild makes at once."""
    slowly = contents(projected(engine.log, tmp_path, 1, restarts=True))
    with closing(Projector(engine.log, "default", tmp_path, rebuild=True)) as projector:
        assert projector.position == 0
    assert contents(projected(engine.log, tmp_path)) == slowly
