"""MABWiser: LinUCB and LinTS, one ridge regression an arm, prior mean zero.

Interface: MAB.predict and MAB.partial_fit on one row, arrays throughout (lists are converted on
every call), one job. Predicting needs a fit: until the first outcome the arm is drawn uniformly.
The grid is over alpha, which scales the bonus or the spread; l2_lambda stays at its default, 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bench.peers.common import contexts, library

if TYPE_CHECKING:
    from bench.datasets import Recorded

GRIDS: dict[str, tuple[str, dict[str, float]]] = {
    "mabwiser-linucb": ("LinUCB", {a: float(a) for a in ("0.1", "0.3", "1", "2")}),
    "mabwiser-lints": ("LinTS", {a: float(a) for a in ("0.1", "0.2", "0.5", "1")}),
}


class MabWiser:
    """One MAB with the learning policy `kind`."""

    def __init__(self, recorded: Recorded, kind: str, alpha: float, seed: int) -> None:
        module = library("mabwiser.mab", "mabwiser")
        arms = len(recorded.agents)
        learning = getattr(module.LearningPolicy, kind)(alpha=alpha)
        self.mab = module.MAB(list(range(arms)), learning, seed=seed)
        self.rng = np.random.default_rng(seed)
        self.arms = arms
        self.fitted = False
        self.x = contexts(recorded)

    def choose(self, i: int) -> int:
        if not self.fitted:
            return int(self.rng.integers(self.arms))
        return int(self.mab.predict(self.x[i : i + 1]))

    def reward(self, i: int, arm: int, utility: float) -> None:
        self.mab.partial_fit(np.array([arm]), np.array([utility]), self.x[i : i + 1])
        self.fitted = True
