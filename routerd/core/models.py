"""The models of a state that has learnt nothing."""

from __future__ import annotations

from learners.contexts import Contexts
from learners.drift import DriftDetector
from learners.means import ShrunkMeans
from routerd.core.encode import CELLS
from routerd.core.outlook import Outlook
from routerd.core.paths import KINDS
from routerd.core.settings import Agent
from routerd.core.state import State, epoch_gamma, new_cells, new_learner
from routerd.core.tally import Tally

BINS = 5
"""Of self-reported competence (see routerd.core.claims)."""


def take_fresh_models(state: State, agents: list[Agent | None]) -> None:
    """Every one of MODELS anew, for its configuration and encoder. agents: by arm."""
    config, arms, width = state.config, len(agents), state.encoder.width
    gamma = epoch_gamma(config)
    state.learner = new_learner(config, arms, width)
    state.cost, state.latency = new_cells(config, agents)
    state.paths = ShrunkMeans(arms, CELLS, KINDS, gamma)
    state.claims = ShrunkMeans(arms, BINS, 1, gamma)
    state.tally = Tally(arms, CELLS)
    state.detector = DriftDetector(arms)
    state.contexts = Contexts(width)
    state.outlook = Outlook(width)
