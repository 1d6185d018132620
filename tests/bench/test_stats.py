"""Intervals cover as they say: bootstrap at one length, confidence sequences at every length."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from bench.stats import (
    BET_PRICE,
    BETS,
    BLOCKS,
    Interval,
    asymptotic_sequence,
    bernstein_lower,
    bernstein_sequence,
    bootstrap_ci,
    bootstrap_ratio,
    excess,
    in_blocks,
)
from learners.base import Array

LENGTHS = (50, 100, 200, 400, 800, 1600)


def far(share: float, count: int) -> float:
    """A share's distance from itself that chance makes once in 100,000 times."""
    return 4.5 * float(np.sqrt(share * (1.0 - share) / count))


def test_bootstrap_of_zeros_and_ones_is_binomial() -> None:
    """The bootstrap of a 0/1 sample has the quantiles of the binomial law, known in closed form."""
    values = np.zeros(400)
    values[:120] = 1.0
    low, high = bootstrap_ci(values, resamples=20_000)
    assert abs(low - binom.ppf(0.025, 400, 0.3) / 400) <= 0.0026
    assert abs(high - binom.ppf(0.975, 400, 0.3) / 400) <= 0.0026


def test_bootstrap_covers_the_mean() -> None:
    """95% bootstrap intervals of skewed samples hold the true mean about 95 times in 100."""
    values = np.random.default_rng(1).exponential(size=(2_000, 200))
    interval = bootstrap_ratio(values, np.ones(values.shape), resamples=500)
    share = ((interval.low <= 1.0) & (interval.high >= 1.0)).mean()
    assert 0.925 < share < 0.965


def test_bootstrap_of_a_ratio_covers_the_ratio() -> None:
    """Numerator and denominator are resampled together: their common noise cancels."""
    bottom = np.random.default_rng(2).exponential(size=(1_000, 100))
    interval = bootstrap_ratio(3.0 * bottom, bottom, resamples=200)
    assert np.allclose(interval.low, 3.0)
    assert np.allclose(interval.high, 3.0)


def test_bootstrap_is_seeded() -> None:
    """The same seed gives the same interval, another one another."""
    values = np.random.default_rng(3).normal(size=60)
    assert bootstrap_ci(values, seed=5) == bootstrap_ci(values, seed=5)
    assert bootstrap_ci(values, seed=5) != bootstrap_ci(values, seed=6)


def test_many_rows_become_blocks_of_neighbours() -> None:
    """Blocks keep the sum, and their sizes differ by one at most."""
    rows = 2 * BLOCKS + 7
    blocks = in_blocks(np.stack([np.arange(rows, dtype=float), np.ones(rows)]))
    assert blocks.shape == (2, BLOCKS)
    assert blocks.sum(1).tolist() == [rows * (rows - 1) / 2, rows]
    assert set(blocks[1].tolist()) == {2.0, 3.0}


def adaptive_weights(logs: int, rows: int) -> tuple[Array, Array, Array]:
    """Weights, rewards and conditional means (L, n) of laws that follow what they saw.

    The probability of an arm falls when it did badly, so weights grow heavy in some logs.
    """
    rng = np.random.default_rng(7)
    seen = np.zeros(logs)
    weights, rewards, means = (np.zeros((logs, rows)) for _ in range(3))
    for row in range(rows):
        p = np.clip(0.5 + seen / 40.0, 0.1, 0.9)
        mean = np.full(logs, 0.3 + 0.4 * row / rows)
        hit = rng.random(logs) < p
        rewards[:, row] = rng.random(logs) < mean
        weights[:, row] = hit / p
        means[:, row] = mean
        seen += hit * (2.0 * rewards[:, row] - 1.0)
    return weights, rewards, means


def missed(intervals: list[Interval], truths: list[Array]) -> float:
    """Share of logs in which some length's interval misses that length's truth."""
    ever = [
        (found.low > truth) | (truth > found.high)
        for found, truth in zip(intervals, truths, strict=True)
    ]
    return float(np.any(ever, axis=0).mean())


def test_asymptotic_sequence_holds_at_all_lengths_at_once() -> None:
    """On logs of a law that learns, it misses at some length in 5% of logs or fewer.

    Normal intervals, looked at as often, miss in three times as many: so it is not just wide data.
    """
    weights, rewards, means = adaptive_weights(1_000, max(LENGTHS))
    terms = weights * rewards
    truths = [means[:, :n].mean(1) for n in LENGTHS]
    sequence, normal = [], []
    for n in LENGTHS:
        centre = terms[:, :n].mean(1)
        sequence.append(asymptotic_sequence(centre, terms[:, :n]))
        half = 1.96 * terms[:, :n].std(1) / np.sqrt(n)
        normal.append(Interval(centre - half, centre + half))
    assert missed(sequence, truths) < 0.05 + far(0.05, 1_000)
    assert missed(normal, truths) > 0.15


def test_bernstein_sequence_holds_at_all_lengths_at_once() -> None:
    """It misses in at most 5% of logs, for heavy weights, learning laws and moving means."""
    weights, rewards, means = adaptive_weights(1_000, max(LENGTHS))
    truths = [means[:, :n].mean(1) for n in LENGTHS]
    found = [bernstein_sequence(weights[:, :n], rewards[:, :n], (0, 1)) for n in LENGTHS]
    assert missed(found, truths) < 0.05 + far(0.05, 1_000)


def test_bernstein_lower_needs_no_bound_from_above() -> None:
    """Rare huge terms of mean 1, of which most samples have seen none, do not fool it."""
    rng = np.random.default_rng(8)
    hits = (rng.random((4_000, 400)) < 1.0 / 200.0).astype(np.float64)
    assert (bernstein_lower(200.0 * hits, 0.05) > 1.0).mean() < 0.05 + far(0.05, 4_000)


def test_bernstein_notices_terms_that_are_too_large() -> None:
    """Terms whose mean is twice what they should be are found out in nearly every log."""
    terms = 2.0 * np.random.default_rng(9).exponential(size=(200, 1_000))
    assert (bernstein_lower(terms, 1e-6) > 1.0).mean() > 0.99


def test_bernstein_guesses_before_it_sees() -> None:
    """The lower end is a plain loop whose guess for a row is the mean of the rows before it."""
    terms = [0.0, 3.0, 0.5, 0.0, 1.0]
    total, squares = 0.0, 0.0
    for row, term in enumerate(terms):
        guess = min(1.0, (0.5 + total) / (row + 1))
        squares += (term - guess) ** 2
        total += term
    expected = (total - float(excess(np.array(squares), 0.05))) / len(terms)
    assert float(bernstein_lower(np.array(terms), 0.05)) == pytest.approx(expected)


def test_excess_solves_the_equation_of_the_average_bet() -> None:
    """At the sum it returns, the plain average of all bets' wealth is 1 / alpha."""
    squares = np.array([0.0, 3.0, 500.0, 2e5])
    for total, square in zip(excess(squares, 0.025).tolist(), squares.tolist(), strict=True):
        wealth = np.exp(BETS * total - BET_PRICE * square).mean()
        assert wealth == pytest.approx(40.0, rel=1e-6)


def test_bernstein_is_the_same_game_from_both_sides() -> None:
    """Turning rewards upside down turns the interval upside down; other units scale it."""
    rng = np.random.default_rng(10)
    weights, rewards = rng.exponential(size=300), rng.random(300)
    low, high = bernstein_sequence(weights, rewards, (0, 1))
    turned = bernstein_sequence(weights, 1.0 - rewards, (0, 1))
    assert float(turned.low) == pytest.approx(1.0 - float(high))
    scaled = bernstein_sequence(weights, 10.0 * rewards - 5.0, (-5, 5))
    assert float(scaled.low) == pytest.approx(10.0 * float(low) - 5.0)
    with pytest.raises(ValueError, match="must differ"):
        bernstein_sequence(weights, rewards, (1, 1))
