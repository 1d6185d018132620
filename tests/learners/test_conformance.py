"""Every learner and policy that ships runs through the conformance suite of learners.checks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from learners.base import Array, Learner
from learners.beta import BetaCells
from learners.checks import LEARNER_CHECKS, POLICY_CHECKS, Make, Scores
from learners.linear import LinearRegression
from learners.logistic import LogisticRegression
from learners.policies import behind, thompson, value_of_information
from learners.pooled import NUMBER_SLOPE, SLOPE, PooledRegression, estimate_scales, numbers

pytestmark = pytest.mark.usefixtures("loops")

LEARNERS: list[Make] = [LinearRegression, PooledRegression, LogisticRegression, BetaCells]


def favoured(make: Make) -> Make:
    """The same learner with head starts."""

    def made(arms: int, d: int, gamma: float) -> Learner:
        learner = make(arms, d, gamma)
        learner.set_head_starts(np.random.default_rng(6).uniform(-0.1, 0.1, (arms, d)), slice(None))
        return learner

    made.__name__ = f"{make.__name__} with head starts"
    return made


def value_scores(mean: Array, variance: Array) -> tuple[Array, Array]:
    gap, nothing, here = behind(mean)[:, None], np.zeros(mean.size), variance[:, None].copy()
    return value_of_information(mean, variance, 0.15, 0.3, 500.0, gap, nothing, here, nothing)[:2]


def thompson_scores(mean: Array, variance: Array) -> tuple[Array, Array]:
    return thompson(mean, variance, v=0.5)


@pytest.mark.parametrize("check", LEARNER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize(
    "make", [*LEARNERS, *map(favoured, LEARNERS)], ids=lambda make: make.__name__
)
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


def test_pooled_posterior_is_the_joint_gaussian_one() -> None:
    """Means and covariances of arms equal those of one dense regression on (m, delta_1..K)."""
    from learners.checks import ARMS, WIDTH, stream, taught
    from learners.pooled import OFFSET, P_0

    flag = np.arange(WIDTH) == 2
    events = [
        (arm, np.where(flag, x > 0, x), y, weight, epoch)
        for arm, x, y, weight, epoch in stream(24, seed=21)
    ]
    learner = taught(PooledRegression, events)
    assert isinstance(learner, PooledRegression)
    start = np.random.default_rng(22).uniform(-0.2, 0.2, (ARMS, WIDTH))
    learner.set_head_starts(start, slice(None))
    ra, rc, rb, rn = learner.scales
    assert rn > rc
    prior = np.concatenate([[P_0**2], np.full(WIDTH - 1, rb**2)])
    prior = np.concatenate([prior, np.tile([ra**2, rn**2, rc**2, rn**2, rn**2], ARMS)])
    precision = np.diag(1 / prior)
    right = np.concatenate([np.zeros(WIDTH), start.ravel()]) / prior
    for arm, x, y, *_ in events:
        row = np.zeros(len(prior))
        row[:WIDTH] = x
        row[WIDTH * (arm + 1) : WIDTH * (arm + 2)] = x
        precision += np.outer(row, row)
        right += row * (y - OFFSET)
    theta = np.linalg.solve(precision, right)
    x, at = np.array([1.0, 0.3, -0.2, 0.5, 1.5]), np.array([[1.0, -0.4, 1.0, 0.0, 0.2]])
    (mean,), (variance,), (covariance,) = learner.joint(x[None, :], at, slice(None))
    left_open = learner.noise * np.linalg.inv(precision)
    for arm in range(ARMS):
        of_arm = np.zeros((WIDTH, len(prior)))  # theta_arm = m + delta_arm
        of_arm[:, :WIDTH] = of_arm[:, WIDTH * (arm + 1) : WIDTH * (arm + 2)] = np.eye(WIDTH)
        assert abs(x @ of_arm @ theta + OFFSET - mean[arm]) < 1e-9
        spread = of_arm @ left_open @ of_arm.T
        assert abs(x @ spread @ x - variance[arm]) < 1e-9
        assert abs(x @ spread @ at[0] - covariance[arm, 0]) < 1e-9
        block = learner.sums.lam[arm] + np.diag(learner.r_inv)
        assert np.abs(block @ learner.ai[arm] - np.eye(WIDTH)).max() < 1e-9


@pytest.mark.parametrize(("count", "least"), [(40, NUMBER_SLOPE), (400, NUMBER_SLOPE / 5)])
def test_slopes_of_numbers_may_be_wide_until_outcomes_tell(count: int, least: float) -> None:
    """80 slopes of numbers, and nothing but failures, which slopes of zero explain."""
    rng = np.random.default_rng(17)
    X = np.column_stack([np.ones(count), rng.integers(2, size=count), rng.random((count, 8))])
    arms = rng.integers(10, size=count)
    lam = np.array([X[arms == k].T @ X[arms == k] for k in range(10)])
    h = np.array([-0.5 * X[arms == k].sum(axis=0) for k in range(10)])
    assert numbers(lam).tolist() == list(range(2, 10))
    scales, noise = estimate_scales(lam, h, count, 0.25 * count)
    assert scales[3] == pytest.approx(max(scales[1], least / noise**0.5))
    assert scales[3] > scales[1]


def test_numbers_that_tell_nothing_have_narrower_slopes_than_kinds_of_work() -> None:
    rng, n, agents = np.random.default_rng(18), 3_000, 4
    kind, arms = rng.integers(3, size=n), rng.integers(agents, size=n)
    X = np.column_stack([np.ones(n), np.eye(3)[kind], rng.normal(size=(n, 6))])
    y = 0.3 * rng.normal(size=n)
    lam = np.array([X[arms == k].T @ X[arms == k] for k in range(agents)])
    h = np.array([X[arms == k].T @ y[arms == k] for k in range(agents)])
    scales, _ = estimate_scales(lam, h, n, float(y @ y))
    assert scales[1] == pytest.approx(SLOPE)
    assert scales[3] < 0.5 * SLOPE


def test_slopes_of_categories_are_no_wider_than_the_evidence_has_them() -> None:
    """Also after decay, a discount and a retraction, which leave their sums off from whole."""
    learner, rng = PooledRegression(arms=3, d=4, gamma=0.9), np.random.default_rng(4)
    for i in range(60):
        x = np.array([1.0, *np.eye(3)[rng.integers(3)]])
        learner.observe(i % 3, x, rng.random(), 1.0, i // 7)
        if i % 5 == 0:
            learner.observe(i % 3, x, 0.5, -1.0 / 3.0, i // 9)
    learner.discount(1, 0.3)
    learner.refresh()
    assert learner.scales[3] == learner.scales[1]
