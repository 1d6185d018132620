"""What an experiment shows: means of its arms, and their lift with anytime-valid intervals.

Units are independent, decisions of one unit are not. So the variance of a mean is that between 64
buckets of units, not that between decisions (Cameron and Miller 2015, a practitioner's guide to
cluster-robust inference), and with few units there is no interval.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from learners.base import Array
from learners.sequences import asymptotic_factor
from routerd.core.experiment import BUCKETS, METRICS, Sums, Trial

LEAST_BUCKETS = 12
LEAST_OUTCOMES = 100


class Lift(NamedTuple):
    """How much an arm's mean of a metric lies above the first arm's; refused: why it is not told.

    low, high: of the 95% interval, which holds however often one looks; None with `refused`.
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
            lift = one(trial, trial.arms[first.id], trial.arms[arm.id], index)
            if lift is not None:
                found.append(Lift(metric, arm.id, *lift))
    return found


def one(
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
    shadow = trial.experiment.shadow
    variance = between(n, t - s) if shadow else between(n, s) + between(m, t)
    rows = int(min(n.sum(), m.sum()))
    if rows < LEAST_OUTCOMES or min((n > 0).sum(), (m > 0).sum()) < LEAST_BUCKETS:
        why = f"fewer than {LEAST_OUTCOMES} outcomes, or of too few units, in one of the arms"
        return lift, None, None, why
    half = asymptotic_factor(rows) * math.sqrt(variance)
    return lift, lift - half, lift + half, ""


def between(n: Array, s: Array) -> float:
    """The variance of sum s / sum n, when the buckets are independent."""
    held = n > 0
    count = int(held.sum())
    if count < 2:
        return math.inf
    apart = s[held] - s.sum() / n.sum() * n[held]
    return float((apart @ apart) / n.sum() ** 2 * count / (count - 1))
