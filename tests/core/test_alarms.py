"""What the policy does of late, and what an operator is told to look at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from routerd.core.alarms import Alarm, AlarmKind, alarms
from routerd.core.pulse import latest, pulse, schedule, why
from routerd.core.values import Claim
from tests.core.engine import HOUR_MS, Engine

TWO = [{"id": "good"}, {"id": "poor"}]


def raised(engine: Engine) -> list[Alarm]:
    entries = latest(engine.state)
    return alarms(engine.state, entries, pulse(engine.state, entries))


def kinds(engine: Engine) -> list[AlarmKind]:
    return [alarm.kind for alarm in raised(engine)]


def serve(engine: Engine, count: int, quality: dict[str, float], **task: Any) -> None:
    """Decisions whose outcomes are drawn at these rates, a second after each other."""
    rng = np.random.default_rng(count)
    for _ in range(count):
        answer = engine.route(**task)
        engine.wall.now_ms += 1_000
        right = rng.random() < quality[answer.decision.agent_id]
        engine.report(answer.decision_id, success=bool(right))


def test_a_router_that_works_raises_no_alarm() -> None:
    """Three agents of different worth and six hundred tasks leave nothing to look at."""
    engine = Engine()
    serve(engine, 600, {"large": 0.9, "medium": 0.6, "small": 0.4}, work_type="code")
    seen = pulse(engine.state, latest(engine.state))
    assert (seen.decisions, seen.drawn) == (600, 600)
    assert sum(agent.share for agent in seen.agents) == pytest.approx(1.0)
    assert sum(agent.mean_probability for agent in seen.agents) == pytest.approx(1.0)
    assert sum(agent.outcomes for agent in seen.agents) == pytest.approx(600, rel=0.01)
    assert seen.explored is not None
    assert 0 < seen.explored < 0.5
    assert seen.entropy is not None
    assert 0 < seen.entropy < 1
    assert raised(engine) == []


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("random", "explored: every agent is as likely as the others"),
        ("greedy", "explored: greedy names one agent, with a floor of 0.00%"),
        ("rotation", "explored: rotation names one agent, with a floor of 0.00%"),
    ],
)
def test_how_much_is_explored_is_explained_by_the_policy(kind: str, words: str) -> None:
    engine = Engine(policy={"kind": kind})
    serve(engine, 10, {"large": 0.9, "medium": 0.6, "small": 0.4})
    assert why(engine.state, pulse(engine.state, latest(engine.state))).endswith(words)


def test_what_was_forced_is_not_the_policys_doing() -> None:
    """Explicit decisions are looked at, and left out of what is told of the policy."""
    engine = Engine()
    for _ in range(5):
        engine.route(agent_id="large")
    engine.route()
    seen = pulse(engine.state, latest(engine.state))
    assert (seen.decisions, seen.drawn) == (6, 1)
    assert seen.explored == 0.0  # nothing is known yet that it would leave for another
    assert pulse(Engine().state, []).entropy is None
    assert "no decision" in why(engine.state, pulse(engine.state, []))


def test_a_law_that_a_price_of_money_moved_is_the_policys() -> None:
    """With a budget every law has one in it; shares and alarms must not go blind for that."""
    mean = {"id": "mean", "usd_per_decision": 0.001}
    policy = {"kind": "value", "floor": 1e-4}
    engine = Engine(agents=TWO, policy=policy, budgets=[mean])
    rng = np.random.default_rng(1)
    for _ in range(500):
        answer = engine.route(work_type="code")
        right = rng.random() < {"good": 0.95, "poor": 0.05}[answer.decision.agent_id]
        engine.report(answer.decision_id, success=bool(right), cost_usd=0.0015)
    entries = latest(engine.state, 300)
    assert {entry.decision.stages for entry in entries} == {("policy", "budget")}
    seen = pulse(engine.state, entries)
    assert (seen.decisions, seen.drawn) == (300, 300)
    found = alarms(engine.state, entries, seen)
    assert [(alarm.kind, alarm.about) for alarm in found] == [(AlarmKind.CANNOT_WIN, "poor")]


@pytest.mark.parametrize(
    ("policy", "names"),
    [
        ({"kind": "value"}, {"horizon", "spread", "floor"}),
        ({"kind": "thompson"}, {"v", "floor"}),
        ({"kind": "squarecb"}, {"gamma"}),
        ({"kind": "greedy", "floor": 0.1}, {"floor"}),
        ({"kind": "random"}, set()),
    ],
)
def test_every_policy_says_how_much_it_explores_and_why(
    policy: dict[str, Any], names: set[str]
) -> None:
    """The schedule after so many outcomes, and a sentence."""
    engine = Engine(policy=policy)
    serve(engine, 20, {"large": 0.8, "medium": 0.7, "small": 0.6})
    assert set(schedule(engine.state)) == names
    seen = pulse(engine.state, latest(engine.state))
    assert f"of {seen.drawn} decisions explored" in why(engine.state, seen)


def test_an_agent_that_can_no_longer_win_is_named() -> None:
    """One that no law of two hundred gives a chance, beside one that does all the work."""
    engine = Engine(agents=TWO, policy={"kind": "value", "floor": 1e-4})
    serve(engine, 500, {"good": 0.95, "poor": 0.05}, work_type="code")
    entries = latest(engine.state, 300)
    found = alarms(engine.state, entries, pulse(engine.state, entries))
    assert [(alarm.kind, alarm.about) for alarm in found] == [(AlarmKind.CANNOT_WIN, "poor")]


def test_entropy_that_collapses_without_reason_is_told() -> None:
    """A law that is settled while the estimates are not: greedy in all but name."""
    engine = Engine(
        agents=TWO, policy={"kind": "thompson", "v_0": 1e-6, "v_min": 0, "floor": 0.001}
    )
    engine.report(engine.route(agent_id="good").decision_id, quality=0.6)
    for _ in range(250):
        engine.route(work_type="code")
    (alarm,) = raised(engine)  # not that poor cannot win: nothing is known of it
    assert (alarm.kind, alarm.about) == (AlarmKind.ENTROPY_COLLAPSE, "good")
    assert "policy.v_min" in alarm.action  # it has no policy.spread


SPECIALISTS = [{"id": kind} for kind in ("code", "prose", "sql")]


def told_now_and_then(seed: int, best: float, **config: Any) -> Iterator[Engine]:
    """Each agent is best at one kind of work; 30% of outcomes are told. Every 250 of 2,000."""
    engine = Engine(agents=SPECIALISTS, seed=seed, **config)
    rng = np.random.default_rng(seed)
    for i in range(1, 2_001):
        kind = SPECIALISTS[rng.integers(3)]["id"]
        answer = engine.route(work_type=kind, request_id=f"{i}")
        told, right = rng.random(2)
        if told < 0.3:
            quality = best if answer.decision.agent_id == kind else 0.5
            engine.report(answer.decision_id, success=bool(right < quality))
        if i % 250 == 0:
            yield engine


@pytest.mark.parametrize(("best", "quiet"), [(0.5, set(AlarmKind)), (0.75, {AlarmKind.CANNOT_WIN})])
def test_few_outcomes_are_no_alarm(best: float, quiet: set[AlarmKind]) -> None:
    """A law of crumbs says that a try does not pay now, not that the agent is known to be worse;
    and where agents are alike, exploring longer would earn nothing."""
    crumbs, settled = 0, 0
    for seed in range(2):
        for engine in told_now_and_then(seed, best):
            seen = pulse(engine.state, latest(engine.state))
            crumbs += sum(agent.highest_probability < 0.02 / 3 for agent in seen.agents)
            settled += seen.entropy is not None and seen.entropy < 0.1
            assert not quiet & set(kinds(engine))
    assert crumbs  # it is the posterior that keeps it quiet
    assert settled


def test_a_collapse_beside_specialists_is_told() -> None:
    """A policy that stays with whom it knows, where each of the others is best at something."""
    collapsed = {"kind": "thompson", "v_0": 1e-3, "v_min": 0, "floor": 0, "floor_min": 0}
    *_, engine = told_now_and_then(2, 0.75, policy=collapsed)
    assert max(agent.share for agent in pulse(engine.state, latest(engine.state)).agents) > 0.99
    assert kinds(engine) == [AlarmKind.ENTROPY_COLLAPSE]


def test_agents_that_are_alike_are_no_collapse() -> None:
    """Which of two is the better one stays unsure, and is worth next to nothing: all is well."""
    looks, settled = 0, 0
    for seed in range(4):
        engine = Engine(agents=TWO, seed=seed)
        quality = np.random.default_rng(seed)
        for i in range(1, 1201):
            answer = engine.route()
            engine.report(answer.decision_id, success=bool(quality.random() < 0.7))
            if i % 200 == 0:
                entries = latest(engine.state)
                seen = pulse(engine.state, entries)
                assert AlarmKind.ENTROPY_COLLAPSE not in kinds(engine)
                assert seen.entropy is not None
                assert seen.confidence is not None
                looks += 1
                settled += seen.entropy < 0.1 and seen.confidence < 0.9
    assert settled > looks / 10  # it is the stake that keeps it quiet


def test_silence_is_told_once_outcomes_should_have_come() -> None:
    """Outcomes that took a second stop: minutes later, that is an alarm."""
    engine = Engine(agents=TWO)
    serve(engine, 60, {"good": 0.6, "poor": 0.5})
    for _ in range(80):
        engine.route()
    assert kinds(engine) == []  # they may yet come
    engine.wall.now_ms += 5 * 60_000
    engine.route()
    (alarm,) = raised(engine)
    assert (alarm.kind, alarm.about) == (AlarmKind.SILENCE, "")


def test_the_silence_of_one_agent_is_told_of_it() -> None:
    """An agent whose outcomes alone do not come is named."""
    engine = Engine(agents=TWO)
    for i in range(160):
        agent = ("good", "poor")[i % 2]
        answer = engine.route(agent_id=agent)
        engine.wall.now_ms += 1_000
        if agent == "good":
            engine.report(answer.decision_id, quality=0.5)
    engine.wall.now_ms += 5 * 60_000
    engine.route()
    assert [(a.kind, a.about) for a in raised(engine)] == [(AlarmKind.SILENCE, "poor")]


def test_who_was_not_let_is_not_silent() -> None:
    """Decisions whose claim was refused, or whose agent was stopped, have nothing to tell."""
    engine = Engine(agents=TWO, outcomes={"window_hours": 2.0})
    for i in range(60):
        name = engine.route().decision_id
        if i % 2:
            engine.sequencer.claim(Claim(name, 0.1))
        else:
            engine.report(name, cancelled=True)
    engine.wall.now_ms += HOUR_MS * 3 // 2
    engine.route()
    assert kinds(engine) == []


def test_an_agent_that_is_chosen_rarely_for_its_silence_is_told() -> None:
    """Who never reports is hardly tried any more, and lies far behind the latest decisions."""
    engine = Engine(agents=TWO, seed=1)
    for i in range(2_000):
        answer = engine.route(request_id=f"{i}")
        engine.wall.now_ms += 1_000
        if answer.decision.agent_id == "good":
            engine.report(answer.decision_id, success=i % 10 < 7)
    silent = [alarm.about for alarm in raised(engine) if alarm.kind is AlarmKind.SILENCE]
    assert silent == ["poor"]


def test_a_router_that_never_heard_anything_waits_half_a_window() -> None:
    """Without a delay to go by, silence is one after half of the window."""
    engine = Engine(agents=TWO, outcomes={"window_hours": 2.0})
    for _ in range(60):
        engine.route()
    engine.wall.now_ms += HOUR_MS // 2
    engine.route()
    assert kinds(engine) == []
    engine.wall.now_ms += HOUR_MS
    engine.route()
    assert kinds(engine) == [AlarmKind.SILENCE]


def test_an_agent_that_drifted_is_told_for_a_window() -> None:
    """A drift in the log stands among the alarms until a window of outcomes later."""
    engine = Engine(agents=TWO, outcomes={"window_hours": 1.0})
    for i in range(300):
        answer = engine.route(agent_id="good")
        engine.report(answer.decision_id, quality=float(i % 10 < (9 if i < 240 else 1)))
    found = raised(engine)
    assert [(a.kind, a.about) for a in found] == [(AlarmKind.AGENT_DRIFT, "good")]
    assert "worse" in found[0].told
    engine.wall.now_ms += 2 * HOUR_MS
    engine.route()
    assert kinds(engine) == []


FEATURES = [{"kind": "number", "name": "size"}, {"kind": "number", "name": "depth"}]


def described(engine: Engine, count: int, size: float, depth: float, work_type: str = "") -> None:
    """Tasks whose features lie around these."""
    rng = np.random.default_rng(1)
    for _ in range(count):
        near = dict(zip(("size", "depth"), rng.normal((size, depth), 0.3).tolist(), strict=True))
        answer = engine.route(features=near, work_type=work_type)
        engine.report(answer.decision_id, quality=0.5)


@pytest.mark.parametrize(
    ("now", "found"),
    [
        ((1.0, -1.0), []),
        ((1.1, -1.0), []),
        ((3.0, -1.0), [(AlarmKind.FEATURE_DRIFT, "size")]),
        ((-1.0, 1.0), [(AlarmKind.FEATURE_SWAP, "size, depth")]),
    ],
)
def test_features_that_move_or_change_places_are_told(
    now: tuple[float, float], found: list[tuple[AlarmKind, str]]
) -> None:
    """Six hundred decisions held against the two hundred after them."""
    engine = Engine(features=FEATURES)
    described(engine, 600, 1.0, -1.0)
    described(engine, 200, *now)
    assert [(alarm.kind, alarm.about) for alarm in raised(engine)] == found


@pytest.mark.parametrize("limit", [60.0, 6_000.0])
def test_a_swap_is_found_whatever_the_units_of_the_two(limit: float) -> None:
    """Each is scaled by its own centre and scale, and may be cut off in the scale of the other."""
    engine = Engine(
        features=[
            {"kind": "number", "name": "size", "centre": 5.0, "scale": 4.0},
            {"kind": "number", "name": "depth", "centre": limit, "scale": limit / 4},
        ]
    )
    described(engine, 600, 8.0, limit / 2)
    described(engine, 200, limit / 2, 8.0)
    assert [(a.kind, a.about) for a in raised(engine)] == [(AlarmKind.FEATURE_SWAP, "size, depth")]


@pytest.mark.parametrize("about", ["size", "depth"])
def test_another_unit_is_no_swap(about: str) -> None:
    units = [{"kind": "number", "name": "size", "centre": 5.0, "scale": 4.0}, FEATURES[1]]
    engine = Engine(features=units)
    described(engine, 600, 8.0, 2.0)
    described(engine, 200, *((800.0, 2.0) if about == "size" else (8.0, 200.0)))
    assert [(a.kind, a.about) for a in raised(engine)] == [(AlarmKind.FEATURE_DRIFT, about)]


def test_a_category_that_is_no_longer_given_is_told_and_another_mix_is_not() -> None:
    """Kinds of work may change by the hour; that none is named is another matter."""
    engine = Engine()
    described(engine, 600, 0, 0, "code")
    described(engine, 200, 0, 0, "text")
    assert raised(engine) == []
    described(engine, 200, 0, 0)
    assert [(a.kind, a.about) for a in raised(engine)] == [(AlarmKind.FEATURE_DRIFT, "work_type")]
