"""Samples that several tests of off-policy evaluation share."""

from __future__ import annotations

import numpy as np

from bench.ope.coverage import as_sample, softmax
from bench.ope.estimators import Sample
from bench.ope.worlds import ARMS, CONTEXTS, EpsilonGreedy, Fixed, make, simulate
from learners.base import Array

LOGGED = 0.8 * softmax(9, 1.0) + 0.2 / ARMS
JUDGED = softmax(5, 1.5)


def fixed(logs: int, rows: int, seed: int, world: str = "linear") -> tuple[Sample, float]:
    """Logs of a law that never learns, with the judged policy's true value."""
    place = make(world, 1)
    made = simulate(place, Fixed(LOGGED), logs, rows, seed)
    return as_sample(place, made, JUDGED), place.value(JUDGED, rows)


def learning(
    logs: int, rows: int, seed: int, world: str = "linear", floor: float = 0.2
) -> tuple[Sample, float]:
    """Logs of an adaptive law, with the judged policy's true value."""
    place = make(world, 1)
    made = simulate(place, EpsilonGreedy(logs, CONTEXTS, ARMS, floor), logs, rows, seed)
    return as_sample(place, made, JUDGED), place.value(JUDGED, rows)


def two_arms(actions: list[int], rewards: list[float], logged: float, judged: float) -> Sample:
    """One log, without a leading axis, of two arms and no context; the arguments are P(arm 1)."""
    action, n = np.array(actions, np.intp), len(actions)
    law = np.tile([1.0 - logged, logged], (n, 1))
    policy = np.tile([1.0 - judged, judged], (n, 1))
    at = np.arange(n)
    return Sample(
        action=action,
        reward=np.array(rewards),
        propensity=law[at, action],
        policy_propensity=policy[at, action],
        policy=policy,
        law=law,
        x=np.ones((n, 1)),
        bounds=(0.0, 1.0),
    )


def relawed(sample: Sample, law: Array) -> Sample:
    """The same rows, with another law said to be the logged one."""
    said = np.take_along_axis(law, sample.action[..., None], -1)[..., 0]
    return sample._replace(law=law, propensity=said)


def rejudged(sample: Sample, policy: Array) -> Sample:
    """The same rows, with another policy judged."""
    own = np.take_along_axis(policy, sample.action[..., None], -1)[..., 0]
    return sample._replace(policy=policy, policy_propensity=own)
