"""The benchmark of change: what is degraded, and what counts as noticed."""

from __future__ import annotations

import numpy as np

from bench.data.recorded import Recorded
from bench.studies import change

AGENTS = ("a", "b", change.NEWCOMER)


def recorded(n: int) -> Recorded:
    """The newcomer is always right, b half the time, a never."""
    quality = np.zeros((n, 3))
    quality[::2, 1] = 1.0
    quality[:, 2] = 1.0
    ids = tuple(f"t{i:05d}" for i in range(n))
    return Recorded("made", ids, AGENTS, ("x",) * n, ("",) * n, quality)


def test_steps_are_counted_from_the_change() -> None:
    """A share is that of the latest decisions, those before the change included."""
    chosen = np.array([False] * 10 + [True] * 10)
    assert change.steps_until(chosen, 10, 4, lambda share: share >= 0.5) == 2
    assert change.steps_until(chosen, 10, 4, lambda share: share >= 1.0) == 4
    assert change.steps_until(~chosen, 10, 4, lambda share: share < 0.1) == 4
    assert change.steps_until(chosen, 10, 4, lambda share: share < 0.1) == 10


def test_half_of_the_newcomers_right_answers_fail_from_then_on() -> None:
    """By a hash of the seed: the same every time, and nobody else's answers change."""
    data = recorded(change.END)
    rows = data.rows("shuffled", 3)
    found = change.outcomes(data, rows, 3)
    assert found[: change.DEGRADE, 2].all()
    assert 0.45 < found[change.DEGRADE :, 2].mean() < 0.55
    assert np.array_equal(found[:, :2], data.quality[rows][:, :2])
    assert np.array_equal(found, change.outcomes(data, rows, 3))


def test_the_default_adopts_and_abandons() -> None:
    """An agent that is always right is taken up at once, and let go when b is as good as it."""
    data = recorded(change.END)
    from bench.replay.baselines import configured
    from routerd.core.settings import ValuePolicy

    found = change.run(data, configured(data, 0.0, 0, ValuePolicy()), 0)
    assert found.adopted < 100
    assert any(agent == change.NEWCOMER and size < -0.3 for _, agent, size in found.drifts)
