"""The one table from what went wrong to a gRPC status, and the details that go with it.

A client reads them as google.rpc.Status, of a call from the trailing metadata
`grpc-status-details-bin`, of one message among several from its result.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator, Sequence

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from routerd.core.errors import ErrorReason, RouterError, Violation, invalid

logger = logging.getLogger(__name__)

DOMAIN = "routerd"
DETAILS_KEY = "grpc-status-details-bin"
PUSHBACK_KEY = "grpc-retry-pushback-ms"

STATUS = {
    ErrorReason.FIELD_VIOLATIONS: grpc.StatusCode.INVALID_ARGUMENT,
    ErrorReason.DECISION_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    ErrorReason.AGENT_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    ErrorReason.GROUP_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    ErrorReason.OVERRIDE_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    ErrorReason.EXPERIMENT_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    ErrorReason.REQUEST_ID_REUSED: grpc.StatusCode.ALREADY_EXISTS,
    ErrorReason.OUTCOME_CONFLICT: grpc.StatusCode.ALREADY_EXISTS,
    ErrorReason.AGENT_EXISTS: grpc.StatusCode.ALREADY_EXISTS,
    ErrorReason.OVERRIDE_EXISTS: grpc.StatusCode.ALREADY_EXISTS,
    ErrorReason.EXPERIMENT_EXISTS: grpc.StatusCode.ALREADY_EXISTS,
    ErrorReason.NO_ELIGIBLE_AGENT: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorReason.EMPTY_POOL: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorReason.MISSING_CAPABILITY: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorReason.TOO_MANY_OUTCOMES: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorReason.POSITION_COMPACTED: grpc.StatusCode.OUT_OF_RANGE,
    ErrorReason.DECISION_EXPIRED: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorReason.STEPS_EXHAUSTED: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorReason.CLAIM_REFUSED: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorReason.CLAIM_CONFLICT: grpc.StatusCode.ALREADY_EXISTS,
    ErrorReason.AGENT_IS_CONFIGURED: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorReason.TOO_MANY_AGENTS: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorReason.OVERRIDE_IS_CONFIGURED: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorReason.TOO_MANY_OVERRIDES: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorReason.EXPERIMENT_RUNS: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorReason.TOO_MANY_EXPERIMENTS: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorReason.BUDGET_EXHAUSTED: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorReason.OVERLOADED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    ErrorReason.DRAINING: grpc.StatusCode.UNAVAILABLE,
    ErrorReason.READ_ONLY: grpc.StatusCode.UNAVAILABLE,
    ErrorReason.AUDIT_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    ErrorReason.DEADLINE_PASSED: grpc.StatusCode.DEADLINE_EXCEEDED,
    ErrorReason.BLOCKED_BY_POLICY: grpc.StatusCode.PERMISSION_DENIED,
}

PUSHBACK_MS = 200

BUG = "internal error; the server's log has it"

# A client drops a whole status whose metadata exceeds 8 KiB. Binary metadata travels as base64.
MESSAGE_BYTES = 800
PART_BYTES = 300
DETAILS_BYTES = 3_600

Metadata = tuple[tuple[str, str | bytes], ...]


def refusal_of(error: Exception, name: str) -> RouterError | None:
    """What a caller is told of an error; None when it is nobody's refusal but our bug.

    name: of the type of message that was asked for.
    """
    match error:
        case RouterError():
            return error
        case DecodeError():
            text = (
                f"is not a message of type {name}, or has a text that is not UTF-8, such as one "
                "that was cut within an emoji"
            )
            return invalid([Violation("", text)])
        case TimeoutError():
            text = "the deadline passed before the answer was durable: ask again with the same key"
            return RouterError(ErrorReason.DEADLINE_PASSED, text)
    return None


def call_status(error: Exception, name: str) -> tuple[grpc.StatusCode, str, Metadata]:
    """The code, message and trailing metadata that tell a client why its call ended."""
    refusal = refusal_of(error, name)
    if refusal is None:
        log_bug(error, name)
        return grpc.StatusCode.INTERNAL, BUG, ()
    told = refusal_status(refusal)
    trailing: Metadata = ()
    if refusal.reason is ErrorReason.OVERLOADED:
        trailing = ((PUSHBACK_KEY, str(PUSHBACK_MS)),)
    metadata = ((DETAILS_KEY, told.SerializeToString()), *trailing)
    return STATUS[refusal.reason], told.message, metadata


def message_status(error: Exception, name: str) -> status_pb2.Status:
    """What a client is told of one message among several."""
    refusal = refusal_of(error, name)
    if refusal is None:
        log_bug(error, name)
        return status_pb2.Status(code=grpc.StatusCode.INTERNAL.value[0], message=BUG)
    return refusal_status(refusal)


def log_bug(error: Exception, name: str) -> None:
    """Log where, without the exception's own words: they may quote a task."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    logger.error("%s ended in %s\n%s", name, type(error).__name__, frames)


def refusal_status(error: RouterError) -> status_pb2.Status:
    code = STATUS[error.reason].value[0]
    told = status_pb2.Status(code=code, message=shortened(error.message, MESSAGE_BYTES))
    for detail in details(error):
        told.details.add().Pack(detail)
    return told


def details(error: RouterError) -> Iterator[Message]:
    """ErrorInfo always; BadRequest where fields are at fault; RetryInfo for what passes."""
    facts = dict(fitting(list(error.metadata.items()), left_off="left_off"))
    yield error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=facts)
    if error.violations:
        rows = fitting(error.violations, left_off="")
        yield error_details_pb2.BadRequest(
            field_violations=[
                error_details_pb2.BadRequest.FieldViolation(field=field, description=description)
                for field, description in rows
            ]
        )
    delay_ms = PUSHBACK_MS if error.reason is ErrorReason.OVERLOADED else error.retry_after_ms
    if delay_ms is not None:
        delay = Duration()
        delay.FromMilliseconds(delay_ms)
        yield error_details_pb2.RetryInfo(retry_delay=delay)


def fitting(pairs: Sequence[tuple[str, str]], left_off: str) -> Iterator[tuple[str, str]]:
    """The first pairs that fit into DETAILS_BYTES, shortened, then a count of the others."""
    room = DETAILS_BYTES
    for index, (key, value) in enumerate(pairs):
        pair = shortened(key, PART_BYTES), shortened(value, PART_BYTES)
        room -= sum(len(part.encode()) for part in pair) + 8
        if room < 0:
            yield left_off, f"and {len(pairs) - index} more"
            return
        yield pair


def shortened(text: str, limit_bytes: int) -> str:
    """The text, cut where its percent-encoded form would exceed the limit."""
    spent = 0
    for index, char in enumerate(text):
        spent += 1 if " " <= char <= "~" and char != "%" else 3 * len(char.encode())
        if spent > limit_bytes:
            return text[:index] + "..."
    return text
