"""What the value policy asks of a view about the future: what a further look at an agent is for.

For how many outcomes it counts, how the agents stand in the contexts that are ahead, what a look
here says of those, and how many looks will tell without another one.
"""

from __future__ import annotations

import numpy as np

from learners.base import Array
from routerd.core.outlook import Ahead, ahead_of
from routerd.core.paths import paths
from routerd.core.state import State
from routerd.core.view import LEAST_VARIANCE, View, subset


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


def under_way(view: View, outcomes: float | Array, eligible: tuple[int, ...]) -> Array:
    """How many looks at each agent are under way and will tell, (k,).

    Nobody knows how many of them do: the share that does, and of n that are awaited at most as many
    as there are outcomes to count on, the horizon H, so H / (H + n).
    """
    state = view.state
    if not state.under_way:
        return np.zeros(len(eligible))
    arms = state.roster.picked(eligible)
    looks = np.array([float(len(state.under_way.get(arm, ()))) for arm in arms])
    looks *= share_told(state) * outcomes / (outcomes + state.awaited)
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


def doubt(view: View, eligible: tuple[int, ...]) -> tuple[Array, Array]:
    """What looks may settle of each agent's utility here: its variance, (k,), and its covariance
    with that in the contexts ahead, (k, m).

    Of quality alone: looks that are worth making for it tell what cost and latency are as well.
    That an agent's calls are dear leaves much unknown of what they cost, and to find out is to pay
    it again (see bench/results).
    """
    state, outlook = view.state, view.state.outlook
    variance, across = view.quality[1], view.across
    if not len(outlook.x):
        across = variance[:, None]
    elif not across.size:  # an experiment's arm asks, the policy does not
        across = state.learner.joint(view.x[None, :], outlook.x, state.roster.arms)[-1][0]
    if view.weights[0] != 1.0:
        worth = view.weights[0] ** 2
        variance, across = np.maximum(worth * variance, LEAST_VARIANCE), worth * across
    if len(eligible) < len(variance):
        index = list(eligible)
        variance, across = variance[index], across[index]
    if state.config.cascade is not None:
        of_path = paths(view, eligible, subset(view.alone, eligible)[0], variance).variance
        variance, across = of_path, across * (of_path / variance)[:, None]
    return variance, across
