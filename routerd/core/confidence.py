"""How sure the engine is that its best agent beats the one to fall back on."""

from __future__ import annotations

import math

from learners.base import Array


def confidence(mean: Array, variance: Array, order: list[int], routed: int) -> float | None:
    """Posterior P(utility of the best-mean agent > utility of the static table's agent).

    order: indices by mean, the best first. routed: the table's agent, -1 for none; without one, or
    when it is itself the best: over the runner-up. None with one agent. The two count as
    independent: what both share is left open twice, so it errs towards a half.
    """
    if len(order) < 2:
        return None
    best = order[0]
    other = order[1] if routed in (-1, best) else routed
    gap = mean.item(best) - mean.item(other)
    spread = math.sqrt(2.0 * (variance.item(best) + variance.item(other)))
    return 0.5 * math.erfc(-gap / spread)


def by_mean(mean: Array) -> list[int]:
    """Indices, that of the highest mean first."""
    means = mean.tolist()
    return sorted(range(len(means)), key=means.__getitem__, reverse=True)
