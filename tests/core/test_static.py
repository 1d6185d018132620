"""The static policies: what each names, and what it says of it."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from routerd.core.decide import encode_request
from routerd.core.settings import EngineConfig
from routerd.core.static import score
from routerd.core.values import FollowCause, Follows, Outcome, Reason, Request, Task
from routerd.core.view import View
from routerd.engine.sequencer import Sequencer
from routerd.log.memory import MemoryLog

HOUR_MS = 3_600_000
AGENTS = [
    {"id": "apt", "specializations": ["code"], "prices": {"output_usd_per_mtok": 9.0}},
    {"id": "bare", "prices": {"output_usd_per_mtok": 1.0}},
    {"id": "calm", "prices": {"output_usd_per_mtok": 3.0}},
]


def engine(kind: str, **more: Any) -> Sequencer:
    data = {"agents": AGENTS, "clock": "caller", "policy": {"kind": kind}, **more}
    return Sequencer.open(MemoryLog(), msgspec.convert(data, EngineConfig), lambda: 0)


def run(on: Sequencer, agent: str, time_ms: int, work_type: str, success: bool) -> None:
    """One task done by an agent that was named for it."""
    task = Task(work_type=work_type)
    answer = on.route(Request(agent_id=agent, task=task, event_time_ms=time_ms))
    on.report(Outcome(decision_id=answer.decision_id, success=success, event_time_ms=time_ms))


def test_weighted_score_adds_rate_warmth_specialisation_and_idleness() -> None:
    """20 of 21, warm, specialised, three decisions in the hour: 95; 14 of 20, cold, idle: 38."""
    on = engine("weighted_score")
    for i in range(20):
        run(on, "bare", i, "prose", success=i < 14)
    for i in range(21):
        run(on, "apt", 20 + i if i < 18 else 5 * HOUR_MS + i, "code", success=i > 0)
    request = Request(task=Task(work_type="code"), event_time_ms=5 * HOUR_MS + 60_000)
    view = View(on.state, encode_request(on.state, request, "x"), request.event_time_ms)
    assert score(view, 0)[0] == pytest.approx(40 * 20 / 21 + 30 + 20 + 7)
    assert score(view, 1)[0] == pytest.approx(38)
    answer = on.route(request)
    assert answer.decision.agent_id == "apt"
    told = "Selected based on 95% success rate, recent context, specialization match"
    assert answer.sentence.startswith(told)


def test_rotation_gives_everybody_a_turn() -> None:
    on = engine("rotation")
    chosen = [on.route(Request(event_time_ms=i + 1)).decision.agent_id for i in range(6)]
    assert chosen == ["apt", "bare", "calm"] * 2


def test_cheapest_follows_prices_then_costs() -> None:
    on = engine("cheapest")
    first = on.route(Request(event_time_ms=1))
    assert first.decision.agent_id == "bare"
    for i in range(5):
        answer = on.route(Request(agent_id="bare", event_time_ms=2 + i))
        on.report(Outcome(decision_id=answer.decision_id, cost_usd=5.0))
    assert on.route(Request(event_time_ms=9)).decision.agent_id == "calm"


def test_cheapest_tries_each_of_unknown_cost_once() -> None:
    """Without prices the first to report a cost must not seem the cheapest for good."""
    usd = {"apt": 0.004, "bare": 0.003, "calm": 0.0005}
    on = engine("cheapest", agents=[{"id": agent} for agent in usd])
    chosen = []
    for i in range(6):
        answer = on.route(Request(event_time_ms=1 + i))
        chosen.append(answer.decision.agent_id)
        cost = usd[answer.decision.agent_id]
        on.report(Outcome(decision_id=answer.decision_id, cost_usd=cost))
    assert chosen == ["apt", "bare", "calm", "calm", "calm", "calm"]


def test_cheapest_waits_for_nobody_s_cost() -> None:
    """Who never reports a cost is tried once, and is then held to the guess."""
    on = engine("cheapest", agents=[{"id": "apt"}, {"id": "bare"}, AGENTS[2]])
    chosen = [on.route(Request(event_time_ms=1 + i)).decision.agent_id for i in range(5)]
    assert chosen == ["apt", "bare", "calm", "calm", "calm"]


def test_the_table_is_matched_by_label_and_falls_to_the_best_known() -> None:
    routes = [{"agent": "calm", "when": {"pair": "en-de"}}]
    on = engine("static", static_routes=routes)
    pair = Task(labels={"pair": "en-de"})
    assert on.route(Request(task=pair, event_time_ms=1)).decision.agent_id == "calm"
    other = on.route(Request(task=Task(labels={"pair": "en-fr"}), event_time_ms=2))
    assert "names nobody" in other.sentence
    assert other.decision.propensity == 1.0


def test_a_floor_lets_a_static_policy_explore() -> None:
    on = engine("rotation")
    floored = {"kind": "rotation", "floor": 0.3}
    decision = engine("rotation", policy=floored).route(Request(event_time_ms=1)).decision
    assert decision.law != on.route(Request(event_time_ms=1)).decision.law
    assert np.frombuffer(decision.law).min() == pytest.approx(0.1)


@pytest.mark.parametrize("kind", ["static", "rotation", "cheapest", "weighted_score"])
def test_whom_the_floor_draws_was_not_named(kind: str) -> None:
    """The reason is the rule's for the one that it names, and for the others that it explores."""
    policy = {"kind": kind, "floor": 0.5}
    on = engine(kind, policy=policy, static_routes=[{"agent": "calm"}])
    run(on, "apt", 1, "code", success=True)
    seen = set()
    for i in range(40):
        answer = on.route(Request(request_id=f"r{i}", event_time_ms=2 + i))
        p = np.frombuffer(answer.decision.law)
        named = bool(answer.decision.propensity == p.max())
        assert (answer.decision.reason is Reason.STATIC_ROUTE) is named
        if not named:
            assert answer.decision.reason in (Reason.SAMPLED, Reason.BEST_KNOWN)
        seen.add(named)
    assert seen == {True, False}


def test_a_static_policy_s_follow_up_says_what_it_follows() -> None:
    on = engine("static", policy={"kind": "static", "floor": 0.5})
    for i in range(12):
        first = on.route(Request(event_time_ms=2 * i + 1))
        follows = Follows(first.decision_id, FollowCause.FAILED)
        second = on.route(Request(follows=follows, event_time_ms=2 * i + 2))
        assert second.decision.reason is Reason.RETRY


def test_a_floor_leaves_a_static_policy_its_fallback() -> None:
    """What the rule names is no fallback yet: an overloaded pool still moves the law."""
    agents = [*AGENTS, {"id": "crowded", "pool": "small", "max_concurrency": 2}]
    on = engine(
        "rotation", agents=agents, static_routes=[{"agent": "calm"}], fallback={"pool_load": 0.5}
    )
    on.route(Request(agent_id="crowded", event_time_ms=1))
    for i in range(2, 6):
        on.route(Request(pool="default", event_time_ms=i))
    told = on.route(Request(event_time_ms=9))
    assert told.decision.reason is Reason.OVERLOAD_FALLBACK
    assert told.decision.agent_id == "calm"
