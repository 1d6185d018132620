"""Outcomes on their way: a bounded queue that gives up the oldest first."""

from __future__ import annotations

import logging
import threading
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from routerd.client.decision import Decision
from routerd.v1 import router_pb2, types_pb2

logger = logging.getLogger("routerd.client")


class Counts(NamedTuple):
    """What became of the outcomes so far.

    waiting: not acknowledged yet. delivered: acknowledged. dropped: given up, because the queue was
    full or the client closed. refused: the daemon would not have them; the log says why.
    """

    waiting: int
    delivered: int
    dropped: int
    refused: int


@dataclass(eq=False, slots=True)
class Report:
    """An outcome to send, and the decision it belongs to where this client has it."""

    outcome: types_pb2.Outcome
    decision: Decision | None = None
    tries: int = 0

    @property
    def key(self) -> str:
        """Reports with the same key are sent one after the other."""
        if self.decision is not None:
            return self.decision.request_id
        return self.outcome.decision_id or self.outcome.group_id

    @property
    def unheard(self) -> Decision | None:
        """The decision, as long as the daemon has not heard of it."""
        return self.decision if self.decision and not self.decision.decision_id else None

    @property
    def message(self) -> router_pb2.ReportOutcomeRequest:
        """The outcome for the wire, under the decision's id."""
        if self.decision is not None:
            self.outcome.decision_id = self.decision.decision_id
        return router_pb2.ReportOutcomeRequest(outcome=self.outcome)


class Outbox:
    """Reports in order, at most `size` besides those being sent. Safe to share by threads."""

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ValueError(f"outbox: is {size}; it must hold at least one outcome")
        self._size = size
        self._queue: deque[Report] = deque()
        self._out = self._delivered = self._dropped = self._refused = 0
        self._closed = False
        self._changed = threading.Condition()

    def put(self, report: Report) -> None:
        """Queue a report, at the cost of the oldest when there is no room."""
        with self._changed:
            self._queue.append(report)
            self._bound()
            self._changed.notify_all()

    def take(self, most: int) -> list[Report]:
        """The oldest reports, at most one a decision; give each of them to settle()."""
        with self._changed:
            taken: dict[str, Report] = {}
            passed: list[Report] = []
            while self._queue and len(taken) < most and len(passed) < most:
                report = self._queue.popleft()
                if taken.setdefault(report.key, report) is not report:
                    passed.append(report)
            self._queue.extendleft(reversed(passed))
            self._out += len(taken)
            return list(taken.values())

    def settle(self, delivered: int, refused: int, kept: list[Report]) -> None:
        """What became of the reports that were taken; those kept go first again."""
        with self._changed:
            self._out -= delivered + refused + len(kept)
            self._delivered += delivered
            self._refused += refused
            self._queue.extendleft(reversed(kept))
            self._bound()
            self._changed.notify_all()

    def close(self) -> int:
        """Drop what waits and whatever comes; the number of those that waited."""
        with self._changed:
            left = len(self._queue) + self._out
            self._closed = True
            self._bound()
            self._changed.notify_all()
            return left

    def counts(self) -> Counts:
        with self._changed:
            waiting = len(self._queue) + self._out
            return Counts(waiting, self._delivered, self._dropped, self._refused)

    def wait_filled(self) -> bool:
        """Block until something waits; False when the outbox is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closed)
            return not self._closed

    def wait_empty(self, timeout_s: float) -> bool:
        """Block until nothing waits; False when the time is over first."""
        with self._changed:
            return self._changed.wait_for(lambda: not (self._queue or self._out), timeout_s)

    def wait_closed(self, timeout_s: float) -> bool:
        """Block until the outbox is closed; False when the time is over first."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closed, timeout_s)

    def _bound(self) -> None:
        room = 0 if self._closed else self._size
        while len(self._queue) > room:
            self._queue.popleft()
            self._dropped += 1
            if self._dropped == 1 and not self._closed:
                logger.warning("outcomes are dropped, the oldest first: %d wait", self._size)
