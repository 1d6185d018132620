"""Parallel probes: several agents at once on a complex task, with true inclusion probabilities.

Systematic sampling (Madow 1949). The law is capped at 1 / m, and what is above goes to the others
in their proportions: m times that is each agent's inclusion probability. The points u, u + 1/m, ...
(mod 1) then lie 1/m apart, so on the cumulated law they meet m different agents. The first is drawn
from the very law that is logged; the others are its companions, decisions of their own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from learners.base import Array
from learners.law import draw
from routerd.core.events import Decision

SURE = 1e-12


def capped(p: Array, m: int, order: Sequence[int]) -> Array:
    """The law whose shares are at most 1 / m, as near to p as that allows.

    order: who comes next when p gives its all to fewer than m, the best first.

    >>> capped(np.array([0.9, 0.08, 0.02]), 2, [0, 1, 2]).round(6).tolist()
    [0.5, 0.4, 0.1]
    >>> capped(np.array([0.0, 1.0, 0.0]), 2, [2, 1, 0]).tolist()
    [0.0, 0.5, 0.5]
    """
    included = np.zeros(p.size)
    left, free = float(m), [i for i in range(p.size) if p[i] > 0.0]
    while free and left > SURE:
        total = float(p[free].sum())
        over = [i for i in free if float(p[i]) * left >= total * (1.0 - SURE)]
        if not over:
            included[free] = p[free] * (left / total)
            left = 0.0
            break
        included[over] = 1.0
        left -= len(over)
        free = [i for i in free if i not in over]
    for i in order:
        if left <= SURE:
            break
        if included[i] == 0.0:
            included[i] = 1.0
            left -= 1.0
    law: Array = included / included.sum()
    return law


def members(law: Array, u: float, m: int) -> list[int]:
    """Who is tried at once, indices into the law; the first is the one that u draws."""
    found: list[int] = []
    for j in range(m):
        point = u + j / m
        index = draw(law, point - 1.0 if point >= 1.0 else point)
        while index in found:  # rounding put two points on one agent's end
            index = (index + 1) % law.size
        found.append(index)
    return found


def together(decision: Decision) -> list[tuple[str, float]]:
    """The companions of a decision in their order, each with its inclusion probability."""
    law, m = np.frombuffer(decision.law), decision.at_once
    if m < 2:
        return []
    chosen = members(law, decision.u, m)[1:]
    return [(decision.agents[i], min(1.0, m * float(law[i]))) for i in chosen]
