"""What an agent's calls cost on average, whatever their costs are like."""

from __future__ import annotations

import numpy as np
import pytest

from learners.cells import LogNormalCells

SCALE_USD = 0.01
CALLS = 2_000


def told(costs: list[float], cells: int = 1) -> LogNormalCells:
    """One arm that was told these costs, cell after cell in turn; another one that was told none.

    It forgets nothing.
    """
    learner = LogNormalCells(np.full(2, SCALE_USD), cells, SCALE_USD)
    for i, usd in enumerate(costs):
        learner.observe(0, i % cells, usd, 1.0, 0)
    return learner


def runs(usual: float, rare: float, share: float) -> list[float]:
    """Calls that cost `usual`, but for a share of them, by lot, that cost `rare`."""
    lot = np.random.default_rng(0).random(CALLS) < share
    return [rare if is_rare else usual for is_rare in lot.tolist()]


@pytest.mark.parametrize(
    "costs",
    [
        pytest.param(runs(0.002, 0.2, 0.05), id="a few run away"),
        pytest.param(runs(0.0, 0.05, 0.2), id="most are free"),
        pytest.param(runs(0.05, 0.00001, 0.2), id="some fail at once"),
        pytest.param(np.random.default_rng(1).lognormal(-5, 1, CALLS).tolist(), id="log-normal"),
    ],
)
@pytest.mark.parametrize("cells", [1, 8])
def test_many_calls_show_what_one_costs_on_average(costs: list[float], cells: int) -> None:
    learner = told(costs, cells)
    means = [learner.predict(cell, slice(None))[0][0] for cell in range(cells)]
    assert np.mean(means) == pytest.approx(np.mean(costs), rel=0.05)


def test_what_was_all_taken_back_leaves_the_prior() -> None:
    costs = runs(0.002, 0.2, 0.05)[:100]
    learner = told(costs, cells=4)
    for i, usd in enumerate(costs):
        learner.observe(0, i % 4, usd, -1.0, 0)
    mean, variance = learner.predict(0, slice(None))
    assert mean[0] == pytest.approx(mean[1])
    assert variance[0] == pytest.approx(variance[1])


def test_nobody_hopes_for_costs_below_zero() -> None:
    """However little is known of a dear agent, most of what may be true is above nothing."""
    learner = told([20.0, 0.0, 300.0, 1.0])
    mean, variance = learner.predict(0, slice(None))
    assert 0.3 < np.sqrt(variance[0]) / mean[0] < 1.0
    assert np.sqrt(variance[1]) / mean[1] < 0.5
