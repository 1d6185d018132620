"""The innermost loops: compiled where a C compiler was at hand, or else in numpy.

Both compute the same within 1e-9, and not the same bits: routerd.core.fingerprint tells them apart.
"""

from __future__ import annotations

try:
    from learners._kernel import (
        add,
        expect,
        joint,
        laws,
        learn,
        means,
        value_of_information,
        watch,
    )

    COMPILED = True
except ImportError:
    from learners.plain import add, expect, joint, learn, means, value_of_information, watch
    from learners.plain_law import laws

    COMPILED = False

__all__ = [
    "COMPILED",
    "add",
    "expect",
    "joint",
    "laws",
    "learn",
    "means",
    "value_of_information",
    "watch",
]
