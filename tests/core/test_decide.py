"""What decide promises: it is pure, says who is out and why, and its parts mean what they say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import ndtr

from routerd.core.decide import decide, encode_request
from routerd.core.errors import ErrorReason
from routerd.core.events import Decision
from routerd.core.reasons import law_of
from routerd.core.values import Reason
from routerd.core.view import View
from routerd.router import request_of
from tests.core.engine import AGENTS, HOUR_MS, Engine

FEATURES = [
    {"kind": "category", "name": "work_type"},
    {"kind": "category", "name": "tier", "values": ["free", "paid"]},
    {"kind": "number", "name": "complexity"},
    {"kind": "text"},
    {"kind": "embedding", "dimension": 4, "size": 2},
]
TASK: dict[str, Any] = {
    "work_type": "code",
    "labels": {"tier": "paid"},
    "complexity": 0.7,
    "description": "Fix the login bug",
    "embedding": (0.1, 0.2, 0.3, 0.4),
}


def taught(count: int = 60, **config: Any) -> Engine:
    """An engine that learnt that `large` is best and dearest, `small` worst and cheapest."""
    engine = Engine(features=FEATURES, **config)
    for i in range(count):
        agent = AGENTS[i % 3]["id"]
        name = engine.route(agent_id=agent, **TASK).decision_id
        rank = ("small", "medium", "large").index(str(agent))
        engine.report(
            name, quality=0.3 + 0.3 * rank, cost_usd=0.01 * 4**rank, latency_ms=500.0 * 2**rank
        )
    return engine


POLICIES = ["value", "thompson", "static", "rotation", "cheapest", "weighted_score"]


@pytest.mark.parametrize("kind", POLICIES)
def test_deciding_changes_nothing(kind: str) -> None:
    """decide and preview leave the state as it was, for a task that takes new slots as well."""
    engine = taught(20, policy={"kind": kind})
    before = engine.state.hash()
    query = encode_request(engine.state, request_of({"work_type": "never seen"}), "r")
    first, _ = decide(engine.state, query, engine.state.time_ms)
    second, _ = decide(engine.state, query, engine.state.time_ms)
    engine.preview(work_type="never seen", labels={"tier": "new"})
    assert first == second
    assert query.new_slots
    assert engine.state.hash() == before
    assert engine.refold().hash() == before


def test_a_refusal_changes_nothing() -> None:
    """Every kind of refused request leaves position and state as they were."""
    engine = taught(20)
    name = engine.route(request_id="once", **TASK).decision_id
    engine.report(name, outcome_id="o", success=True)
    route, report, why = engine.route, engine.report, ErrorReason
    engine.refused(why.FIELD_VIOLATIONS, route, work_type="new", complexity=float("nan"))
    engine.refused(why.EMPTY_POOL, route, work_type="new", pool="nowhere")
    engine.refused(why.MISSING_CAPABILITY, route, required_capabilities=("flight",))
    engine.refused(why.AGENT_NOT_FOUND, route, agent_id="nobody")
    engine.refused(why.NO_ELIGIBLE_AGENT, route, work_type="new", max_cost_usd=1e-6)
    engine.refused(why.REQUEST_ID_REUSED, route, request_id="once")
    engine.refused(why.REQUEST_ID_REUSED, engine.preview, request_id="once")
    engine.refused(why.FIELD_VIOLATIONS, report, name, quality=2.0)
    engine.refused(why.OUTCOME_CONFLICT, report, name, outcome_id="o", success=False)
    engine.refused(why.DECISION_NOT_FOUND, report, "nobody", success=True)
    engine.refused(why.AGENT_NOT_FOUND, report, name, executed_agent_id="nobody")


@pytest.mark.parametrize("request_id", ["r-1", ""])
def test_preview_shows_what_route_then_does(request_id: str) -> None:
    """Preview and the Route that follows agree on everything but the id of the decision."""
    engine = taught()
    for i in range(30):
        fields = {"request_id": request_id and f"{request_id}-{i}", **TASK}
        shown = engine.preview(**fields)
        done = engine.route(**fields)
        assert shown.decision_id == ""
        assert shown == done._replace(decision_id="")


def test_preview_of_a_decided_request_shows_its_decision() -> None:
    """Route would give the first answer again, so Preview shows that one."""
    engine = taught(9)
    first = engine.route(request_id="r", **TASK)
    engine.report(first.decision_id, quality=0.0)
    assert engine.preview(request_id="r", **TASK).decision == first.decision


def excluded(decision: Decision) -> dict[str, str]:
    return {e.agent_id: str(e.reason) for e in decision.excluded}


def test_conditions_narrow_the_law_and_name_who_is_out() -> None:
    """Pool, capabilities and limits exclude; the law is over the rest and sums to one."""
    engine = taught()
    cases: list[tuple[dict[str, Any], dict[str, str]]] = [
        ({"pool": "paid"}, {"small": "WRONG_POOL"}),
        ({"required_capabilities": ("code",)}, {"small": "MISSING_CAPABILITY"}),
        (
            {"required_capabilities": ("vision", "code")},
            {"small": "MISSING_CAPABILITY", "medium": "MISSING_CAPABILITY"},
        ),
        ({"max_cost_usd": 0.1}, {"large": "OVER_MAX_COST"}),
        (
            {"max_latency_ms": 800.0},
            {"large": "OVER_MAX_LATENCY", "medium": "OVER_MAX_LATENCY"},
        ),
        ({"pool": "paid", "max_cost_usd": 0.1}, {"small": "WRONG_POOL", "large": "OVER_MAX_COST"}),
    ]
    for conditions, out in cases:
        answer = engine.route(**TASK, **conditions)
        decision = answer.decision
        assert excluded(decision) == out
        law = law_of(decision)
        assert list(law) == sorted({"large", "medium", "small"} - set(out))
        assert sum(law.values()) == pytest.approx(1.0, abs=1e-12)
        assert decision.stages == ("eligibility", "policy")
        told = {c.agent_id: (c.exclusion, c.probability) for c in answer.candidates}
        assert list(told) == ["large", "medium", "small"]
        assert all(told[agent] == (reason, 0.0) for agent, reason in out.items())


def test_a_limit_spares_agents_of_which_nothing_is_known() -> None:
    """Only what was reported, or a price, can exclude an agent by its cost or latency."""
    agents = [{"id": "new"}, {"id": "priced", "prices": {"output_usd_per_mtok": 100.0}}]
    engine = Engine(agents=agents)
    decision = engine.route(max_cost_usd=1e-6, max_latency_ms=1e-6).decision
    assert decision.agent_id == "new"
    assert excluded(decision) == {"priced": "OVER_MAX_COST"}


@pytest.mark.parametrize("cost", [0.5, 100.0, 1e6, 1e12])
def test_a_limit_holds_however_dear_an_agent_is(cost: float) -> None:
    """An agent that always cost twice the limit or more is excluded, at any scale of costs."""
    engine = Engine(agents=[{"id": "cheap"}, {"id": "dear"}], outcomes={"max_cost_usd": 1e12})
    for _ in range(20):
        for agent in ("cheap", "dear"):
            name = engine.route(agent_id=agent).decision_id
            engine.report(name, cost_usd=cost if agent == "dear" else cost / 10)
    decision = engine.route(max_cost_usd=cost / 2).decision
    assert excluded(decision) == {"dear": "OVER_MAX_COST"}


def test_limits_follow_the_work_type() -> None:
    """A cost that was reported for one kind of work moves the prediction for that kind most."""
    engine = Engine(agents=[{"id": "a"}, {"id": "b"}])
    for work_type, cost in [("long", 1.0), ("short", 0.001)] * 20:
        name = engine.route(agent_id="a", work_type=work_type).decision_id
        engine.report(name, cost_usd=cost)
    assert excluded(engine.route(work_type="long", max_cost_usd=0.1).decision) == {
        "a": "OVER_MAX_COST"
    }
    assert excluded(engine.route(work_type="short", max_cost_usd=0.1).decision) == {}


def test_errors_tell_permanent_conditions_apart_and_name_each_agent() -> None:
    """EMPTY_POOL, MISSING_CAPABILITY and NO_ELIGIBLE_AGENT say what would have to change."""
    engine = taught()
    refused = engine.refused
    pool = refused(ErrorReason.EMPTY_POOL, engine.route, pool="nowhere")
    assert "free, paid" in pool.message
    lacks = refused(ErrorReason.MISSING_CAPABILITY, engine.route, required_capabilities=("fly",))
    assert lacks.metadata["small"] == "MISSING_CAPABILITY: lacks fly"
    mixed = refused(
        ErrorReason.MISSING_CAPABILITY, engine.route, pool="free", required_capabilities=("code",)
    )
    assert "in pool 'free'" in mixed.message  # another pool has such agents
    assert mixed.metadata["large"] == "WRONG_POOL: is in pool paid"
    dear = refused(ErrorReason.NO_ELIGIBLE_AGENT, engine.route, **TASK, max_cost_usd=1e-6)
    assert set(dear.metadata) == {"large", "medium", "small"}
    assert all(told.startswith("OVER_MAX_COST: ") for told in dear.metadata.values())


def test_an_explicit_agent_wins_if_it_is_eligible() -> None:
    """The named agent has probability one; the conditions of the request still hold for it."""
    engine = taught(policy={"kind": "static"}, static_routes=[{"agent": "large"}])
    decision = engine.route(agent_id="small", **TASK).decision
    assert (decision.agent_id, decision.propensity) == ("small", 1.0)
    assert decision.reason is Reason.EXPLICIT
    assert decision.stages == ("policy", "explicit")
    assert engine.route(agent_id="medium", pool="paid").decision.agent_id == "medium"
    why = ErrorReason.NO_ELIGIBLE_AGENT
    pool = engine.refused(why, engine.route, agent_id="small", pool="paid")
    assert pool.metadata == {"small": "WRONG_POOL: is in pool free"}
    lacks = engine.refused(
        why, engine.route, agent_id="small", required_capabilities=("code", "vision")
    )
    assert lacks.metadata == {"small": "MISSING_CAPABILITY: lacks code, vision"}
    engine.refused(why, engine.route, agent_id="large", max_cost_usd=0.1, **TASK)


ROUTES = [
    {"agent": "small", "when": {"work_type": "translate", "lang": "de-fr"}, "reason": "pair"},
    {"agent": "medium", "when": {"work_type": "translate"}},
    {"agent": "large", "when": {"domain": "legal"}},
]


@pytest.mark.parametrize(
    ("task", "agent"),
    [
        ({"work_type": "translate", "labels": {"lang": "de-fr"}}, "small"),
        ({"work_type": "translate", "labels": {"lang": "fr-de"}}, "medium"),
        ({"work_type": "translate", "domain": "legal"}, "medium"),
        ({"domain": "legal"}, "large"),
    ],
)
def test_the_static_table_is_read_in_its_order(task: dict[str, Any], agent: str) -> None:
    """The first route whose work type, domain and labels all match names the agent."""
    engine = Engine(policy={"kind": "static"}, static_routes=ROUTES)
    decision = engine.route(**task).decision
    assert (decision.agent_id, decision.propensity) == (agent, 1.0)
    assert decision.reason is Reason.STATIC_ROUTE


def test_a_static_table_without_a_match_uses_the_best_known() -> None:
    """Where the table names nobody, or nobody eligible, the highest expected utility decides."""
    engine = taught(policy={"kind": "static"}, static_routes=ROUTES)
    assert engine.route(work_type="code").decision.agent_id == "large"
    only_free = engine.route(work_type="translate", pool="free").decision
    assert (only_free.agent_id, excluded(only_free)["medium"]) == ("small", "WRONG_POOL")


def test_a_static_policy_explores_by_its_floor_alone() -> None:
    """With a floor, every eligible agent keeps floor / K, and the table's agent has the rest."""
    engine = Engine(policy={"kind": "static", "floor": 0.3}, static_routes=[{"agent": "small"}])
    law = law_of(engine.route().decision)
    assert law == pytest.approx({"large": 0.1, "medium": 0.1, "small": 0.8})


def test_the_fallback_is_the_tables_agent_or_the_next_best() -> None:
    """The fallback is the table's agent; where that one was chosen, the best of the others."""
    engine = taught(static_routes=[{"agent": "small"}])
    assert engine.route(agent_id="large", **TASK).decision.fallback == "small"
    assert engine.route(agent_id="small", **TASK).decision.fallback == "large"
    assert engine.route(agent_id="large", pool="paid", **TASK).decision.fallback == "medium"
    assert engine.route(pool="free", **TASK).decision.fallback == ""
    untabled = taught()
    assert untabled.route(agent_id="large", **TASK).decision.fallback == "medium"
    assert untabled.route(agent_id="small", **TASK).decision.fallback == "large"


def test_alternatives_are_the_others_by_expected_utility() -> None:
    """At most four eligible agents other than the chosen one, the best first."""
    engine = taught()
    assert engine.route(agent_id="medium", **TASK).decision.alternatives == ("large", "small")
    crowd = Engine(agents=[{"id": f"a{i}"} for i in range(9)])
    assert len(crowd.route().decision.alternatives) == 4


@pytest.mark.parametrize(
    ("table", "other"), [((), "medium"), ("small", "small"), ("large", "medium")]
)
def test_confidence_is_the_posterior_that_the_best_beats_the_fallback(
    table: str, other: str
) -> None:
    """decision_confidence is P(best-mean agent > table's agent), or > runner-up without one."""
    engine = taught(static_routes=[{"agent": table}] if table else [])
    answer = engine.route(**TASK)
    view = View(engine.state, answer.decision.query, engine.state.time_ms)
    told = {c.agent_id: c.utility for c in answer.candidates}
    best, base = told["large"], told[other]
    assert best
    assert base
    gap = (best.mean - base.mean) / np.hypot(best.sd, base.sd)
    assert answer.decision.confidence == pytest.approx(float(ndtr(gap)), rel=1e-9)
    assert view.utility[0].argmax() == 0


def test_confidence_needs_somebody_to_compare_with() -> None:
    """With one eligible agent there is no confidence, no fallback and no alternative."""
    decision = taught().route(pool="free").decision
    assert decision.confidence is None
    assert (decision.fallback, decision.alternatives) == ("", ())


def test_preferences_change_one_decision_and_teach_nothing() -> None:
    """Weights of a request reorder the agents for that request only."""
    engine = taught(policy={"kind": "static"})
    sums = engine.state.learner.state()["h"].copy()
    assert engine.route(**TASK).decision.agent_id == "large"
    thrifty = engine.route(preference={"quality": 0.1, "cost": 1.0}, **TASK).decision
    assert (thrifty.agent_id, thrifty.confidence) != ("large", None)
    assert thrifty.agent_id == "small"
    hurried = engine.route(preference={"quality": 0.0, "latency": 1.0}, **TASK).decision
    assert hurried.agent_id == "small"
    assert engine.route(**TASK).decision.agent_id == "large"
    assert np.array_equal(engine.state.learner.state()["h"], sums)


def test_reasons_follow_what_is_known() -> None:
    """COLD_START until an outcome is learnt, then BEST_KNOWN for the best, SAMPLED for others."""
    engine = Engine()
    assert engine.route().decision.reason is Reason.COLD_START
    engine = taught(3)
    decisions = [engine.route(request_id=f"r{i}", **TASK).decision for i in range(300)]
    told = {(decision.agent_id == "large", decision.reason) for decision in decisions}
    assert told == {(True, Reason.BEST_KNOWN), (False, Reason.SAMPLED)}


def test_unknown_and_missing_features_are_allowed() -> None:
    """A task without any feature, or with values never declared, is routed like any other."""
    engine = taught()
    bare = engine.route()
    odd = engine.route(work_type="x" * 128, labels={"tier": "gold"}, features={"files": 3.0})
    for answer in (bare, odd):
        x = np.frombuffer(answer.decision.query.x)
        assert np.isfinite(x).all()
        assert x[0] == 1.0
    assert np.frombuffer(bare.decision.query.x)[1:].any() == np.False_


def test_texts_are_not_logged() -> None:
    """Neither the description nor the embedding of a task is in the log."""
    engine = Engine(features=FEATURES)
    secret = "a secret that nobody may read"
    engine.route(**{**TASK, "description": secret})
    stored = b"".join(entry.payload for entry in engine.log.read("default"))
    assert b"secret" not in stored
    assert np.array(TASK["embedding"]).tobytes() not in stored


def test_a_decision_rests_on_the_hour_it_was_made_in() -> None:
    """The view of a decision sees its own time, not that of the last event."""
    engine = Engine(
        clock="caller", policy={"kind": "weighted_score"}, agents=[{"id": "a"}, {"id": "b"}]
    )
    start = engine.state.time_ms + HOUR_MS
    engine.route(agent_id="b", work_type="w", event_time_ms=start)
    warm = engine.preview(work_type="w", event_time_ms=start + 3 * HOUR_MS)
    cold = engine.preview(work_type="w", event_time_ms=start + 5 * HOUR_MS)
    assert (warm.decision.agent_id, cold.decision.agent_id) == ("b", "a")
