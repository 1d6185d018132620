"""MABWiser: LinUCB and LinTS, one ridge regression an arm, prior mean zero.

Interface: MAB.predict and MAB.partial_fit on one row, arrays throughout (lists are converted on
every call), one job. Predicting needs a fit: until the first outcome the arm is drawn uniformly.
The grid is over alpha, which scales the bonus or the spread; l2_lambda stays at its default, 1.
"""

from __future__ import annotations

import numpy as np

from bench.data.recorded import Array
from bench.replay.peers.common import library

FAMILIES = {
    "mabwiser-linucb": ("LinUCB", ("0.1", "0.3", "0.6", "1")),
    "mabwiser-lints": ("LinTS", ("0.1", "0.2", "0.5", "1")),
}
SETTINGS = {
    f"{family}:{alpha}": (kind, float(alpha))
    for family, (kind, alphas) in FAMILIES.items()
    for alpha in alphas
}
"""Name of each peer, its learning policy and its alpha."""


class MabWiser:
    """One MAB."""

    def __init__(self, x: Array, arms: int, setting: tuple[str, float], seed: int) -> None:
        mab = library("mabwiser.mab")
        kind, alpha = setting
        learning = getattr(mab.LearningPolicy, kind)(alpha=alpha)
        self.mab = mab.MAB(list(range(arms)), learning, seed=seed)
        self.rng = np.random.default_rng(seed)
        self.x = x
        self.arms = arms
        self.fitted = False

    def choose(self, i: int) -> int:
        if not self.fitted:
            return int(self.rng.integers(self.arms))
        return int(self.mab.predict(self.x[i : i + 1]))

    def reward(self, i: int, arm: int, utility: float) -> None:
        self.mab.partial_fit(np.array([arm]), np.array([utility]), self.x[i : i + 1])
        self.fitted = True
