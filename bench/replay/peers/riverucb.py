"""River: bandit.LinUCBDisjoint, one Bayesian linear regression an arm.

Interface: pull and update with dicts that hold the non-zero features only. Its bound is
mean + sqrt(1 / beta + x S x), so the grid is over beta, the precision of the noise; alpha, the
precision of the prior, stays at its default, 1. No burn-in. The seed breaks ties.
"""

from __future__ import annotations

from bench.data.recorded import Array
from bench.replay.peers.common import library, sparse

SETTINGS = {f"river-linucb:{beta}": float(beta) for beta in ("1", "10", "100", "1000")}
"""Name of each peer and its beta."""


class RiverLinUCB:
    """One LinUCBDisjoint."""

    def __init__(self, x: Array, arms: int, beta: float, seed: int) -> None:
        self.policy = library("river.bandit").LinUCBDisjoint(beta=beta, seed=seed)
        self.x = x
        self.arms = list(range(arms))

    def choose(self, i: int) -> int:
        return int(self.policy.pull(self.arms, sparse(self.x[i])))

    def reward(self, i: int, arm: int, utility: float) -> None:
        self.policy.update(arm, sparse(self.x[i]), utility)
