"""routerd's own log, folded under another configuration."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import numpy as np
import pytest

from bench.data.recorded import DataError
from bench.ope.estimators import Sample, ips, known
from bench.ope.fixed import Settings
from bench.ope.log import Fold, Traffic, read_log
from learners.base import Array
from routerd.core.events import Decision
from routerd.core.settings import EngineConfig
from tests.core.engine import AGENTS, HOUR_MS, Engine

PLAIN: dict[str, Any] = {"clock": "logical", "seed": 5}
KINDS = ("code", "prose", "maths")


def engine(rows: int, **config: Any) -> Engine:
    """An engine with decisions whose outcomes follow the work type and the agent."""
    made = Engine(**{**PLAIN, **config})
    for row in range(rows):
        answer = made.route(request_id=f"r{row}", work_type=KINDS[row % 3])
        good = (row * 7 + len(answer.decision.agent_id)) % 5 < 3
        made.report(answer.decision_id, quality=float(good))
    return made


def configured(**config: Any) -> EngineConfig:
    """A configuration of the test's agents."""
    return msgspec.convert({"agents": AGENTS, **PLAIN, **config}, EngineConfig)


def judged(made: Engine, policy: EngineConfig | str, **asked: Any) -> tuple[Traffic, Sample]:
    """The traffic of a log and its sample, which must be there."""
    found = read_log(made.log, "default", policy, **asked)
    assert found.sample is not None
    return found, found.sample


@pytest.mark.parametrize("kind", ["value", "thompson", "squarecb", "rotation", "weighted_score"])
def test_the_logged_configuration_gets_the_logged_laws(kind: str) -> None:
    """Judged on its own log a configuration has weights of one, bit for bit, and its own value.

    Rotation and the weighted score follow decisions, not outcomes: they tell a fold that decides
    after the decision was applied.
    """
    policy = {"kind": kind}
    found, sample = judged(engine(60, policy=policy), configured(policy=policy))
    assert np.array_equal(known(sample.policy), known(sample.law))
    assert float(ips(sample).value) == sample.reward.mean()
    assert found.left_out == {}
    assert found.agents == ("large", "medium", "small")
    assert sample.bounds == (0.0, 1.0)


def test_another_configuration_learns_from_what_was_logged() -> None:
    """The judged greedy policy moves its law to the agent whose logged outcomes were good."""
    made = Engine(**PLAIN)
    for row in range(80):
        answer = made.route(request_id=f"r{row}")
        made.report(answer.decision_id, quality=float(answer.decision.agent_id == "small"))
    _, sample = judged(made, configured(policy={"kind": "greedy"}))
    assert known(sample.policy)[-1].tolist() == [0.0, 0.0, 1.0]
    assert not np.array_equal(known(sample.policy), known(sample.law))


def laws_when(turned: int | None) -> Array:
    """Judged laws of 40 decisions, the outcome of one of them turned around."""
    made = Engine(**PLAIN, policy={"kind": "random"})
    for row in range(40):
        answer = made.route(request_id=f"r{row}")
        good = (row % 3 == 0) != (row == turned)
        made.report(answer.decision_id, quality=float(good))
    _, sample = judged(made, configured(policy={"kind": "thompson"}))
    return known(sample.policy)


@pytest.mark.parametrize("turned", [0, 17, 39])
def test_a_law_knows_nothing_of_its_own_outcome_or_later_ones(turned: int) -> None:
    """Turning one outcome around moves the laws after that decision, and not one before."""
    moved = (laws_when(None) != laws_when(turned)).any(1)
    assert not moved[: turned + 1].any()
    assert moved[turned + 1 :].all()


class Peeking(Fold):
    """The fold with a deliberate bug: a decision's law has learnt its own outcome."""

    outcome_of: dict[str, float]

    def law(self, query: Any, event: Any, left_out: Any) -> Any:
        arm = self.state.arm_of[event.agent_id]
        x = np.frombuffer(query.x)
        self.state.learner.observe(arm, x, self.outcome_of[query.request_id], 3.0, 0)
        made = super().law(query, event, left_out)
        self.state.learner.observe(arm, x, self.outcome_of[query.request_id], -3.0, 0)
        return made


def lift(made: Engine, fold_type: type[Fold]) -> float:
    """What greedy laws earn above .5 by IPS, through a fold."""
    logged = configured(policy={"kind": "random"})
    greedy = configured(policy={"kind": "greedy"}, features=[])
    fold = fold_type("default", greedy, Settings([logged], [], []), decides=True)
    gains = []
    for row in list(fold.rows(made.log, Counter())):
        own = row.law[fold.state.arm_of[row.decision.agent_id]]
        gains.append(own / row.decision.propensity * (fold.reward(row)[1] - 0.5))
    return float(np.mean(gains))


def test_a_fold_that_peeks_finds_gains_where_there_are_none() -> None:
    """Where all agents are coins, greedy earns nothing more; a peeking fold says that it does."""
    honest, peeking = [], []
    for seed in range(10):
        made = Engine(**PLAIN, policy={"kind": "random"}, features=[])
        coins = np.random.default_rng(seed).integers(2, size=40).tolist()
        for row, coin in enumerate(coins):
            answer = made.route(request_id=f"r{row}")
            made.report(answer.decision_id, quality=float(coin))
        Peeking.outcome_of = {f"r{row}": float(coin) for row, coin in enumerate(coins)}
        honest.append(lift(made, Fold))
        peeking.append(lift(made, Peeking))
    error = np.std(honest) / np.sqrt(len(honest))
    assert abs(np.mean(honest)) < 4.5 * error
    assert np.mean(peeking) > 4.5 * error


def test_rows_that_cannot_be_judged_are_counted() -> None:
    """Agents that requests or outcomes name and missing outcomes are left out, each by its name."""
    made = engine(30)
    named = made.route(request_id="named", agent_id="small")
    made.report(named.decision_id, quality=1.0)
    other = made.route(request_id="other")
    ran = next(a for a in ("large", "medium", "small") if a != other.decision.agent_id)
    made.report(other.decision_id, quality=1.0, executed_agent_id=ran)
    same = made.route(request_id="same")
    made.report(same.decision_id, quality=1.0, executed_agent_id=same.decision.agent_id)
    made.route(request_id="silent")
    found, sample = judged(made, configured())
    assert found.left_out == {"explicit": 1, "executed_agent_named": 2, "without_outcome": 1}
    assert len(sample.reward) == len(found.decision_ids) == 30
    assert named.decision_id not in found.decision_ids


def test_decisions_that_go_on_with_a_session_are_left_out() -> None:
    """What an agent earns above the log is told of 60 sessions' first draws, which chose freely.

    A session of 6 tasks stays with the agent that it drew; 1 of 2 agents is right, one is wrong.
    """
    made = Engine(agents=[{"id": "a"}, {"id": "b"}], clock="logical", policy={"kind": "random"})
    for row in range(360):
        answer = made.route(request_id=f"r{row}", session_id=f"s{row // 6}")
        made.report(answer.decision_id, quality=float(answer.decision.agent_id == "a"))
    found, sample = judged(made, "always:a")
    assert found.left_out == {"session_goes_on": 300}
    first = [answer for answer in made.events(Decision) if "sticky" not in answer.stages]
    assert sample.reward.tolist() == [float(answer.agent_id == "a") for answer in first]


def test_a_request_id_that_comes_again_after_its_window_is_left_out() -> None:
    """The same id draws by the same number, so its later decisions chose nothing anew."""
    window = {"window_hours": 2e-6}  # 7 positions of the log
    made = Engine(clock="logical", policy={"kind": "random"}, outcomes=window)
    for row in range(30):
        answer = made.route(request_id=f"r{row % 10}")
        made.report(answer.decision_id, quality=1.0)
    found, sample = judged(made, "uniform")
    assert found.left_out == {"request_id_again": 20}
    assert len(sample.reward) == 10


def test_a_named_decision_teaches_though_it_is_not_judged() -> None:
    """What came of a decision that nobody drew still moves the judged laws behind it."""
    laws = []
    for quality in (0.0, 1.0):
        made = Engine(**PLAIN)
        for row in range(20):
            named = made.route(request_id=f"n{row}", agent_id="small")
            made.report(named.decision_id, quality=quality)
        last = made.route(request_id="last")
        made.report(last.decision_id, quality=0.5)
        _, sample = judged(made, configured(policy={"kind": "greedy"}))
        laws.append(known(sample.policy)[-1].tolist())
    assert laws[0][2] == 0.0
    assert laws[1] == [0.0, 0.0, 1.0]


def test_the_current_outcome_counts() -> None:
    """A revision replaces what was reported and a retraction takes it away, also in the reward."""
    made = Engine(**PLAIN)
    names = [made.route(request_id=f"r{row}").decision_id for row in range(3)]
    for name in names:
        made.report(name, quality=0.2)
    made.report(names[1], quality=0.9, kind="REVISE", outcome_id="late")
    made.report(names[2], kind="RETRACT", outcome_id="gone")
    found, sample = judged(made, configured())
    assert sample.reward.tolist() == [0.2, 0.9]
    assert found.left_out == {"without_outcome": 1}


def test_closed_decisions_keep_their_outcomes() -> None:
    """What came of a decision still counts after its window; silence becomes the declared rule."""
    made = Engine(seed=5)
    kept = made.route(request_id="kept")
    made.report(kept.decision_id, quality=0.7)
    made.route(request_id="silent")
    made.wall.now_ms += 30 * HOUR_MS
    made.route(request_id="later")
    made.route(request_id="last")
    assert made.state.decisions.keys().isdisjoint({kept.decision_id})
    plain = judged(made, configured())
    assert plain[1].reward.tolist() == [0.7]
    assert plain[0].left_out == {"without_outcome": 3}
    zero = judged(made, configured(outcomes={"missing_quality": 0.0}))
    assert zero[1].reward.tolist() == [0.7, 0.0]


def test_the_judged_configuration_weighs_cost() -> None:
    """Utility is the judged configuration's, a request's own preference first."""
    made = Engine(**PLAIN)
    for number, preference in enumerate(({}, {"cost": 0.0})):
        answer = made.route(request_id=f"r{number}", preference=preference)
        made.report(answer.decision_id, quality=0.8, cost_usd=0.02)
    silent = made.route(request_id="no cost")
    made.report(silent.decision_id, quality=0.8)
    found, sample = judged(made, configured(utility={"cost": 0.1, "cost_scale_usd": 0.01}))
    assert sample.reward == pytest.approx([0.6, 0.8])
    assert sample.bounds is None
    assert found.left_out == {"without_outcome": 1}
    assert judged(made, configured(), bounds=(-1.0, 1.0))[1].bounds == (-1.0, 1.0)


def test_categories_are_encoded_anew() -> None:
    """A configuration may look at labels that the logged one ignored."""
    made = Engine(**PLAIN, features=[])
    for row in range(90):
        tier = ("free", "paid")[row % 2]
        answer = made.route(request_id=f"r{row}", labels={"tier": tier})
        good = (answer.decision.agent_id == "small") == (tier == "free")
        made.report(answer.decision_id, quality=float(good))
    policy = {"kind": "greedy"}
    blind = known(judged(made, configured(features=[], policy=policy))[1].policy)
    seeing = configured(features=[{"kind": "category", "name": "tier"}], policy=policy)
    seen = known(judged(made, seeing)[1].policy)
    assert np.array_equal(blind[-1], blind[-2])
    assert not np.array_equal(seen[-1], seen[-2])


def test_numbers_are_taken_from_the_logged_x() -> None:
    """A number that the log encoded alike is found again; one that it did not is refused."""
    number = {"kind": "number", "name": "size", "scale": 2.0}
    made = Engine(**PLAIN, features=[{"kind": "text", "size": 4}, number])
    for row in range(5):
        answer = made.route(request_id=f"r{row}", description="a b", features={"size": float(row)})
        made.report(answer.decision_id, quality=1.0)
    _, sample = judged(made, configured(features=[number]))
    assert sample.x[:, 1].tolist() == [0.0, 0.5, 1.0, 1.5, 2.0]
    with pytest.raises(DataError, match="'size' cannot be judged on this log"):
        judged(made, configured(features=[{**number, "scale": 1.0}]))


def test_requests_that_the_policy_refuses_are_counted() -> None:
    """A request for a pool that the judged configuration lacks is left out by its own name."""
    made = engine(10)
    answer = made.route(request_id="paid", pool="paid")
    made.report(answer.decision_id, quality=1.0)
    found, _ = judged(made, configured(agents=[{"id": "small"}]))
    assert found.left_out == {"policy_refuses": 1}


def test_rules_need_no_configuration() -> None:
    """Uniform and a fixed agent are judged over each row's own eligible agents."""
    made = engine(10)
    answer = made.route(request_id="paid", pool="paid")
    made.report(answer.decision_id, quality=1.0)
    assert known(judged(made, "uniform")[1].policy)[-1].tolist() == [0.5, 0.5, 0.0]
    assert known(judged(made, "always:small")[1].policy)[-1].tolist() == [0.0, 0.0, 1.0]
    logged = judged(made, "logged")[1]
    assert np.array_equal(known(logged.policy), known(logged.law))
    with pytest.raises(DataError, match="no such action"):
        judged(made, "always:nobody")


def test_the_first_part_may_teach_only() -> None:
    """Decisions of the burn-in are learnt from, counted and not scored."""
    made = engine(50)
    whole, late = judged(made, configured()), judged(made, configured(), burn_in=0.4)
    assert late[0].left_out == {"burn_in": 20}
    assert late[0].decision_ids == whole[0].decision_ids[20:]
    assert np.array_equal(known(late[1].policy), known(whole[1].policy)[20:])


def test_a_changed_configuration_in_the_log_is_followed() -> None:
    """Across a restart with other features, x is encoded as the judged configuration says."""
    made = engine(12)
    made.open(**PLAIN, features=[{"kind": "category", "name": "domain"}])
    answer = made.route(request_id="late", work_type="code")
    made.report(answer.decision_id, quality=1.0)
    _, sample = judged(made, configured())
    assert sample.x.shape == (13, 17)
    assert sample.x[-1].tolist() == sample.x[0].tolist()


def test_an_unknown_partition_is_told() -> None:
    """The error names the partitions that there are."""
    with pytest.raises(DataError, match="no partition 'other'; there are: default"):
        read_log(engine(1).log, "other", "uniform")


def test_what_operators_ruled_is_told_apart() -> None:
    """Under an override nothing else was to be had, so no more is asked of the judged policy.

    An experiment's arms are the log's: the judged configuration answers in place of them all.
    """
    made = Engine(**PLAIN, policy={"kind": "random"})
    made.overrule("pin", agent="small", when={"customer": "acme"})
    arms: list[dict[str, Any]] = [{"id": "a"}, {"id": "b", "static_routes": [{"agent": "large"}]}]
    made.experiment(
        "x", unit="request_id", arms=[arms[0], {**arms[1], "policy": {"kind": "static"}}]
    )
    for row in range(60):
        labels = {"customer": "acme"} if row % 3 == 0 else {}
        name = made.route(request_id=f"r{row}", labels=labels).decision_id
        made.report(name, quality=0.5)
    made.trials.promote("x", "b")
    made.sequencer.commit()
    for row in range(60, 70):
        made.report(made.route(request_id=f"r{row}").decision_id, quality=0.5)
    _, sample = judged(made, configured(policy={"kind": "random"}))
    policy, law = known(sample.policy), known(sample.law)
    third = np.full(3, 1 / 3)
    for row in range(70):
        forced = row < 60 and row % 3 == 0
        assert np.array_equal(policy[row], [0.0, 0.0, 1.0] if forced else third)
        assert not forced or np.array_equal(law[row], policy[row])
