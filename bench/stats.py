"""Intervals: bootstrap for independent rows, confidence sequences for rows that depend on the past.

Every function is seeded and vectorised: arrays may have leading axes, one entry for each log or
policy, and the last axis holds the rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import numpy as np

from learners.base import Array
from learners.sequences import LEVEL, asymptotic_factor

RESAMPLES = 10_000

# Consecutive rows are summed until at most so many blocks are left: the price of a resample stays
# bounded, and dependence between neighbours stays inside a block.
BLOCKS = 2_000
CHUNK_CELLS = 4_000_000

# Bets of the empirical-Bernstein sequence: the best one is about sqrt(7 / sum of squares), so these
# serve sums of squares from a few to a billion.
BETS = np.geomspace(1e-4, 0.9, 40)
BET_PRICE = -np.log1p(-BETS) - BETS


class Interval(NamedTuple):
    """Both ends, shape (...,)."""

    low: Array
    high: Array


class Estimate(msgspec.Struct, frozen=True):
    """A mean and its 95% interval, which has no width where nothing varied: then nothing is known
    of how it might vary."""

    mean: float
    low: float
    high: float

    @property
    def sign(self) -> int:
        """1 or -1 where the interval lies on one side of 0, else 0; 0 where it has no width."""
        if self.low == self.high:
            return 0
        return int(self.low > 0) - int(self.high < 0)


def bootstrap_ci(values: Array, resamples: int = RESAMPLES, seed: int = 0) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of `values`, shape (n,).

    Source: Efron (1979). Raises ValueError when there are no values.

    >>> low, high = bootstrap_ci(np.arange(100.0))
    >>> 42 < low < 45 < 54 < high < 57
    True
    """
    low, high = bootstrap_ratio(values, np.ones(values.shape), resamples, seed)
    return float(low), float(high)


def bootstrap_ratio(
    top: Array, bottom: Array, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """Percentile bootstrap interval of mean(top) / mean(bottom), each (..., n) with bottom >= 0.

    All leading entries share their resamples. One whose `bottom` is all zero counts as the whole.
    """
    if top.shape[-1] == 0:
        raise ValueError("a bootstrap needs one value or more")
    shape = top.shape[:-1]
    top, bottom = (in_blocks(a).reshape(-1, min(a.shape[-1], BLOCKS)) for a in (top, bottom))
    whole = top.sum(-1) / np.maximum(bottom.sum(-1), 1e-300)
    ratios = np.empty((resamples, len(top)))
    start = 0
    for counts in resampled_counts(top.shape[-1], resamples, seed):
        below = counts @ bottom.T
        part = ratios[start : start + len(counts)]
        part[:] = whole
        np.divide(counts @ top.T, below, out=part, where=below > 0)
        start += len(counts)
    tail = (1.0 - LEVEL) / 2.0
    low, high = np.quantile(ratios, (tail, 1.0 - tail), axis=0)
    return Interval(low.reshape(shape), high.reshape(shape))


def in_blocks(values: Array) -> Array:
    """Sums of consecutive rows (..., min(n, BLOCKS)); the block sizes differ by one at most.

    >>> in_blocks(np.ones((2, 5_000))).shape
    (2, 2000)
    """
    rows = values.shape[-1]
    if rows <= BLOCKS:
        return values
    starts = np.arange(BLOCKS) * rows // BLOCKS
    summed: Array = np.add.reduceat(values, starts, axis=-1)
    return summed


def resampled_counts(rows: int, resamples: int, seed: int) -> Iterator[Array]:
    """How often each of `rows` rows is drawn in each resample, in chunks (some resamples, rows)."""
    rng = np.random.default_rng(seed)
    size = max(1, CHUNK_CELLS // rows)
    for start in range(0, resamples, size):
        count = min(size, resamples - start)
        drawn = rng.integers(rows, size=(count, rows))
        drawn += rows * np.arange(count)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=count * rows)
        yield counts.reshape(count, rows).astype(np.float64)


def asymptotic_sequence(centre: Array, deviations: Array) -> Interval:
    """Confidence sequence for an average of conditional means, from the rows' deviations.

    centre (...,): the estimate; deviations (..., n): each row's term around it. Asymptotically
    valid at every n at once, so also where each row's law depends on all rows before it, and for
    means that change. At a fixed n it is conservative: where a normal interval has 1.96 standard
    errors it has 3.8 at 100 rows, 3.0 at 1,000 and 3.6 at 100,000.
    Source: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024), Time-uniform central limit
    theory and asymptotic confidence sequences.
    """
    rows = deviations.shape[-1]
    factor = asymptotic_factor(rows)
    half = factor * deviations.std(axis=-1) / np.sqrt(rows)
    return Interval(centre - half, centre + half)


def bernstein_sequence(weights: Array, rewards: Array, bounds: tuple[float, float]) -> Interval:
    """Confidence sequence for the average conditional mean of weights * rewards.

    weights (..., n) >= 0 of conditional mean 1 each, with no bound needed; rewards (..., n) within
    `bounds`. Valid at every n at once, for every n, whatever the rows' laws and means depend on.
    The lower end bets on the rewards above bounds[0], the upper one on what they lack of bounds[1].
    Source: Waudby-Smith, Wu, Ramdas, Karampatziakis and Mineiro (2022), Anytime-valid off-policy
    inference for contextual bandits, whose mirrored lower ends these are.
    """
    least, most = bounds
    span = most - least
    if span <= 0:
        raise ValueError(f"the bounds of a reward must differ, got {bounds}")
    alpha = (1.0 - LEVEL) / 2.0
    low = bernstein_lower(weights * (rewards - least) / span, alpha)
    high = 1.0 - bernstein_lower(weights * (most - rewards) / span, alpha)
    ends = (least + span * np.clip(end, 0.0, 1.0) for end in (low, high))
    return Interval(*ends)


def bernstein_lower(terms: Array, alpha: float) -> Array:
    """Lower confidence sequence, at its last n, for the average conditional mean of terms >= 0.

    terms (..., n). With h_i in [0, 1] a guess made before row i, y_i = terms_i - h_i >= -1 and

        exp(b y - (-log(1 - b) - b) y^2) <= 1 + b y        for y >= -1, 0 <= b < 1

    every bet b makes exp(b sum(terms_i - mean_i) - price(b) sum y_i^2) a supermartingale, and so is
    their average over BETS. Ville's inequality then bounds it at 1 / alpha at all times.
    Sources: Fan, Grama and Liu (2015); Howard, Ramdas, McAuliffe and Sekhon (2021), Time-uniform,
    nonparametric, nonasymptotic confidence sequences.
    """
    rows = terms.shape[-1]
    sums = np.cumsum(terms, axis=-1)
    guess = np.full(terms.shape, 0.5)
    guess[..., 1:] = np.clip((0.5 + sums[..., :-1]) / np.arange(2.0, rows + 1.0), 0.0, 1.0)
    squares = ((terms - guess) ** 2).sum(axis=-1)
    low: Array = (sums[..., -1] - excess(squares, alpha)) / rows
    return low


def excess(squares: Array, alpha: float) -> Array:
    """The sum of deviations (...,) at which the average of all bets reaches 1 / alpha."""
    price = BET_PRICE * squares[..., None]
    goal = np.log(len(BETS) / alpha)
    # The best single bet reaches the goal here; the average of all does so no later.
    high: Array = ((goal + price) / BETS).min(axis=-1)
    low = np.zeros(high.shape)
    for _ in range(60):
        middle = (low + high) / 2.0
        reached = np.logaddexp.reduce(BETS * middle[..., None] - price, axis=-1) >= goal
        high = np.where(reached, middle, high)
        low = np.where(reached, low, middle)
    return high
