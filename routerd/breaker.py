"""Whether asking is worth the wait: a circuit breaker with one probe a pause."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Breaker:
    """Closed while answers come; after `failures` calls without one in a row it opens.

    Open, it admits one call per `pause_s` as a probe and turns the others away; the first answer
    closes it. Safe to share by threads.

    >>> now_s = [0.0]
    >>> breaker = Breaker(failures=2, pause_s=1.0, clock=lambda: now_s[0])
    >>> breaker.failed(), breaker.admits(), breaker.failed(), breaker.admits()
    (None, True, None, False)
    >>> now_s[0] = 1.5
    >>> breaker.admits(), breaker.admits()
    (True, False)
    >>> breaker.answered(), breaker.admits(), breaker.admits()
    (None, True, True)
    """

    def __init__(
        self,
        failures: int = 3,
        pause_s: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = failures
        self._pause_s = pause_s
        self._clock = clock
        self._lock = threading.Lock()
        self._in_a_row = 0
        self._pausing_until_s = 0.0

    def admits(self) -> bool:
        """Whether this call may be tried."""
        if self._in_a_row < self._limit:
            return True
        now_s = self._clock()
        with self._lock:
            if now_s < self._pausing_until_s:
                return False
            # This probe may never come back: the next one goes a pause later.
            self._pausing_until_s = now_s + self._pause_s
            return True

    def answered(self) -> None:
        """An answer came, be it a refusal."""
        self._in_a_row = 0

    def failed(self, retry_after_s: float = 0.0) -> None:
        """No answer came; who was asked wants to be left alone for so long."""
        until_s = self._clock() + max(self._pause_s, retry_after_s)
        with self._lock:
            self._in_a_row += 1
            if self._in_a_row >= self._limit:
                self._pausing_until_s = max(self._pausing_until_s, until_s)
