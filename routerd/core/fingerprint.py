"""A fingerprint of this machine's numeric kernels.

BLAS kernels, vector widths and libm differ in last bits between machines, and the compiled loops
of learners from those in numpy. Two machines with the
same fingerprint re-derive each other's laws bit for bit.
"""

from __future__ import annotations

from functools import cache
from hashlib import blake2b

import numpy as np
from scipy.special import ndtr

from learners import kernel
from learners.law import win_probabilities


@cache
def fingerprint() -> str:
    """16 hex digits over the bits of what learners and laws compute with, at several sizes."""
    digest = blake2b(digest_size=8)
    # libm's variants differ in the last bit of about one ndtr in 5,000
    digest.update(ndtr(np.linspace(-8.0, 8.0, 200_001)).tobytes())
    digest.update(b"compiled" if kernel.COMPILED else b"numpy")
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
    return digest.hexdigest()
