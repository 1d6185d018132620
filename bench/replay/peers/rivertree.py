"""River: one tree.HoeffdingTreeRegressor an arm as the model of its utility, and epsilon-greedy.

River has no bandit over such models: the epsilon-greedy is here. An arm that has no outcome yet is
pulled before any other, as in the burn-in of river's bandits; such pulls are scored like all.

Interface: learn_one and predict_one with dicts that hold every column, zeros too: to a tree a
column that is absent is missing, and goes down the branch that more examples took. Its quantising
splitter takes about half the time and scored less on segment, so the default one stays.

The grid is over what a leaf says and over epsilon. `adaptive`: a leaf's mean or its linear model,
whichever erred less of late, all settings at river's defaults, at which few trees split here.
`mean`: the leaf's mean alone; splits are tried every 20 outcomes and need less certainty. It was
chosen among some twenty on two orders of five of the recorded sets, which a replay scores too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bench.data.recorded import Array
from bench.replay.peers.common import library

LEAVES: Mapping[str, Mapping[str, Any]] = {
    "adaptive": {},
    "mean": {"leaf_prediction": "mean", "grace_period": 20, "delta": 0.2},
}
SETTINGS = {
    f"river-tree:{leaf}-{epsilon}": (leaf, float(epsilon))
    for leaf in LEAVES
    for epsilon in ("0.02", "0.05")
}
"""Name of each peer, what its leaves say and its epsilon."""


class RiverTrees:
    """A tree for each arm."""

    def __init__(self, x: Array, arms: int, setting: tuple[str, float], seed: int) -> None:
        tree = library("river.tree").HoeffdingTreeRegressor
        leaf, self.epsilon = setting
        self.trees = [tree(**LEAVES[leaf]) for _ in range(arms)]
        self.untried = list(range(arms))
        self.rng = np.random.default_rng(seed)
        self.x = x

    def choose(self, i: int) -> int:
        if self.untried:
            return int(self.rng.choice(self.untried))
        if self.rng.random() < self.epsilon:
            return int(self.rng.integers(len(self.trees)))
        x = self._columns(i)
        return int(np.argmax([tree.predict_one(x) for tree in self.trees]))

    def reward(self, i: int, arm: int, utility: float) -> None:
        self.trees[arm].learn_one(self._columns(i), utility)
        if arm in self.untried:
            self.untried.remove(arm)

    def _columns(self, i: int) -> dict[int, float]:
        return dict(enumerate(self.x[i].tolist()))
