"""Agents that change: what is detected, what is kept, and what a new version inherits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from learners.base import Array
from routerd.core import lookahead
from routerd.core.decide import encode_request
from routerd.core.events import DecisionsClosed, DriftDetected
from routerd.core.state import State
from routerd.core.tally import QUALITY
from routerd.core.view import View
from routerd.engine.verify import verify
from routerd.router import request_of
from tests.core.engine import AGENTS, HOUR_MS, Engine

FIRST = 200


def taught(qualities: list[float], agent: str = "large", **config: Any) -> Engine:
    engine = Engine(**config)
    tell(engine, qualities, agent)
    return engine


def tell(engine: Engine, qualities: list[float], agent: str = "large") -> list[str]:
    """Outcomes of explicit decisions; their ids."""
    names = []
    for quality in qualities:
        names.append(engine.route(agent_id=agent, work_type="code").decision_id)
        engine.report(names[-1], quality=quality)
    return names


def quality_of(engine: Engine, agent: str) -> tuple[float, float]:
    """Mean and standard deviation of what is expected of an agent for code."""
    told = {c.agent_id: c.quality for c in engine.preview(work_type="code").candidates}
    quality = told[agent]
    assert quality
    return quality.mean, quality.sd


def pattern(count: int, right: int, of: int) -> list[float]:
    """So many outcomes, `right` out of each `of` successes, spread evenly."""
    return [float(i * right % of < right) for i in range(count)]


def test_an_agent_that_gets_worse_is_told_and_forgotten() -> None:
    """The event names agent, direction, size and evidence; the old outcomes hardly weigh on."""
    engine = taught(pattern(FIRST, 9, 10))
    before = quality_of(engine, "large")
    tell(engine, pattern(60, 3, 10))
    (drift,) = engine.events(DriftDetected)
    assert drift.agent_id == "large"
    assert drift.size < -0.3
    assert drift.evidence > 9
    assert 5 < drift.outcomes < 60
    assert FIRST < drift.since <= engine.state.position
    assert drift.keep < 0.05
    after = quality_of(engine, "large")
    assert after[0] == pytest.approx(0.35, abs=0.1)
    assert after[1] > 1.3 * before[1]
    assert engine.state.learner.count < 80
    assert engine.state.drifts["large"] == drift
    assert_re_derived(engine)


def test_what_is_learnt_of_an_agent_that_changed_counts_for_as_long_as_it_has_stayed() -> None:
    """It may change again: knowing it pays for as many decisions as taught since, not for all."""
    engine = taught(pattern(FIRST, 9, 10))
    patience, everyone = 25.0, engine.state.roster.everyone
    assert horizon(engine) == FIRST + patience * len(everyone)
    tell(engine, pattern(60, 3, 10))
    (drift,) = engine.events(DriftDetected)
    assert FIRST < drift.count < FIRST + 60
    changed = engine.state.roster.index["large"]
    each = horizon(engine)
    assert isinstance(each, np.ndarray)
    count = engine.state.learner.count
    for i, known in enumerate(each.tolist()):
        taught_since = count - drift.count if i == changed else count
        assert known == pytest.approx(max(taught_since, 0.0) + patience * len(everyone))


def test_a_change_of_before_learning_began_anew_shortens_nothing() -> None:
    engine = taught(pattern(FIRST, 9, 10))
    tell(engine, pattern(60, 3, 10))
    assert set(engine.state.drifts) == {"large"}
    engine.open(features=[{"kind": "category", "name": "domain"}])
    assert not engine.state.drifts
    assert horizon(engine) == 25.0 * len(engine.state.roster.everyone)


def horizon(engine: Engine) -> float | Array:
    state = engine.state
    view = View(state, encode_request(state, request_of({"work_type": "code"}), "q"), 0)
    return lookahead.horizon(view, 25.0, state.roster.everyone)


def test_an_agent_that_gets_better_is_told_too() -> None:
    """The size of a change for the better is positive."""
    engine = taught(pattern(FIRST, 3, 10))
    tell(engine, pattern(60, 9, 10))
    (drift,) = engine.events(DriftDetected)
    assert drift.size > 0.3
    assert quality_of(engine, "large")[0] > 0.75


def test_agents_that_stay_as_they_are_raise_no_alarm() -> None:
    """A thousand outcomes of agents that only differ from each other are no drift."""
    engine = Engine()
    for agent, right in (("large", 8), ("medium", 5), ("small", 2)):
        tell(engine, pattern(330, right, 10), agent)
    assert engine.events(DriftDetected) == []


@pytest.mark.parametrize(("one", "other"), [(1.0, 0.0), (1.0, 0.9), (0.0, 0.1)])
def test_agents_that_always_succeed_or_fail_raise_no_alarm(one: float, other: float) -> None:
    """What comes as expected is no change, be the expectation certainty."""
    engine = Engine()
    for agent, quality in (("large", one), ("small", other)):
        tell(engine, pattern(1000, round(10 * quality), 10), agent)
    assert engine.events(DriftDetected) == []


def test_an_agent_that_always_succeeded_is_seen_to_decline() -> None:
    engine = taught([1.0] * FIRST)
    tell(engine, pattern(40, 7, 10))
    (drift,) = engine.events(DriftDetected)
    assert drift.size < -0.2


def test_one_decision_is_no_change_however_often_it_is_told() -> None:
    """A quality that is taken back and told again is evidence once, and one context to come."""
    engine = taught(pattern(FIRST, 9, 10))
    (name,) = tell(engine, [0.0])
    seen = engine.state.contexts.seen
    for _ in range(30):
        engine.report(name, kind="RETRACT")
        engine.report(name, quality=0.0)
    assert not engine.state.drifts
    assert engine.state.contexts.seen == seen
    assert_re_derived(engine)


def test_a_detector_that_is_off_sees_nothing() -> None:
    """With drift.enabled false nothing is tested; what was learnt stays."""
    engine = taught(pattern(FIRST, 9, 10), drift={"enabled": False})
    tell(engine, pattern(60, 1, 10))
    assert engine.events(DriftDetected) == []
    assert not engine.state.detector.state()["runs"].any()
    assert engine.state.learner.count == FIRST + 60


def test_sums_stay_exact_through_a_drift() -> None:
    """Outcomes of before a change that are revised, retracted or late weigh what is left of them:
    in the end all that was told is taken back, and nothing remains."""
    engine = Engine()
    late = engine.route(agent_id="large", work_type="code").decision_id
    names = tell(engine, pattern(FIRST, 9, 10))
    names += tell(engine, pattern(60, 1, 10))
    (drift,) = engine.events(DriftDetected)
    before = engine.state.learner.count
    engine.report(late, quality=1.0)
    assert engine.state.learner.count - before == pytest.approx(drift.keep)
    engine.report(names[0], quality=0.5, outcome_id="revised")
    for name in [late, *names]:
        engine.report(name, kind="RETRACT")
    assert len(engine.events(DriftDetected)) == 1
    sums = engine.state.learner.state()
    for name in ("lam", "h", "n", "yy"):
        assert abs(sums[name]).max() < 1e-9, name
    assert_re_derived(engine)


def test_a_run_is_told_of_decisions_that_are_closed_too() -> None:
    """With a bound of few open decisions a drift is found and its state is folded alike."""
    engine = taught(pattern(FIRST, 9, 10), limits={"open_decisions": 3})
    tell(engine, pattern(60, 1, 10))
    assert len(engine.events(DriftDetected)) >= 1
    assert quality_of(engine, "large")[0] < 0.5
    assert_re_derived(engine)


def test_a_new_version_inherits_at_a_discount() -> None:
    """Another version keeps the estimate and loses certainty; the same one loses nothing."""
    engine = Engine()
    engine.register("guest", version="1")
    tell(engine, pattern(FIRST, 9, 10), "guest")
    mean, sd = quality_of(engine, "guest")
    engine.update("guest", version="1", model="m")
    assert quality_of(engine, "guest") == (mean, sd)
    engine.update("guest", version="2", model="m")
    after = quality_of(engine, "guest")
    assert after[0] == pytest.approx(mean, abs=0.08)
    assert after[1] > 1.8 * sd
    assert engine.state.learner.weight_of(engine.state.arm_of["guest"]) == pytest.approx(30.0)
    fresh = taught([])
    assert after[1] < 0.5 * quality_of(fresh, "large")[1]
    assert_re_derived(engine)


@pytest.mark.parametrize("inherited", [0.0, 1e6])
def test_how_much_a_version_inherits_is_declared(inherited: float) -> None:
    """drift.inherited_outcomes: nothing at 0, everything when it is more than was learnt."""
    drift = {"inherited_outcomes": inherited}
    engine = taught(pattern(50, 9, 10), drift=drift)
    version = [{**AGENTS[0], "version": "2"}, *AGENTS[1:]]
    engine.open(agents=version, drift=drift)
    weight = engine.state.learner.weight_of(engine.state.arm_of["large"])
    assert weight == (50 if inherited else 0)
    assert_re_derived(engine)


def test_a_version_that_inherits_nothing_learns_nothing_of_what_is_told_late() -> None:
    """Though nothing was known of the version before when it was replaced."""
    engine = Engine(agents=[{"id": "other"}], drift={"inherited_outcomes": 0})
    engine.register("late", version="1")
    names = [engine.route(agent_id="late").decision_id for _ in range(5)]
    engine.update("late", version="2")
    for name in names:
        engine.report(name, quality=1.0)
    assert engine.state.learner.weight_of(engine.state.arm_of["late"]) == 0.0


@pytest.mark.parametrize(("told", "late"), [(0, 60), (20, 40), (40, 20)])
def test_what_is_told_late_of_a_version_is_a_part_of_what_the_next_one_inherits(
    told: int, late: int
) -> None:
    """Its results weigh as much in all, whether they come before it is replaced or afterwards."""
    engine = Engine(agents=[{"id": "other"}])
    engine.register("guest", version="1")
    tell(engine, [1.0] * told, "guest")
    names = [engine.route(agent_id="guest").decision_id for _ in range(late)]
    engine.update("guest", version="2")
    for name in names:
        engine.report(name, quality=1.0)
    arm = engine.state.arm_of["guest"]
    assert engine.state.learner.weight_of(arm) == pytest.approx(30.0)
    tell(engine, [1.0], "guest")  # one of its own
    assert engine.state.learner.weight_of(arm) == pytest.approx(31.0)
    assert_re_derived(engine)


def test_a_version_inherits_all_of_the_few_results_that_there_will_be() -> None:
    """With those that are awaited, fewer than inherited_outcomes: none is discounted."""
    engine = Engine(agents=[{"id": "other"}])
    engine.register("guest", version="1")
    tell(engine, [1.0] * 10, "guest")
    names = [engine.route(agent_id="guest").decision_id for _ in range(15)]
    engine.update("guest", version="2")
    for name in names:
        engine.report(name, quality=1.0)
    assert engine.state.learner.weight_of(engine.state.arm_of["guest"]) == 25.0


def test_what_is_told_late_of_a_version_is_no_change_of_the_next_one() -> None:
    """The version that failed is gone: its failures say nothing of the one that succeeds."""
    engine = Engine(agents=[{"id": "other"}])
    engine.register("guest", version="1")
    late = [engine.route(agent_id="guest", work_type="code").decision_id for _ in range(60)]
    engine.update("guest", version="2")
    names = tell(engine, pattern(60, 9, 10), "guest")
    for name in late:
        engine.report(name, quality=0.0)
    assert not engine.events(DriftDetected)
    tell(engine, pattern(60, 1, 10), "guest")
    (drift,) = engine.events(DriftDetected)  # of its own results
    assert drift.size < 0
    assert drift.since > engine.state.decisions[names[-1]].position
    assert_re_derived(engine)


def test_an_agent_that_returns_in_another_version_is_a_new_version() -> None:
    """Its arm remembers which version it learnt from, however long it was away."""
    engine = Engine()
    engine.register("guest", version="1")
    tell(engine, pattern(FIRST, 9, 10), "guest")
    engine.deregister("guest")
    engine.register("guest", version="1")
    arm = engine.state.arm_of["guest"]
    assert engine.state.learner.weight_of(arm) == FIRST
    engine.deregister("guest")
    engine.register("guest", version="2")
    assert engine.state.learner.weight_of(arm) == pytest.approx(30.0)


def test_silence_at_the_bound_is_no_failure() -> None:
    """Only a window that ended in silence gets missing_quality; the bound alone censors."""
    rule = {"window_hours": 1.0, "missing_quality": 0.0}
    engine = Engine(outcomes=rule, limits={"open_decisions": 2})
    for _ in range(5):
        engine.route(agent_id="large", work_type="code")
    assert [e.censored for e in engine.events(DecisionsClosed)] == [1, 1, 1]
    assert engine.state.tally.told[..., QUALITY].sum() == 0
    engine.wall.now_ms += 2 * HOUR_MS
    engine.route(agent_id="large", work_type="code")
    assert engine.events(DecisionsClosed)[-1].censored == 0
    assert engine.state.tally.told[..., QUALITY].sum() == 2
    assert not engine.state.detector.state()[
        "runs"
    ].any()  # what is assumed says nothing of a change
    assert_re_derived(engine)


def test_a_bound_that_shrinks_tells_both_apart_in_one_event() -> None:
    """Those whose window ended come first, the censored ones last."""
    rule = {"window_hours": 1.0, "missing_quality": 0.0}
    engine = Engine(outcomes=rule)
    for i in range(6):
        engine.route(agent_id="large", work_type="code")
        engine.wall.now_ms += HOUR_MS - 10 if i == 2 else 1
    engine.wall.now_ms += 20
    engine.open(outcomes=rule, limits={"open_decisions": 2})
    engine.route(agent_id="large", work_type="code")
    told = [(len(e.decision_ids), e.censored) for e in engine.events(DecisionsClosed)]
    assert told == [(4, 1), (1, 1)]  # at once, and when the next decision is one too many
    assert engine.state.tally.told[..., QUALITY].sum() == 3


def test_an_outcome_in_time_outranks_the_rule_and_one_too_late_does_not() -> None:
    """Within its window a decision takes any outcome; the default holds for good behind it."""
    engine = Engine(outcomes={"window_hours": 1.0, "missing_quality": 0.0})
    timely = engine.route(agent_id="large", work_type="code").decision_id
    silent = engine.route(agent_id="large", work_type="code").decision_id
    priced = engine.route(agent_id="large", work_type="code").decision_id
    engine.report(priced, cost_usd=0.1)
    engine.wall.now_ms += HOUR_MS - 1
    engine.report(timely, quality=1.0)
    engine.wall.now_ms += HOUR_MS
    engine.route()
    arm = engine.state.arm_of["large"]
    assert engine.state.tally.told[arm, :, QUALITY].sum() == 3
    assert engine.state.tally.total[arm, :, QUALITY].sum() == 1.0
    with pytest.raises(Exception, match="closed"):
        engine.report(silent, quality=1.0)
    assert engine.state.tally.total[arm, :, QUALITY].sum() == 1.0


def assert_re_derived(engine: Engine) -> State:
    """The log alone gives this state, and every decision of it again."""
    verified = verify(engine.log)
    assert verified.mismatches == ()
    assert verified.laws_exact == verified.decisions
    state = engine.refold()
    assert state.hash() == engine.state.hash()
    return state
