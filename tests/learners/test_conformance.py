"""Every learner and policy that ships runs through the conformance suite of learners.checks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from learners.base import Array
from learners.beta import BetaCells
from learners.checks import LEARNER_CHECKS, POLICY_CHECKS, Make, Scores
from learners.linear import LinearRegression
from learners.logistic import LogisticRegression
from learners.policies import behind, thompson, value_of_information
from learners.pooled import PooledRegression

pytestmark = pytest.mark.usefixtures("loops")

LEARNERS: list[Make] = [LinearRegression, PooledRegression, LogisticRegression, BetaCells]


def value_scores(mean: Array, variance: Array) -> tuple[Array, Array]:
    gap, here = behind(mean)[:, None], variance[:, None].copy()
    return value_of_information(mean, variance, 0.15, 0.3, 500.0, gap, here)[:2]


def thompson_scores(mean: Array, variance: Array) -> tuple[Array, Array]:
    return thompson(mean, variance, v=0.5)


@pytest.mark.parametrize("check", LEARNER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("make", LEARNERS, ids=lambda make: make.__name__)
def test_learner_conforms(make: Make, check: Callable[[Make], None]) -> None:
    check(make)


@pytest.mark.parametrize("check", POLICY_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("scores", [value_scores, thompson_scores], ids=["value", "thompson"])
def test_policy_conforms(scores: Scores, check: Callable[[Scores], None]) -> None:
    check(scores)


def test_the_suite_catches_a_learner_that_decays_its_prior() -> None:
    class Decaying(LinearRegression):
        def advance(self, epoch: int) -> None:
            if self.sums.advance(epoch):
                self.r_inv = self.r_inv * self.sums.gamma
                self._rebuild()

    failed = [check.__name__ for check in LEARNER_CHECKS if fails(check, Decaying)]
    assert "prior_does_not_decay" in failed


def test_the_suite_catches_a_learner_that_forgets_to_retract_its_sums() -> None:
    class Sticky(LinearRegression):
        def observe(self, arm: int, x: Array, y: float, weight: float, epoch: int) -> None:
            if weight > 0:
                super().observe(arm, x, y, weight, epoch)

    assert fails(next(c for c in LEARNER_CHECKS if c.__name__ == "retraction_is_exact"), Sticky)


def fails(check: Callable[[Make], None], make: Make) -> bool:
    try:
        check(make)
    except AssertionError:
        return True
    return False


def test_a_pooled_state_of_before_its_pull_was_kept_is_taken_over() -> None:
    """A log that was compacted has nothing but such a snapshot to begin with."""
    learner, rng = PooledRegression(arms=3, d=2), np.random.default_rng(41)
    for i in range(50):
        learner.observe(i % 3, np.array([1.0, rng.random()]), rng.random(), 1.0, 0)
    old = PooledRegression(arms=3, d=2)
    old.restore({name: array for name, array in learner.state().items() if name != "pull"})
    x = np.array([1.0, 0.3])
    for now, then in zip(learner.predict(x, slice(None)), old.predict(x, slice(None)), strict=True):
        np.testing.assert_allclose(now, then, rtol=1e-12)


def test_pooled_posterior_is_the_joint_gaussian_one() -> None:
    """Means and per-arm covariances equal those of one dense regression on (m, delta_1..K)."""
    from learners.checks import ARMS, WIDTH, stream, taught
    from learners.pooled import OFFSET, P_0

    learner = taught(PooledRegression, stream(90, seed=21))
    assert isinstance(learner, PooledRegression)
    ra, rc, rb = learner.scales
    prior = np.concatenate([[P_0**2], np.full(WIDTH - 1, rb**2)])
    prior = np.concatenate([prior, np.tile([ra**2, *[rc**2] * (WIDTH - 1)], ARMS)])
    precision, right = np.diag(1 / prior), np.zeros(len(prior))
    for arm, x, y, *_ in stream(90, seed=21):
        row = np.zeros(len(prior))
        row[:WIDTH] = x
        row[WIDTH * (arm + 1) : WIDTH * (arm + 2)] = x
        precision += np.outer(row, row)
        right += row * (y - OFFSET)
    theta = np.linalg.solve(precision, right)
    x = np.array([1.0, 0.3, -0.2, 0.5, 1.5])
    mean, _ = learner.predict(x, slice(None))
    for arm in range(ARMS):
        joint = x @ (theta[:WIDTH] + theta[WIDTH * (arm + 1) : WIDTH * (arm + 2)]) + OFFSET
        assert abs(joint - mean[arm]) < 1e-9
        block = learner.sums.lam[arm] + np.diag(learner.r_inv)
        assert np.abs(block @ learner.ai[arm] - np.eye(WIDTH)).max() < 1e-9
