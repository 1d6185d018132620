"""Many queries at once: what they share is computed together, and each keeps the bits it has alone.

A view made here stays true as long as nothing is learnt: until an outcome comes, a decision is
closed, or time enters another epoch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from learners.base import Array
from routerd.core.policies import SCORING
from routerd.core.state import State
from routerd.core.values import Preference, Query
from routerd.core.view import View, estimated

AT_ONCE = 64
"""Queries whose arrays fit a processor's nearer caches together."""

PLAIN = Preference()


def views(state: State, queries: Sequence[Query], time_ms: int = 0) -> list[View]:
    """The views of at most AT_ONCE queries, with their quality and law where those are shared."""
    made = [View(state, query, time_ms) for query in queries]
    x = np.array([view.x for view in made])
    mean, variance, covariance = estimated(state, x)
    for view, *known in zip(made, mean, variance, covariance, strict=True):
        view.know(*known)
    law_of = SCORING.get(type(state.config.policy))
    # whether utilities weigh alike, and what is ahead is the same for all
    alike = not state.config.budgets and state.config.cascade is None and len(state.outlook.x)
    plain = [view for view in made if view.query.preference == PLAIN]
    if law_of is not None and plain:
        if len(plain) < len(made) or not (alike and plain[0].quality_alone):
            utilities = zip(*(view.utility for view in plain), strict=True)
            mean, variance = (np.array(rows) for rows in utilities)

        def look(patience: float) -> tuple[float | Array, Array, Array, Array]:
            everyone = state.roster.everyone
            horizon = plain[0].horizon(patience, everyone)
            ahead = [view.ahead(everyone) for view in plain]
            gap = np.array([one.gap for one in (ahead[:1] if alike else ahead)])
            leads = np.array([one.leads for one in ahead])
            return horizon, gap, leads, np.array([view.covariance(everyone) for view in plain])

        policy, count = state.config.policy, state.learner.count
        laws = law_of(policy, mean, variance, plain[0].noise, count, look)
        for view, law in zip(plain, laws, strict=True):
            view.ready = law
    return made
