"""The configured policy as a stage: from a view to a law over the eligible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from learners.base import Array
from learners.law import point_mass, win_probabilities, with_floor
from learners.policies import decay, squarecb, thompson, upper_confidence, value_of_information
from routerd.core import lookahead, static
from routerd.core.settings import (
    CheapestPolicy,
    GreedyPolicy,
    PointPolicy,
    Policy,
    RandomPolicy,
    RotationPolicy,
    SquareCBPolicy,
    StaticPolicy,
    ThompsonPolicy,
    UcbPolicy,
    ValuePolicy,
    WeightedScorePolicy,
)
from routerd.core.values import Reason
from routerd.core.view import View


class Choice(msgspec.Struct, frozen=True, gc=False):
    """A law over the eligible, why it is one, and about whom that is, see core.law.Law."""

    p: Array
    reason: Reason = Reason.SAMPLED
    detail: str = ""
    about: int = -1


Eligible = tuple[int, ...]


def value(view: View, eligible: Eligible, kind: ValuePolicy) -> Choice:
    mean, _ = view.utility_of(eligible)
    variance, covariance = lookahead.doubt(view, eligible)
    horizon = lookahead.horizon(view, kind.patience, eligible)
    known = mean, variance, view.noise, kind.spread, horizon, *lookahead.ahead(view, eligible)
    looks = covariance, lookahead.under_way(view, horizon, eligible)
    return Choice(value_of_information(*known, *looks, kind.floor)[-1])


def thompson_sampling(view: View, eligible: Eligible, kind: ThompsonPolicy) -> Choice:
    count = view.state.learner.count
    scores = thompson(*view.utility_of(eligible), width_of(kind, count))
    return Choice(win_probabilities(*scores, floor_of(kind, count)))


def square_cb(view: View, eligible: Eligible, kind: SquareCBPolicy) -> Choice:
    mean, _ = view.utility_of(eligible)
    return Choice(squarecb(mean, gamma_of(kind, view.state.learner.count)))


def greedy(view: View, eligible: Eligible, kind: GreedyPolicy) -> Choice:
    mean, _ = view.utility_of(eligible)
    return Choice(point(mean, kind.floor))


def ucb(view: View, eligible: Eligible, kind: UcbPolicy) -> Choice:
    mean, variance = view.utility_of(eligible)
    return Choice(point(upper_confidence(mean, variance, kind.alpha), kind.floor))


def uniform(view: View, eligible: Eligible, kind: RandomPolicy) -> Choice:
    return Choice(np.full(len(eligible), 1.0 / len(eligible)))


def width_of(kind: ThompsonPolicy, count: float) -> float:
    """How many of the posterior's sds a score is drawn with, after so many outcomes."""
    return decay(kind.v_0, kind.v_min, count, kind.tau)


def gamma_of(kind: SquareCBPolicy, count: float) -> float:
    """How much a gap counts after so many outcomes."""
    return float(kind.gamma_scale * (1.0 + max(count, 0.0)) ** kind.gamma_exponent)


def floor_of(kind: Policy, count: float) -> float:
    """The share that a policy explores at random whatever it knows, after so many outcomes."""
    match kind:
        case ThompsonPolicy():
            return decay(kind.floor, kind.floor_min, count, kind.tau)
        case RandomPolicy() | SquareCBPolicy():
            return 0.0
    return kind.floor


Named = Callable[[View, Eligible], tuple[int, str]]


def named(rule: Named) -> Callable[[View, Eligible, PointPolicy], Choice]:
    """The law of a rule that names one agent: all on that one, but for the policy's floor."""

    def law(view: View, eligible: Eligible, kind: PointPolicy) -> Choice:
        index, detail = rule(view, eligible)
        p = with_floor(point_mass(len(eligible), index), kind.floor)
        return Choice(p, Reason.STATIC_ROUTE, detail, index)

    return law


def point(score: Array, floor: float) -> Array:
    """All on the highest score, but for the floor."""
    return with_floor(point_mass(score.size, int(score.argmax())), floor)


LAWS: dict[type, Callable[[View, Eligible, Any], Choice]] = {
    ValuePolicy: value,
    ThompsonPolicy: thompson_sampling,
    SquareCBPolicy: square_cb,
    GreedyPolicy: greedy,
    UcbPolicy: ucb,
    RandomPolicy: uniform,
    StaticPolicy: named(static.table),
    RotationPolicy: named(static.rotation),
    CheapestPolicy: named(static.cheapest),
    WeightedScorePolicy: named(static.weighted_score),
}
"""The law of each kind of policy in the settings."""
