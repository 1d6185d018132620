"""When off-policy evaluation says no, and why: one sentence, its code first."""

from __future__ import annotations

import numpy as np

from bench.ope_estimators import NEEDS_LAW, NEEDS_POLICY, Sample, Terms
from bench.stats import bernstein_lower
from learners.base import Array

# Below this many effective rows the intervals were seen to lose coverage (bench/ope_coverage.py).
LEAST_ROWS = 50.0

# A share of the policy's law that is rounding.
DUST = 1e-9

# Standard errors by which the mean weight may lie below 1 where the logged law is unknown.
FAR = 5.0

# An honest log is called wrong with at most this probability.
FALSE_ALARM = 1e-6

NO_PROPENSITY = "NO_PROPENSITY"
WRONG_LAW = "WRONG_LAW"
SUPPORT_MISSING = "SUPPORT_MISSING"
FEW_EFFECTIVE_ROWS = "FEW_EFFECTIVE_ROWS"
LAW_UNKNOWN = "LAW_UNKNOWN"
NO_ROWS = "NO_ROWS"

Reasons = list[str | None]


def sample_refusals(sample: Sample) -> Reasons:
    """Why no estimator may speak, for each log of a sample with axes (L, n, ...); None if it may."""
    return first_of(wrong_law(sample), no_support(sample), wrong_weights(sample))


def estimator_refusals(name: str, sample: Sample, terms: Terms | None) -> Reasons:
    """Why this estimator may not speak; terms is None when it could not be computed."""
    logs = sample.reward.shape[0]
    if terms is None:
        whose = "the logged law" if name in NEEDS_LAW and sample.law is None else "the policy's law"
        told = f"{LAW_UNKNOWN}: it needs {whose} over all actions, not of the logged one alone"
        return [told] * logs
    rows = sample.reward.shape[-1]
    return [few_rows(float(ess), rows) for ess in terms.ess]


def computable(name: str, sample: Sample) -> bool:
    """Whether the laws that an estimator reads are known."""
    return not (
        (name in NEEDS_POLICY and sample.policy is None)
        or (name in NEEDS_LAW and sample.law is None)
    )


def few_rows(ess: float, rows: int) -> str | None:
    if ess >= LEAST_ROWS:
        return None
    return (
        f"{FEW_EFFECTIVE_ROWS}: the {rows:,} rows are worth {ess:.1f} of the policy's own, "
        f"and fewer than {LEAST_ROWS:g} tell nothing"
    )


def no_support(sample: Sample) -> Reasons:
    """The policy goes where the log never could, or, its law unknown, never did."""
    rows = sample.reward.shape[-1]
    if sample.policy is None:
        return [None] * len(sample.reward)
    if sample.law is not None:
        lost = np.where(sample.law <= 0, sample.policy, 0.0)
        where = "actions that the log gave no chance"
    else:
        actions = np.arange(sample.policy.shape[-1])
        taken = (sample.action[..., None] == actions).any(-2)
        lost = np.where(taken[..., None, :], 0.0, sample.policy)
        where = "actions that never occur in the log"
    mass = lost.sum(-1)
    return [
        None
        if share <= DUST
        else f"{SUPPORT_MISSING}: the policy puts {share:.3g} of its probability on {where} "
        f"({hit:,} of {rows:,} rows)"
        for share, hit in zip(mass.mean(-1).tolist(), (mass > DUST).sum(-1).tolist(), strict=True)
    ]


def wrong_law(sample: Sample) -> Reasons:
    """The logged law is not the one drawn from: an action came too often or too seldom.

    Freedman's inequality (1975) for the count of an action minus the sum of its probabilities;
    it holds for laws that learn.
    """
    law, logs = sample.law, len(sample.reward)
    if law is None:
        return [None] * logs
    said = np.take_along_axis(law, sample.action[..., None], -1)[..., 0]
    apart = np.abs(said - sample.propensity).max(-1)
    counts = np.stack([(sample.action == k).sum(-1) for k in range(law.shape[-1])], -1)
    expected = law.sum(-2)
    excess = np.abs(counts - expected)
    variance = (law * (1.0 - law)).sum(-2)
    evidence = excess**2 / (2.0 * (variance + excess / 3.0) + 1e-300)
    limit = np.log(2.0 * law.shape[-1] / FALSE_ALARM)
    found: Reasons = [None] * logs
    for i in range(logs):
        k = int(evidence[i].argmax())
        if apart[i] > DUST:
            found[i] = f"{WRONG_LAW}: a propensity differs from its row's law by {apart[i]:.3g}"
        elif evidence[i, k] > limit:
            found[i] = (
                f"{WRONG_LAW}: an action was taken {counts[i, k]:,} times where the logged laws "
                f"expect {expected[i, k]:.1f}: they are not what was drawn from"
            )
    return found


def wrong_weights(sample: Sample) -> Reasons:
    """The weights do not average one, as they must when propensities and support are right."""
    weight, rows = sample.weight, sample.reward.shape[-1]
    mean = weight.mean(-1)
    too_large = bernstein_lower(weight, FALSE_ALARM) > 1.0
    too_small = mean + FAR * weight.std(-1) / np.sqrt(rows) < 1.0
    found: Reasons = [None] * len(weight)
    for i in range(len(weight)):
        average = f"the weights average {mean[i]:.3g} where they should average 1"
        if (sample.propensity[i] <= 0).any():
            found[i] = f"{WRONG_LAW}: an action was taken that has a propensity of 0"
        elif too_large[i]:
            found[i] = f"{WRONG_LAW}: {average}: propensities are too small"
        elif too_small[i] and sample.law is None:
            found[i] = f"{SUPPORT_MISSING}: {average}: the policy goes where the log hardly went"
    return found


def first_of(*reasons: Reasons) -> Reasons:
    """The first reason given for each log."""
    return [next((r for r in told if r), None) for told in zip(*reasons, strict=True)]
