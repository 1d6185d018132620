"""What a definition says of an agent counts until its outcomes do, and can be derived again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from routerd.core.head_starts import SPECIALIST
from routerd.core.view import View
from routerd.engine.batch import route_many
from routerd.engine.verify import verify
from routerd.router import request_of
from tests.core.engine import Engine

SPECIALISTS = [{"id": "coder", "specializations": ["code"]}, {"id": "writer"}]
DECLARED = [{"kind": "category", "name": "work_type", "values": ["code", "text"]}]
KINDS = ("pooled", "linear", "logistic", "beta")


def ahead(engine: Engine, one: str, other: str, work_type: str = "code") -> float:
    """By how much one agent's expected quality exceeds another's."""
    quality = expected(engine, work_type)
    return quality[one] - quality[other]


def expected(engine: Engine, work_type: str = "code") -> dict[str, float]:
    """The expected quality of each agent."""
    told = engine.preview(work_type=work_type).candidates
    return {c.agent_id: c.quality.mean for c in told if c.quality is not None}


def sound(engine: Engine) -> bool:
    """Whether the log alone gives the same state, and every law again."""
    found = verify(engine.log)
    assert found.mismatches == ()
    assert found.laws_exact == found.decisions
    return found.state_hashes == {"default": engine.state.hash()}


def policy(kind: str) -> dict[str, Any]:
    return {"kind": "value", "learner": {"kind": kind}}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("features", [DECLARED, [{"kind": "category", "name": "work_type"}]])
def test_a_specialist_is_ahead_at_its_work_and_there_alone(
    kind: str, features: list[dict[str, Any]]
) -> None:
    """From the very first look on, before the work type has a column, and as unsure as others."""
    engine = Engine(agents=SPECIALISTS, features=features, policy=policy(kind))
    assert ahead(engine, "coder", "writer", "text") == 0.0
    assert ahead(engine, "coder", "writer") == pytest.approx(SPECIALIST, rel=0.2)
    if kind == "pooled":
        coder, writer = engine.preview(work_type="code").candidates
        assert coder.quality is not None
        assert writer.quality is not None
        assert coder.quality.sd == writer.quality.sd
    first = expected(engine)
    for work_type in ("code", "code", "text"):
        engine.route(work_type=work_type)
    assert expected(engine) == pytest.approx(first, abs=0.002 if kind == "logistic" else 1e-9)
    assert sound(engine)


@pytest.mark.parametrize("kind", ["value", "static"])
def test_a_decision_that_is_looked_at_again_has_its_head_starts_once(kind: str) -> None:
    """Its query says that the work type was new; by now the learner knows it."""
    routes = [{"agent": "writer"}]
    engine = Engine(agents=SPECIALISTS, policy={"kind": kind}, static_routes=routes)
    answer = engine.route(work_type="code")
    coder, writer = answer.candidates
    assert coder.quality is not None
    assert writer.quality is not None
    assert coder.quality.mean - writer.quality.mean == pytest.approx(SPECIALIST)
    again = View(engine.state, answer.decision.query, engine.state.time_ms).quality[0]
    assert again[0] - again[1] == pytest.approx(SPECIALIST)


def test_a_batch_sees_what_a_single_decision_sees() -> None:
    """At a work type that is new, and at those that are known."""
    asked = [request_of({"work_type": w}) for w in ("text", "code", "code", "text", "code")]
    one, many = (Engine(agents=SPECIALISTS, clock="logical") for _ in range(2))
    for request in asked:
        one.sequencer.route(request)
    route_many(many.sequencer, [(request, True) for request in asked])
    many.sequencer.commit()
    one.sequencer.commit()
    assert one.state.hash() == many.state.hash()
    assert sound(many)


@pytest.mark.parametrize("kind", KINDS)
def test_outcomes_count_against_a_head_start(kind: str) -> None:
    """A wrong one costs tries and no more; a right one leaves nothing to find out."""
    engine = Engine(
        agents=[{"id": "hyped", "head_start": 0.6}, {"id": "solid"}], policy=policy(kind), seed=3
    )
    assert ahead(engine, "hyped", "solid") > 0.3
    rng, last = np.random.default_rng(5), 0
    for i in range(300):
        answer = engine.route(work_type="code")
        rate = 0.3 if answer.decision.agent_id == "hyped" else 0.7
        engine.report(answer.decision_id, success=bool(rng.random() < rate))
        last += answer.decision.agent_id == "solid" and i >= 200
    assert last > 70
    assert -0.6 < ahead(engine, "hyped", "solid") < -0.15
    assert sound(engine)


def test_what_agents_share_is_what_is_beyond_their_head_starts() -> None:
    """One that does as it was expected to teaches nothing of the others."""
    told = [{"id": "large", "head_start": 0.3}, {"id": "small"}]
    engine = Engine(agents=told, drift={"enabled": False})
    for _ in range(200):
        engine.report(engine.route(agent_id="large").decision_id, quality=0.8)
    quality = expected(engine)
    assert quality["large"] == pytest.approx(0.8, abs=0.01)
    assert quality["small"] == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("head_start", [1.0, 0.5, -1.0])
def test_a_head_start_that_all_have_is_none(kind: str, head_start: float) -> None:
    """The level of all is learnt from who is tried, and how much outcomes scatter around it."""
    found = []
    for ahead_of_all in (0.0, head_start):
        told = [{"id": agent_id, "head_start": ahead_of_all} for agent_id in ("a", "b", "untried")]
        engine = Engine(agents=told, policy=policy(kind), drift={"enabled": False})
        rng = np.random.default_rng(3)
        for agent_id, rate in (("a", 0.8), ("b", 0.6)) * 100:
            answer = engine.route(agent_id=agent_id)
            engine.report(answer.decision_id, success=bool(rng.random() < rate))
        found.append((expected(engine)["untried"], engine.state.learner.noise))
    (plain, noise), (moved, now) = found
    assert moved == pytest.approx(plain, abs=0.05)
    assert now == pytest.approx(noise, rel=0.15)


def test_a_definition_over_rpc_moves_the_prior_and_an_update_moves_it_again() -> None:
    """Before outcomes by all of it; after many by next to nothing."""
    engine = Engine(agents=[{"id": "small"}])
    engine.register("guest", head_start=0.2, specializations=["code"])
    assert ahead(engine, "guest", "small") == pytest.approx(0.2 + SPECIALIST)
    engine.update("guest", head_start=-0.2)
    assert ahead(engine, "guest", "small") == pytest.approx(-0.2)
    for agent_id in ("guest", "small") * 200:
        told = engine.route(agent_id=agent_id, work_type="code").decision_id
        engine.report(told, quality=0.7)
    engine.update("guest", head_start=0.2)
    assert abs(ahead(engine, "guest", "small")) < 0.02
    assert sound(engine)


@pytest.mark.parametrize("kind", KINDS)
def test_who_leaves_teaches_nothing_new_of_the_others(kind: str) -> None:
    """What it was expected to do is no surprise in its outcomes once it is gone."""
    off: dict[str, Any] = {"policy": policy(kind), "drift": {"enabled": False}}
    engine = Engine(agents=[{"id": "small"}, {"id": "untried"}], **off)
    definition = {"head_start": 0.3, "specializations": ["code"]}
    engine.register("large", **definition)
    for agent_id, quality in (("large", 0.8), ("small", 0.5)) * 50:
        told = engine.route(agent_id=agent_id, work_type="text").decision_id
        engine.report(told, quality=quality)
    before = expected(engine, "text")
    engine.deregister("large")
    assert expected(engine, "text") == {name: before[name] for name in ("small", "untried")}
    assert sound(engine)
    engine.register("large", **definition)
    assert expected(engine, "text") == before
    engine.deregister("large")
    engine.register("large")
    assert expected(engine, "text")["untried"] > before["untried"] + 0.02
    assert sound(engine)


def test_a_restart_with_another_head_start_keeps_what_was_learnt() -> None:
    engine = Engine(agents=[{"id": "large"}, {"id": "small"}])
    for _ in range(5):
        engine.report(engine.route(agent_id="large").decision_id, quality=0.9)
    before = ahead(engine, "small", "large")
    engine.open(agents=[{"id": "large"}, {"id": "small", "head_start": 0.25}])
    assert ahead(engine, "small", "large") == pytest.approx(before + 0.25, abs=0.01)
    assert engine.state.learner.count == 5
    assert sound(engine)
