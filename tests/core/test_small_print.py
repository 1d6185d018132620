"""The small print of what comes of outcomes, claims, money and agents: each line of it held alone.

Every test here kills a mutant of routerd.core that all other tests had let live.
"""

from __future__ import annotations

from typing import Any

import pytest

from routerd.core.ledger import Ledger
from routerd.core.state import Claimed
from routerd.core.values import AgentStatus, Claim, OutcomeKind
from tests.core.engine import HOUR_MS, Engine
from tests.core.test_budgets import engine as budgeted
from tests.core.test_budgets import spent

DAY_MS = 24 * HOUR_MS
FADES: dict[str, Any] = {
    "policy": {"kind": "value", "learner": {"kind": "pooled", "half_life_days": 1.0}},
    "outcomes": {"window_hours": 200.0},
}


def claim(engine: Engine, decision_id: str, competence: float) -> Claimed:
    told = engine.sequencer.claim(Claim(decision_id, competence))
    engine.sequencer.commit()
    return told


def test_a_late_cost_is_not_charged_to_the_next_window() -> None:
    on = budgeted({"usd": 1.0, "window_hours": 1.0})
    late = on.route(agent_id="dear").decision_id
    on.wall.now_ms += HOUR_MS
    on.route(agent_id="cheap")
    before = spent(on)
    on.report(late, cost_usd=0.5)
    assert spent(on) == before


def test_an_outcome_without_news_of_cost_moves_no_price() -> None:
    on = budgeted({"usd": 1.0, "window_hours": 1.0})
    for _ in range(6):
        for agent_id, cost, quality in (("dear", 0.01, 0.9), ("cheap", 0.0001, 0.1)):
            on.report(on.route(agent_id=agent_id).decision_id, quality=quality, cost_usd=cost)
    paid = on.route(agent_id="dear").decision_id
    on.report(paid, cost_usd=0.01)
    on.wall.now_ms += HOUR_MS // 100
    before = on.state.ledgers["b0"][""]
    on.report(paid, quality=0.4, source="later")
    assert on.state.ledgers["b0"][""] == before


def test_only_the_window_just_before_tells_of_the_pace() -> None:
    held = Ledger(window=1, decisions=5)
    assert (held.at(2).before, held.at(3).before) == (5, 0)


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_of_equal_event_times_the_id_counts_and_not_the_arrival(order: str) -> None:
    engine = Engine()
    name = engine.route().decision_id
    for outcome_id in order:
        quality = {"a": 0.2, "b": 0.8}[outcome_id]
        engine.report(name, outcome_id=outcome_id, quality=quality, event_time_ms=7)
    assert engine.state.decisions[name].credit.quality == 0.8


def test_a_failure_that_was_followed_is_counted_once() -> None:
    engine = Engine(cooldown={"failures": 3})
    name = engine.route(agent_id="small").decision_id
    engine.route(follows={"decision_id": name, "cause": "FAILED"})
    engine.report(name, success=False)
    assert engine.state.health["small"].failures == 1


def test_a_groups_outcome_is_known_as_long_as_its_latest_decision() -> None:
    engine = Engine(limits={"open_decisions": 3})
    for _ in range(3):
        engine.route(group_id="g")
    first = engine.report(outcome_id="o", group_id="g", quality=0.5)
    for _ in range(2):  # which closes the oldest of the group
        engine.route()
    again = engine.report(outcome_id="o", group_id="g", quality=0.5)
    assert (again.duplicate, again.position) == (True, first.position)


def test_a_groups_outcome_frees_every_agent_of_it() -> None:
    engine = Engine(agents=[{"id": "a", "max_concurrency": 2}])
    for _ in range(2):
        engine.route(group_id="g")
    engine.report(group_id="g", quality=0.5)
    assert engine.registry.get("a").in_flight == 0


def test_experiments_draw_their_units_apart() -> None:
    """Who is in the first arm of one is not so in the other for that."""
    engine = Engine()
    kinds = {"first": "p", "second": "q"}
    found = {}
    for name, kind in kinds.items():
        arms = [{"id": "k"}, {"id": "l"}]
        engine.experiment(name, unit="customer", when={"work_type": kind}, arms=arms)
        made = [
            engine.route(work_type=kind, labels={"customer": f"c{i}"}).decision for i in range(60)
        ]
        found[name] = [decision.trial.arm for decision in made if decision.trial is not None]
    assert len(found["first"]) == 60
    assert found["first"] != found["second"]


def test_a_low_report_is_never_let_on_trial() -> None:
    engine = Engine()
    names = [engine.route(request_id=f"r{i}").decision_id for i in range(200)]
    assert not any(claim(engine, name, 0.3).accepted for name in names)


def test_a_claim_weighs_as_its_decision_and_is_taken_back_so() -> None:
    engine = Engine(**FADES)
    name = engine.route(agent_id="small").decision_id
    claim(engine, name, 0.9)
    engine.wall.now_ms += 2 * DAY_MS
    engine.report(name, quality=0.5)
    assert engine.state.claims.n.sum() == pytest.approx(0.25)
    engine.wall.now_ms += 2 * DAY_MS
    engine.report(name, kind=OutcomeKind.RETRACT)
    assert engine.state.claims.n.sum() == pytest.approx(0.0, abs=1e-12)


def test_what_claims_taught_fades_with_the_rest() -> None:
    engine = Engine(**FADES)
    name = engine.route(agent_id="small").decision_id
    claim(engine, name, 0.9)
    engine.report(name, quality=0.5)
    engine.wall.now_ms += DAY_MS
    engine.route()
    assert engine.state.claims.n.sum() == pytest.approx(0.5)


def test_who_comes_back_is_not_set_aside() -> None:
    engine = Engine(agents=[{"id": "a"}], cooldown={"failures": 1, "base_seconds": 3600.0})
    engine.register("x")
    engine.report(engine.route(agent_id="x").decision_id, success=False)
    assert set(engine.state.cooling) == {"x"}
    engine.deregister("x")
    engine.register("x")
    assert engine.state.cooling == {}
    assert "x" in engine.preview().decision.agents


def test_a_type_that_is_gone_no_longer_fails() -> None:
    engine = Engine(agents=[{"id": "a"}], fallback={"type_failures": 2})
    engine.register("x", type="t")
    engine.report(engine.route(agent_id="x").decision_id, success=False)
    assert engine.state.failing == {"t": 1}
    engine.deregister("x")
    assert engine.state.failing == {}


def test_what_a_user_did_is_no_result_of_the_agent() -> None:
    engine = Engine(cooldown={"failures": 1}, outcomes={"signals": {"undone": {"quality": 0.0}}})
    engine.report(engine.route(agent_id="small").decision_id, signal="undone")
    assert (engine.state.health, engine.state.cooling) == ({}, {})


def test_a_named_agent_gives_up_no_exploration() -> None:
    engine = Engine(exploration_cap={"share": 0.01})
    engine.report(engine.route(agent_id="large").decision_id, quality=1.0)
    made = engine.route(agent_id="small").decision
    assert made.given_up is None
    assert engine.state.explored.best == 0.0
    assert "exploration_cap" not in made.stages


def test_an_offline_agent_neither_fills_its_pool_nor_makes_room_in_it() -> None:
    crowd = [{"id": name, "pool": "p", "max_concurrency": 1} for name in "ab"]
    engine = Engine(
        agents=[*crowd, {"id": "other"}, {"id": "own"}],
        static_routes=[{"agent": "own"}],
        fallback={"pool_load": 0.5},
        policy={"kind": "random"},
    )
    engine.set_status("b", AgentStatus.OFFLINE)
    assert "overload" not in engine.route().decision.stages


def test_a_companion_names_the_policy_of_its_first() -> None:
    engine = Engine(thresholds={"probe_complexity": 0.5})
    first = engine.route(complexity=0.9)
    other = engine.state.decisions[first.companions[0].decision_id].decision
    assert other.policy_id == first.decision.policy_id == "value"


def test_an_escalation_is_learnt_before_any_outcome() -> None:
    engine = Engine(cascade={})
    name = engine.route(agent_id="small").decision_id
    evidence = {"reported_confidence": 0.2}
    engine.route(follows={"decision_id": name, "cause": "LOW_CONFIDENCE", "evidence": evidence})
    assert engine.state.paths.n.sum() == 1.0
