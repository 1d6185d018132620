"""Exploration that decays with what has been learnt.

Source: shrinking the posterior is empirical, so it stands beside a floor that does not vanish
(Phan, Abbasi-Yadkori and Domke 2019; Hamidi and Bayati 2020 for what theory wants instead).
"""

from __future__ import annotations

import math


def decay(start: float, least: float, count: float, tau: float) -> float:
    """max(least, start / sqrt(1 + count / tau)); count decays too, so drift re-opens exploration.

    >>> decay(1.0, 0.2, 0.0, 100.0), decay(1.0, 0.2, 300.0, 100.0), decay(1.0, 0.2, 1e9, 100.0)
    (1.0, 0.5, 0.2)
    """
    return max(least, start / math.sqrt(1.0 + max(count, 0.0) / tau))
