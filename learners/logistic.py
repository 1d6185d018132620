"""Bayesian logistic regression per arm, for outcomes that succeed or fail, by Laplace's method.

    P(y = 1) = sigmoid(x . theta_k)   theta_k ~ N((c, 0, ...) + 6 b_k, R)  R = diag(ra^2, rc^2, ...)

After each observation the arm's mode is found anew by Newton's method, from where it was: online
Laplace, but of all outcomes, so that any of them can be taken back. c is the log odds of all arms'
mean quality, made anew on a geometric schedule of observations. b_k is the head start of an arm, in
quality: near one half one of it is worth four of log odds, and half as much again while the slopes
of a work type are unknown, since that draws what is predicted to one half.

What is predicted is quality: sigmoid of the mean moderated by its variance, and the variance by the
delta method. Sources: Spiegelhalter and Lauritzen (1990), sequential updating; MacKay (1992), the
moderated output.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from scipy.special import expit

from learners.base import Arms, Array, grown
from learners.rowsums import RowLearner, RowSums

SCALE_INTERCEPT = 1.5
SCALE_SLOPE = 1.0
STEPS, CLOSE = 50, 1e-13
FIRST_REFRESH = 8
REFRESH_GROWTH = 1.2
EDGE = 0.02
LOG_ODDS = 6.0


class LogisticRegression(RowLearner):
    """theta (arms, d): the modes; cov (arms, d, d): inverse Hessians at them.

    >>> learner = LogisticRegression(arms=2, d=1)
    >>> for _ in range(20): learner.observe(0, np.ones(1), 1.0, 1.0, 0)
    >>> mean, variance = learner.predict(np.ones(1), slice(None))
    >>> bool(mean[0] > mean[1] > 0.5), bool(variance[0] < variance[1])
    (True, True)
    """

    ARRAYS = ("start", "theta", "cov")

    def __init__(self, arms: int, d: int, gamma: float = 1.0) -> None:
        self.sums = RowSums(arms, d, gamma)
        self.precision = np.full(d, SCALE_SLOPE**-2)
        self.precision[0] = SCALE_INTERCEPT**-2
        self.updates, self.next_refresh = 0, FIRST_REFRESH
        self.centre = 0.0
        self.start = np.zeros((arms, d))
        self.theta = np.zeros((arms, d))
        self.cov = np.zeros((arms, d, d))
        self._rebuild()

    @property
    def noise(self) -> float:
        p = self._rate()
        return p * (1.0 - p)

    def _rate(self) -> float:
        """Mean quality of all arms, shrunk to one half and kept off the edges."""
        rate = (float(self.sums.s.sum()) + 1.0) / (max(self.count, 0.0) + 2.0)
        return min(max(rate, EDGE), 1.0 - EDGE)

    def add_arms(self, count: int) -> None:
        self.sums.add_arms(count)
        self.start, self.theta = grown(self.start, count), grown(self.theta, count)
        self.cov = grown(self.cov, count)
        self._rebuild()

    def set_head_starts(self, start: Array, arms: Arms) -> None:
        if not np.array_equal(start, self.start[arms]):
            self.start[arms] = start
            self.refresh()

    def advance(self, epoch: int) -> None:
        if self.sums.advance(epoch):
            self._rebuild()

    def discount(self, arm: int, keep: float) -> None:
        self.sums.discount(arm, keep)
        self._fit(arm)

    def predict(self, x: Array, arms: Arms) -> tuple[Array, Array]:
        logit = self.theta[arms].dot(x)
        variance = np.maximum(self.cov[arms].dot(x).dot(x), 1e-12)
        mean = expit(logit / np.sqrt(1.0 + math.pi / 8.0 * variance))
        slope = mean * (1.0 - mean)
        return mean, np.maximum(slope * slope * variance, 1e-12)

    def covariance(self, x: Array, at: Array, arms: Arms) -> Array:
        slopes = self.means(at, arms).T
        slopes *= 1.0 - slopes
        here = self.predict(x, arms)[0][:, None]
        across: Array = self.cov[arms].dot(x).dot(at.T)
        return slopes * (here * (1.0 - here)) * across

    def observe(self, arm: int, x: Array, y: float, weight: float, epoch: int) -> None:
        self.advance(epoch)
        self.sums.add(arm, x, y, weight, epoch)
        self.updates += 1
        if self.updates >= self.next_refresh:
            self.next_refresh = int(self.updates * REFRESH_GROWTH) + 1
            self.refresh()
        else:
            self._fit(arm)

    def refresh(self) -> None:
        rate = self._rate()
        given = LOG_ODDS * self.sums.mean_of(self.start)
        self.centre = math.log(rate / (1.0 - rate)) - given
        self.theta[:] = 0.0
        self.theta[:, 0] = self.centre
        self._rebuild()

    def _rebuild(self) -> None:
        for arm in range(len(self.theta)):
            self._fit(arm)

    def _fit(self, arm: int) -> None:
        """The arm's mode by Newton's method with halved steps, and the curvature there."""
        seen = np.flatnonzero(self.sums.n[arm] > 1e-9)
        x = self.sums.rows[seen]
        n, s = self.sums.n[arm, seen], self.sums.s[arm, seen]
        prior = LOG_ODDS * self.start[arm]
        prior[0] += self.centre
        theta = self.theta[arm] if len(seen) else prior
        lost = self._loss(theta, prior, x, n, s)
        for _ in range(STEPS):
            p = expit(x.dot(theta))
            slope = x.T.dot(n * p - s) + self.precision * (theta - prior)
            step = np.linalg.solve(self._hessian(x, n * p * (1.0 - p)), slope)
            size = 1.0
            while (new := self._loss(theta - size * step, prior, x, n, s)) > lost and size > 1e-6:
                size /= 2.0
            if new <= lost:
                theta, lost = theta - size * step, new
            if float(np.abs(step).max()) < CLOSE or new > lost:
                break
        p = expit(x.dot(theta))
        self.theta[arm] = theta
        self.cov[arm] = np.linalg.inv(self._hessian(x, n * p * (1.0 - p)))

    def _hessian(self, x: Array, weight: Array) -> Array:
        hessian: Array = (x.T * weight).dot(x)
        hessian[np.diag_indices_from(hessian)] += self.precision
        return hessian

    def _loss(self, theta: Array, prior: Array, x: Array, n: Array, s: Array) -> float:
        logit = x.dot(theta)
        fit = float((n * np.logaddexp(0.0, logit) - s * logit).sum())
        return fit + 0.5 * float((self.precision * (theta - prior) ** 2).sum())

    def state(self) -> dict[str, Array]:
        marks = [self.centre, float(self.updates), float(self.next_refresh)]
        return super().state() | {"marks": np.array(marks)}

    def restore(self, state: Mapping[str, Array]) -> None:
        super().restore(state)
        self.centre, updates, due = state["marks"].tolist()
        self.updates, self.next_refresh = int(updates), int(due)
