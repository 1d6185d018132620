"""Estimators against closed forms, against each other, and against looking ahead."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from bench.ope.estimators import (
    ESTIMATORS,
    Sample,
    direct,
    doubly_robust,
    effective_rows,
    ips,
    known,
    replay,
    snips,
    switch_dr,
)
from bench.ope.evaluate import evaluate
from bench.ope.model import (
    FIRST_BLOCK,
    RIDGE,
    Indices,
    OutcomeModel,
    blocks,
    look_at_all,
    look_back,
)
from bench.ope.worlds import make
from learners.base import Array
from tests.bench.ope.samples import fixed, learning, rejudged, two_arms

Model = Callable[..., Array]

RNG = np.random.default_rng(0)
ACTIONS = (RNG.random(200) < 0.3).astype(int).tolist()
REWARDS = (RNG.random(200) < 0.4).astype(float).tolist()


def counted() -> tuple[list[int], list[int]]:
    """How often each of two arms was taken, and what it earned."""
    taken = [ACTIONS.count(arm) for arm in (0, 1)]
    earned = [
        sum(int(r) for a, r in zip(ACTIONS, REWARDS, strict=True) if a == arm) for arm in (0, 1)
    ]
    return taken, earned


def test_two_arms_have_closed_forms() -> None:
    """IPS and SNIPS are the textbook fractions of counts, computed here without a float."""
    taken, earned = counted()
    weight = [Fraction(2, 7), Fraction(8, 3)]  # (1 - .8) / (1 - .3) and .8 / .3
    sample = two_arms(ACTIONS, REWARDS, logged=0.3, judged=0.8)
    top = sum(w * s for w, s in zip(weight, earned, strict=True))
    bottom = sum(w * n for w, n in zip(weight, taken, strict=True))
    assert float(ips(sample).value) == pytest.approx(float(top / 200))
    assert float(snips(sample).value) == pytest.approx(float(top / bottom))


def test_the_direct_method_is_a_shrunken_mean_per_arm() -> None:
    """Without contexts the model of an arm is its mean, with RIDGE rows of the grand mean."""
    taken, earned = counted()
    grand = sum(earned) / 200
    mean = [(s + RIDGE * grand) / (n + RIDGE) for s, n in zip(earned, taken, strict=True)]
    found = direct(two_arms(ACTIONS, REWARDS, logged=0.3, judged=0.8)).value
    assert float(found) == pytest.approx(0.2 * mean[0] + 0.8 * mean[1])


def test_doubly_robust_is_its_loop_over_rows() -> None:
    """DR of two arms equals a plain loop whose model is a mean of the blocks before."""
    total, count, every, seen = [0.0, 0.0], [0, 0], 0.0, 0
    value = 0.0
    for block in blocks(200):
        rows = range(200)[block]
        grand = every / seen if seen else 0.5
        model = [(total[k] + RIDGE * grand) / (count[k] + RIDGE) for k in (0, 1)]
        for row in rows:
            a, r = ACTIONS[row], REWARDS[row]
            weight = 0.8 / 0.3 if a else 0.2 / 0.7
            value += 0.2 * model[0] + 0.8 * model[1] + weight * (r - model[a])
        for row in rows:
            total[ACTIONS[row]] += REWARDS[row]
            count[ACTIONS[row]] += 1
            every += REWARDS[row]
        seen += len(rows)
    found = doubly_robust(two_arms(ACTIONS, REWARDS, logged=0.3, judged=0.8)).value
    assert float(found) == pytest.approx(value / 200)


def test_rmse_of_ips_is_the_closed_form() -> None:
    """Over many two-armed logs the squared error of IPS is (sum pi^2 q / mu - V^2) / n."""
    q, logged, judged, rows, logs = np.array([0.3, 0.6]), 0.3, 0.8, 50, 20_000
    rng = np.random.default_rng(3)
    action = (rng.random((logs, rows)) < logged).astype(np.intp)
    reward = (rng.random((logs, rows)) < q[action]).astype(np.float64)
    mu, pi = np.array([1 - logged, logged]), np.array([1 - judged, judged])
    sample = Sample(
        action=action,
        reward=reward,
        propensity=mu[action],
        policy_propensity=pi[action],
        policy=None,
        law=None,
        x=np.ones((logs, rows, 1)),
    )
    value = float(pi @ q)
    variance = float((pi * pi / mu) @ q - value**2) / rows
    errors = ips(sample).value - value
    assert abs(errors.mean()) < 4.5 * np.sqrt(variance / logs)
    assert (errors**2).mean() == pytest.approx(variance, rel=0.05)


def test_uniform_logs_replay_where_both_agree() -> None:
    """Replay of a fixed choice on a uniform log is the mean of the rows that made this choice."""
    actions = [0, 1] * 100
    sample = two_arms(actions, REWARDS, logged=0.5, judged=1.0)
    found = replay(sample)
    assert float(found.ess) == 100.0
    assert float(found.value) == pytest.approx(np.mean(REWARDS[1::2]))


def test_the_policy_that_logged_earns_what_was_logged() -> None:
    """Judged on its own log, every estimator that weighs gives the mean reward, from all rows."""
    sample = two_arms(ACTIONS, REWARDS, logged=0.3, judged=0.3)
    for estimator in (replay, ips, snips):
        terms = estimator(sample)
        assert float(terms.value) == pytest.approx(np.mean(REWARDS))
        assert float(terms.ess) == pytest.approx(200.0)


def test_logs_side_by_side_are_logs_alone() -> None:
    """A log among others gets the estimate that it gets alone."""
    sample, _ = fixed(logs=3, rows=80, seed=1)
    for name, estimator in ESTIMATORS.items():
        lane = sample._replace(
            **{  # type: ignore[arg-type]
                field: part[:1]
                for field, part in sample._asdict().items()
                if isinstance(part, np.ndarray)
            }
        )
        alone = estimator(lane)
        assert estimator(sample).value[0] == pytest.approx(alone.value[0]), name


def test_switch_is_dr_until_a_weight_is_too_large() -> None:
    """SWITCH-DR is DR while no weight exceeds sqrt(n); beyond it tells what the model says."""
    mild = two_arms(ACTIONS, REWARDS, logged=0.3, judged=0.8)
    assert float(switch_dr(mild).value) == pytest.approx(float(doubly_robust(mild).value))
    assert switch_dr(mild).modelled is None
    rare = [1] + [0] * 199
    harsh = two_arms(rare, REWARDS, logged=0.01, judged=0.5)  # a weight of 50 > sqrt(200)
    found = switch_dr(harsh)
    assert found.modelled is not None
    said, share = found.modelled
    assert share.tolist() == [0.5] * 200
    model = look_back(harsh.x, harsh.action, harsh.reward, 2, (0.0, 1.0))
    assert np.allclose(said, 0.5 * model[:, 1])


def test_effective_rows_see_the_weights_that_did_not_come() -> None:
    """Where the policy goes and the log hardly went, the weights look fine and the laws do not."""
    rows = 400
    sample = two_arms([0] * rows, [1.0] * rows, logged=0.0005, judged=0.5)
    assert float(effective_rows(sample._replace(law=None))) == pytest.approx(rows)
    expected = rows / (0.25 / 0.9995 + 0.25 / 0.0005)
    assert float(effective_rows(sample)) == pytest.approx(expected)


def test_blocks_cover_every_row_once() -> None:
    """Blocks follow each other without a gap, for every number of rows."""
    for rows in (1, FIRST_BLOCK, FIRST_BLOCK + 1, 1_000):
        covered = [row for block in blocks(rows) for row in range(rows)[block]]
        assert covered == list(range(rows))


def peek(
    x: Array, action: Indices, reward: Array, actions: int, bounds: tuple[float, float] | None
) -> Array:
    """look_back with the bug that it must not have: a block is learnt before it is predicted."""
    model = OutcomeModel(x.shape[:-2], actions, x.shape[-1], bounds)
    parts = []
    for rows in blocks(action.shape[-1]):
        model.add(x[..., rows, :], action[..., rows], reward[..., rows])
        parts.append(model.predict(x[..., rows, :]))
    return np.concatenate(parts, axis=-2)


def first_change(model: Model, row: int) -> int:
    """The first row whose prediction moves when the outcome of `row` is turned around."""
    sample, _ = learning(logs=1, rows=150, seed=4)
    turned = sample.reward.copy()
    turned[0, row] = 1.0 - turned[0, row]
    found = [model(sample.x, sample.action, r, 4, None) for r in (sample.reward, turned)]
    moved = (found[0] != found[1]).any((0, 2))
    return int(moved.argmax()) if moved.any() else len(moved)


@pytest.mark.parametrize("row", [0, 9, 10, 40, 149])
def test_the_model_never_looks_ahead(row: int) -> None:
    """An outcome moves predictions of later rows only; a model that peeks is found out by this."""
    assert first_change(look_back, row) > row
    assert first_change(peek, row) <= row
    assert first_change(look_at_all, row) == 0


def dr_with(model: Model, sample: Sample) -> Array:
    """DR, on whatever model."""
    policy = known(sample.policy)
    predictions = model(sample.x, sample.action, sample.reward, 4, sample.bounds)
    chosen = np.take_along_axis(predictions, sample.action[..., None], -1)[..., 0]
    terms = (policy * predictions).sum(-1) + sample.weight * (sample.reward - chosen)
    found: Array = terms.mean(-1)
    return found


def test_peeking_biases_dr_and_is_noticed() -> None:
    """DR is unbiased over many short logs; when its model has seen the row itself, it is not."""
    sample, _ = fixed(logs=4_000, rows=40, seed=5)
    always = np.zeros(known(sample.policy).shape)
    always[..., 2] = 1.0
    sample = rejudged(sample, always)
    truth = float(make("linear", 1).first[:, 2].mean())

    def standard_errors(found: Array) -> float:
        errors = found - truth
        return float(abs(errors.mean()) / (errors.std() / np.sqrt(len(errors))))

    assert standard_errors(dr_with(look_back, sample)) < 4.5
    assert standard_errors(dr_with(peek, sample)) > 4.5
    assert np.allclose(dr_with(look_back, sample), doubly_robust(sample).value)


def test_the_seed_drives_replay_and_bootstrap() -> None:
    """The same seed gives the same values and intervals; another keeps and draws other rows."""
    sample, _ = fixed(logs=1, rows=400, seed=2)
    found = [evaluate(sample, independent=True, resamples=100, seed=s)["replay"] for s in (1, 1, 2)]
    values = [float(estimates.value[0]) for estimates in found]
    assert values[0] == values[1] != values[2]
    assert found[0].quoted == found[1].quoted
    assert found[0].quoted != found[2].quoted


def test_replay_throws_its_own_dice() -> None:
    """Rows made with the very seed that replay gets are not kept for how they came about."""
    sample, truth = fixed(logs=400, rows=300, seed=0)
    errors = replay(sample, seed=0).value - truth
    assert abs(errors.mean()) < 4.5 * errors.std() / np.sqrt(len(errors))
