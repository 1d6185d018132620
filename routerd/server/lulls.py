"""Tells when no call waits in gRPC's queue, at a cost that does not depend on who is connected.

The daemon asks gRPC for one call at a time: when one comes up, the next has been asked for already,
and if one waits it comes up a few turns of the event loop later. So where the loop has turned for
LULL_S, which gRPC's own thread needs to hand a call over, and then some turns more, and none has
come up, the queue was empty.
"""

from __future__ import annotations

import asyncio

LULL_S = 0.002
# A call that gRPC has handed over wakes who asked for it, gets a task, and from that another: at
# its third turn it comes up.
TURNS = 6


class Lulls:
    """Told of each call that comes up, on the event loop that it comes up on."""

    def __init__(self) -> None:
        self._came = 0
        self._listening = False
        self._found = True

    def came(self) -> None:
        """A call has come up."""
        self._came += 1
        if not self._listening:
            self._listening = True
            self._begin()

    def take(self) -> bool:
        """Whether there was a lull since this was last asked."""
        found, self._found = self._found, False
        return found

    def _begin(self) -> None:
        asyncio.get_running_loop().call_later(LULL_S, self._listen, self._came, TURNS)

    def _listen(self, came: int, turns: int) -> None:
        """Go on for so many turns while no call has come up since, else begin anew."""
        if came != self._came:
            self._begin()
        elif turns:
            asyncio.get_running_loop().call_soon(self._listen, came, turns - 1)
        else:
            self._found, self._listening = True, False
