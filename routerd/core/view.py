"""What a decision looks at: the query, and the estimates of every agent on the roster.

Many queries are estimated together, and each keeps the bits that it has alone. A view made so stays
true as long as nothing is learnt: until an outcome comes, a decision is closed, or time enters
another epoch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from learners.base import Array
from routerd.core.answers import Candidate, Estimate
from routerd.core.budgets import price
from routerd.core.head_starts import unseen
from routerd.core.paths import Paths, paths
from routerd.core.settings import ValuePolicy
from routerd.core.state import State
from routerd.core.values import Query
from routerd.core.worth import weights_of

Estimates = tuple[Array, Array]
LEAST_VARIANCE = 1e-12
AT_ONCE = 64
"""Queries whose arrays fit a processor's nearer caches together."""


class View:
    """Estimates are (mean, variance) over the roster in id order, computed when first read."""

    _known: tuple[Estimates, Array] | None = None
    _cost: Estimates | None = None
    _latency: Estimates | None = None
    _utility: Estimates | None = None

    def __init__(self, state: State, query: Query, time_ms: int) -> None:
        self.state = state
        self.query = query
        self.time_ms = time_ms
        self.x = np.frombuffer(query.x)
        quality, cost, latency = weights_of(state.config.utility, query.preference)
        self.price = price(state, query) if state.config.budgets else 0.0
        self.weights = quality, cost + self.price, latency
        self.quality_weight, self.cost_weight, self.latency_weight = self.weights
        self._paths: dict[tuple[int, ...], Paths] = {}
        # The static table, or that of an experiment's arm.
        self.routes = state.config.static_routes

    @property
    def limited(self) -> bool:
        """Whether predicted cost or latency can exclude an agent."""
        return self.query.max_cost_usd is not None or self.query.max_latency_ms is not None

    @property
    def quality(self) -> Estimates:
        return self._estimated[0]

    @property
    def across(self) -> Array:
        """Covariance of each agent's quality here with that in what is ahead, (k, m); m is 0 where
        the policy does not ask."""
        return self._estimated[1]

    @property
    def _estimated(self) -> tuple[Estimates, Array]:
        if self._known is None:
            mean, variance, covariance = estimated(self.state, self.x[None, :])
            self.know(mean[0], variance[0], covariance[0])
            assert self._known is not None
        return self._known

    def know(self, mean: Array, variance: Array, covariance: Array) -> None:
        """Take over what `estimated` has for this query."""
        start = unseen(self.state, self.query)
        self._known = (mean if start is None else mean + start, variance), covariance

    @property
    def cost(self) -> Estimates:
        if self._cost is None:
            self._cost = self.state.cost.predict(self.query.cell, self.state.roster.arms)
        return self._cost

    @property
    def latency(self) -> Estimates:
        if self._latency is None:
            self._latency = self.state.latency.predict(self.query.cell, self.state.roster.arms)
        return self._latency

    @property
    def utility(self) -> Estimates:
        """Quality, cost and latency combined by the request's weights; of the path."""
        if self.state.config.cascade is not None:
            whole = self.paths(self.state.roster.everyone)
            return whole.mean, whole.variance
        return self.alone

    @property
    def alone(self) -> Estimates:
        """The utility of agents that no other follows."""
        if self._utility is None:
            self._utility = self._combined()
        return self._utility

    def _combined(self) -> Estimates:
        mean, variance = self.quality
        if self.quality_weight != 1.0:
            mean = self.quality_weight * mean
            variance = np.maximum(self.quality_weight**2 * variance, LEAST_VARIANCE)
        if self.cost_weight:
            mean, variance = less(mean, variance, self.cost_weight, self.cost)
        if self.latency_weight:
            mean, variance = less(mean, variance, self.latency_weight, self.latency)
        return mean, variance

    def cost_known(self, index: int) -> bool:
        """Whether an agent's cost rests on reports or prices, not on the reference scale."""
        priced = self.state.roster.agents[index].prices is not None
        return priced or self.state.cost.seen(self.state.roster.arm(index))

    def latency_known(self, index: int) -> bool:
        return self.state.latency.seen(self.state.roster.arm(index))

    @property
    def noise(self) -> float:
        """Variance of one observed utility around its mean."""
        return max(self.quality_weight**2 * self.state.learner.noise, LEAST_VARIANCE)

    def utility_of(self, eligible: tuple[int, ...]) -> Estimates:
        """The utilities of the agents at these roster indices."""
        if self.state.config.cascade is not None:
            among = self.paths(eligible)
            return among.mean, among.variance
        return subset(self.alone, eligible)

    def paths(self, eligible: tuple[int, ...]) -> Paths:
        """What it is worth to start with each of these agents, when others of them may follow."""
        if eligible not in self._paths:
            self._paths[eligible] = paths(self, eligible, *subset(self.alone, eligible))
        return self._paths[eligible]

    def escalate_below(self, eligible: tuple[int, ...], chosen: int) -> float | None:
        """The reported confidence that calls for another agent; None where that does not pay."""
        config = self.state.config
        if config.cascade is None or not self.paths(eligible).climbs[chosen]:
            return None
        return config.thresholds.cascade

    def candidates(
        self, probability: dict[str, float], why: dict[str, tuple[str, str]]
    ) -> tuple[Candidate, ...]:
        """Every agent with its estimates, and its probability or why it was excluded."""
        told = []
        for i, agent_id in enumerate(self.state.roster.ids):
            exclusion, detail = why.get(agent_id, ("", ""))
            told.append(
                Candidate(
                    agent_id,
                    probability.get(agent_id, 0.0),
                    quality=estimate(self.quality, i),
                    cost_usd=estimate(self.cost, i),
                    latency_ms=estimate(self.latency, i),
                    utility=estimate(self.utility, i),
                    exclusion=exclusion,
                    detail=detail,
                )
            )
        return tuple(told)


def views(state: State, queries: Sequence[Query]) -> list[View]:
    """The views of at most AT_ONCE queries, with the estimates of quality; of no time as yet."""
    made = [View(state, query, 0) for query in queries]
    together = estimated(state, np.array([view.x for view in made]))
    for view, *known in zip(made, *together, strict=True):
        view.know(*known)
    return made


def estimated(state: State, x: Array) -> tuple[Array, Array, Array]:
    """Mean and variance of quality at each row of x (n, d), (n, k), and its covariance with that in
    what is ahead, (n, k, m); m is 0 where the policy does not ask what a look is worth."""
    asks = isinstance(state.config.policy, ValuePolicy)
    return state.learner.joint(x, state.outlook.x if asks else x[:0], state.roster.arms)


def subset(of: Estimates, eligible: tuple[int, ...]) -> Estimates:
    """The estimates at these roster indices."""
    mean, variance = of
    if len(eligible) == len(mean):
        return mean, variance
    index = list(eligible)
    return mean[index], variance[index]


def less(mean: Array, variance: Array, weight: float, of: Estimates) -> Estimates:
    """A utility's estimates after subtracting weight times another quantity's."""
    expected, spread = of
    return mean - weight * expected, variance + weight * weight * spread


def estimate(of: Estimates, index: int) -> Estimate:
    return Estimate(float(of[0][index]), math.sqrt(of[1][index]))
