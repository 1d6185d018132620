"""What an outcome is worth: the utility of numbers that are known."""

from __future__ import annotations

from routerd.core.settings import Utility
from routerd.core.values import Preference


def weights_of(utility: Utility, asked: Preference) -> tuple[float, float, float]:
    """What one of quality, one USD and one ms weigh; a request's preference goes first.

    >>> weights_of(Utility(cost=0.5, cost_scale_usd=0.01), Preference(quality=2.0))
    (2.0, 50.0, 0.0)
    """
    quality = utility.quality if asked.quality is None else asked.quality
    cost = utility.cost if asked.cost is None else asked.cost
    latency = utility.latency if asked.latency is None else asked.latency
    return quality, cost / utility.cost_scale_usd, latency / utility.latency_scale_ms


def worth(
    weights: tuple[float, float, float],
    quality: float | None,
    cost_usd: float | None,
    latency_ms: float | None,
) -> float | None:
    """The utility of an outcome; None when something that weighs is not known.

    >>> worth((1.0, 50.0, 0.0), 0.5, 0.002, None), worth((1.0, 50.0, 0.0), 0.5, None, None)
    (0.4, None)
    """
    total = 0.0
    known = (quality, cost_usd, latency_ms)
    for metric, weight, sign in zip(known, weights, (1.0, -1.0, -1.0), strict=True):
        if weight:
            if metric is None:
                return None
            total += sign * weight * metric
    return total
