"""Between the wire and the sequencer: a description without a work type is classified first.

Nothing of the log is touched here, and nothing waits for a classifier but the request itself. A
request that the engine knows already, or would refuse, is not classified.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from routerd.core.answers import Answer
from routerd.core.errors import RouterError
from routerd.core.validate import check_request
from routerd.core.values import Request
from routerd.engine.sequencer import Sequencer
from routerd.server import convert
from routerd.server.refusals import besides
from routerd.signals.hybrid import Classifier, Heard
from routerd.v1 import router_pb2, types_pb2


class Asked(NamedTuple):
    """A request as it goes to the engine; heard: what was just made of its description."""

    request: Request
    explain: bool
    heard: Heard | None = None

    def response(self, answer: Answer) -> router_pb2.RouteResponse:
        response = convert.route_response(answer, explain=self.explain)
        self.tell(response)
        return response

    def tell(self, response: router_pb2.RouteResponse) -> None:
        """Say in a response what only the call knows that asked the classifier."""
        if self.heard is not None and response.HasField("classification"):
            response.classification.cache_hit = self.heard.cached
            response.classification.latency_ms = self.heard.latency_ms


def asked(sequencer: Sequencer, wire: router_pb2.RouteRequest) -> Asked:
    """A request off the wire. Raises all that is wrong with what is no value."""

    def check() -> None:
        wire.follows.cause = types_pb2.FOLLOW_CAUSE_FAILED  # any that is known
        check_request(sequencer.state, convert.request_of(wire))

    with besides(check):
        return Asked(convert.request_of(wire), wire.explain)


def each_asked(
    sequencer: Sequencer, wires: Sequence[router_pb2.RouteRequest]
) -> list[Asked | RouterError]:
    """Requests off the wire, or why one is refused."""
    told: list[Asked | RouterError] = []
    for wire in wires:
        try:
            told.append(asked(sequencer, wire))
        except RouterError as error:
            told.append(error)
    return told


def quick(classifier: Classifier, sequencer: Sequencer, asked: Asked) -> Asked | None:
    """The request as far as nothing has to be awaited; None when the endpoint must be asked.

    Raises BLOCKED_BY_POLICY.
    """
    task = asked.request.task
    if not task.description or task.work_type:
        return asked
    if asked.request.request_id in sequencer.state.requests:
        return asked
    try:
        check_request(sequencer.state, asked.request)
    except RouterError:
        return asked  # the engine will say so
    heard = classifier.quick(task.description)
    return None if heard is None else with_signal(asked, heard)


async def slow(classifier: Classifier, asked: Asked, deadline_s: float) -> Asked:
    """The request with what the endpoint made of it. Raises BLOCKED_BY_POLICY."""
    return with_signal(asked, await classifier.ask(asked.request.task.description, deadline_s))


async def hear(
    classifier: Classifier, sequencer: Sequencer, asked: Asked, deadline_s: float
) -> Asked:
    """The request with what was made of its description. Raises BLOCKED_BY_POLICY."""
    return quick(classifier, sequencer, asked) or await slow(classifier, asked, deadline_s)


async def hear_many(
    classifier: Classifier,
    sequencer: Sequencer,
    several: Sequence[Asked | RouterError],
    deadline_s: float,
) -> list[Asked | RouterError]:
    """The same of several requests; those that need the endpoint wait for it together."""

    async def one(each: Asked | RouterError) -> Asked | RouterError:
        if isinstance(each, RouterError):
            return each
        try:
            return await hear(classifier, sequencer, each, deadline_s)
        except RouterError as error:
            return error

    return list(await asyncio.gather(*map(one, several)))


def with_signal(asked: Asked, heard: Heard) -> Asked:
    request = msgspec.structs.replace(asked.request, signal=heard.admitted())
    return Asked(request, asked.explain, heard)
