"""Against known truth: bias, coverage and refusals, in small here and in full in the soak."""

from __future__ import annotations

import numpy as np
import pytest

from bench.ope.coverage import (
    ACCEPTED,
    BOUNDS,
    Line,
    engine,
    in_words,
    lines,
    loggings,
    simulated,
)
from bench.ope.estimators import Sample
from bench.ope.evaluate import evaluate
from bench.ope.refusal import SUPPORT_MISSING
from bench.ope.worlds import WORLDS

SMALL_LOGS, SMALL_ROWS = 120, 600


def beyond_chance(logs: int) -> float:
    """How far coverage of 95% may fall by chance, once in 100,000 times."""
    return 4.5 * float(np.sqrt(0.05 * 0.95 / logs))


def check(line: Line) -> list[str]:
    """What is wrong with one line against the truth; this is what an estimator must pass."""
    told = in_words(line)
    if line.bias is None or line.estimator == "dm":
        return []
    spoke = round(line.n_logs * (1.0 - line.refused))
    wrong = []
    if line.interval is None or line.coverage is None:
        wrong.append(f"no interval: {told}")
    elif line.coverage < ACCEPTED[0] + 0.01 - beyond_chance(spoke):
        wrong.append(f"coverage: {told}")
    unbiased = line.estimator in ("ips", "dr") and line.refused < 0.01
    if unbiased and abs(line.bias) > 4.5 * (line.bias_se or 0.0):
        wrong.append(f"bias: {told}")
    return wrong


@pytest.mark.parametrize("world", WORLDS)
def test_estimates_keep_what_they_promise(world: str) -> None:
    """In every world, under fixed and learning laws: no bias, coverage, honest refusals."""
    for scenario in simulated((world,), SMALL_LOGS, SMALL_ROWS, seed=11):
        for line in lines(scenario, resamples=200):
            assert not check(line), line
            if scenario.logging == "deterministic":
                assert line.refused == 1.0
                assert line.reasons == {SUPPORT_MISSING: SMALL_LOGS}
            elif scenario.policy == "smooth" and line.estimator in ("ips", "snips", "dr"):
                assert line.refused < 0.9


def test_own_adaptive_logs_are_judged_honestly() -> None:
    """routerd's own learning logs, read and judged as `bench ope DIR` does: intervals cover."""
    for scenario in engine(("delayed",), logs=15, rows=120, jobs=1):
        for line in lines(scenario, resamples=100):
            assert not check(line), line
            if scenario.policy == "squarecb" and line.estimator != "replay":
                assert line.refused == 0.0


def nearly_certain(logs: int, rows: int, share: float, means: tuple[float, float]) -> Sample:
    """Logs in which a share of the rows had the second of two agents, who nearly always succeed."""
    rng = np.random.default_rng(14)
    law = np.full((logs, rows, 2), (1.0 - share, share))
    action = (rng.random((logs, rows)) < share).astype(np.intp)
    reward = (rng.random((logs, rows)) < np.array(means)[action]).astype(np.float64)
    return Sample(
        action=action,
        reward=reward,
        propensity=np.take_along_axis(law, action[..., None], -1)[..., 0],
        policy_propensity=action.astype(np.float64),
        policy=np.full((logs, rows, 2), (0.0, 1.0)),
        law=law,
        x=np.ones((logs, rows, 1)),
        bounds=BOUNDS,
    )


@pytest.mark.parametrize("estimator", ["replay", "ips", "snips", "dr"])
@pytest.mark.parametrize(("rows", "share"), [(200, 0.5), (400, 0.2), (200, 0.95)])
def test_rows_that_are_all_alike_are_not_certain(estimator: str, rows: int, share: float) -> None:
    """Where 100 rows may have seen no failure at all, 95% intervals still hold the truth."""
    logs, means = 400, (0.97, 0.99)
    found = evaluate(nearly_certain(logs, rows, share, means), independent=True, resamples=300)
    told = found[estimator]
    spoke = np.array([reason is None for reason in told.refused])
    lift = means[1] - share * means[1] - (1.0 - share) * means[0]
    for interval, truth in ((told.quoted, means[1]), (told.lift, lift)):
        assert interval is not None
        held = ((interval.low <= truth) & (truth <= interval.high))[spoke]
        assert held.mean() >= 0.95 - beyond_chance(int(spoke.sum()))
        inside = spoke & (interval.low < BOUNDS[1])  # IPS may lie above what there is
        assert (interval.high - interval.low)[inside].min() > 0.0


def test_a_policy_is_not_above_itself() -> None:
    """The lift of the logged policy over itself is 0, and its interval has no width."""
    sample = nearly_certain(50, 200, 0.5, (0.9, 0.9))
    same = sample._replace(policy=sample.law, policy_propensity=sample.propensity)
    for independent in (True, False):
        lift = evaluate(same, independent=independent, resamples=100)["ips"].lift
        assert lift is not None
        assert np.abs(lift.low).max() == np.abs(lift.high).max() == 0.0


def test_the_check_can_fail() -> None:
    """An estimate that is off, and an interval that is too narrow, do not pass the check."""
    scenario = next(iter(simulated(("linear",), 100, 200, seed=12)))
    off = scenario._replace(truth=scenario.truth + 0.2)
    wrong = [told for line in lines(off, resamples=100) for told in check(line)]
    assert any(told.startswith("coverage") for told in wrong)
    assert any(told.startswith("bias") for told in wrong)


def test_rewards_stay_in_their_bounds() -> None:
    """The worlds' rewards are 0 or 1 and their logging laws are laws."""
    for name, (law, _) in loggings(3).items():
        p = law().law(np.array([0, 1, 2]))
        assert np.allclose(p.sum(-1), 1.0), name
    scenario = next(iter(simulated(("piecewise",), 2, 50, seed=1)))
    assert BOUNDS == (0.0, 1.0)
    assert set(np.unique(scenario.sample.reward)) <= {0.0, 1.0}


@pytest.mark.soak
@pytest.mark.parametrize("world", WORLDS)
def test_a_thousand_logs_cover_between_93_and_97(world: str) -> None:
    """Bootstraps of independent rows cover 93-97% within chance; sequences cover more."""
    for scenario in simulated((world,), 1_000, 1_000, seed=13):
        for line in lines(scenario):
            assert not check(line), line
            if line.interval == "bootstrap":
                assert line.coverage is not None
                assert ACCEPTED[0] - 0.01 <= line.coverage <= ACCEPTED[1] + 0.01, line
            elif line.interval == "anytime":
                assert line.coverage is not None
                assert line.coverage >= 0.95, line
