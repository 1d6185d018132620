"""Empirical Bayes for the mixed-effects regression: how likely each set of scales makes the data.

With the model of learners.pooled, A_k = lam_k + R^-1 and b_k = A_k^-1 h_k, for unit noise:

    explained = sum_k h_k . b_k + hm . V hm        hm = R^-1 sum_k b_k
    log det   = sum_k log|A_k| + K log|R| + log|V^-1| + log|P|
    V^-1      = P^-1 + sum_k (R^-1 - R^-1 A_k^-1 R^-1)

Many scales are tried on the same sums, so what does not depend on them is done once: the slopes'
block of each lam_k is rotated to its eigenvectors, where R^-1 is a multiple of the identity and
every A_k is an arrow: a diagonal, bordered by the intercept. Source: the eigenvalue form of ridge
regression, Golub and Van Loan, Matrix Computations, section 6.1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from learners.base import Array


class Evidence(NamedTuple):
    """log_det and explained of each set of scales tried, (g,)."""

    log_det: Array
    explained: Array


class Rotated:
    """The sums of k arms on d features, ready to have scales tried on them.

    lam (k, d, d), h (k, d); p_0: prior sd of the shared intercept.
    """

    def __init__(self, lam: Array, h: Array, p_0: float) -> None:
        self.p_0 = p_0
        spectrum, self.basis = np.linalg.eigh(lam[:, 1:, 1:])
        self.spectrum = np.maximum(spectrum, 0.0)
        turn = self.basis.transpose(0, 2, 1)
        self.n = lam[:, 0, 0]
        self.border = np.matmul(turn, lam[:, 1:, :1])[:, :, 0]
        self.h_0 = h[:, 0]
        self.h_slopes = np.matmul(turn, h[:, 1:, None])[:, :, 0]

    def evidence(self, scales: Array) -> Evidence:
        """Of sets of scales (ra, rc, rb), (g, 3)."""
        inverse = scales**-2.0
        diagonal = self.spectrum + inverse[:, 1, None, None]  # (g, k, slopes)
        tilt = self.border / diagonal
        corner = 1.0 / (self.n + inverse[:, 0, None] - (self.border * tilt).sum(axis=2))  # (g, k)
        fit = self.h_slopes / diagonal
        left = self.h_0 - (self.border * fit).sum(axis=2)
        b_0 = corner * left
        explained = ((self.h_slopes * fit).sum(axis=2) + b_0 * left).sum(axis=1)
        log_det = (np.log(diagonal).sum(axis=2) - np.log(corner)).sum(axis=1)
        hm = self._shared_pull(inverse, b_0, fit - tilt * b_0[:, :, None])
        v_inverse = self._shared_precision(inverse, diagonal, tilt, corner)
        pull = np.linalg.solve(v_inverse, hm[:, :, None])[:, :, 0]
        log_det = log_det + np.linalg.slogdet(v_inverse)[1] + self._prior_log_det(scales)
        return Evidence(log_det, explained + (hm * pull).sum(axis=1))

    def _shared_pull(self, inverse: Array, b_0: Array, b_slopes: Array) -> Array:
        """hm, (g, d): what the arms tell of what they share."""
        turned = np.matmul(self.basis, b_slopes[..., None]).sum(axis=1)[:, :, 0]
        return np.concatenate(
            [inverse[:, :1] * b_0.sum(axis=1, keepdims=True), inverse[:, 1:2] * turned], axis=1
        )

    def _shared_precision(
        self, inverse: Array, diagonal: Array, tilt: Array, corner: Array
    ) -> Array:
        """V^-1, (g, d, d)."""
        sets, arms, slopes = diagonal.shape
        arrow = np.matmul(self.basis, tilt[..., None])[..., 0]  # (g, k, slopes), turned back
        weighted = corner[:, :, None] * arrow
        ai = np.empty((sets, slopes + 1, slopes + 1))  # sum_k A_k^-1
        ai[:, 0, 0] = corner.sum(axis=1)
        ai[:, 0, 1:] = ai[:, 1:, 0] = -weighted.sum(axis=1)
        for g in range(sets):
            # One product an arm: BLAS shares larger ones among threads, whose number moves bits.
            right = np.concatenate([self.basis, arrow[g, :, :, None]], axis=2)
            left = np.concatenate(
                [self.basis / diagonal[g, :, None, :], weighted[g, :, :, None]], axis=2
            )
            ai[g, 1:, 1:] = np.matmul(left, right.transpose(0, 2, 1)).sum(axis=0)
        r_inverse = np.repeat(inverse[:, :2], (1, slopes), axis=1)
        p_inverse = np.repeat(inverse[:, 2:], slopes + 1, axis=1)
        p_inverse[:, 0] = self.p_0**-2.0
        precision: Array = -r_inverse[:, :, None] * ai * r_inverse[:, None, :]
        each = np.arange(slopes + 1)
        precision[:, each, each] += arms * r_inverse + p_inverse
        return precision

    def _prior_log_det(self, scales: Array) -> Array:
        """K log|R| + log|P| of each set, (g,)."""
        arms, slopes = self.spectrum.shape
        log_a, log_c, log_b = np.log(scales).T
        prior: Array = 2 * arms * (log_a + slopes * log_c) + 2 * (np.log(self.p_0) + slopes * log_b)
        return prior
