"""Cascades: a start is worth its whole path, which is learnt from what reviewers say."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from routerd.core.decide import encode_request
from routerd.core.errors import ErrorReason
from routerd.core.paths import ACCEPTED, ESCALATED, SECOND, following, hopes
from routerd.core.reasons import law_of
from routerd.core.values import Reason
from routerd.core.view import View
from routerd.engine.verify import verify
from routerd.router import request_of
from tests.core.engine import Engine

AGENTS = [
    {"id": "cheap", "prices": {"output_usd_per_mtok": 2.0}},
    {"id": "dear", "prices": {"output_usd_per_mtok": 8.0}},
    {"id": "mid", "prices": {"output_usd_per_mtok": 4.0}},
]
CASCADE: dict[str, Any] = {
    "agents": AGENTS,
    "utility": {"cost": 0.5, "cost_scale_usd": 0.01},
    "cascade": {},
    "thresholds": {"cascade": 0.7},
}
COST = {"cheap": 0.001, "mid": 0.002, "dear": 0.004}


def low(decision_id: str, confidence: float) -> dict[str, Any]:
    evidence = {"reported_confidence": confidence}
    return {"decision_id": decision_id, "cause": "LOW_CONFIDENCE", "evidence": evidence}


def sums(engine: Engine, agent_id: str, kind: int) -> tuple[float, float]:
    """How many of a kind an agent's path has heard of, and their sum."""
    arm, paths = engine.state.arm_of[agent_id], engine.state.paths
    return float(paths.n[arm, :, kind].sum()), float(paths.s[arm, :, kind].sum())


def sound(engine: Engine) -> None:
    assert engine.state.hash() == engine.refold().hash()
    assert not verify(engine.log).mismatches


def test_a_reviewer_s_answer_escalates_or_does_not() -> None:
    """.4 goes on to another agent, .9 is refused as sure enough, and both teach the start."""
    engine = Engine(**CASCADE)
    first = engine.route(agent_id="cheap")
    assert first.decision.escalate_below == 0.7
    engine.report(first.decision_id, quality=0.3, reported_confidence=0.4)
    second = engine.route(follows=low(first.decision_id, 0.4))
    assert second.decision.reason is Reason.ESCALATION
    engine.report(second.decision_id, quality=0.8)
    other = engine.route(agent_id="cheap")
    engine.report(other.decision_id, quality=1.0, reported_confidence=0.9)
    refusal = engine.refused(
        ErrorReason.FIELD_VIOLATIONS, engine.route, follows=low(other.decision_id, 0.9)
    )
    (violation,) = refusal.violations
    assert violation.field == "follows.evidence.reported_confidence"
    assert sums(engine, "cheap", ESCALATED) == (2, 1)
    assert sums(engine, "cheap", ACCEPTED) == (1, 1.0)
    assert sums(engine, "cheap", SECOND) == (1, 0.8)
    profile = engine.registry.profile(second.decision.agent_id)
    assert profile.overall.mean_quality == 0.8  # each step is its own agent's
    sound(engine)


def test_what_is_taken_back_leaves_no_trace() -> None:
    """Revised, retracted and credited elsewhere: the sums are those of what counts in the end."""
    engine = Engine(**CASCADE)
    first = engine.route(agent_id="cheap").decision_id
    engine.report(first, quality=1.0, reported_confidence=0.9)
    assert sums(engine, "cheap", ACCEPTED) == (1, 1.0)
    engine.report(first, kind="REVISE", reported_confidence=0.2)
    assert sums(engine, "cheap", ACCEPTED) == (0, 0)
    assert sums(engine, "cheap", ESCALATED) == (1, 1)
    engine.report(first, executed_agent_id="mid")
    assert sums(engine, "cheap", ESCALATED) == (0, 0)
    assert sums(engine, "mid", ESCALATED) == (1, 1)
    second = engine.route(follows=low(first, 0.2)).decision_id
    engine.report(second, quality=0.5)
    assert sums(engine, "mid", SECOND) == (1, 0.5)
    for name in (first, second):
        engine.report(name, kind="RETRACT")
    assert sums(engine, "mid", SECOND) == (0, 0)
    # That it was escalated is known from the follow-up, whatever became of the report; and the
    # decided agent is the one that ran again.
    assert sums(engine, "cheap", ESCALATED) == (1, 1)
    sound(engine)


def teach(engine: Engine, sure: float, tasks: int = 60) -> None:
    """Every agent on every task: cheap is right half of the time, and its reviewer says which."""
    rng = np.random.default_rng(5)
    for _ in range(tasks):
        hard = rng.random() < 0.5
        told = {"cheap": 0.0 if hard else 1.0, "mid": 0.9, "dear": 1.0}
        name = engine.route(agent_id="cheap").decision_id
        confidence = sure if not hard else 0.1
        engine.report(
            name, quality=told["cheap"], cost_usd=COST["cheap"], reported_confidence=confidence
        )
        if confidence < 0.7:
            again = engine.route(follows=low(name, confidence))
            agent_id = again.decision.agent_id
            engine.report(again.decision_id, quality=told[agent_id], cost_usd=COST[agent_id])
        for agent_id in ("mid", "dear"):
            name = engine.route(agent_id=agent_id).decision_id
            engine.report(
                name, quality=told[agent_id], cost_usd=COST[agent_id], reported_confidence=0.95
            )


def test_it_starts_cheap_where_that_pays_and_not_where_it_does_not() -> None:
    """A reviewer that tells right from wrong makes the cheap start the best; one that is never
    sure makes it a detour, though the agents are the same."""
    share = {}
    for sure in (0.95, 0.1):
        engine = Engine(**CASCADE)
        teach(engine, sure)
        share[sure] = law_of(engine.preview().decision)["cheap"]
        sound(engine)
    assert share[0.95] > 0.8
    assert share[0.1] < 0.1


def test_the_worth_of_a_path_is_what_it_yields_less_what_it_costs() -> None:
    """The sums of the reviewer that tells right from wrong, in the formula of the room."""
    engine = Engine(**CASCADE)
    teach(engine, 0.95, tasks=400)
    state = engine.state
    view = View(state, encode_request(state, request_of({}), "q"), state.time_ms)
    paths = view.paths(state.roster.everyone)
    cheap, after = state.roster.index["cheap"], paths.next[state.roster.index["cheap"]]
    assert paths.climbs[cheap]
    price = COST["cheap"] + 0.5 * COST[state.roster.ids[after]]
    expected = 0.5 * 1.0 + 0.5 * (0.9 if state.roster.ids[after] == "mid" else 1.0) - 50 * price
    assert math.isclose(paths.mean[cheap], expected, abs_tol=0.03)


def test_a_ladder_names_the_next_agent() -> None:
    """The next rung that can be chosen, whatever its quality; another kind of work has another."""
    ladders = [
        {"agents": ["dear", "cheap"], "when": {"work_type": "odd"}},
        {"agents": ["cheap", "mid", "dear"]},
    ]
    engine = Engine(**{**CASCADE, "cascade": {"ladders": ladders}})
    chain = [engine.route(agent_id="cheap")]
    for _ in range(2):
        chain.append(engine.route(follows=low(chain[-1].decision_id, 0.1)))
    assert [answer.decision.agent_id for answer in chain] == ["cheap", "mid", "dear"]
    assert [answer.decision.propensity for answer in chain] == [1.0] * 3
    assert [answer.decision.escalate_below for answer in chain] == [0.7, 0.7, None]
    engine.set_status("mid", "OFFLINE")
    first = engine.route(agent_id="cheap")
    assert engine.route(follows=low(first.decision_id, 0.1)).decision.agent_id == "dear"
    odd = engine.route(agent_id="dear", work_type="odd")
    assert odd.decision.escalate_below == 0.7
    follows = low(odd.decision_id, 0.1)
    assert engine.route(work_type="odd", follows=follows).decision.agent_id == "cheap"
    sound(engine)


def test_without_ladders_an_escalation_goes_up() -> None:
    """Only to agents that may be as good as the one that was not sure enough."""
    engine = Engine(**CASCADE)
    teach(engine, 0.95)
    state = engine.state
    view = View(state, encode_request(state, request_of({}), "q"), state.time_ms)
    everyone = state.roster.everyone
    hoped = hopes(view)
    for start, after in enumerate(following(view, everyone, hoped, view.utility[0])):
        assert after < 0 or hoped[after] >= hoped[start]
    first = engine.route(agent_id="mid").decision_id
    answer = engine.route(follows=low(first, 0.1))
    assert answer.decision.agent_id == "dear"
    assert "climb" in answer.decision.stages


@pytest.mark.parametrize("config", [{"cascade": None}, {"thresholds": {"cascade": 0.0}}])
def test_off_is_off(config: dict[str, Any]) -> None:
    """Without the setting nothing is counted or advised; a threshold of 0 is never missed."""
    engine = Engine(**{**CASCADE, **config})
    name = engine.route(agent_id="cheap").decision_id
    engine.report(name, quality=1.0, reported_confidence=0.0)
    if engine.state.config.cascade is None:
        assert engine.state.decisions[name].decision.escalate_below is None
        assert sums(engine, "cheap", ESCALATED) == (0, 0)
        engine.route(follows=low(name, 0.99))
    else:
        assert sums(engine, "cheap", ESCALATED) == (1, 0)
    sound(engine)
