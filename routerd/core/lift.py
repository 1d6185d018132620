"""What an experiment shows: means of its arms, and their lift with anytime-valid intervals.

Units are independent, decisions of one unit are not. So the variance of a mean is that between 64
buckets of units, not that between decisions (Cameron and Miller 2015, a practitioner's guide to
cluster-robust inference). Where few units, or few large ones, make up an arm, there is no interval,
and none in shadow where few outcomes speak for what the second arm would have chosen.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from learners.base import Array
from learners.sequences import LEVEL, asymptotic_factor
from routerd.core.experiment import BUCKETS, METRICS, Sums, Trial

LEAST_BUCKETS = 12
LEAST_EVEN_BUCKETS = 8.0  # so many of equal size are worth as much (Kish 1965)
LEAST_OUTCOMES = 100
LEAST_EFFECTIVE = 50.0


class Lift(NamedTuple):
    """How much an arm's mean of a metric lies above the first arm's; refused: why it is not told.

    low, high: of the interval, which holds however often one looks, and with 95% in all other arms
    at once; None with `refused`.
    """

    metric: str
    arm_id: str
    mean: float | None
    low: float | None = None
    high: float | None = None
    refused: str = ""


class ArmMean(NamedTuple):
    """The mean of a metric in an arm; None without outcomes."""

    metric: str
    outcomes: int
    mean: float | None


def means(sums: Sums) -> list[ArmMean]:
    """Each metric's mean. In shadow that of the second arm is weighed, so estimated."""
    told, total = columns(sums)
    return [
        ArmMean(metric, int(n), float(t) / int(n) if n else None)
        for metric, n, t in zip(METRICS, told.sum(axis=0), total.sum(axis=0), strict=True)
    ]


def columns(sums: Sums) -> tuple[Array, Array]:
    """How many and their total, each (buckets, metrics)."""
    shape = BUCKETS, len(METRICS)
    return np.array(sums.told, dtype=np.float64).reshape(shape), np.array(sums.total).reshape(shape)


def lifts(trial: Trial) -> list[Lift]:
    """The lift of every other arm over the first, in every metric that was told of both."""
    first, *others = trial.experiment.arms
    found = []
    for arm in others:
        for index, metric in enumerate(METRICS):
            lift = lift_of(trial, trial.arms[first.id], trial.arms[arm.id], index)
            if lift is not None:
                found.append(Lift(metric, arm.id, *lift))
    return found


def lift_of(
    trial: Trial, base: Sums, other: Sums, index: int
) -> tuple[float | None, float | None, float | None, str] | None:
    n, s = (column[:, index] for column in columns(base))
    m, t = (column[:, index] for column in columns(other))
    if not n.sum() or not m.sum():
        return None
    if trial.experiment.shadow and trial.uncovered > 1e-9:
        why = "the baseline never chooses what this arm would: give its policy a floor"
        return None, None, None, why
    lift = float(t.sum() / m.sum() - s.sum() / n.sum())
    if why := too_little(trial, n, m):
        return lift, None, None, why
    variance = between(n, t - s) if trial.experiment.shadow else between(n, s) + between(m, t)
    level = 1.0 - (1.0 - LEVEL) / (len(trial.experiment.arms) - 1)
    half = asymptotic_factor(int(min(n.sum(), m.sum())), level) * math.sqrt(variance)
    return lift, lift - half, lift + half, ""


def too_little(trial: Trial, n: Array, m: Array) -> str:
    """Why outcomes by bucket, of the first arm and of another, say too little; empty if not."""
    if min(n.sum(), m.sum()) < LEAST_OUTCOMES:
        return f"fewer than {LEAST_OUTCOMES} outcomes in one of the arms"
    if (
        min((n > 0).sum(), (m > 0).sum()) < LEAST_BUCKETS
        or min(even(n), even(m)) < LEAST_EVEN_BUCKETS
    ):
        return "too few units, or a few with most of the outcomes, in one of the arms"
    if trial.experiment.shadow:
        effective = float(m.sum()) * trial.second.decisions / trial.squares
        if effective < LEAST_EFFECTIVE:
            return (
                f"the outcomes are worth {effective:.1f} of the agents that this arm would choose, "
                f"and fewer than {LEAST_EFFECTIVE:g} tell nothing: give the baseline a larger floor"
            )
    return ""


def even(n: Array) -> float:
    """How many buckets of equal size these are worth."""
    return float(n.sum()) ** 2 / float(n @ n)


def between(n: Array, s: Array) -> float:
    """The variance of sum s / sum n, when the buckets are independent."""
    held = n > 0
    count = int(held.sum())
    if count < 2:
        return math.inf
    apart = s[held] - s.sum() / n.sum() * n[held]
    return float((apart @ apart) / n.sum() ** 2 * count / (count - 1))
