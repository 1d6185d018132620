"""Off-policy estimators: what a policy would have earned, from what another one did.

Every estimator is a ratio of two means over rows, so one bootstrap and one confidence sequence
serve all. Arrays may have leading axes, one entry for each log; then come n rows and K actions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from bench.ope.model import Indices, look_at_all, look_back
from learners.base import Array

REJECTION = 0x7265706C6179


class Sample(NamedTuple):
    """Logged rows in the order of their decisions, and the policy that is judged on them.

    action, reward, propensity (..., n): what was done, what it earned, how probable it was.
    policy_propensity (..., n): the judged policy's probability of that action. policy and law
    (..., n, K): its whole law and the logged one, None where only the action's part is known.
    x (..., n, p): contexts with an intercept, for the outcome model. bounds: least and largest
    possible reward, None when there are none.
    """

    action: Indices
    reward: Array
    propensity: Array
    policy_propensity: Array
    policy: Array | None
    law: Array | None
    x: Array
    bounds: tuple[float, float] | None = None

    @property
    def weight(self) -> Array:
        """Importance weights (..., n); 0 where a propensity of 0 makes the row impossible."""
        weight = np.zeros(self.propensity.shape)
        return np.divide(
            self.policy_propensity, self.propensity, out=weight, where=self.propensity > 0
        )


class Terms(NamedTuple):
    """One estimator's rows: value = mean(top) / mean(bottom), each (..., n).

    ess (...,): how many of the policy's own rows they are worth. modelled (..., n): what of `top`
    is a model's word alone, and its share of the policy's law; None when no row rests on a model.
    """

    top: Array
    bottom: Array
    ess: Array
    modelled: tuple[Array, Array] | None = None

    @property
    def value(self) -> Array:
        found: Array = self.top.mean(-1) / np.maximum(self.bottom.mean(-1), 1e-300)
        return found

    @property
    def deviations(self) -> Array:
        """Each row's part in the error of the value (..., n), to first order."""
        mean = np.maximum(self.bottom.mean(-1, keepdims=True), 1e-300)
        apart: Array = (self.top - self.value[..., None] * self.bottom) / mean
        return apart


def effective_rows(sample: Sample, bound: float = np.inf) -> Array:
    """Effective sample size (...,) of the weights up to `bound`, the smaller of two.

    Kish's, of the weights that were seen. With known laws also the expected one: where the policy
    goes and the log hardly went, the large weights are missing from the rows and Kish's looks fine.
    """
    weight = np.where(sample.weight <= bound, sample.weight, 0.0)
    seen = squared_over(weight.sum(-1), (weight * weight).sum(-1))
    if sample.law is None or sample.policy is None:
        return seen
    every = all_weights(sample.policy, sample.law)
    kept = np.where(every <= bound, sample.policy, 0.0)
    squares = (kept * np.where(kept > 0, every, 0.0)).sum((-2, -1))
    return np.minimum(seen, squared_over(kept.sum((-2, -1)), squares))


def squared_over(total: Array, squares: Array) -> Array:
    found: Array = total**2 / np.maximum(squares, 1e-300)
    return found


def replay(sample: Sample, seed: int = 0) -> Terms:
    """Rejection sampling: rows kept with probability weight / largest weight are the policy's own.

    The largest weight is taken over all actions where the logged law is known, else over the rows.
    Under a uniform log and a policy without chance it keeps the rows where both agree.
    Source: Li, Chu, Langford and Wang (2011); Dudik, Erhan, Langford and Li (2012) for the weights.
    """
    weight = sample.weight
    most = weight.max(-1, keepdims=True)
    if sample.law is not None and sample.policy is not None:
        most = all_weights(sample.policy, sample.law).max((-2, -1))[..., None]
    # A stream of its own: whoever made the rows may have used the same seed.
    u = np.random.default_rng((seed, REJECTION)).random(weight.shape)
    kept = (u * most < weight).astype(np.float64)
    return Terms(kept * sample.reward, kept, kept.sum(-1))


def ips(sample: Sample) -> Terms:
    """Inverse propensity scoring: mean(weight * reward). Source: Horvitz and Thompson (1952)."""
    weight = sample.weight
    return Terms(weight * sample.reward, np.ones(weight.shape), effective_rows(sample))


def snips(sample: Sample) -> Terms:
    """Self-normalised IPS: mean(weight * reward) / mean(weight). Source: Swaminathan, Joachims
    (2015)."""
    weight = sample.weight
    return Terms(weight * sample.reward, weight, effective_rows(sample))


def direct(sample: Sample) -> Terms:
    """The direct method: a model fitted on all rows, averaged over the policy's law.

    Its error is the model's, which no interval from the same rows can show. Its effective sample
    size is that of the weights: below it, nothing in the log could contradict the model.
    """
    policy = known(sample.policy)
    model = look_at_all(*rows_of(sample), policy.shape[-1], sample.bounds)
    top = (policy * model).sum(-1)
    ones = np.ones(top.shape)
    return Terms(top, ones, effective_rows(sample), modelled=(top, ones))


def doubly_robust(sample: Sample) -> Terms:
    """The model's word plus the weighted residual: mean(model(policy) + weight (reward - model)).

    The model of a row was fitted on earlier rows, so the terms are unbiased one by one, whatever
    the model is worth and even when the logged law learnt from them. Source: Dudik, Langford and
    Li (2011).
    """
    return switched(sample, np.inf)


def switch_dr(sample: Sample) -> Terms:
    """DR where the weight is at most the square root of n, the model's word alone beyond it.

    Source: Wang, Agarwal and Dudik (2017); the bound is Ionides's (2008), which needs no tuning.
    """
    return switched(sample, float(np.sqrt(sample.reward.shape[-1])))


def switched(sample: Sample, bound: float) -> Terms:
    """DR on the actions whose weight is at most `bound`; the model alone on the others."""
    policy = known(sample.policy)
    model = look_back(*rows_of(sample), policy.shape[-1], sample.bounds)
    chosen = np.take_along_axis(model, sample.action[..., None], -1)[..., 0]
    weight = sample.weight
    kept = np.where(weight <= bound, weight, 0.0)
    top = (policy * model).sum(-1) + kept * (sample.reward - chosen)
    ones = np.ones(top.shape)
    terms = Terms(top, ones, effective_rows(sample, bound))
    if np.isinf(bound):
        return terms
    beyond = all_weights(policy, known(sample.law)) > bound
    if not beyond.any():
        return terms
    share = policy * beyond
    return terms._replace(modelled=((share * model).sum(-1), share.sum(-1)))


def all_weights(policy: Array, law: Array) -> Array:
    """Weights of all actions (..., n, K); 0 where the policy never goes, inf where the log never
    did."""
    weight = np.where(policy > 0, np.inf, 0.0)
    return np.divide(policy, law, out=weight, where=law > 0)


def rows_of(sample: Sample) -> tuple[Array, Indices, Array]:
    return sample.x, sample.action, sample.reward


def known(law: Array | None) -> Array:
    assert law is not None, "ask bench.ope.refusal first"
    return law


ESTIMATORS: dict[str, Callable[[Sample], Terms]] = {
    "replay": replay,
    "ips": ips,
    "snips": snips,
    "dm": direct,
    "dr": doubly_robust,
    "switch-dr": switch_dr,
}
NEEDS_POLICY = frozenset({"dm", "dr", "switch-dr"})
NEEDS_LAW = frozenset({"switch-dr"})
