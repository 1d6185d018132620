"""Several messages worked on as one piece: a batch, or what a stream has gathered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from routerd.core.errors import RouterError, Violation, invalid
from routerd.core.validate import check_outcome, check_request
from routerd.log.batch import Asked, Told, route_many
from routerd.log.sequencer import Sequencer
from routerd.server import convert
from routerd.server.errors import message_status
from routerd.v1 import router_pb2

# A response lists at most so many candidates: they take less than the 4 MiB that clients accept.
BATCH_CANDIDATES = 16_384


class Batch(NamedTuple):
    """A batch's response, and the position up to which it answers."""

    position: int
    response: router_pb2.RouteBatchResponse


class Routing:
    """The work of a Route, alone or together with others that wait for the same sequencer."""

    def __init__(self, sequencer: Sequencer, wire: router_pb2.RouteRequest) -> None:
        self.sequencer = sequencer
        self.wire = wire

    def __call__(self) -> router_pb2.RouteResponse:
        answer = self.sequencer.route(convert.request_of(self.wire), explain=self.wire.explain)
        return convert.route_response(answer, explain=self.wire.explain)

    @staticmethod
    def together(works: Sequence[Routing]) -> list[router_pb2.RouteResponse | RouterError]:
        asked = [(convert.request_of(work.wire), work.wire.explain) for work in works]
        told = route_many(works[0].sequencer, asked)
        return [
            each if isinstance(each, RouterError) else convert.route_response(each, explain=explain)
            for (_, explain), each in zip(asked, told, strict=True)
        ]


def routed_batch(sequencer: Sequencer, wire: router_pb2.RouteBatchRequest) -> Batch:
    """Each request's answer or Status, in order. Raises for what is wrong with all of them."""
    most = sequencer.state.config.limits.batch
    if len(wire.requests) > most:
        text = f"has {len(wire.requests)} entries; limits.batch is {most}"
        raise invalid([Violation("requests", text)])
    asked = [(convert.request_of(request), request.explain) for request in wire.requests]
    candidates = sum(explain for _, explain in asked) * len(sequencer.state.roster.ids)
    if candidates > BATCH_CANDIDATES:
        text = f"asks with explain for {candidates} candidates; the limit is {BATCH_CANDIDATES}"
        raise invalid([Violation("requests", text)])
    response = router_pb2.RouteBatchResponse()
    for (request, explain), told in zip(asked, route_many(sequencer, asked), strict=True):
        result = response.results.add()
        if isinstance(told, RouterError):
            result.request_id = request.request_id
            result.status.CopyFrom(message_status(told, "RouteRequest"))
        else:
            result.request_id = told.decision.query.request_id
            convert.write_answer(result.answer, told, explain=explain)
    return Batch(sequencer.position, response)


def routed_streamed(
    sequencer: Sequencer, wires: Sequence[router_pb2.RouteStreamRequest]
) -> list[router_pb2.RouteResponse | RouterError]:
    """The answer or the refusal of each message. Raises READ_ONLY for all of them."""
    asked = [asked_streamed(sequencer, wire) for wire in wires]
    told = iter(route_many(sequencer, [each for each in asked if isinstance(each, tuple)]))
    return [
        each if isinstance(each, RouterError) else answer_streamed(next(told), each[1])
        for each in asked
    ]


def answer_streamed(told: Told, explain: bool) -> router_pb2.RouteResponse | RouterError:
    if isinstance(told, RouterError):
        return within("request", told)
    return convert.route_response(told, explain=explain)


def asked_streamed(
    sequencer: Sequencer, wire: router_pb2.RouteStreamRequest
) -> Asked | RouterError:
    """The request in a message, or what is wrong with the message around it, and in it as well."""

    def check() -> None:
        request = convert.request_of(convert.inner_request(wire))
        with inside("request"):
            check_request(sequencer.state, request)

    try:
        if wrong := convert.timeout_violations(wire.timeout_ms):
            raise joined(wrong, check)
        request = convert.inner_request(wire)
    except RouterError as error:
        return error
    return convert.request_of(request), request.explain


def reported_streamed(
    sequencer: Sequencer, wires: Sequence[router_pb2.StreamOutcomesRequest]
) -> list[router_pb2.ReportOutcomeResponse | Exception]:
    """The acknowledgement or the refusal of each message."""
    results: list[router_pb2.ReportOutcomeResponse | Exception] = []
    for wire in wires:
        try:
            results.append(reported(sequencer, wire))
        except Exception as error:  # a bug in one is not the others'
            results.append(error)
    return results


def reported(
    sequencer: Sequencer, wire: router_pb2.StreamOutcomesRequest
) -> router_pb2.ReportOutcomeResponse:
    """Without an outcome_id an outcome is refused: sent again, it would be learnt twice."""
    wrong = convert.timeout_violations(wire.timeout_ms)
    if not wire.outcome.outcome_id:
        wrong.append(Violation("outcome.outcome_id", "is required in a stream; make one"))
    if wrong:
        raise joined(wrong, lambda: check_outcome(sequencer.state, convert.outcome_of(wire)))
    return convert.outcome_response(sequencer.report(convert.outcome_of(wire)))


def joined(found: Sequence[Violation], check: Callable[[], Any]) -> RouterError:
    """One refusal for what was found around a message and what `check` finds inside it."""
    try:
        check()
    except RouterError as error:
        return invalid([*found, *error.violations])
    return invalid(found)


@contextmanager
def inside(field: str) -> Iterator[None]:
    """Names the violations of a refusal as fields of an enclosing message."""
    try:
        yield
    except RouterError as error:
        raise within(field, error) from None


def within(field: str, error: RouterError) -> RouterError:
    """The same refusal, its violations named as fields of an enclosing message."""
    if not error.violations:
        return error
    return invalid([Violation(f"{field}.{v.field}", v.description) for v in error.violations])
