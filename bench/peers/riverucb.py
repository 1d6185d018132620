"""River: bandit.LinUCBDisjoint, one Bayesian linear regression an arm.

Interface: pull and update with dicts that hold the non-zero features only. Its bound is
mean + sqrt(1 / beta + x S x), so the grid is over beta, the precision of the noise; alpha, the
precision of the prior, stays at its default, 1. No burn-in. The seed breaks ties.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.peers.common import contexts, library

if TYPE_CHECKING:
    from bench.datasets import Recorded

GRIDS: dict[str, dict[str, float]] = {
    "river-linucb": {b: float(b) for b in ("1", "10", "100", "1000")}
}


class RiverLinUCB:
    """One LinUCBDisjoint."""

    def __init__(self, recorded: Recorded, beta: float, seed: int) -> None:
        bandit = library("river.bandit", "river")
        self.policy = bandit.LinUCBDisjoint(alpha=1.0, beta=beta, seed=seed)
        self.arms = list(range(len(recorded.agents)))
        self.x = [{j: float(row[j]) for j in row.nonzero()[0]} for row in contexts(recorded)]

    def choose(self, i: int) -> int:
        return int(self.policy.pull(self.arms, self.x[i]))

    def reward(self, i: int, arm: int, utility: float) -> None:
        self.policy.update(arm, self.x[i], utility)
