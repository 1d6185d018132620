"""The models of a state that has learnt nothing, and what they guess."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from learners.base import Array, Learner
from learners.beta import BetaCells
from learners.cells import LogNormalCells
from learners.contexts import Contexts
from learners.drift import DriftDetector
from learners.linear import LinearRegression
from learners.logistic import LogisticRegression
from learners.means import ShrunkMeans
from learners.pooled import PooledRegression
from routerd.core.claims import BINS
from routerd.core.encode import CELLS
from routerd.core.outlook import Outlook
from routerd.core.paths import KINDS
from routerd.core.settings import Agent, EngineConfig
from routerd.core.state import State
from routerd.core.tally import Tally

LEARNERS: dict[str, Callable[[int, int, float], Learner]] = {
    "pooled": PooledRegression,
    "linear": LinearRegression,
    "logistic": LogisticRegression,
    "beta": BetaCells,
}
"""The models of quality by `policy.learner.kind`."""

UNKNOWN_LATENCY_SHARE = 0.1


def take_fresh_models(state: State, agents: list[Agent | None]) -> None:
    """Every one of MODELS anew, for its configuration and encoder. agents: by arm."""
    config, arms, width = state.config, len(agents), state.encoder.width
    scales, gamma = config.utility, epoch_gamma(config)
    costs, latencies = priors(config, agents)
    state.learner = LEARNERS[config.policy.learner.kind](arms, width, gamma)
    state.cost = LogNormalCells(costs, CELLS, scales.cost_scale_usd, gamma)
    state.latency = LogNormalCells(latencies, CELLS, scales.latency_scale_ms, gamma)
    state.paths = ShrunkMeans(arms, CELLS, KINDS, gamma)
    state.claims = ShrunkMeans(arms, BINS, 1, gamma)
    state.tally = Tally(arms, CELLS)
    state.detector = DriftDetector(arms)
    state.contexts = Contexts(width)
    state.outlook = Outlook(width)


def priors(config: EngineConfig, agents: list[Agent | None]) -> tuple[Array, Array]:
    """Cost in USD and latency in ms that each agent is guessed to have before it is tried."""
    utility = config.utility
    costs = np.array([prior_cost(agent, utility.cost_scale_usd) for agent in agents])
    return costs, np.full(len(agents), UNKNOWN_LATENCY_SHARE * utility.latency_scale_ms)


def prior_cost(agent: Agent | None, scale_usd: float) -> float:
    """USD of a call of 1,000 tokens in and 500 out at the agent's prices, else the scale itself."""
    if agent is None or agent.prices is None:
        return scale_usd
    prices = agent.prices
    return (1_000 * prices.input_usd_per_mtok + 500 * prices.output_usd_per_mtok) / 1e6


def epoch_gamma(config: EngineConfig) -> float:
    """Weight that an observation keeps from one epoch to the next."""
    learner = config.policy.learner
    if learner.half_life_days is None:
        return 1.0
    return float(0.5 ** (learner.epoch_hours / 24.0 / learner.half_life_days))
