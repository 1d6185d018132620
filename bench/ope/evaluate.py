"""Off-policy evaluation: every estimator with its interval, its effective rows, or its refusal.

What is estimated is the mean reward per decision that the policy would earn on traffic like the
log's. Which interval is quoted follows from how the rows came about:

    rows independent   the logged law and the policy are fixed: percentile bootstrap, 95%
    rows dependent     one of them follows from earlier rows, by learning or otherwise: an
                       asymptotic confidence sequence. It holds at every length of the log, so one
                       may look again as the log grows, and pays for that by being wider: seen to
                       cover 97% or more at a fixed length

The direct method gets no interval: its error is its model's. SWITCH-DR's is widened by the most
that its model can be wrong about the actions it alone speaks for. IPS with bounded rewards gets an
exact sequence (empirical Bernstein) besides, which asks for no large sample and is wider still.

Rows whose rewards hardly vary show less than there is: 60 successes leave room for a failure. Where
rewards have bounds, intervals are those of the rows and two more, one at each bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import msgspec
import numpy as np

from bench.ope.estimators import ESTIMATORS, Sample, Terms, replay
from bench.ope.refusal import (
    Reasons,
    computable,
    estimator_refusals,
    first_of,
    sample_refusals,
)
from bench.stats import (
    RESAMPLES,
    Interval,
    asymptotic_sequence,
    bernstein_sequence,
    bootstrap_ratio,
)
from learners.base import Array


class Overlap(msgspec.Struct, frozen=True):
    """How the policy's law lies over the logged one."""

    mean_weight: float
    max_weight: float
    least_propensity: float


class Result(msgspec.Struct, frozen=True):
    """One estimator on one log. value and ci95 are null when `refused` gives the reason.

    interval: bootstrap, or anytime (a confidence sequence), or null. anytime95: the sequence, also
    where ci95 is a bootstrap; exact95: the one that needs no large sample. logged_value: the mean
    reward of the rows as they were logged; lift95: the interval of what the policy earns above it.
    n: rows used; left_out: how many were not, by reason.
    policy: what was judged; reward: the name of what is counted.
    """

    estimator: str
    value: float | None
    ci95: tuple[float, float] | None
    ess: float | None
    refused: str | None
    interval: str | None = None
    anytime95: tuple[float, float] | None = None
    exact95: tuple[float, float] | None = None
    logged_value: float | None = None
    lift95: tuple[float, float] | None = None
    n: int = 0
    left_out: Mapping[str, int] = {}
    overlap: Overlap | None = None
    policy: str = ""
    reward: str = ""


class Estimates(NamedTuple):
    """One estimator on L logs, each array (L,); refused holds a reason or None for each."""

    value: Array
    ess: Array
    refused: Reasons
    quoted: Interval | None = None
    anytime: Interval | None = None
    exact: Interval | None = None
    lift: Interval | None = None


def evaluate(
    sample: Sample, *, independent: bool, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Estimates]:
    """Every estimator on samples with axes (L, n, ...). `seed` drives replay and bootstrap."""
    why = sample_refusals(sample)
    found = {}
    for name, estimator in (ESTIMATORS | {"replay": partial(replay, seed=seed)}).items():
        if not computable(name, sample):
            nan = np.full(len(sample.reward), np.nan)
            refused = first_of(why, estimator_refusals(name, sample, None))
            found[name] = Estimates(nan, nan, refused)
            continue
        terms = estimator(sample)
        refused = first_of(why, estimator_refusals(name, sample, terms))
        estimates = Estimates(terms.value, terms.ess, refused)
        if name != "dm" and not all(refused):
            drawn = (resamples, seed) if independent else None
            estimates = with_intervals(estimates, sample, terms, drawn)
        if name == "ips" and sample.bounds is not None and not all(refused):
            exact = bernstein_sequence(sample.weight, sample.reward, sample.bounds)
            estimates = estimates._replace(exact=exact)
        found[name] = estimates
    return found


def with_intervals(
    estimates: Estimates, sample: Sample, terms: Terms, drawn: tuple[int, int] | None
) -> Estimates:
    """The estimates with their intervals. drawn: resamples and seed, where rows are independent."""
    logged = sample.reward.mean(-1)
    ahead = terms.value - logged
    apart = unseen_apart(terms.deviations - (sample.reward - logged[..., None]), sample)
    rows = with_unseen(terms, sample.bounds)
    anytime = within(
        modelled(asymptotic_sequence(rows.value, rows.deviations), sample, terms), sample
    )
    if drawn is None:
        quoted, lift = anytime, asymptotic_sequence(ahead, apart)
    else:
        quoted = within(
            modelled(bootstrap_ratio(rows.top, rows.bottom, *drawn), sample, terms), sample
        )
        lift = bootstrap_ratio(apart + ahead[..., None], np.ones(apart.shape), *drawn)
    return estimates._replace(quoted=quoted, anytime=anytime, lift=modelled(lift, sample, terms))


def with_unseen(terms: Terms, bounds: tuple[float, float] | None) -> Terms:
    """The terms and two rows more, one at each bound, each worth one of the effective rows.

    They do for weighted rows what two more successes and failures do for a share. Source: Agresti
    and Coull (1998), Approximate is better than "exact" for interval estimation of proportions.
    """
    if bounds is None:
        return terms
    weight = (terms.bottom.sum(-1) / np.maximum(terms.ess, 1.0))[..., None]
    ends = [bound * weight for bound in bounds]
    return terms._replace(
        top=np.concatenate([terms.top, *ends], -1),
        bottom=np.concatenate([terms.bottom, weight, weight], -1),
    )


def unseen_apart(apart: Array, sample: Sample) -> Array:
    """The deviations of a lift (..., n) and two more, of a row at one bound instead of the other.

    In a lift a row counts with its weight less one, so these two count with the mean of that, each
    row's by its own size. Where the policy is the logged one nothing can be unseen.
    """
    if sample.bounds is None:
        return apart
    off = np.abs(sample.weight - 1.0)
    size = (off * off).sum(-1) / np.maximum(off.sum(-1), 1e-300)
    most = ((sample.bounds[1] - sample.bounds[0]) * size)[..., None]
    return np.concatenate([apart, most, -most], -1)


def modelled(interval: Interval, sample: Sample, terms: Terms) -> Interval | None:
    """The interval, wider by the most that a model can be wrong about what it alone speaks for.

    None when there is such a part and the reward has no bounds.
    """
    if terms.modelled is None:
        return interval
    if sample.bounds is None:
        return None
    said, share = (part.mean(-1) for part in terms.modelled)
    least, most = sample.bounds
    return Interval(interval.low - said + share * least, interval.high - said + share * most)


def within(interval: Interval | None, sample: Sample) -> Interval | None:
    """The part of an interval where a mean reward can lie."""
    if interval is None or sample.bounds is None:
        return interval
    return Interval(*(np.clip(end, *sample.bounds) for end in interval))


def results(
    sample: Sample,
    *,
    independent: bool,
    left_out: Mapping[str, int],
    policy: str = "",
    reward: str = "",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Result]:
    """Every estimator on one log, given without a leading axis."""
    rows = len(sample.reward)
    lanes = one_lane(sample)
    overlap = Overlap(
        mean_weight=float(sample.weight.mean()),
        max_weight=float(sample.weight.max()),
        least_propensity=float(sample.propensity.min()),
    )
    kind = "bootstrap" if independent else "anytime"
    told = []
    for name, found in evaluate(
        lanes, independent=independent, resamples=resamples, seed=seed
    ).items():
        reason = found.refused[0]
        silent = reason is not None
        told.append(
            Result(
                estimator=name,
                value=None if silent else float(found.value[0]),
                ci95=None if silent else ends(found.quoted),
                ess=None if np.isnan(found.ess[0]) else float(found.ess[0]),
                refused=reason,
                interval=None if silent or found.quoted is None else kind,
                anytime95=None if silent else ends(found.anytime),
                exact95=None if silent else ends(found.exact),
                logged_value=float(sample.reward.mean()),
                n=rows,
                left_out=left_out,
                lift95=None if silent else ends(found.lift),
                overlap=overlap,
                policy=policy,
                reward=reward,
            )
        )
    return told


def one_lane(sample: Sample) -> Sample:
    """The sample with a leading axis of one log."""
    lanes: dict[str, Any] = {
        name: part[None] for name, part in sample._asdict().items() if isinstance(part, np.ndarray)
    }
    return sample._replace(**lanes)


def ends(interval: Interval | None) -> tuple[float, float] | None:
    return None if interval is None else (float(interval.low[0]), float(interval.high[0]))


def refused_all(reason: str, *, left_out: Mapping[str, int], policy: str) -> list[Result]:
    """The same refusal from every estimator."""
    return [
        Result(name, None, None, None, reason, left_out=left_out, policy=policy)
        for name in ESTIMATORS
    ]
