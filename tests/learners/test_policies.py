"""The value of information against its definition, and that against a simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from learners.base import Array
from learners.policies import SHORTER, behind, lead, squarecb, value_of_information

pytestmark = pytest.mark.usefixtures("loops")

NOISE = 0.2


def defined(
    variance: Array, horizon: Array, gap: Array, covariance: Array, looks: Array
) -> tuple[Array, Array]:
    """The bonus (k,) of so many looks, and by how much they move each mean there, (k, m)."""
    moved = np.abs(covariance) / np.sqrt(variance + NOISE / looks)[:, None]
    a = gap / moved
    worth = moved * (norm.pdf(a) - a * norm.sf(a))
    return (horizon / looks - 1.0) * worth.mean(axis=1), moved


@pytest.mark.parametrize("horizon", [40.0, 3_000.0])
@pytest.mark.parametrize("each", [False, True], ids=["one horizon", "one an arm"])
@pytest.mark.parametrize("leads", [np.zeros(5), np.array([0.3, 0.4, 0.2, 0.1, 0.0])], ids=str)
def test_the_bonus_is_as_defined(horizon: float, each: bool, leads: Array) -> None:
    rng = np.random.default_rng(1)
    arms, contexts = 5, 7
    mean, variance = rng.random(arms), 0.02 * rng.random(arms) + 0.005
    gap = np.ascontiguousarray(behind(rng.random((contexts, arms))).T)
    covariance = 0.02 * rng.normal(size=(arms, contexts))
    horizons: Array = horizon * np.arange(1.0, arms + 1.0) if each else np.full(arms, horizon)
    ends = horizons * (leads.max() + (1.0 - leads.max()) / (1.0 + horizons * leads))
    ends[mean.argmax()] = horizons[mean.argmax()]
    expected, _ = defined(variance, ends, gap, covariance, np.maximum(ends / SHORTER, 1.0))
    given = horizons if each else horizon
    centre, spread, _ = value_of_information(
        mean, variance, NOISE, 0.5, given, gap, leads, covariance, np.zeros(arms)
    )
    # f is looked up in a table
    np.testing.assert_allclose(centre - mean, expected, rtol=0.04, atol=1e-3 * expected.max())
    np.testing.assert_allclose(spread, 0.5 * np.sqrt(variance))


def test_what_looks_are_worth_is_what_they_earn_when_simulated() -> None:
    """Agent 1 is behind agent 0 there; n looks at it here sometimes show that it is better."""
    rng = np.random.default_rng(2)
    looks, runs = 4.0, 400_000
    prior = np.array([[0.04, 0.025], [0.025, 0.05]])  # of its mean here and there
    here, there = rng.multivariate_normal([0.5, 0.5], prior, runs).T
    seen = here + rng.normal(0.0, np.sqrt(NOISE / looks), runs)
    after = 0.5 + prior[0, 1] / (prior[0, 0] + NOISE / looks) * (seen - 0.5)
    earned = np.where(after > 0.62, there, 0.62).mean() - 0.62  # agent 0 is known to have .62

    horizon = looks * SHORTER
    centre, *_ = value_of_information(
        np.array([0.5]),
        prior[:1, 0].copy(),
        NOISE,
        0.5,
        horizon,
        np.array([[0.12]]),
        np.zeros(1),
        prior[:1, 1:].copy(),
        np.zeros(1),
    )
    worth = (centre.item() - 0.5) / (horizon / looks - 1.0)
    assert worth == pytest.approx(earned, rel=0.05)


@pytest.mark.parametrize("under_way", [1.0, 7.5])
def test_looks_under_way_count_as_told(under_way: float) -> None:
    """What is left to be learnt is what is left when they have told: here, and in what is ahead."""
    rng = np.random.default_rng(3)
    arms, contexts = 4, 9
    mean, variance, nothing = rng.random(arms), 0.05 * rng.random(arms), np.zeros(arms)
    gap = np.ascontiguousarray(behind(rng.random((contexts, arms))).T)
    covariance, looks = 0.02 * rng.normal(size=(arms, contexts)), np.array([0, 1, 0, 2]) * under_way
    left = np.array([1 / (1 / v + n / NOISE) for v, n in zip(variance, looks, strict=True)])
    given = NOISE, 0.2, 900.0, gap, nothing
    told = value_of_information(
        mean, left, *given, covariance * (left / variance)[:, None], nothing
    )
    made = value_of_information(mean, variance, *given, covariance, looks)
    for one, other in zip(made, told, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)
    before = value_of_information(mean, variance, *given, covariance, nothing)
    assert (made[1] < before[1]).tolist() == [False, True, False, True]


def test_twins_have_one_law() -> None:
    """Newcomers are equal to the bit; what leads counts for all of them, whatever their ids."""
    ahead = np.array([[0.9, 0.2, 0.5, 0.5], [0.1, 0.3, 0.5, 0.5], [0.1, 0.6, 0.5, 0.5]])
    mean, variance = ahead[0].copy(), np.array([0.01, 0.02, 0.04, 0.04])
    gap, covariance = np.ascontiguousarray(behind(ahead).T), np.full((4, 3), 0.01)
    looks = lead(ahead), covariance, np.array([3.0, 0.0, 1.0, 1.0])
    made = value_of_information(mean, variance, NOISE, 0.2, 300.0, gap, *looks)
    assert all(part[2] == part[3] for part in made[:2])
    assert made[2][2] == pytest.approx(made[2][3], abs=1e-12)


def test_a_law_does_not_depend_on_who_is_named_first() -> None:
    """Equal means have equal probabilities, whoever else is there."""
    mean = np.array([0.9, 0.2, 0.9, 0.5])
    for order in ([0, 1, 2, 3], [2, 1, 0, 3], [3, 2, 1, 0]):
        p = squarecb(mean[order], 20.0)
        assert p.sum() == pytest.approx(1.0)
        assert p.tolist() == [squarecb(mean, 20.0)[k] for k in order]
        assert p[order.index(0)] == p[order.index(2)]
