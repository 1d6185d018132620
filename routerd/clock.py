"""The wall clock, read once; from then on it only moves forward."""

from __future__ import annotations

import time
from collections.abc import Callable


def wall_clock() -> Callable[[], int]:
    """A clock of milliseconds since the epoch that no adjustment of the system's clock moves."""
    started_ms = time.time_ns() // 1_000_000 - time.monotonic_ns() // 1_000_000
    return lambda: started_ms + time.monotonic_ns() // 1_000_000
