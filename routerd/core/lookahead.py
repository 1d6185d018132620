"""What the value policy asks of a view about the future: what a further look at an agent is for.

For how many outcomes it counts, how the agents stand in the contexts that are ahead, what a look
here says of those, and how many looks will tell without another one.
"""

from __future__ import annotations

import numpy as np

from learners.base import Array
from learners.plain import outer
from routerd.core.outlook import Ahead, ahead_of
from routerd.core.state import State
from routerd.core.view import View, subset


def horizon(view: View, patience: float, eligible: tuple[int, ...]) -> float | Array:
    """For how many outcomes what is learnt now will count: as many as taught before.

    And as many as the decisions will tell that each agent is given in patience.
    Of an agent that changed, (k,): as many as taught since, when what was let go of is made up for;
    it may change again.
    """
    state = view.state
    least = patience * len(eligible) * share_told(state)
    most = state.learner.count + least
    if not state.drifts:
        return most
    drifts = [state.drifts.get(state.roster.ids[i]) for i in eligible]
    before = np.array([0.0 if drift is None else drift.count for drift in drifts])
    return np.maximum(most - before, least)


def under_way(view: View, horizon: float | Array, eligible: tuple[int, ...]) -> Array:
    """How many looks at each agent are under way and will tell, (k,).

    Nobody knows how many of them do: the share that does, and of n that are awaited at most as many
    as there are outcomes to count on, the horizon H, so H / (H + n).
    """
    state = view.state
    if not state.under_way:
        return np.zeros(len(eligible))
    arms = state.roster.picked(eligible)
    looks = np.array([float(len(state.under_way.get(arm, ()))) for arm in arms])
    looks *= share_told(state) * horizon / (horizon + state.awaited)
    return looks


def share_told(state: State) -> float:
    """How many of the open decisions tell: of those answered or passed over the answered ones.

    See routerd.core.awaited.
    """
    if not state.awaited:
        return 1.0
    passed_over = state.awaited - sum(map(len, state.under_way.values()))
    return (1 + state.answered) / (1 + state.answered + passed_over)


def ahead(view: View, eligible: tuple[int, ...]) -> Ahead:
    """How these agents stand in the contexts that are ahead.

    The request's weights apply there too, and what a path adds here, it adds there. While none is
    known, this context stands for them. Where this one comes again, none counts as leading
    elsewhere: what a look here says of it, no look there does.
    """
    state, outlook = view.state, view.state.outlook
    arms, weights = state.roster.picked(eligible), view.weights
    if not len(outlook.x):
        found = ahead_of(view.utility_of(eligible)[0][None, :])
    elif state.config.cascade is None:
        found = outlook.ahead(arms, weights)
    else:
        path = view.paths(eligible).mean - subset(view.alone, eligible)[0]
        found = ahead_of(outlook.means(list(arms), weights) + path)
    if state.encoder.recurs or view.query.x in outlook:
        return Ahead(found.gap, np.zeros(len(arms)))
    return found


def covariance(view: View, eligible: tuple[int, ...]) -> Array:
    """Of each agent's utility in the contexts ahead with its utility here, (k, m).

    What a look says of cost or latency, it says of the same work type alone.
    """
    state, outlook = view.state, view.state.outlook
    if not len(outlook.x):
        return view.utility_of(eligible)[1][:, None].copy()
    across = view.across
    if not across.size:  # an experiment's arm asks, the policy does not
        across = state.learner.joint(view.x[None, :], outlook.x, state.roster.arms)[-1][0]
    if view.weights != (1.0, 0.0, 0.0):
        across = across * view.quality_weight**2
        alike = outlook.cells == view.query.cell
        if view.cost_weight:
            across += outer(view.cost_weight**2 * view.cost[1], alike)
        if view.latency_weight:
            across += outer(view.latency_weight**2 * view.latency[1], alike)
    if len(eligible) < len(across):
        across = across[list(eligible)]
    if state.config.cascade is not None:
        longer = view.paths(eligible).variance / subset(view.alone, eligible)[1]
        across = across * longer[:, None]
    return across
