"""Where a log cannot tell, the answer is why; where it can, it is not refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from bench.ope.estimators import ESTIMATORS, Sample, known
from bench.ope.evaluate import Result, evaluate, results
from bench.ope.refusal import (
    FEW_EFFECTIVE_ROWS,
    LAW_UNKNOWN,
    OUTCOMES_MISSING,
    SUPPORT_MISSING,
    WRONG_LAW,
    outcomes_missing,
    sample_refusals,
    wrong_law,
)
from bench.ope.worlds import ARMS, make
from learners.base import Array
from tests.bench.ope.samples import JUDGED, fixed, learning, rejudged, relawed, two_arms


def judged(sample: Sample, *, independent: bool = True) -> dict[str, Result]:
    """The results of one log by estimator."""
    found = results(sample, independent=independent, left_out={}, resamples=200)
    return {row.estimator: row for row in found}


def codes(found: dict[str, Result]) -> dict[str, str]:
    """The refusals by estimator, codes only."""
    return {
        name: row.refused.partition(":")[0]
        for name, row in found.items()
        if row.refused is not None
    }


def test_no_number_where_the_log_gave_no_chance() -> None:
    """A policy that goes where the logged law is 0 is refused by all, with the share lost."""
    found = judged(two_arms([0] * 300, [1.0] * 300, logged=0.0, judged=0.25))
    assert codes(found) == dict.fromkeys(ESTIMATORS, SUPPORT_MISSING)
    for row in found.values():
        assert (row.value, row.ci95, row.anytime95, row.interval) == (None, None, None, None)
        assert "0.25 of its probability" in str(row.refused)
        assert "300 of 300 rows" in str(row.refused)


def test_no_number_for_actions_that_never_occur() -> None:
    """Without the whole logged law, an action that the log never shows has no support."""
    sample = two_arms([0] * 300, [1.0] * 300, logged=0.001, judged=0.25)._replace(law=None)
    assert set(codes(judged(sample)).values()) == {SUPPORT_MISSING}
    assert "never occur" in str(judged(sample)["ips"].refused)


def test_no_number_from_few_effective_rows() -> None:
    """One row of a huge weight is no sample: the refusal says how many rows it is worth."""
    actions = [1] + [0] * 999
    sample = two_arms(actions, [1.0] * 1_000, logged=0.001, judged=0.5)._replace(law=None)
    found = judged(sample)
    assert codes(found)["ips"] == codes(found)["dm"] == FEW_EFFECTIVE_ROWS
    assert "1,000 rows are worth" in str(found["ips"].refused)
    assert found["ips"].ess is not None
    assert found["ips"].ess < 50


def test_estimators_that_need_a_whole_law_say_so() -> None:
    """With the action's probabilities alone, IPS speaks and those that sum over actions do not."""
    actions = (np.random.default_rng(0).random(400) < 0.5).astype(int).tolist()
    sample = two_arms(actions, [1.0, 0.0] * 200, logged=0.5, judged=0.6)
    found = judged(sample._replace(law=None, policy=None))
    assert codes(found) == dict.fromkeys(("dm", "dr", "switch-dr"), LAW_UNKNOWN)
    assert "policy's law" in str(found["dr"].refused)
    assert codes(judged(sample._replace(law=None))) == {"switch-dr": LAW_UNKNOWN}


def test_a_policy_that_the_log_hardly_followed_is_refused_without_laws_too() -> None:
    """Weights that average far below one tell of missing support when no law does."""
    rng = np.random.default_rng(1)
    own = rng.uniform(0.0, 0.6, 500)
    sample = two_arms([0] * 500, [1.0] * 500, logged=0.1, judged=0.1)
    sample = sample._replace(law=None, policy=None, policy_propensity=own)
    assert set(codes(judged(sample)).values()) == {SUPPORT_MISSING}


def test_the_direct_method_never_quotes_an_interval() -> None:
    """Its error is its model's: a value and no interval, not a narrow interval around a bias."""
    sample, _ = fixed(logs=1, rows=600, seed=2, world="piecewise")
    found = evaluate(sample, independent=True, resamples=200)["dm"]
    assert found.refused == [None]
    assert found.quoted is None
    assert found.anytime is None


def test_switch_is_as_wide_as_its_model_may_be_wrong() -> None:
    """Where half of the law is the model's word, the interval is at least half of the bounds."""
    actions = (np.random.default_rng(3).random(400) < 0.01).astype(int).tolist()
    rewards = [1.0, 0.0] * 200
    sample = two_arms(actions, rewards, logged=0.01, judged=0.5)
    found = judged(sample, independent=False)["switch-dr"]
    assert found.ci95 is not None
    assert found.ci95[1] - found.ci95[0] >= 0.5
    unbounded = judged(sample._replace(bounds=None), independent=False)["switch-dr"]
    assert unbounded.value is not None
    assert unbounded.ci95 is None


def refused_share(sample: Sample, code: str) -> float:
    """Share of logs that are refused whole with this code."""
    why = sample_refusals(sample)
    return sum(reason is not None and reason.startswith(code) for reason in why) / len(why)


@pytest.mark.parametrize("logged", [fixed, learning])
def test_honest_logs_are_never_called_wrong(
    logged: Callable[[int, int, int], tuple[Sample, float]],
) -> None:
    """Laws that were drawn from are not refused, learning or not."""
    sample, _ = logged(500, 300, 4)
    assert Counter(sample_refusals(sample)) == {None: 500}


def before_floor(sample: Sample) -> Sample:
    """The deliberate bug: the law is logged as it was before the floor was laid under it."""
    return relawed(sample, (known(sample.law) - 0.2 / ARMS) / 0.8)


def test_a_law_logged_before_its_floor_is_refused() -> None:
    """Deliberate bug: the logged law lacks the floor it was drawn with. Every log is refused."""
    sample, _ = learning(logs=100, rows=400, seed=5)
    assert refused_share(sample, WRONG_LAW) == 0.0
    assert refused_share(before_floor(sample), WRONG_LAW) == 1.0


def shifted(sample: Sample, by: int) -> Sample:
    """The deliberate bug: each row has the law of a neighbour."""
    return relawed(sample, np.roll(known(sample.law), by, axis=1))


@pytest.mark.parametrize("by", [1, -1])
def test_laws_that_are_off_by_one_row_are_refused(by: int) -> None:
    """Deliberate bug: each row is logged with its neighbour's law. Nearly every log is refused."""
    sample, _ = learning(logs=100, rows=600, seed=6)
    assert refused_share(shifted(sample, by), WRONG_LAW) > 0.95


def standard_errors(sample: Sample, truth: float) -> float:
    """How far IPS is from the truth, over all logs."""
    errors: Array = (sample.weight * sample.reward).mean(-1) - truth
    return float(abs(errors.mean()) / (errors.std() / np.sqrt(len(errors))))


def test_what_one_log_cannot_show_the_truth_does() -> None:
    """A mild law without its floor escapes a single log; against known truth its bias is plain."""
    sample, truth = fixed(logs=300, rows=300, seed=7)
    wrong = before_floor(sample)
    assert refused_share(wrong, WRONG_LAW) < 0.5
    assert standard_errors(sample, truth) < 4.5
    assert standard_errors(wrong, truth) > 10.0
    assert standard_errors(shifted(sample, 1), truth) > 10.0


def test_a_policy_that_has_seen_the_outcome_is_found_out() -> None:
    """Deliberate bug: the judged law of a row knows its outcome. Its value is far off."""
    sample, _ = fixed(logs=300, rows=200, seed=8)
    honest = known(sample.policy)
    chosen = np.eye(ARMS)[sample.action]
    leaning = 0.9 * honest + 0.1 * np.where(sample.reward[..., None] > 0, chosen, 1.0 / ARMS)
    truth = float((JUDGED * make("linear", 1).first).sum(-1).mean())
    assert standard_errors(sample, truth) < 4.5
    assert standard_errors(rejudged(sample, leaning), truth) > 10.0


def silent(told: tuple[float, float], rows: int, seed: int) -> list[tuple[str, dict[str, float]]]:
    """The rows of two agents, drawn alike, whose outcomes were told of one more than the other."""
    rng = np.random.default_rng(seed)
    lost = []
    for p in rng.uniform(0.2, 0.8, rows):
        action = int(rng.random() < p)
        if rng.random() >= told[action]:
            lost.append(("ab"[action], {"a": 1.0 - p, "b": p}))
    return lost


def test_outcomes_that_are_told_of_one_agent_more_are_missed() -> None:
    """Told of .95 and .80, nearly every log of 2,000 is refused; told alike, not one of 300 is."""
    some = [outcomes_missing(silent((0.95, 0.8), 2_000, seed)) for seed in range(50)]
    assert sum(why is not None for why in some) >= 48
    assert str(some[0]).startswith(f"{OUTCOMES_MISSING}: ")
    assert " b was drawn in " in str(some[0])
    alike = [outcomes_missing(silent((0.85, 0.85), 2_000, seed)) for seed in range(300)]
    assert alike == [None] * 300
    assert outcomes_missing([]) is None


def test_a_propensity_that_is_not_its_law_s_is_refused() -> None:
    """The propensity of a row must be its law's probability of the action taken."""
    sample, _ = fixed(logs=2, rows=100, seed=9)
    off = sample.propensity.copy()
    off[1, 50] *= 0.9
    why = wrong_law(sample._replace(propensity=off))
    assert why[0] is None
    assert str(why[1]).startswith(f"{WRONG_LAW}: a propensity differs")


def test_an_impossible_action_is_refused() -> None:
    """An action of propensity 0 was taken: the log contradicts itself, and nothing divides by 0."""
    sample = two_arms([0, 1] * 100, [1.0] * 200, logged=0.0, judged=0.0)
    assert set(codes(judged(sample)).values()) == {WRONG_LAW}
