"""ParetoBandit: DisjointLinUCBPolicy, the policy inside its BanditRouter.

Interface: select_arm, mark_selected and update(advance_time=False), as its router calls them, without
the router's request log, feature service and price look-up: those cost more than the decision and
decide nothing when the context is given. The policy puts no structure on a context, so it gets the
same features as everyone. Cost enters by the utility, not by the router's penalty on list prices, so
that all pursue the same end.

Grid: alpha and forgetting factor as its configuration ships them for warm and for cold starts
(.01 and .05, each with .997), and two without forgetting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.peers.common import contexts, library

if TYPE_CHECKING:
    from bench.datasets import Recorded

GRIDS: dict[str, dict[str, tuple[float, float]]] = {
    "paretobandit": {
        "0.01": (0.01, 0.997),
        "0.05": (0.05, 0.997),
        "0.05-stationary": (0.05, 1.0),
        "0.3-stationary": (0.3, 1.0),
    }
}


class ParetoBandit:
    """One DisjointLinUCBPolicy from a cold start."""

    def __init__(self, recorded: Recorded, alpha: float, forgetting: float, seed: int) -> None:
        policy = library("pareto_bandit.policy", "paretobandit").DisjointLinUCBPolicy
        self.x = contexts(recorded)
        self.names = [str(arm) for arm in range(len(recorded.agents))]
        self.policy = policy(
            self.names,
            dim=self.x.shape[1],
            alpha=alpha,
            forgetting_factor=forgetting,
            seed=seed,
        )

    def choose(self, i: int) -> int:
        name, _ = self.policy.select_arm(self.x[i])
        self.policy.mark_selected(name)
        return int(name)

    def reward(self, i: int, arm: int, utility: float) -> None:
        self.policy.update(self.names[arm], self.x[i], utility, advance_time=False)
