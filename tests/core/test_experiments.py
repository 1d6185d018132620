"""Experiments: units stay with their arm, sums follow outcomes, one event puts an arm in force."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from learners.sequences import asymptotic_factor
from routerd.core.errors import ErrorReason
from routerd.core.events import Decision, ExperimentPromoted
from routerd.core.experiment import Trial
from routerd.core.lift import lifts, means
from routerd.core.reasons import law_of
from routerd.core.values import Reason
from routerd.engine.verify import verify
from tests.core.engine import START_MS, Engine

PAIRS: dict[str, Any] = {
    "unit": "customer",
    "arms": [
        {
            "id": "old",
            "policy": {"kind": "static"},
            "static_routes": [{"agent": "small", "when": {"pair": "en-de"}}, {"agent": "medium"}],
        },
        {
            "id": "new",
            "policy": {"kind": "static"},
            "static_routes": [{"agent": "large", "when": {"pair": "en-de"}}, {"agent": "medium"}],
        },
    ],
}
QUALITY = {"small": 0.4, "medium": 0.5, "large": 0.8}


def asked(on: Engine, i: int, customers: int = 300, **labels: str) -> Decision:
    """A task of one of many customers, done, with a quality around its agent's."""
    labels = {"customer": f"c{i % customers}", "pair": "en-de", **labels}
    answer = on.route(request_id=f"r{i}", labels=labels)
    noise = 0.2 * np.sin(37.0 * i)
    on.report(answer.decision_id, quality=QUALITY[answer.decision.agent_id] + float(noise))
    return answer.decision


def test_units_stay_with_their_arm_in_the_shares_of_the_weights() -> None:
    """And the arm's own table and policy decide, for its tasks alone."""
    on = Engine()
    arms = [{**PAIRS["arms"][0], "weight": 3.0}, PAIRS["arms"][1]]
    on.experiment("pairs", unit="customer", arms=arms)
    arm_of: dict[str, set[str]] = {}
    for i in range(600):
        made = asked(on, i)
        assert made.trial is not None
        arm_of.setdefault(made.query.labels["customer"], set()).add(made.trial.arm)
        assert made.agent_id == {"old": "small", "new": "large"}[made.trial.arm]
        assert (made.reason, made.policy_id) == (Reason.EXPERIMENT, "static")
    assert all(len(arms) == 1 for arms in arm_of.values())
    old = sum(arms == {"old"} for arms in arm_of.values()) / len(arm_of)
    assert abs(old - 0.75) < 4.5 * np.sqrt(0.75 * 0.25 / len(arm_of))
    other = on.route(labels={"pair": "en-de"}).decision
    assert (other.trial, other.reason) == (None, Reason.BEST_KNOWN) or other.trial is None


def test_what_is_forced_or_named_is_not_part_of_an_experiment() -> None:
    """Its agent was not the arm's to choose."""
    on = Engine()
    on.experiment("pairs", **PAIRS)
    labels = {"customer": "acme", "pair": "en-de"}
    assert on.route(agent_id="medium", labels=labels).decision.trial is None
    on.overrule("pin", agent="medium", when={"customer": "acme"})
    assert on.route(labels=labels).decision.trial is None


def test_the_lift_comes_with_an_interval_over_units() -> None:
    """Around the truth; a retraction takes its outcome out, few units give no interval."""
    on = Engine()
    trial = on.experiment("pairs", **PAIRS)
    for i in range(700):
        asked(on, i)
    (lift,) = lifts(trial)
    assert (lift.metric, lift.arm_id, lift.refused) == ("quality", "new", "")
    assert lift.low is not None
    assert lift.high is not None
    assert lift.low < 0.4 < lift.high
    assert lift.high - lift.low < 0.2
    before = [means(trial.arms[name])[0] for name in ("old", "new")]
    name = on.route(labels={"customer": "c1", "pair": "en-de"}).decision_id
    on.report(name, quality=1.0)
    on.report(name, quality=0.5, kind="REVISE")
    on.report(name, kind="RETRACT")
    after = [means(trial.arms[name])[0] for name in ("old", "new")]
    assert [m.outcomes for m in after] == [m.outcomes for m in before]
    assert [m.mean for m in after] == pytest.approx([m.mean for m in before], abs=1e-12)
    few = on.experiment("a-few", **{**PAIRS, "when": {"pair": "en-de"}})
    for i in range(700, 1_200):
        asked(on, i, customers=6)
    (lift,) = lifts(few)
    assert (lift.low, lift.mean is None) == (None, False)
    assert "too few units" in lift.refused


def test_intervals_hold_however_often_one_looks() -> None:
    """Of 40 experiments without a difference, looked at 12 times each, hardly one says there is."""
    wrong = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        on = Engine()
        trial = on.experiment("aa", unit="request_id", arms=[{"id": "a"}, {"id": "b"}])
        mistaken = False
        for _ in range(12):
            for arm in ("a", "b"):
                tell(trial, arm, rng.integers(64, size=100).tolist(), rng)
            (lift,) = lifts(trial)
            assert lift.low is not None
            assert lift.high is not None
            mistaken |= not lift.low <= 0.0 <= lift.high
        wrong += mistaken
    assert wrong <= 5


def tell(trial: Trial, arm: str, buckets: list[int], rng: np.random.Generator) -> None:
    """Outcomes of an arm, each of a unit of the bucket given."""
    for bucket in buckets:
        trial.arms[arm].told[bucket * 3] += 1
        trial.arms[arm].total[bucket * 3] += float(rng.random())


def test_a_few_large_customers_give_no_interval() -> None:
    """64 groups of units are too few where one of them has most of the outcomes."""
    rng = np.random.default_rng(1)
    trial = Engine().experiment("aa", arms=[{"id": "a"}, {"id": "b"}])
    for arm in ("a", "b"):
        tell(trial, arm, list(range(64)) + [7] * 60, rng)
    (lift,) = lifts(trial)
    assert (lift.low, lift.mean is None) == (None, False)
    assert "a few with most of the outcomes" in lift.refused
    for arm in ("a", "b"):
        tell(trial, arm, list(range(64)), rng)
    assert lifts(trial)[0].low is not None


def test_the_intervals_of_many_arms_hold_together() -> None:
    """The same outcomes give an arm among 8 an interval that misses 7 times less often."""
    found = []
    for arms in (2, 8):
        rng = np.random.default_rng(2)
        trial = Engine().experiment("aa", arms=[{"id": f"arm{k}"} for k in range(arms)])
        for arm in ("arm0", "arm1"):
            tell(trial, arm, rng.integers(64, size=500).tolist(), rng)
        (lift,) = lifts(trial)
        assert lift.low is not None
        assert lift.high is not None
        found.append(lift.high - lift.low)
    wider = asymptotic_factor(500, 1.0 - 0.05 / 7) / asymptotic_factor(500)
    assert found[1] / found[0] == pytest.approx(wider)


def test_a_shadow_is_noted_and_changes_nothing() -> None:
    """The baseline answers; agreement, and a lift where the baseline explores."""
    on = Engine()
    shadow: dict[str, Any] = {
        "unit": "request_id",
        "shadow": True,
        "arms": [
            {
                "id": "now",
                "policy": {"kind": "static", "floor": 0.3},
                "static_routes": [{"agent": "small"}],
            },
            {"id": "then", "policy": {"kind": "static"}, "static_routes": [{"agent": "large"}]},
        ],
    }
    trial = on.experiment("dark", **shadow)
    made = [asked(on, i) for i in range(300)]
    (early,) = lifts(trial)
    assert (early.low, early.mean is None) == (None, False)
    assert "worth 30.0 of the agents that this arm would choose" in early.refused
    made += [asked(on, i) for i in range(300, 900)]
    assert {d.reason for d in made} == {Reason.SHADOW_BASELINE}
    assert {round(law_of(d)["small"], 9) for d in made} == {0.8}
    assert {d.trial.shadow_agent for d in made if d.trial} == {"large"}
    assert trial.agreed == sum(d.agent_id == "large" for d in made)
    (lift,) = lifts(trial)
    assert lift.low is not None
    assert lift.high is not None
    assert lift.low < 0.8 - (0.8 * 0.4 + 0.1 * 0.5 + 0.1 * 0.8) < lift.high
    on.experiment(
        "blind",
        **{
            **shadow,
            "when": {"blind": "yes"},
            "arms": [{**shadow["arms"][0], "policy": {"kind": "static"}}, shadow["arms"][1]],
        },
    )
    on.trials.stop("dark")
    for i in range(900, 1_010):
        asked(on, i, blind="yes")
    (blind,) = lifts(on.state.trials["blind"])
    assert (blind.mean, blind.low) == (None, None)
    assert "floor" in blind.refused


def test_promotion_is_one_event_and_survives_restarts() -> None:
    """The arm decides for every task, keeps what was learnt, and gives way to a changed file."""
    on = Engine()
    on.experiment("pairs", **PAIRS)
    for i in range(50):
        asked(on, i)
    learnt = on.state.learner.count
    on.trials.promote("pairs", "new")
    on.sequencer.commit()
    assert len(on.events(ExperimentPromoted)) == 1
    assert on.route(labels={"pair": "en-de"}).decision.agent_id == "large"
    assert on.state.learner.count == learnt
    on.trials.delete("pairs")
    on.open()
    made = on.route(labels={"pair": "en-de"}).decision
    assert (made.agent_id, made.reason) == ("large", Reason.STATIC_ROUTE)
    assert on.refold().hash() == on.state.hash()
    on.open(static_routes=[{"agent": "small"}])
    assert on.route(labels={"pair": "en-de"}).decision.reason is not Reason.STATIC_ROUTE


def test_an_arm_that_another_took_the_place_of_is_promoted_again() -> None:
    """A promotion taken back by a second one, or by the file, is put in force by a third."""
    on = Engine()
    for name, kind in (("first", "greedy"), ("second", "random")):
        on.experiment(name, arms=[{"id": "now"}, {"id": "new", "policy": {"kind": kind}}])
    for name, kind in (("first", "greedy"), ("second", "random"), ("first", "greedy")) * 2:
        for _ in range(2):
            on.trials.promote(name, "new")
            on.sequencer.commit()
        assert on.state.config.policy.id == kind
        on.wall.now_ms += 1_000
    assert on.state.trials["first"].stopped_ms == START_MS  # when it ended, not when it came back
    assert len(on.events(ExperimentPromoted)) == 5  # the fourth is what the third put in force
    on.open(policy={"kind": "ucb"})
    on.trials.promote("first", "new")
    on.sequencer.commit()
    assert on.state.config.policy.id == "greedy"
    assert on.refold().hash() == on.state.hash()


def test_a_running_experiment_is_not_deleted_and_a_stopped_one_takes_no_more() -> None:
    """Outcomes of what it decided still count."""
    on = Engine()
    trial = on.experiment("pairs", **PAIRS)
    labels = {"customer": "acme", "pair": "en-de"}
    name = on.route(labels=labels).decision_id
    on.refused(ErrorReason.EXPERIMENT_RUNS, on.trials.delete, "pairs")
    on.trials.stop("pairs")
    assert on.route(labels=labels).decision.trial is None
    on.report(name, quality=0.5)
    assert sum(sum(sums.told) for sums in trial.arms.values()) == 1
    on.trials.delete("pairs")
    on.report(name, quality=0.6, kind="REVISE")
    assert on.state.trials == {}


@pytest.mark.parametrize("names", [("old", "new"), ("left", "right")])
def test_an_experiment_is_not_told_of_what_its_deleted_namesake_decided(
    names: tuple[str, str],
) -> None:
    """An outcome that comes later is of the decision alone, whatever the new arms are called."""
    on = Engine()
    on.experiment("pairs", **PAIRS)
    name = on.route(labels={"customer": "acme", "pair": "en-de"}).decision_id
    on.trials.stop("pairs")
    on.trials.delete("pairs")
    arms = [{**arm, "id": name} for arm, name in zip(PAIRS["arms"], names, strict=True)]
    trial = on.experiment("pairs", unit="customer", arms=arms)
    on.report(name, quality=0.5)
    assert sum(sum(sums.told) for sums in trial.arms.values()) == 0
    asked(on, 0)
    assert sum(sum(sums.told) for sums in trial.arms.values()) == 1
    assert on.refold().hash() == on.state.hash()


def test_a_history_with_experiments_verifies_and_survives_a_restart() -> None:
    """Arms, shadows and promotions come back from the log alone, bit for bit."""
    on = Engine()
    on.experiment("pairs", **PAIRS)
    value = [{"id": "file"}, {"id": "value", "policy": {"kind": "greedy", "floor": 0.2}}]
    on.experiment("dark", unit="session_id", shadow=True, arms=value)
    for i in range(120):
        if i % 3:
            asked(on, i)
        else:
            on.route(session_id=f"s{i % 7}")
        if i == 60:
            on.trials.promote("pairs", "old")
    assert on.refold().hash() == on.state.hash()
    found = verify(on.log)
    assert (found.mismatches, found.laws_exact) == ((), 120)
