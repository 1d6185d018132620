"""When off-policy evaluation says no, and why: one sentence, its code first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bench.ope.estimators import NEEDS_LAW, NEEDS_POLICY, Sample, Terms
from bench.stats import bernstein_lower
from learners.base import Array

# From this many effective rows on, intervals keep their coverage in the worlds of
# bench.ope.coverage; with 13 to 24 their bootstraps covered 87 to 92%.
LEAST_ROWS = 50.0

# A share of the policy's law that is rounding.
DUST = 1e-9

# Standard errors by which the mean weight may lie below 1 where the logged law is unknown.
FAR = 5.0

# An honest log is called wrong with at most this probability.
FALSE_ALARM = 1e-6

# The same of its missing outcomes: a refusal there costs less than a wrong answer.
MISSING_ALARM = 1e-3

NO_PROPENSITY = "NO_PROPENSITY"
WRONG_LAW = "WRONG_LAW"
SUPPORT_MISSING = "SUPPORT_MISSING"
FEW_EFFECTIVE_ROWS = "FEW_EFFECTIVE_ROWS"
LAW_UNKNOWN = "LAW_UNKNOWN"
NO_ROWS = "NO_ROWS"
OUTCOMES_MISSING = "OUTCOMES_MISSING"

Reasons = list[str | None]


def sample_refusals(sample: Sample) -> Reasons:
    """Why no estimator may speak, for each log of a sample (L, n, ...); None where it may."""
    return first_of(
        wrong_law(sample), wrong_weights(sample), no_support(sample), thin_weights(sample)
    )


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
    """The logged laws are not those drawn from: an action came too often, or in wrong contexts.

    For every action k and column j of x, sum_t x_tj (1[action_t = k] - law_tk) is a martingale,
    also where the law learns; Freedman's inequality (1975) bounds how far chance takes it.
    """
    law, logs = sample.law, len(sample.reward)
    if law is None:
        return [None] * logs
    said = np.take_along_axis(law, sample.action[..., None], -1)[..., 0]
    apart = np.abs(said - sample.propensity).max(-1)
    drawn = (sample.action[..., None] == np.arange(law.shape[-1])) - law
    x = (sample.x / np.maximum(np.abs(sample.x).max(-2, keepdims=True), DUST)).swapaxes(-1, -2)
    variance = (x * x) @ (law * (1.0 - law))
    evidence = freedman(x @ drawn, variance).reshape(logs, -1)
    limit = np.log(2.0 * evidence.shape[-1] / FALSE_ALARM)
    found: Reasons = [None] * logs
    for i in range(logs):
        if apart[i] > DUST:
            found[i] = f"{WRONG_LAW}: a propensity differs from its row's law by {apart[i]:.3g}"
        elif evidence[i].max() > limit:
            found[i] = (
                f"{WRONG_LAW}: the logged laws are not what was drawn from: under them, actions "
                f"fall as they did in fewer than one log in {1.0 / FALSE_ALARM:,.0f}"
            )
    return found


def freedman(excess: Array, variance: Array) -> Array:
    """-log of a bound on the chance that a martingale with this variance goes so far."""
    far = np.abs(excess)
    evidence: Array = far**2 / (2.0 * (variance + far / 3.0) + DUST)
    return evidence


def outcomes_missing(lost: Sequence[tuple[str, Mapping[str, float]]]) -> str | None:
    """Why rows without an outcome that counts, each its action and law, make the others unfit.

    None where they may have been lost whatever the action was. Then their actions fall as their
    laws say, as in wrong_law. If not, the rows that are left lack outcomes of one action most.
    """
    actions = sorted({action for action, _ in lost}.union(*(law for _, law in lost)))
    law = np.array([[shares.get(action, 0.0) for action in actions] for _, shares in lost])
    if not actions:
        return None
    taken = np.array([[action == name for name in actions] for action, _ in lost])
    excess = (taken - law).sum(0)
    evidence = freedman(excess, (law * (1.0 - law)).sum(0))
    if evidence.max() <= np.log(2.0 * len(actions) / MISSING_ALARM):
        return None
    most = int(excess.argmax())
    return (
        f"{OUTCOMES_MISSING}: {len(lost):,} decisions have no outcome that counts, and "
        f"{actions[most]} was drawn in {int(taken[:, most].sum()):,} of them, where "
        f"{law[:, most].sum():,.0f} were to be expected: what is left does not tell what it earns; "
        "report on all agents alike, or say in `outcomes.missing_quality` what silence means"
    )


def wrong_weights(sample: Sample) -> Reasons:
    """The weights average more than one: a law is not what it is said to be, on either side."""
    mean = sample.weight.mean(-1)
    least = bernstein_lower(sample.weight, FALSE_ALARM)
    smallest = sample.propensity.min(-1)
    found: Reasons = [None] * len(mean)
    for i in range(len(mean)):
        if smallest[i] <= 0:
            found[i] = f"{WRONG_LAW}: an action was taken that has a propensity of 0"
        elif least[i] > 1.0:
            found[i] = (
                f"{WRONG_LAW}: the weights average {mean[i]:.3g} where they should average 1: the "
                "propensities are too small, or the policy's probabilities too large"
            )
    return found


def thin_weights(sample: Sample) -> Reasons:
    """The weights average far less than one, and no law is there to say why."""
    if sample.law is not None and sample.policy is not None:
        return [None] * len(sample.reward)
    weight = sample.weight
    mean = weight.mean(-1)
    below = mean + FAR * weight.std(-1) / np.sqrt(weight.shape[-1]) < 1.0
    return [
        f"{SUPPORT_MISSING}: the weights average {average:.3g} where they should average 1: the "
        "policy goes where the log hardly went"
        if thin
        else None
        for thin, average in zip(below.tolist(), mean.tolist(), strict=True)
    ]


def first_of(*reasons: Reasons) -> Reasons:
    """The first reason given for each log."""
    return [next((r for r in told if r), None) for told in zip(*reasons, strict=True)]
