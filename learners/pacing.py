"""Dual pacing: a price of money that rises while spending is above its target, and falls below it.

    c <- (1 - a) c + a x        x: the cost of a decision over the target, c: its moving average
    l <- clip(l exp(eta (c - 1)), l_min, l_max)
    score = quality - l / target * expected cost

The step is multiplicative, because the right price spans decades: it is the slope of the hull of
(cost, quality) at the target, which is also where a price opens. Told in units of the target, the
constants are good for any budget.
Source: Balseiro and Gur (2019), Learning in repeated auctions with budgets: adaptive pacing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

SMOOTHING = 0.05
STEP = 0.02
LEAST, MOST = 1e-4, 10.0
MOST_RATIO = 25.0
REPAID_IN = 200.0
MOST_REPAID = 0.2


class Pace(NamedTuple):
    """level: the moving average of cost over target. dual: the price, in utility per target."""

    level: float = 1.0
    dual: float = 0.0


def opened(slope: float, target: float) -> Pace:
    """A pace that begins where the hull says: slope in utility per unit of cost."""
    return Pace(dual=clipped(slope * target))


def paced(pace: Pace, ratio: float) -> Pace:
    """The pace after a decision that cost `ratio` targets.

    >>> paced(Pace(dual=0.1), 3.0).dual > 0.1 > paced(Pace(dual=0.1), 0.0).dual
    True
    """
    level = (1.0 - SMOOTHING) * pace.level + SMOOTHING * min(ratio, MOST_RATIO)
    return Pace(level, clipped(pace.dual * math.exp(STEP * (level - 1.0))))


def corrected(pace: Pace, ratio: float) -> Pace:
    """The pace after it turned out that a decision cost `ratio` targets more than was said."""
    ratio = min(max(ratio, -MOST_RATIO), MOST_RATIO)
    return Pace(pace.level, clipped(pace.dual * math.exp(STEP * ratio)))


def clipped(dual: float) -> float:
    return min(max(dual, LEAST), MOST)


def repaying(target: float, over: float) -> float:
    """The target while what was overspent is made up for, or underspent is used: in 200 decisions,
    at a fifth of the target at most.

    >>> repaying(2.0, 0.0), repaying(2.0, 1e9), repaying(2.0, -1e9)
    (2.0, 1.6, 2.4)
    """
    share = over / (REPAID_IN * target)
    return target * (1.0 - min(max(share, -MOST_REPAID), MOST_REPAID))


def hull_slope(points: Sequence[tuple[float, float]], target: float) -> float:
    """Slope, at a cost, of the upper concave hull of (cost, value): what a unit more would buy.

    0 where the best value costs no more than the target; below the cheapest point that of the first
    segment.

    >>> hull_slope([(1.0, 0.25), (2.0, 0.5), (4.0, 0.75), (3.0, 0.375)], 3.0)
    0.125
    """
    hull: list[tuple[float, float]] = []
    for point in sorted(points, key=lambda p: (p[0], -p[1])):
        if hull and point[1] <= hull[-1][1]:
            continue
        while len(hull) > 1 and slope(hull[-2], point) >= slope(hull[-2], hull[-1]):
            hull.pop()
        hull.append(point)
    for left, right in pairwise(hull):
        if target < right[0]:
            return slope(left, right)
    return 0.0


def slope(left: tuple[float, float], right: tuple[float, float]) -> float:
    return (right[1] - left[1]) / max(right[0] - left[0], 1e-300)
