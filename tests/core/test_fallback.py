"""The law moves to the static table's agent, keeps a share for the policy, and comes back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from routerd.core.events import Decision
from routerd.core.reasons import law_of
from routerd.core.values import Reason
from routerd.engine.verify import verify
from tests.core.engine import Engine

ROUTED: dict[str, Any] = {"static_routes": [{"agent": "medium"}]}
EPSILON = 0.1


def taught(engine: Engine, rounds: int, **quality: float) -> None:
    """Outcomes of each agent, told as if the request had named it."""
    for _ in range(rounds):
        for agent_id, value in quality.items():
            name = engine.route(agent_id=agent_id, work_type="code").decision_id
            engine.report(name, quality=value)


def law(engine: Engine, **fields: Any) -> tuple[Decision, dict[str, float]]:
    made = engine.preview(work_type="code", **fields).decision
    return made, law_of(made)


def test_below_the_threshold_the_law_is_the_fallback_but_for_its_exploration() -> None:
    """(1 - e) on the static table's agent, e times the policy's own law on all."""
    engine = Engine(**ROUTED)
    plain, pi = law(engine)
    engine.open(thresholds={"confidence": 0.9}, **ROUTED)
    gated, mixed = law(engine)
    assert gated.confidence == plain.confidence
    assert gated.confidence is not None
    assert gated.confidence < 0.9
    expected = {a: EPSILON * p + (1 - EPSILON) * (a == "medium") for a, p in pi.items()}
    assert mixed == pytest.approx(expected, abs=1e-12)
    assert gated.stages == ("policy", "confidence_gate")


def test_the_reason_says_whether_it_fell_back_or_explored() -> None:
    """A draw of another agent is the policy's share, and is called what it is."""
    engine = Engine(thresholds={"confidence": 0.9}, **ROUTED)
    taught(engine, 2, small=0.5, medium=0.5, large=0.6)
    reasons: dict[str, set[Reason]] = {}
    for i in range(120):
        answer = engine.route(work_type="code", request_id=f"r{i}")
        reasons.setdefault(answer.decision.agent_id, set()).add(answer.decision.reason)
        if answer.decision.agent_id == "medium":
            assert answer.sentence.startswith("Fell back on the static table's agent: only ")
    assert reasons.pop("medium") == {Reason.LOW_CONFIDENCE_FALLBACK}
    assert set().union(*reasons.values()) <= {Reason.SAMPLED, Reason.BEST_KNOWN}


def test_confidence_grows_and_the_law_comes_back() -> None:
    """What the exploring share learns ends the fallback, without anybody's help."""
    engine = Engine(thresholds={"confidence": 0.9}, fallback={"exploration": 0.3}, **ROUTED)
    quality = {"small": 0.1, "medium": 0.2, "large": 0.95}
    reasons = []
    for i in range(150):
        answer = engine.route(work_type="code", request_id=f"r{i}")
        engine.report(answer.decision_id, quality=quality[answer.decision.agent_id])
        reasons.append(answer.decision.reason)
    assert Reason.LOW_CONFIDENCE_FALLBACK in reasons[:5]
    assert Reason.LOW_CONFIDENCE_FALLBACK not in reasons[-20:]
    assert verify(engine.log).mismatches == ()


@pytest.mark.parametrize(
    ("config", "asked"),
    [
        ({"static_routes": [{"agent": "medium", "when": {"work_type": "text"}}]}, {}),
        (ROUTED, {"pool": "free"}),
        (ROUTED, {"agent_id": "large"}),
    ],
)
def test_where_the_table_names_nobody_eligible_the_policy_decides(
    config: dict[str, Any], asked: dict[str, Any]
) -> None:
    """Nor is a request gated that names its agent: it would not have its way."""
    engine = Engine(thresholds={"confidence": 0.99}, **config)
    made, told = law(engine, **asked)
    assert made.reason is not Reason.LOW_CONFIDENCE_FALLBACK
    assert told.get("medium", 0.0) < 0.5


def test_the_static_table_answers_until_enough_is_known() -> None:
    """Of this kind of work, whoever did it; of another it is asked anew."""
    engine = Engine(cold_start={"static_until": 9}, **ROUTED)
    taught(engine, 2, small=0.1, medium=0.2, large=0.9)
    made, told = law(engine)
    assert made.reason is Reason.STATIC_ROUTE
    assert made.detail == "the static table answers until enough outcomes are known: 6 of 9 are"
    assert told["medium"] > 0.9
    taught(engine, 1, small=0.1, medium=0.2, large=0.9)
    assert law(engine)[0].stages == ("policy",)
    assert engine.preview(work_type="text").decision.stages == ("policy", "cold_start")


CROWDED: dict[str, Any] = {
    "agents": [
        {"id": "a", "pool": "paid", "max_concurrency": 2},
        {"id": "b", "pool": "paid", "max_concurrency": 2},
        {"id": "c", "pool": "free"},
        {"id": "d", "pool": "free"},
    ],
    "static_routes": [{"agent": "c"}],
    "fallback": {"pool_load": 0.75},
}


@pytest.mark.parametrize("busy", [3, 4])
def test_an_overloaded_pool_gives_way_to_the_fallback(busy: int) -> None:
    """When the best agent is one of it, whether it has room itself or not; then it comes back."""
    engine = Engine(**CROWDED)
    taught(engine, 4, a=0.95, b=0.9, c=0.3, d=0.4)
    names = [engine.route(agent_id=a).decision_id for a in ("b", "b", "a", "a")[:busy]]
    made, told = law(engine)
    assert told["c"] >= 0.9
    assert made.stages[-1] == "overload"
    assert (made.agent_id, made.reason) == ("c", Reason.OVERLOAD_FALLBACK)
    assert made.detail == f"pool paid is {busy / 4:.0%} loaded"
    for name in names:
        engine.report(name, quality=0.9)
    assert law(engine)[0].stages == ("policy",)


def test_no_fallback_goes_into_an_overloaded_pool() -> None:
    """Trouble is not answered with trouble."""
    engine = Engine(**{**CROWDED, "static_routes": [{"agent": "a"}]})
    taught(engine, 4, a=0.6, b=0.95, c=0.3, d=0.4)
    for agent_id in ("b", "b", "a"):
        engine.route(agent_id=agent_id)
    assert "overload" not in law(engine)[0].stages


def test_a_type_that_keeps_failing_gives_way_until_one_of_it_succeeds() -> None:
    """Failures in a row of all agents of the type count; a success that was explored ends it."""
    agents = [{"id": "a", "type": "x"}, {"id": "b", "type": "x"}, {"id": "c"}]
    engine = Engine(
        agents=agents, static_routes=[{"agent": "c"}], fallback={"type_failures": 3}, seed=4
    )
    taught(engine, 8, a=0.9, b=0.9, c=0.5)
    for agent_id in ("a", "b", "a"):
        assert law(engine)[0].stages == ("policy",)
        engine.report(engine.route(agent_id=agent_id).decision_id, success=False)
    made, told = law(engine)
    assert (made.stages[-1], told["c"] >= 0.9) == ("overload", True)
    assert made.detail == "agents of type x failed 3 times in a row"
    engine.report(engine.route(agent_id="b").decision_id, success=True)
    assert law(engine)[0].stages == ("policy",)


def test_a_history_with_fallbacks_verifies() -> None:
    """Every law is derived again bit for bit, and the state from the log alone."""
    engine = Engine(thresholds={"confidence": 0.9}, cold_start={"static_until": 20}, **CROWDED)
    taught(engine, 4, a=0.9, b=0.9, c=0.3, d=0.4)
    rng = np.random.default_rng(3)
    for i in range(104):
        answer = engine.route(work_type=("code", "text")[i % 2])
        if i % 3:
            paid = answer.decision.agent_id in "ab"
            engine.report(answer.decision_id, quality=0.5 * float(rng.random()) + 0.5 * paid)
    stages = [stage for made in engine.events(Decision) for stage in made.stages]
    assert {"cold_start", "confidence_gate", "overload"} <= set(stages)
    assert engine.refold().hash() == engine.state.hash()
    found = verify(engine.log)
    assert (found.mismatches, found.laws_exact) == ((), 120)
