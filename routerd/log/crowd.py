"""When calls come thick and fast, it pays to work several off at once: how many, this decides.

Between two calls the processor's caches are lost to gRPC: several calls in a row take half the time
that they take one by one, and they share a commit. But gRPC hands over one call at a time, so the
others must be waited for, and whether there are any shows only by waiting. So it is tried, and the
more rarely the more often it was in vain: who calls alone waits once in LAST calls.
"""

from __future__ import annotations

# At most so many calls are worked off at once.
MOST = 16
# How long the first call waits for the others.
PATIENCE_S = 0.002
# After so many rounds, more calls are waited for; twice as many each time that none came.
FIRST, LAST = 8, 1024


class Crowd:
    """`aim` is the number of calls to gather for a round; 1 is to wait for nobody.

    >>> crowd = Crowd()
    >>> for _ in range(FIRST): crowd.served(1)
    >>> crowd.aim
    2
    >>> crowd.served(1)
    >>> crowd.aim
    1
    """

    def __init__(self) -> None:
        self.aim = 1
        self._proven = 1
        self._rounds_left = self._pause = FIRST

    def served(self, count: int) -> None:
        """A round of so many calls; they are fewer than the aim when patience ended."""
        if count >= self.aim:
            self._proven = self.aim
            self._rounds_left -= 1
            if count == MOST:
                self._pause = FIRST
            elif self._rounds_left <= 0:
                self.aim = min(2 * self.aim, MOST)
                self._rounds_left = FIRST
        elif count <= self._proven < self.aim:  # it was tried in vain
            self.aim = self._proven
            self._rounds_left = self._pause = min(2 * self._pause, LAST)
        else:
            self.aim = self._proven = max(count, (self._proven + count) // 2)
            self._rounds_left = FIRST
