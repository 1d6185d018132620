"""Several messages worked on as one piece: a batch, or what a stream has gathered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from routerd.core.answers import Answer
from routerd.core.errors import RouterError, Violation, invalid
from routerd.core.validate import check_outcome, check_request
from routerd.core.values import Outcome
from routerd.engine.batch import Told, route_many
from routerd.engine.sequencer import Sequencer
from routerd.server import convert
from routerd.server.errors import message_status
from routerd.server.hearing import Asked, asked
from routerd.server.refusals import besides, inside, joined, within
from routerd.v1 import router_pb2

# A response lists at most so many candidates: they take less than the 4 MiB that clients accept.
BATCH_CANDIDATES = 16_384


class Batch(NamedTuple):
    """A batch's response, and the position up to which it answers."""

    position: int
    response: router_pb2.RouteBatchResponse


class Routing:
    """The work of a Route, alone or together with others that wait for the same sequencer."""

    def __init__(self, sequencer: Sequencer, asked: Asked) -> None:
        self.sequencer = sequencer
        self.asked = asked

    def __call__(self) -> router_pb2.RouteResponse:
        asked = self.asked
        return asked.response(self.sequencer.route(asked.request, explain=asked.explain))

    @staticmethod
    def together(works: Sequence[Routing]) -> list[router_pb2.RouteResponse | RouterError]:
        told = routed(works[0].sequencer, [work.asked for work in works])
        return [
            each if isinstance(each, RouterError) else work.asked.response(each)
            for work, each in zip(works, told, strict=True)
        ]


def check_batch(sequencer: Sequencer, wire: router_pb2.RouteBatchRequest) -> None:
    """Raises for what is wrong with all requests of a batch."""
    most = sequencer.state.config.limits.batch
    if len(wire.requests) > most:
        text = f"has {len(wire.requests)} entries; limits.batch is {most}"
        raise invalid([Violation("requests", text)])
    explained = sum(request.explain for request in wire.requests)
    candidates = explained * len(sequencer.state.roster.ids)
    if candidates > BATCH_CANDIDATES:
        text = f"asks with explain for {candidates} candidates; the limit is {BATCH_CANDIDATES}"
        raise invalid([Violation("requests", text)])


def routed_batch(
    sequencer: Sequencer,
    wire: router_pb2.RouteBatchRequest,
    several: Sequence[Asked | RouterError],
) -> Batch:
    """The result of each request: its answer or Status, in order."""
    response = router_pb2.RouteBatchResponse()
    became = zip(wire.requests, several, routed(sequencer, several), strict=True)
    for request, question, told in became:
        result = response.results.add()
        if isinstance(question, Asked) and isinstance(told, Answer):
            result.request_id = told.decision.query.request_id
            convert.write_answer(result.answer, told, explain=question.explain)
            question.tell(result.answer)
        elif isinstance(told, RouterError):
            result.request_id = request.request_id
            result.status.CopyFrom(message_status(told, "RouteRequest"))
    return Batch(sequencer.position, response)


def routed(sequencer: Sequencer, several: Sequence[Asked | RouterError]) -> list[Told]:
    """What becomes of each request; one that is refused already is not asked. Raises READ_ONLY."""
    questions = [(each.request, each.explain) for each in several if isinstance(each, Asked)]
    told = iter(route_many(sequencer, questions))
    return [next(told) if isinstance(each, Asked) else each for each in several]


def routed_streamed(
    sequencer: Sequencer, _: Sequence[router_pb2.RouteStreamRequest], several: Sequence[Asked]
) -> list[router_pb2.RouteResponse | RouterError]:
    """The answer or the refusal of each message. Raises READ_ONLY for all of them."""
    return [
        within("request", told) if isinstance(told, RouterError) else question.response(told)
        for question, told in zip(several, routed(sequencer, several), strict=True)
    ]


def asked_streamed(sequencer: Sequencer, wire: router_pb2.RouteStreamRequest) -> Asked:
    """The request in a message. Raises what is wrong with the message around it, and in it."""

    def read() -> Asked:
        request = convert.inner_request(wire)
        with inside("request"):
            return asked(sequencer, request)

    def check() -> None:
        question = read()
        with inside("request"):
            check_request(sequencer.state, question.request)

    if wrong := convert.timeout_violations(wire.timeout_ms):
        raise joined(wrong, check)
    return read()


def reported_streamed(
    sequencer: Sequencer,
    wires: Sequence[router_pb2.StreamOutcomesRequest],
    _: Sequence[None],
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
        raise joined(wrong, lambda: check_outcome(sequencer.state, told(sequencer, wire)))
    return convert.outcome_response(sequencer.report(told(sequencer, wire)))


def told(
    sequencer: Sequencer,
    wire: router_pb2.ReportOutcomeRequest | router_pb2.StreamOutcomesRequest,
) -> Outcome:
    """An outcome off the wire. Raises all that is wrong with what is no value."""

    def check() -> None:
        if wire.HasField("outcome"):
            wire.outcome.ClearField("kind")
            check_outcome(sequencer.state, convert.outcome_of(wire))

    with besides(check):
        return convert.outcome_of(wire)
