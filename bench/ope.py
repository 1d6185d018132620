"""Off-policy evaluation: every estimator with its interval, its effective rows, or its refusal.

What is estimated is the mean reward per decision that the policy would earn on traffic like the
log's. Which interval is quoted follows from how the rows came about:

    rows independent   the logged law and the policy are fixed: percentile bootstrap, 95%
    rows dependent     one of them learns from the log: a confidence sequence. It holds at every
                       length of the log, so one may look again as the log grows, and pays for that
                       by being wider: seen to cover 98% or more at a fixed length

IPS with bounded rewards gets an exact (empirical-Bernstein) sequence, the others an asymptotic one.
The direct method gets no interval: its error is its model's. SWITCH-DR's is widened by the most
that its model can be wrong about the actions it alone speaks for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec
import numpy as np

from bench.ope_estimators import ESTIMATORS, Sample, Terms
from bench.ope_refusal import (
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
    where ci95 is a bootstrap. n: rows used; left_out: how many were not, by reason.
    """

    estimator: str
    value: float | None
    ci95: tuple[float, float] | None
    ess: float | None
    refused: str | None
    interval: str | None = None
    anytime95: tuple[float, float] | None = None
    n: int = 0
    left_out: Mapping[str, int] = {}
    overlap: Overlap | None = None


class Estimates(NamedTuple):
    """One estimator on L logs, each array (L,); refused holds a reason or None for each."""

    value: Array
    ess: Array
    refused: Reasons
    quoted: Interval | None
    anytime: Interval | None


def evaluate(
    sample: Sample, *, independent: bool, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Estimates]:
    """Every estimator on samples with axes (L, n, ...). `seed` drives replay and bootstrap."""
    why = sample_refusals(sample)
    found = {}
    for name, estimator in ESTIMATORS.items():
        if not computable(name, sample):
            nan = np.full(len(sample.reward), np.nan)
            refused = first_of(why, estimator_refusals(name, sample, None))
            found[name] = Estimates(nan, nan, refused, None, None)
            continue
        terms = estimator(sample)
        refused = first_of(why, estimator_refusals(name, sample, terms))
        anytime = sequence(name, sample, terms)
        quoted = anytime
        if independent and anytime is not None and not all(refused):
            drawn = bootstrap_ratio(terms.top, terms.bottom, resamples, seed)
            quoted = widened(drawn, sample, terms)
        found[name] = Estimates(terms.value, terms.ess, refused, quoted, anytime)
    return found


def sequence(name: str, sample: Sample, terms: Terms) -> Interval | None:
    """The confidence sequence of one estimator; None where there is no honest one."""
    if name == "dm":
        return None
    if name == "ips" and sample.bounds is not None:
        return bernstein_sequence(sample.weight, sample.reward, sample.bounds)
    return widened(asymptotic_sequence(terms.value, terms.deviations), sample, terms)


def widened(interval: Interval, sample: Sample, terms: Terms) -> Interval | None:
    """The interval when the model may be as wrong as the bounds allow where it speaks alone."""
    if terms.modelled is None:
        return interval
    if sample.bounds is None:
        return None
    said, share = (part.mean(-1) for part in terms.modelled)
    least, most = sample.bounds
    return Interval(interval.low - said + share * least, interval.high - said + share * most)


def results(
    sample: Sample,
    *,
    independent: bool,
    left_out: Mapping[str, int],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Result]:
    """Every estimator on one log, given without a leading axis."""
    rows = len(sample.reward)
    lanes = Sample(*(a[None] if isinstance(a, np.ndarray) else a for a in sample))
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
                n=rows,
                left_out=left_out,
                overlap=overlap,
            )
        )
    return told


def ends(interval: Interval | None) -> tuple[float, float] | None:
    return None if interval is None else (float(interval.low[0]), float(interval.high[0]))


def refused_all(reason: str, *, rows: int, left_out: Mapping[str, int]) -> list[Result]:
    """The same refusal from every estimator."""
    return [
        Result(name, None, None, None, reason, n=rows, left_out=left_out) for name in ESTIMATORS
    ]
