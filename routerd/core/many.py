"""Many queries at once: they are estimated together, and each keeps the bits that it has alone.

A view made here stays true as long as nothing is learnt: until an outcome comes, a decision is
closed, or time enters another epoch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from routerd.core.state import State
from routerd.core.values import Query
from routerd.core.view import View, estimated

AT_ONCE = 64
"""Queries whose arrays fit a processor's nearer caches together."""


def views(state: State, queries: Sequence[Query], time_ms: int = 0) -> list[View]:
    """The views of at most AT_ONCE queries, with the estimates of quality."""
    made = [View(state, query, time_ms) for query in queries]
    together = estimated(state, np.array([view.x for view in made]))
    for view, *known in zip(made, *together, strict=True):
        view.know(*known)
    return made
