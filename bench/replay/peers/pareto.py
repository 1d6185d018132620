"""ParetoBandit: DisjointLinUCBPolicy, the policy inside its BanditRouter, from a cold start.

Interface: select_arm, mark_selected and update(advance_time=False), as its router calls them. The
router around it costs half as much again (75 us a step against 49, at 8 arms and 32 features) and
by default clips rewards to [0, 1], which a utility can leave. The policy puts no structure on a
context, so it gets the same features as everyone. Cost enters by the utility, not by the router's
penalty on list prices, so that all pursue the same end.

The grid is over alpha and the forgetting factor: .01 and .05 with .997 are what its configuration
ships for warm and for cold starts, .3 and 1 without forgetting explore more. Where most rewards
are high, all but the last can lock onto the arm that they try first: the prior mean is zero.
"""

from __future__ import annotations

from bench.data.recorded import Array
from bench.replay.peers.common import library

SETTINGS = {
    "paretobandit:0.01-0.997": (0.01, 0.997),
    "paretobandit:0.05-0.997": (0.05, 0.997),
    "paretobandit:0.3-1": (0.3, 1.0),
    "paretobandit:1-1": (1.0, 1.0),
}
"""Name of each peer, its alpha and its forgetting factor."""


class ParetoBandit:
    """One DisjointLinUCBPolicy."""

    def __init__(self, x: Array, arms: int, setting: tuple[float, float], seed: int) -> None:
        alpha, forgetting = setting
        self.x = x
        self.names = [str(arm) for arm in range(arms)]
        self.policy = library("pareto_bandit").DisjointLinUCBPolicy(
            self.names, dim=x.shape[1], alpha=alpha, forgetting_factor=forgetting, seed=seed
        )

    def choose(self, i: int) -> int:
        name, _ = self.policy.select_arm(self.x[i])
        self.policy.mark_selected(name)
        return int(name)

    def reward(self, i: int, arm: int, utility: float) -> None:
        self.policy.update(self.names[arm], self.x[i], utility, advance_time=False)
