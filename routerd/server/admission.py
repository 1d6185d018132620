"""Refuses calls that have waited too long, before anything else is spent on them.

gRPC reads calls from the network faster than they can be answered, and keeps them in a queue that
nobody can look into; but its channelz counters tell how many have begun. Calls come up in the order
in which they began, so that the time at which the counter passed a call's number is the time at
which it came, and how long it has waited is known.

When calls have waited too long for a while, the daemon is overloaded, and changes its mind about
whom to serve: those that waited are refused as they come up, and those that came just now are
answered, one at a time. So the queue gets short, and whoever is answered is answered soon. A burst
that passes by itself is let be. (Maurer 2015, "Fail at scale": controlled delay, which needs no
queue of one's own; Nichols and Jacobson 2012, "Controlling queue delay".)

To tell its counters gRPC goes through all open connections, some 30 us each. So they are read only
where calls come without a lull, and for a bounded share of the time; how old a call is that began
after the last look is told by how fast calls came before it.

A refusal costs what gRPC costs, some 0.3 ms, so this helps as long as a core can refuse as fast as
calls come; bench.speed.overload measures it. Beyond that the bound on gRPC's queue holds, which
ends calls in CANCELLED.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from routerd.server.lulls import Lulls

# Options of a server whose calls are counted; nothing else of channelz is kept.
COUNTED = (("grpc.enable_channelz", 1), ("grpc.max_channel_trace_event_memory_per_node", 0))

# So often the counters are read, while calls come: always, and while calls are refused.
LOOK_S, CLOSE_LOOK_S = 0.02, 0.002
# At most this share of the time is spent on reading them.
LOOK_SHARE = 0.1
# Calls may wait too long for so long. Then those are refused that waited longer than YOUNG_S, or
# than answering one takes, until only a FEW of all are within CALM_S.
PATIENCE_S, YOUNG_S = 0.1, 0.005
CALM_S, FEW = 1.0, 0.25
# Where calls come faster than they can be refused, all have waited: one in so long is answered.
STARVED_S = 1.0
# What a look has shown counts so much at the next.
MEMORY = 0.95


class Counts(NamedTuple):
    """Calls that a server has read from the network, and those of them that are over."""

    begun: int
    ended: int


logger = logging.getLogger(__name__)


def channelz() -> Any:
    """gRPC's own counters, which it keeps to itself; None where it has others than those known."""
    try:
        from grpc._cython import cygrpc  # type: ignore[attr-defined]
    except ImportError:
        return None
    known = hasattr(cygrpc, "channelz_get_servers") and hasattr(cygrpc, "channelz_get_server")
    return cygrpc if known else None


def counters() -> Callable[[], Counts] | None:
    """Reads the counters of the gRPC server that this process made last, with COUNTED.

    None, and a warning, where this gRPC tells them in no way that is known here.
    """
    kept = channelz()
    if kept is None:
        logger.warning("this grpcio counts its calls out of sight: none is refused for waiting")
        return None
    newest, after = 0, 0
    while True:
        page = json.loads(kept.channelz_get_servers(after))
        newest = max([newest, *(int(server["ref"]["serverId"]) for server in page["server"])])
        if page.get("end"):
            break
        after = newest + 1

    def counts() -> Counts:
        told = json.loads(kept.channelz_get_server(newest))["server"]["data"]
        ended = int(told.get("callsSucceeded", 0)) + int(told.get("callsFailed", 0))
        return Counts(int(told.get("callsStarted", 0)), ended)

    return counts


class Admission:
    """Told of each call that comes up, and asked about it; `waiting` is how many wait behind it.

    counts: the server's counters. in_hand: how many calls are being answered, or a few less.
    max_wait_s: how long a call may wait before it is looked at. lulls: those of the event loop.
    """

    def __init__(
        self,
        counts: Callable[[], Counts],
        in_hand: Callable[[], int],
        max_wait_s: float,
        lulls: Lulls,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._counts = counts
        self._lulls = lulls
        self._in_hand = in_hand
        self._max_wait_s = max_wait_s
        self._now = now
        self.waiting = 0
        self.refusing = False
        # The number of the call that comes up, among all that began: those that never come up,
        # since their client gave up before, are counted when it shows.
        self._number = 0
        self._seen: deque[tuple[float, int]] = deque([(now(), 0)])
        self._took_s = self._busy_s = self._answered = self._per_s = 0.0
        self._admitted = self._came = self._refused = 0
        self._looked_s = self._calm_since_s = self._next_s = self._admitted_s = now()
        self._called_s, self._next_look_s = self._looked_s, self._looked_s + LOOK_S
        self._late_since_s = math.inf

    def came(self) -> None:
        """A call comes up, be it of a method that there is not: it stood in the queue as well."""
        self._number += 1
        self._lulls.came()

    def admits(self) -> bool:
        """Whether the call that has just come up is to be answered."""
        now_s = self._now()
        if now_s >= self._next_look_s:
            self._find_out(now_s)
        self._called_s = now_s
        if self.refusing:
            self._came += 1
            young = self._age_s(now_s) <= min(max(YOUNG_S, self._took_s), self._max_wait_s)
            starved = now_s - self._admitted_s >= STARVED_S
            if not ((young and now_s >= self._next_s) or starved):
                self._refused += 1
                return False
            # Those admitted at once would wait for each other; half, since they may take less.
            self._next_s = now_s + self._took_s / 2
        self._admitted += 1
        self._admitted_s = now_s
        return True

    def _age_s(self, now_s: float) -> float:
        """How long the call that comes up has been waiting.

        It began between two looks, at an even rate; after a pause with the second. After the last
        look it began at the rate of those before.
        """
        seen = self._seen
        while len(seen) > 1 and seen[1][1] < self._number:
            seen.popleft()
        if len(seen) == 1:
            looked_s, begun = seen[0]
            if begun >= self._number:
                return now_s - looked_s
            since_s = (self._number - begun) / self._per_s if self._per_s > 0 else math.inf
            return max(0.0, now_s - looked_s - since_s) if self.refusing else 0.0
        (before_s, before), (after_s, after) = seen[0], seen[1]
        late = (after - self._number) / max(after - before, 1) if self.refusing else 0.0
        return now_s - after_s + max(late, 0.0) * (after_s - before_s)

    def _find_out(self, now_s: float) -> None:
        """See how many wait: none where there was a lull, else at the price of a look."""
        if not self.refusing and self._lulls.take():
            self._looked_s = now_s
            self._admitted = self.waiting = 0
            self._seen = deque([(now_s, self._number)])
            self._late_since_s = math.inf
            self._next_look_s = now_s + LOOK_S
            return
        self._look(now_s)
        price_s = self._now() - now_s
        often_s = CLOSE_LOOK_S if self.refusing else LOOK_S
        self._next_look_s = now_s + max(often_s, price_s / LOOK_SHARE)

    def _look(self, now_s: float) -> None:
        """See how many wait, and whether they have waited too long for too long."""
        elapsed_s, self._looked_s = now_s - self._looked_s, now_s
        admitted, self._admitted = self._admitted, 0
        busy = 0 < admitted <= self.waiting  # there was always one to go on with
        begun, ended = self._counts()
        self._number = max(self._number, ended + self._in_hand() + 1)
        self.waiting = max(0, begun - self._number)
        self._per_s = (begun - self._seen[-1][1]) / elapsed_s
        if not self.waiting:
            self._seen.clear()
        self._seen.append((now_s, begun))
        if busy and not self.refusing:
            self._busy_s = MEMORY * self._busy_s + elapsed_s
            self._answered = MEMORY * self._answered + admitted
            self._took_s = self._busy_s / self._answered
        if self.refusing:
            if now_s - self._calm_since_s >= CALM_S:
                idle = now_s - self._called_s >= CALM_S
                self.refusing = not idle and self._refused > FEW * self._came
                self._begin_counting(now_s)
        elif max(self._age_s(now_s), self.waiting * self._took_s) <= self._max_wait_s:
            self._late_since_s = math.inf
        elif self._late_since_s == math.inf:
            self._late_since_s = now_s
        elif now_s - self._late_since_s >= PATIENCE_S:
            self.refusing = True
            self._begin_counting(now_s)

    def _begin_counting(self, now_s: float) -> None:
        self._calm_since_s, self._late_since_s = now_s, math.inf
        self._came = self._refused = 0
