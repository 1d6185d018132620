"""Refuses calls that would wait too long, before anything else is spent on them.

gRPC reads calls from the network faster than they can be answered, and keeps them in a queue that
nobody can look into; but its channelz counters tell how many have begun and ended. What has begun,
has not ended and is not in our hands waits in that queue. When the wait has been too long for a
while, most calls are refused as they come up: the queue gets short, and those that are answered are
answered soon. A burst that passes by itself is let be (Nichols and Jacobson 2012, "Controlling
queue delay").

A refusal costs what gRPC costs, some 0.3 ms, so this helps as long as a core can refuse as fast as
calls come; bench.overload measures it. Beyond that the bound on gRPC's queue holds, which ends
calls in CANCELLED.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from grpc._cython import cygrpc  # type: ignore[attr-defined]

channelz: Any = cygrpc

# Options of a server whose calls are counted; nothing else of channelz is kept.
COUNTED = (("grpc.enable_channelz", 1), ("grpc.max_channel_trace_event_memory_per_node", 0))

# So often the queue is looked at, while calls come.
LOOK_S = 0.02
# A queue may be too long for so long; for the next RELAPSE_S after that, not again.
PATIENCE_S, RELAPSE_S = 0.1, 1.0
# While calls are refused, one is answered in so many times what answering one takes; the larger the
# longer they wait, since it is those that have waited longest that come up.
SLOWDOWN, MOST_SLOWDOWN = 2.0, 8.0
# What a look has shown counts so much at the next.
MEMORY = 0.95
# So many calls may just be on their way from the queue into our hands, or out of them.
ON_THEIR_WAY = 4


class Counts(NamedTuple):
    """Calls that a server has read from the network, and those of them that are over."""

    begun: int
    ended: int


def counters() -> Callable[[], Counts]:
    """Reads the counters of the gRPC server that this process made last, with COUNTED."""
    newest, after = 0, 0
    while True:
        page = json.loads(channelz.channelz_get_servers(after))
        newest = max([newest, *(int(server["ref"]["serverId"]) for server in page["server"])])
        if page.get("end"):
            break
        after = newest + 1

    def counts() -> Counts:
        told = json.loads(channelz.channelz_get_server(newest))["server"]["data"]
        ended = int(told.get("callsSucceeded", 0)) + int(told.get("callsFailed", 0))
        return Counts(int(told.get("callsStarted", 0)), ended)

    return counts


class Admission:
    """Asked about each call as it comes up; `waiting` is how many wait behind it.

    counts: the server's counters. in_hand: how many calls are being answered. max_wait_s: how long
    a call may wait before it is looked at.
    """

    def __init__(
        self,
        counts: Callable[[], Counts],
        in_hand: Callable[[], int],
        max_wait_s: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._counts = counts
        self._in_hand = in_hand
        self._max_wait_s = max_wait_s
        self._now = now
        self.waiting = 0
        self.refusing = False
        self._took_s = self._busy_s = self._answered = 0.0
        self._admitted = self._surplus = 0
        self._looked_s = self._late_since_s = self._next_s = now()
        self._refused_s = -RELAPSE_S

    def admits(self) -> bool:
        """Whether the call that comes up now is to be answered."""
        now_s = self._now()
        if now_s - self._looked_s >= LOOK_S:
            self._look(now_s)
        if self.refusing and now_s < self._next_s and self._surplus > 0:
            self._surplus -= 1
            return False
        self._admitted += 1
        if self.refusing:
            wait = self.waiting * self._took_s / self._max_wait_s
            slowdown = min(max(SLOWDOWN * wait, SLOWDOWN), MOST_SLOWDOWN)
            self._next_s = max(self._next_s, now_s - LOOK_S) + slowdown * self._took_s
        return True

    def _look(self, now_s: float) -> None:
        """See how long the queue is, and whether it has been so for too long."""
        elapsed_s, self._looked_s = now_s - self._looked_s, now_s
        admitted, self._admitted = self._admitted, 0
        busy = 0 < admitted <= self.waiting  # there was always one to go on with
        counts = self._counts()
        self.waiting = max(0, counts.begun - counts.ended - self._in_hand() - ON_THEIR_WAY)
        if busy and not self.refusing:
            self._busy_s = MEMORY * self._busy_s + elapsed_s
            self._answered = MEMORY * self._answered + admitted
            self._took_s = self._busy_s / self._answered
        wait_s = self.waiting * self._took_s
        if self.refusing and wait_s > self._max_wait_s / 2:
            self._refused_s = now_s
        elif self.refusing:
            self.refusing, self._late_since_s = False, now_s
        elif wait_s <= self._max_wait_s:
            self._late_since_s = now_s
        elif now_s - self._refused_s < RELAPSE_S or now_s - self._late_since_s >= PATIENCE_S:
            self.refusing, self._next_s = True, now_s
        if self.refusing:
            self._surplus = int((wait_s - self._max_wait_s / 2) / self._took_s)
