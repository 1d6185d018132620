"""The law is near the exact integral, is a law, moves as it should, and is drawn as it says."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import ndtr

from learners.base import Array
from learners.law import draw, win_probabilities, with_floor
from tests.learners.reference import exact_win_probabilities

pytestmark = pytest.mark.usefixtures("loops")

TOLERANCE = 5e-3  # the promised distance to the exact integral
AIM = 2e-3  # what the knots were chosen for
CROWD = 20  # arms; more than enough for the knots to be thinned

Case = tuple[Array, Array]


def random_cases(count: int, seed: int, arms: tuple[int, int]) -> Iterator[Case]:
    """Means around each other at every scale; sds span 500x; a quarter has zero sds, or ties."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        size = int(rng.integers(arms[0], arms[1] + 1))
        sd = 500.0 ** (rng.random(size) * rng.choice([1.0, 0.5, 0.2, 0.05]) - 1.0)
        mean = rng.normal(size=size) * rng.choice([0.05, 0.2, 1.0])
        if rng.random() < 0.5:
            mean *= sd
        if rng.random() < 0.25:
            sd[rng.random(size) < 0.3] = 0.0
        if rng.random() < 0.25:
            mean = mean.round(1)
        yield mean, sd


def crowds_with_narrow_arms(count: int, seed: int) -> Iterator[Case]:
    """16 to 64 new arms of one scale, and up to 5 known ones, up to 500 times as narrow."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        size, known = int(rng.choice([16, 24, 40, 64])), int(rng.integers(0, 6))
        sd = np.ones(size) * (1.3 ** rng.normal(size=size) if rng.random() < 0.5 else 1.0)
        mean = rng.normal(size=size) * rng.choice([0.0, 0.1, 0.5, 1.0])
        sd[:known] = 500.0 ** -rng.random() * 2.0 ** rng.normal(size=known)
        mean[:known] = 3.0 * rng.random() + rng.normal(size=known) * sd[:known]
        order = rng.permutation(size)
        yield mean[order], sd[order]


def error(case: Case) -> float:
    return float(np.abs(win_probabilities(*case) - exact_win_probabilities(*case)).max())


@pytest.mark.parametrize(
    "case",
    [
        ([0.0, 0.3, -0.2], [1.0, 0.5, 2.0]),
        ([0.1, 0.1, 0.1, 0.0], [0.002, 1.0, 0.05, 0.3]),
        ([0.0, 0.5, -0.1], [0.0, 0.4, 1.0]),
        ([0.2, 0.0], [0.002, 1.0]),
        ([1.0, 1.0, 1.1, 0.9, 1.0, 1.0], [0.5, 0.4, 0.3, 0.2, 0.1, 0.0]),
    ],
)
def test_the_reference_agrees_with_adaptive_quadrature(
    case: tuple[list[float], list[float]],
) -> None:
    mean, sd = np.array(case[0]), np.array(case[1])
    normal = [k for k in range(mean.size) if sd[k] > 0.0]
    cuts = np.unique(mean[:, None] + sd[:, None] * np.array([-9, -4, -2, -1, 0, 1, 2, 4, 9]))
    lowest = mean[sd == 0.0].max(initial=-np.inf)
    cuts = cuts[cuts >= lowest]

    def integrand(x: float, arm: int) -> float:
        z = (x - mean[normal]) / sd[normal]
        others = np.delete(ndtr(z), normal.index(arm)).prod()
        own = z[normal.index(arm)]
        return float(others * np.exp(-0.5 * own * own) / (sd[arm] * np.sqrt(2.0 * np.pi)))

    exact = exact_win_probabilities(mean, sd)
    for k in normal:
        pieces = [quad(integrand, a, b, (k,), epsabs=1e-12)[0] for a, b in pairwise(cuts)]
        assert exact[k] == pytest.approx(sum(pieces), abs=1e-8)
    assert exact.sum() == pytest.approx(1.0, abs=1e-8)


def test_the_law_is_near_the_exact_integral_over_scales_that_span_500x() -> None:
    cases = list(random_cases(1000, seed=20, arms=(1, 20)))
    assert sum((sd == 0.0).any() for _, sd in cases) > 100
    assert sum(np.unique(mean).size < mean.size for mean, _ in cases) > 100
    errors = [error(case) for case in cases]
    assert max(errors) < AIM
    assert np.mean(errors) < AIM / 5


def test_the_law_is_near_the_exact_integral_when_few_known_arms_stand_among_many_new_ones() -> None:
    assert max(map(error, crowds_with_narrow_arms(60, seed=21))) < TOLERANCE


@pytest.mark.parametrize("offset", [0.0, 1e9, 1e-9])
@pytest.mark.parametrize("unit", [1.0, 1e-9, 1e9])
def test_means_and_units_of_any_size_keep_the_law_near_the_exact_integral(
    offset: float, unit: float
) -> None:
    mean = np.array([1.0, 0.5, 0.25, 1.0]) * unit + offset  # rounded before it is compared
    sd = np.array([1.0, 0.5, 2.0, 0.25]) * unit
    assert error((mean, sd)) < TOLERANCE


@pytest.mark.parametrize("size", [3, CROWD])
def test_scales_a_million_apart_keep_the_law_near_the_exact_integral(size: int) -> None:
    sd = np.geomspace(1.0, 1e-6, size)
    assert error((np.zeros(size), sd)) < TOLERANCE
    assert error((0.5 * sd, sd)) < TOLERANCE
    assert error((0.3 + 0.5 * sd * (-1.0) ** np.arange(size), sd)) < TOLERANCE


def test_one_arm_always_wins_and_two_arms_have_the_closed_form() -> None:
    assert win_probabilities(np.array([-3.0]), np.array([0.0])).tolist() == [1.0]
    law = win_probabilities(np.array([1.0, 0.0]), np.array([3.0, 4.0]))
    assert law == pytest.approx([ndtr(0.2), ndtr(-0.2)], abs=1e-15)


@pytest.mark.parametrize("size", [2, 3, 8, CROWD, 64])
@pytest.mark.parametrize("sd", [0.0, 1e-12, 1.0])
def test_equal_arms_share_equally(size: int, sd: float) -> None:
    law = win_probabilities(np.full(size, 0.1), np.full(size, sd))
    assert law == pytest.approx(np.full(size, 1.0 / size), abs=1e-12)


@pytest.mark.parametrize("size", [2, 3, 8, CROWD])
def test_the_highest_of_point_masses_takes_all(size: int) -> None:
    mean = np.linspace(0.0, 1e-9, size)
    assert win_probabilities(mean, np.zeros(size)).tolist() == [0.0] * (size - 1) + [1.0]


@pytest.mark.parametrize("normals", [1, 2, 7, CROWD])
@pytest.mark.parametrize("points", [1, 2, 5])
def test_point_masses_win_when_every_normal_is_below_them_and_share_that(
    normals: int, points: int
) -> None:
    at = 1.2
    mean = np.concatenate([np.full(points, at), np.linspace(-1.0, 1.0, normals), [at - 0.1]])
    sd = np.concatenate([np.zeros(points), np.linspace(0.5, 1.0, normals), [0.0]])
    law = win_probabilities(mean, sd)
    below = ndtr((at - mean[points:-1]) / sd[points:-1]).prod()
    assert law[:points].sum() == pytest.approx(below, abs=1e-3)
    assert np.ptp(law[:points]) == 0.0
    assert law[-1] == 0.0
    assert error((mean, sd)) < TOLERANCE


@pytest.mark.parametrize("size", [3, 4, 7])
@pytest.mark.parametrize("exponent", [2, 100, 150, 160, 165, 200, 300, 320])
def test_leads_too_small_to_multiply_are_leads(size: int, exponent: int) -> None:
    """Signs of leads count however small they are: the law of such scores is nearly uniform."""
    rng = np.random.default_rng(exponent)
    for _ in range(50):
        mean = rng.normal(size=size) * 10.0**-exponent
        law = win_probabilities(mean, np.ones(size))
        assert law.sum() == pytest.approx(1.0, abs=1e-12)
        assert law == pytest.approx(np.full(size, 1.0 / size), abs=0.1)


def test_a_sum_of_entries_is_one_and_no_entry_is_negative() -> None:
    extreme = [
        (np.array([0.0, 0.0, -1e12]), np.array([1e-12, 1.0, 0.0])),
        (np.array([1e9, 1e9, 1e9 + 1.0]), np.array([1e-9, 0.0, 3.0])),
        (np.zeros(30), 10.0 ** -np.arange(30.0)),
    ]
    for mean, sd in [*random_cases(500, seed=22, arms=(1, 40)), *extreme]:
        law = win_probabilities(mean, sd)
        assert abs(law.sum() - 1.0) <= 1e-12
        assert law.min() >= 0.0


def test_an_arm_that_cannot_win_gets_exactly_zero_and_leaves_the_others_their_law() -> None:
    mean, sd = np.array([0.5, 0.4, 0.45, 0.0]), np.array([0.05, 0.1, 0.02, 0.005])
    law = win_probabilities(mean, sd)
    assert law[3] == 0.0
    assert law[:3].tolist() == win_probabilities(mean[:3], sd[:3]).tolist()


def test_the_law_follows_a_permutation_of_the_arms() -> None:
    rng = np.random.default_rng(23)
    for mean, sd in random_cases(300, seed=23, arms=(2, 40)):
        order = rng.permutation(mean.size)
        moved = win_probabilities(mean[order], sd[order])
        assert np.abs(moved - win_probabilities(mean, sd)[order]).max() <= 1e-12


def test_the_law_does_not_depend_on_the_origin_or_the_unit() -> None:
    for mean, sd in random_cases(300, seed=24, arms=(1, 40)):
        mean = np.round(mean * 2.0**30) / 2.0**30  # so that a shift by 2**20 rounds nothing
        law = win_probabilities(mean, sd)
        assert np.abs(win_probabilities(mean + 2.0**20, sd) - law).max() <= 1e-6
        assert np.abs(win_probabilities(mean * 3.7e5, sd * 3.7e5) - law).max() <= 1e-9
        assert win_probabilities(mean * 2.0**-9, sd * 2.0**-9).tolist() == law.tolist()


scores = st.tuples(st.floats(-1.0, 1.0), st.floats(0.002, 1.0))


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.lists(scores, min_size=2, max_size=CROWD), st.floats(0.0, 1.0), st.data())
def test_raising_a_mean_never_lowers_that_arms_probability(
    arms: list[tuple[float, float]], rise: float, data: st.DataObject
) -> None:
    """Up to 2e-3: the knots move with the arm, and the error of the sum moves with them."""
    arm = data.draw(st.integers(0, len(arms) - 1))
    mean, sd = np.array([m for m, _ in arms]), np.array([s for _, s in arms])
    before = win_probabilities(mean, sd)[arm]
    mean[arm] += rise
    assert win_probabilities(mean, sd)[arm] >= before - 2e-3


def test_the_arguments_are_left_as_they_were() -> None:
    for mean, sd in random_cases(50, seed=25, arms=(1, 40)):
        was = mean.tobytes(), sd.tobytes()
        win_probabilities(mean, sd)
        assert (mean.tobytes(), sd.tobytes()) == was


@pytest.mark.parametrize("size", [2, 3, 8, CROWD])
@pytest.mark.parametrize("arm", [0, -1])
def test_what_is_not_finite_and_a_negative_sd_are_refused(size: int, arm: int) -> None:
    for which, value in ((0, np.nan), (1, np.nan), (0, np.inf), (1, np.inf), (1, -0.1)):
        case = np.linspace(0.0, 1.0, size), np.linspace(1.0, 2.0, size)
        case[which][arm] = value
        with pytest.raises(ValueError, match="sd"):
            win_probabilities(*case)


def test_no_arms_have_no_law() -> None:
    with pytest.raises(ValueError, match="an arm or more"):
        win_probabilities(np.empty(0), np.empty(0))


def test_a_floor_mixes_the_law_with_the_uniform_one() -> None:
    law = np.array([0.7, 0.3, 0.0, 0.0])
    assert with_floor(law, 0.1) == pytest.approx([0.655, 0.295, 0.025, 0.025])
    assert with_floor(law, 0.0).tolist() == law.tolist()
    assert with_floor(law, 1.0).tolist() == [0.25] * 4


def test_arms_are_drawn_as_often_as_their_law_says() -> None:
    """Within 4.5 standard deviations of the count, per arm, over a million uniform numbers."""
    mean, sd = np.array([0.2, 0.3, 0.1, 0.25, -2.0]), np.array([0.1, 0.05, 0.3, 0.0, 0.01])
    law = win_probabilities(mean, sd)
    assert law[4] == 0.0
    uniforms = np.random.default_rng(26).random(1_000_000)
    drawn = np.bincount([draw(law, u) for u in uniforms.tolist()], minlength=law.size)
    bound = 4.5 * np.sqrt(uniforms.size * law * (1.0 - law))
    assert (np.abs(drawn - uniforms.size * law) <= bound).all()


@pytest.mark.parametrize(
    ("law", "u", "arm"),
    [
        ([0.0, 0.5, 0.5], 0.0, 1),  # the first arm has no probability
        ([0.25, 0.75], np.nextafter(0.25, 0.0), 0),
        ([0.25, 0.75], 0.25, 1),  # an arm owns its lower end
        ([0.5, 0.0, 0.5], 0.5, 2),  # an arm of no probability owns nothing
        ([0.5, 0.5, 0.0], np.nextafter(1.0, 0.0), 1),
        ([0.5, 0.5 - 1e-12, 0.0, 0.0], 1.0 - 1e-13, 1),  # past the sum: the last that can be
        ([1.0], 0.999, 0),
    ],
)
def test_a_draw_at_the_edge_of_an_arm_picks_the_arm_that_owns_it(
    law: list[float], u: float, arm: int
) -> None:
    assert draw(np.array(law), u) == arm


@pytest.mark.parametrize("u", [-1e-300, 1.0, float("nan")])
def test_a_draw_outside_the_unit_interval_is_refused(u: float) -> None:
    with pytest.raises(ValueError, match=r"\[0, 1\)"):
        draw(np.array([0.0, 1.0]), u)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8, 12, 13, 20])
def test_a_law_among_many_has_the_bits_that_it_has_alone(size: int) -> None:
    """A batch decides as its requests would alone."""
    cases = list(random_cases(200, size, (size, size)))
    mean, sd = (np.array(column) for column in zip(*cases, strict=True))
    assert (
        win_probabilities(mean, sd) == np.array([win_probabilities(*case) for case in cases])
    ).all()
