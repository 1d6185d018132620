"""How an outbox is emptied, for a loop or a thread to carry out.

A round is a generator: it yields calls to make side by side, is sent what came of them, and returns
how long to wait before the next round.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import NamedTuple

import grpc
from google.protobuf.message import Message

from routerd.client.channel import LARGEST
from routerd.client.decision import Decision
from routerd.client.errors import Refused, RouterdError
from routerd.client.outbox import Outbox, Report, logger
from routerd.v1 import router_pb2


class Calls(NamedTuple):
    """Requests to one method of RouterService."""

    method: str
    requests: Sequence[Message]


Results = Sequence[Message | RouterdError]
Round = Generator[Calls, Results, float]
Decided = Callable[[Decision, router_pb2.RouteResponse], None]

BATCH = 32
TRIES = 5
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0
TIMEOUT_S = 10.0

PASSING = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.CANCELLED,  # by the daemon's gRPC, whose queue is full in a flood
)


class Batch:
    """Reports that are sent together, and what becomes of them."""

    def __init__(self, reports: Sequence[Report]) -> None:
        self.pending = dict.fromkeys(reports)
        self.delivered = 0
        self.refused = 0
        self.unanswered = 0
        self.retry_after_s = 0.0

    def ask(
        self, method: str, requests: Mapping[Report, Message]
    ) -> Generator[Calls, Results, list[tuple[Report, Message]]]:
        """Make the calls; the answers of those that got one."""
        if not requests:
            return []
        results = yield Calls(method, list(requests.values()))
        answered = []
        for report, result in zip(requests, results, strict=True):
            if isinstance(result, RouterdError):
                self._failed(report, result)
            else:
                answered.append((report, result))
        return answered

    def done(self, report: Report) -> None:
        del self.pending[report]
        self.delivered += 1

    def _failed(self, report: Report, error: RouterdError) -> None:
        """Keep it for another round, unless it is this report that is at fault."""
        self.unanswered += 1
        if not isinstance(error, Refused):  # when a refusal passes is no other report's concern
            self.retry_after_s = max(self.retry_after_s, error.retry_after_s)
        # Agents that are away or busy now may be back soon: a decision that comes late can wait.
        lasting = isinstance(error, Refused) and error.reason != "NO_ELIGIBLE_AGENT"
        exhausted = error.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        too_large = exhausted and report.message.ByteSize() > LARGEST
        report.tries += error.code not in PASSING
        if lasting or too_large or report.tries >= TRIES:
            del self.pending[report]
            self.refused += 1
            logger.warning("outcome of %s is lost: %s", report.key, error)


class Delivery:
    """Sends what is in an outbox, in order for each decision.

    decided: told every decision that the daemon made after the fact, with its answer.
    """

    def __init__(self, outbox: Outbox, decided: Decided) -> None:
        self._outbox = outbox
        self._decided = decided
        self._failures = 0

    def round(self) -> Round:
        """Send the oldest reports, one a decision; the seconds to wait before the next round.

        A decision that the daemon has not heard of goes first: Route with its own request_id, so
        that one which was made, and whose answer was lost, is found again.
        """
        batch = Batch(self._outbox.take(BATCH))
        try:
            unheard = {r: r.unheard.request for r in batch.pending if r.unheard}
            for report, answer in (yield from batch.ask("Route", unheard)):
                if report.unheard and isinstance(answer, router_pb2.RouteResponse):
                    self._decided(report.unheard, answer)
            heard = {r: r.message for r in batch.pending if not r.unheard}
            for report, _ in (yield from batch.ask("ReportOutcome", heard)):
                batch.done(report)
        finally:
            self._outbox.settle(batch.delivered, batch.refused, list(batch.pending))
        return self._pause_s(batch)

    def _pause_s(self, batch: Batch) -> float:
        """Twice as long each time that nothing arrives, and no shorter than the daemon asks for."""
        if not batch.unanswered:
            self._failures = 0
            return 0.0
        self._failures = 0 if batch.delivered else min(self._failures + 1, 10)
        pause_s = min(FIRST_PAUSE_S * 2.0**self._failures, LONGEST_PAUSE_S)
        return max(batch.retry_after_s, pause_s * random.uniform(0.5, 1.0))
