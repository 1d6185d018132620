"""Queries decided together get the very decisions that each gets alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from msgspec import structs

from routerd.core.decide import decide, decided, encode_request
from routerd.core.errors import RouterError
from routerd.core.events import Decision
from routerd.core.state import State
from routerd.core.values import Query
from routerd.core.view import AT_ONCE, views
from routerd.router import request_of
from tests.core.engine import Engine

KINDS = ("value", "thompson", "squarecb", "greedy", "ucb", "random", "static")
ASKED: tuple[dict[str, Any], ...] = (
    {},
    {"preference": {"cost": 0.4}},
    {"pool": "paid"},
    {"agent_id": "small"},
    {"signal": {"source": "RULES", "version": "v", "work_type": "text"}},
    {"signal": {"source": "ENDPOINT", "version": "v", "directives": {"agent_id": "small"}}},
    {"max_cost_usd": 0.02},
    {"preference": {"quality": 0.0, "latency": 1.0}},
    {"required_capabilities": ["vision", "code", "none has it"]},
)


def taught(agents: int, **config: Any) -> Engine:
    """An engine that learnt a little; of so many agents, or of the three that have pools."""
    rng = np.random.default_rng(agents)
    if agents:
        config["agents"] = [{"id": f"a{k:02d}"} for k in range(agents)]
    engine = Engine(utility={"cost": 0.2}, **config)
    for i in range(120):
        work_type = ("code", "text", "maths")[i % 3]
        answer = engine.route(work_type=work_type, complexity=float(rng.random()))
        engine.report(
            answer.decision_id, quality=float(rng.random()), cost_usd=float(rng.random() / 50)
        )
    return engine


def queries(state: State, count: int, asked: tuple[dict[str, Any], ...]) -> list[Query]:
    rng = np.random.default_rng(5)
    return [
        encode_request(
            state,
            request_of(
                {
                    "work_type": ("code", "text", "maths", "")[i % 4],
                    "complexity": float(rng.random()),
                    **asked[i % len(asked)],
                }
            ),
            f"q{i}",
        )
        for i in range(count)
    ]


def alone(state: State, query: Query) -> Decision | str:
    try:
        return decide(state, query, state.time_ms)[0]
    except RouterError as error:
        return str(error)


def together(state: State, several: list[Query]) -> list[Decision | str]:
    made: list[Decision | str] = []
    for view in views(state, several):
        view.time_ms = state.time_ms
        try:
            made.append(decided(view))
        except RouterError as error:
            made.append(str(error))
    return made


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("learner", ["pooled", "linear", "logistic", "beta"])
def test_every_policy_and_condition_decides_alike(kind: str, learner: str) -> None:
    """Bit for bit: laws, draws and reasons, for requests with and without conditions, mixed."""
    features = [{"kind": "category", "name": "work_type"}, {"kind": "number", "name": "complexity"}]
    policy = {"kind": kind, "learner": {"kind": learner}}
    engine = taught(0, features=features, policy=policy)
    several = queries(engine.state, AT_ONCE, ASKED)
    assert together(engine.state, several) == [alone(engine.state, q) for q in several]


@pytest.mark.parametrize("cost", [0.0, 0.2])
@pytest.mark.parametrize("kind", ["value", "thompson"])
def test_agents_that_do_not_stand_in_a_row_are_decided_alike(kind: str, cost: float) -> None:
    """One left, one is named before all others: estimates are picked from those of all arms."""
    engine = Engine(policy={"kind": kind}, utility={"cost": cost})
    for agent_id in ("a-first", "a-second"):
        engine.register(agent_id)
    for _ in range(60):
        engine.report(engine.route(work_type="code").decision_id, quality=0.5, cost_usd=0.01)
    engine.deregister("a-first")
    several = queries(engine.state, AT_ONCE, ({},))
    assert not isinstance(engine.state.roster.arms, slice)
    assert together(engine.state, several) == [alone(engine.state, q) for q in several]


RULES: dict[str, Any] = {
    "static_routes": [{"agent": "medium"}],
    "thresholds": {"confidence": 0.9},
    "cold_start": {"static_until": 30},
    "budgets": [{"id": "code", "when": {"work_type": "code"}, "usd_per_decision": 0.01}],
    "exploration_cap": {"share": 0.001},
    "overrides": [{"id": "text", "when": {"work_type": "text"}, "pool": "paid"}],
}


def test_every_rule_around_the_policy_decides_alike() -> None:
    """Overrides, the gate of confidence and the table at a cold start, each for some queries."""
    engine = taught(0, **RULES)
    several = queries(engine.state, AT_ONCE, ASKED)
    made = together(engine.state, several)
    assert made == [alone(engine.state, q) for q in several]
    stages = {stage for each in made if isinstance(each, Decision) for stage in each.stages}
    assert {"budget", "exploration_cap", "cold_start", "confidence_gate", "override"} <= stages


@pytest.mark.parametrize("agents", [1, 2, 3, 4, 8, 13, 20])
def test_any_number_of_agents_decides_alike(agents: int) -> None:
    """Closed forms, integrals and thinned integrals: a law is the same in any company."""
    engine = taught(agents, features=[{"kind": "text"}, {"kind": "category", "name": "work_type"}])
    for count in (1, 2, 7, AT_ONCE):
        several = queries(engine.state, count, ({},))
        assert together(engine.state, several) == [alone(engine.state, q) for q in several]


def test_agents_that_came_later_decide_alike() -> None:
    """Where the order of ids is not that of arms, most of the arms are looked at or only a few."""
    engine = taught(6, features=[{"kind": "text"}, {"kind": "category", "name": "work_type"}])
    for agent_id in ("a", "b"):
        engine.report(engine.route(agent_id="a00").decision_id, quality=0.4)
        engine.register(agent_id)
        several = queries(engine.state, AT_ONCE, ({}, {"pool": "default"}))
        assert together(engine.state, several) == [alone(engine.state, q) for q in several]
    engine.open(agents=[{"id": "a03"}, {"id": "a00"}], utility={"cost": 0.2})
    several = queries(engine.state, AT_ONCE, ({},))
    assert together(engine.state, several) == [alone(engine.state, q) for q in several]


def test_what_is_ahead_decides_alike() -> None:
    """While nothing is known of it, and after an agent changed, whose horizon is its own."""
    engine = Engine(agents=[{"id": f"a{k}"} for k in range(5)])
    several = queries(engine.state, AT_ONCE, ({}, {"preference": {"cost": 0.1}}))
    assert together(engine.state, several) == [alone(engine.state, q) for q in several]
    for i in range(150):
        name = engine.route(agent_id="a1" if i % 2 else "a2").decision_id
        engine.report(name, quality=float(i < 100 or i % 2 == 0))
    assert set(engine.state.drifts) == {"a1"}
    several = queries(engine.state, AT_ONCE, ({}, {"preference": {"cost": 0.1}}))
    assert together(engine.state, several) == [alone(engine.state, q) for q in several]


@pytest.mark.parametrize("cascade", [None, {"review_usd": 0.001}])
def test_contexts_that_come_again_and_new_ones_decide_alike(cascade: dict[str, Any] | None) -> None:
    """Side by side: what leads elsewhere counts for the new ones alone."""
    features = [{"kind": "category", "name": "work_type"}, {"kind": "number", "name": "complexity"}]
    thresholds = {} if cascade is None else {"cascade": 0.7}
    engine = taught(5, features=features, cascade=cascade, thresholds=thresholds)
    state, several = engine.state, queries(engine.state, AT_ONCE, ({},))
    for i, x in enumerate(state.outlook.x):
        several[2 * i] = structs.replace(several[2 * i], x=x.tobytes())
    again = [query.x in state.outlook for query in several]
    assert any(again)
    assert not all(again)
    assert together(state, several) == [alone(state, q) for q in several]
