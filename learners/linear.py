"""Bayesian linear regression per arm, each arm on its own but for the centre of its prior.

    y - OFFSET = x . theta_k + e     theta_k ~ N((c, 0, ...) + b_k, s2 R)  R = diag(ra^2, rc^2, ...)

b_k is the head start of an arm; c is the shrunken grand mean of what all arms have beyond theirs: a
zero-mean prior locks onto the first arm tried when rewards are high. Source: Bishop, Pattern
Recognition and Machine Learning, section 3.3.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from learners.base import Additive, Arms, Array, RowByRow, Sums

OFFSET = 0.5
SCALE_INTERCEPT = 0.8
SCALE_SLOPE = 0.6
NOISE = 0.15
NOISE_COUNT = 2.0
REBUILD_EVERY = 1024


class LinearRegression(Additive, RowByRow):
    """One regression an arm, kept up by rank-1 updates.

    >>> learner = LinearRegression(arms=2, d=1)
    >>> for _ in range(20): learner.observe(0, np.ones(1), 1.0, 1.0, 0)
    >>> mean, variance = learner.predict(np.ones(1), slice(None))
    >>> bool(mean[0] > 0.9), bool(mean[1] > 0.9), bool(variance[0] < variance[1])
    (True, True, True)
    """

    ARRAYS = ("start", "ai", "b")

    def __init__(self, arms: int, d: int, gamma: float = 1.0) -> None:
        self.sums = Sums(arms, d, gamma)
        self.start = np.zeros((arms, d))
        self.r_inv = np.full(d, SCALE_SLOPE**-2)
        self.r_inv[0] = SCALE_INTERCEPT**-2
        self.updates = 0
        self._rebuild()

    @property
    def noise(self) -> float:
        """Residual variance over all arms, with NOISE_COUNT pseudo-observations of NOISE.

        What outcomes and head starts leave unexplained: as much as outcomes beyond these do.
        """
        explained = self._told(slice(None)) * self.b - self.r_inv * self.start * self.start
        residual = max(self.sums.ss - float(explained.sum()), 0.0)
        return (NOISE_COUNT * NOISE + residual / 2) / (NOISE_COUNT + self.count / 2)

    @property
    def centre(self) -> float:
        """Grand mean above OFFSET and head starts, shrunk by one pseudo-observation."""
        beyond = self.sums.h[:, 0] - (self.sums.lam[:, 0] * self.start).sum(axis=1)
        return float(beyond.sum()) / (1.0 + max(self.count, 0.0))

    def predict(self, x: Array, arms: Arms) -> tuple[Array, Array]:
        g = (self.ai[arms].reshape(-1, self.sums.d) @ x).reshape(-1, self.sums.d)
        prior = self.r_inv[0] * self.centre
        mean = (self._told(arms) * g).sum(axis=1) + g[:, 0] * prior + OFFSET
        return mean, np.maximum(g @ x, 1e-12) * self.noise

    def means(self, at: Array, arms: Arms) -> Array:
        prior = self.r_inv[0] * self.centre
        theta = self.b[arms] + self.ai[arms][:, :, 0] * prior
        means: Array = at.dot(theta.T) + OFFSET
        return means

    def covariance(self, x: Array, at: Array, arms: Arms) -> Array:
        g = (self.ai[arms].reshape(-1, self.sums.d) @ x).reshape(-1, self.sums.d)
        covariance: Array = g.dot(at.T) * self.noise
        return covariance

    def observe(self, arm: int, x: Array, y: float, weight: float, epoch: int) -> None:
        self.advance(epoch)
        w = self.sums.weight(weight, epoch)
        g = self.ai[arm] @ x
        den = 1.0 + w * float(g @ x)
        self.sums.add(arm, x, y - OFFSET, w)
        self.updates += 1
        if self.updates % REBUILD_EVERY == 0 or den < 1e-6:
            self._rebuild()
        else:
            self.ai[arm] -= g[:, None] * (g * (w / den))
            self.b[arm] = self.ai[arm] @ self._told(arm)

    def refresh(self) -> None:
        self._rebuild()

    def _told(self, arms: Arms | int) -> Array:
        """What these arms' outcomes and head starts say of their coefficients."""
        return self.sums.h[arms] + self.r_inv * self.start[arms]

    def _rebuild(self) -> None:
        self.ai = np.linalg.inv(self.sums.lam + np.diag(self.r_inv))
        self._locate()

    def _locate(self) -> None:
        self.b = np.matmul(self.ai, self._told(slice(None))[:, :, None])[:, :, 0]

    def state(self) -> dict[str, Array]:
        return super().state() | {"marks": np.array([float(self.updates)])}

    def restore(self, state: Mapping[str, Array]) -> None:
        super().restore(state)
        self.updates = int(state["marks"][0])
