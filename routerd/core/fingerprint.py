"""A fingerprint of this machine's numeric kernels.

BLAS kernels, vector widths and libm differ in last bits between machines, and the compiled loops of
learners from those in numpy. Two machines with the same fingerprint re-derive each other's laws bit
for bit.
"""

from __future__ import annotations

import math
from functools import cache
from hashlib import blake2b

import numpy as np
from scipy.special import expit, ndtr

from learners import kernel
from learners.base import Array
from learners.drift import DriftDetector
from learners.law import win_probabilities
from learners.pooled import PooledRegression

POINTS = np.geomspace(1e-3, 30.0, 2_001)


@cache
def fingerprint() -> str:
    """16 hex digits over the bits of what learners and laws compute with, at several sizes."""
    digest = blake2b(digest_size=8)
    # libm's variants differ in the last bit of about one ndtr in 5,000
    digest.update(ndtr(np.linspace(-8.0, 8.0, 200_001)).tobytes())
    digest.update(b"compiled" if kernel.COMPILED else b"numpy")
    # scalars go to libm by another way than arrays do
    alone = [f(v) for f in (math.exp, math.log, math.log1p, math.expm1) for v in POINTS.tolist()]
    digest.update(np.array(alone).tobytes())
    digest.update(expit(POINTS).tobytes() + np.logaddexp(0.0, POINTS).tobytes())
    for d in (1, 2, 3, 5, 8, 17, 26, 32, 64):
        base = np.sin(np.arange(1.0, 4 * d * d + 1)).reshape(4, d, d)
        a = np.matmul(base, base.transpose(0, 2, 1)) + np.eye(d)
        inverse = np.linalg.inv(a)
        x = base[0, 0]
        for array in (
            inverse,
            inverse.reshape(-1, d) @ x,
            np.linalg.slogdet(a)[1],
            *np.linalg.eigh(a),
            np.exp(-a),
            np.log(np.abs(a) + 1.0),
            np.log1p(np.abs(a)),
            np.sqrt(np.abs(a)),
            a.sum(axis=0),
            win_probabilities(a.sum(axis=0), np.ones((d, d))),
        ):
            digest.update(np.ascontiguousarray(array).tobytes())
    for array in learnt():
        digest.update(array.tobytes())
    return digest.hexdigest()


def learnt() -> tuple[Array, ...]:
    """What a learner and a detector make of some outcomes, by the kernels of both."""
    learner, detector = PooledRegression(3, 5), DriftDetector(3)
    x = np.column_stack([np.ones(40), np.sin(POINTS[:160]).reshape(40, 4)])
    for i, y in enumerate((POINTS[:40] % 1.0).tolist()):
        learner.observe(i % 3, x[i], y, 0.7, 0)
        detector.observe(i % 3, 0.4, y, i)
    return *learner.joint(x, x[:7], slice(None)), learner.means(x, slice(None)), detector.runs
