"""Evidence of scales: the fast form is the definition's."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from learners.base import Array
from learners.evidence import Rotated

P_0 = 2.0
Arms = NDArray[np.intp]


def marginal(X: Array, y: Array, arm: Arms, scales: Array) -> tuple[float, float]:
    """log det and explained sum of squares from y's own covariance, by the model as it is written.

    y ~ N(0, s2 C), C = I + sum over arms of X_k R X_k' + X P X'; C's determinant is that of the
    precisions times the priors', and y' C^-1 y = y'y - explained (Woodbury).
    """
    d = X.shape[1]
    r, p = np.full(d, scales[1] ** 2), np.full(d, scales[2] ** 2)
    r[0], p[0] = scales[0] ** 2, P_0**2
    same = arm[:, None] == arm
    C = np.eye(len(y)) + same * ((X * r) @ X.T) + (X * p) @ X.T
    return float(np.linalg.slogdet(C)[1]), float(y @ y - y @ np.linalg.solve(C, y))


@pytest.mark.parametrize(("arms", "d", "n"), [(1, 1, 3), (2, 1, 30), (3, 4, 25), (5, 9, 200)])
def test_evidence_is_that_of_the_covariance_of_the_data(arms: int, d: int, n: int) -> None:
    """For any scales, determinant and explained squares agree with the dense model within 1e-9."""
    rng = np.random.default_rng([arms, d, n])
    X = np.hstack([np.ones((n, 1)), rng.normal(size=(n, d - 1))])
    arm = rng.integers(arms, size=n)
    arm[:arms] = range(arms)
    y = rng.normal(size=n) + 0.5 * arm
    lam = np.array([X[arm == k].T @ X[arm == k] for k in range(arms)])
    h = np.array([X[arm == k].T @ y[arm == k] for k in range(arms)])
    scales = np.exp(rng.normal(-1.0, 1.0, size=(6, 3)))
    found = Rotated(lam, h, P_0).evidence(scales)
    for i, tried in enumerate(scales):
        log_det, explained = marginal(X, y, arm, tried)
        assert found.log_det[i] == pytest.approx(log_det, abs=1e-9, rel=1e-9)
        assert found.explained[i] == pytest.approx(explained, abs=1e-9, rel=1e-9)


def test_arms_without_slopes_or_with_singular_sums_have_evidence_too() -> None:
    """One observation of one feature leaves most of the sums zero; nothing divides by them."""
    lam = np.zeros((2, 3, 3))
    lam[0, :2, :2] = 1.0
    lam[1, 0, 0] = 1.0
    h = np.array([[0.5, 0.5, 0.0], [-0.2, 0.0, 0.0]])
    X = np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    scales = np.array([[0.4, 0.15, 0.4]])
    found = Rotated(lam, h, P_0).evidence(scales)
    log_det, explained = marginal(X, np.array([0.5, -0.2]), np.array([0, 1]), scales[0])
    assert found.log_det[0] == pytest.approx(log_det, abs=1e-12)
    assert found.explained[0] == pytest.approx(explained, abs=1e-12)
