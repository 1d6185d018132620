"""When calls come thick and fast, it pays to work several off at once: how many, this decides.

Between two calls the processor's caches are lost to gRPC: several calls in a row take half the time
that they take one by one, and they share a commit. But gRPC hands over one call at a time, so the
others must be waited for, and whether there are any shows only by waiting. So it is tried, and the
more rarely the more often it was in vain: who calls alone waits once in LAST calls. The numbers
were found with `routerd bench load`; they change how fast answers come, and no answer.
"""

from __future__ import annotations

# At most so many calls are worked off at once.
MOST = 32
# How long the first call waits for the others, and within what time of each other they must come:
# calls that come more slowly can be worked off one by one.
PATIENCE_S, SOON_S = 0.004, 0.0005
# After so many rounds of several calls, more are waited for.
ROUNDS = 4
# After so many rounds, it is tried again; twice as many each time that it was in vain.
FIRST, LAST = 32, 256


class Crowd:
    """`aim` is the number of calls to gather for a round; 1 is to wait for nobody.

    >>> crowd = Crowd()
    >>> for _ in range(FIRST): crowd.served(1)
    >>> crowd.aim
    2
    >>> crowd.served(1, PATIENCE_S)
    >>> crowd.aim
    1
    """

    def __init__(self) -> None:
        self.aim = 1
        self._proven = 1
        self._rounds_left = self._pause = FIRST

    def served(self, count: int, waited_s: float = 0.0) -> None:
        """A round of so many calls: fewer than the aim when patience ended.

        waited_s: how long the first of them waited for the last.
        """
        soon = waited_s <= SOON_S * (count - 1)
        if soon and count >= self.aim:
            self._proven = self.aim
            self._rounds_left -= 1
            if count == MOST:
                self._pause = FIRST
            elif self._rounds_left <= 0:
                self.aim = min(2 * self.aim, MOST)
                self._rounds_left = ROUNDS
        elif soon and count > self._proven:
            self.aim = self._proven = count
            self._rounds_left = ROUNDS
        elif self._proven < self.aim:  # more were waited for in vain
            self.aim = self._proven
            self._rounds_left = self._pause = min(2 * self._pause, LAST)
        else:
            self.aim = self._proven = self.aim * 3 // 4 if count > 1 else 1
            self._rounds_left = ROUNDS if self.aim > 1 else self._pause
