"""How many decisions each agent works on: open ones that heard nothing yet and are not too old.

Whoever loses an outcome must not block its agent until the decision closes, so a decision counts
for `limits.in_flight_minutes` at most. Age is event time, so no timer and no event is needed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Protocol

from routerd.core.events import Decision


class Counted(Protocol):
    """A decision that may be in flight."""

    in_flight: bool
    decision: Decision


class InFlight:
    """counts: by agent id, as of the last event. queue: what is in flight and some of what no
    longer is, the oldest first; its first entry, if any, is in flight."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.queue: deque[Counted] = deque()

    def begin(self, entry: Counted) -> None:
        """A decision was made, or is taken over, which may be in flight no longer."""
        if entry.in_flight:
            agent_id = entry.decision.agent_id
            self.counts[agent_id] = self.counts.get(agent_id, 0) + 1
            self.queue.append(entry)

    def end(self, entry: Counted) -> None:
        """A decision heard an outcome, was closed or is too old."""
        if entry.in_flight:
            entry.in_flight = False
            agent_id = entry.decision.agent_id
            self.counts[agent_id] -= 1
            if not self.counts[agent_id]:
                del self.counts[agent_id]

    def expire(self, before_ms: int) -> None:
        """End what was decided before; leave nothing at the front that is not in flight."""
        queue = self.queue
        while queue and (not queue[0].in_flight or queue[0].decision.time_ms < before_ms):
            self.end(queue.popleft())

    def counted(self, before_ms: int) -> Mapping[str, int]:
        """The counts as expire would leave them; changes nothing."""
        if not self.queue or self.queue[0].decision.time_ms >= before_ms:
            return self.counts
        counts = dict(self.counts)
        for entry in self.queue:
            if entry.in_flight:
                if entry.decision.time_ms >= before_ms:
                    break
                counts[entry.decision.agent_id] -= 1
        return counts
