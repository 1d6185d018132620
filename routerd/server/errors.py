"""The one table from what went wrong to a gRPC status, and the details that go with it.

A client reads them as google.rpc.Status from the trailing metadata `grpc-status-details-bin`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from routerd.core.errors import ErrorReason, RouterError

DOMAIN = "routerd"
DETAILS_KEY = "grpc-status-details-bin"
PUSHBACK_KEY = "grpc-retry-pushback-ms"

STATUS = {
    ErrorReason.FIELD_VIOLATIONS: grpc.StatusCode.INVALID_ARGUMENT,
    ErrorReason.DECISION_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    ErrorReason.AGENT_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    ErrorReason.REQUEST_ID_REUSED: grpc.StatusCode.ALREADY_EXISTS,
    ErrorReason.OUTCOME_CONFLICT: grpc.StatusCode.ALREADY_EXISTS,
    ErrorReason.AGENT_EXISTS: grpc.StatusCode.ALREADY_EXISTS,
    ErrorReason.NO_ELIGIBLE_AGENT: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorReason.EMPTY_POOL: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorReason.MISSING_CAPABILITY: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorReason.DECISION_EXPIRED: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorReason.AGENT_IS_CONFIGURED: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorReason.TOO_MANY_AGENTS: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorReason.OVERLOADED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    ErrorReason.DRAINING: grpc.StatusCode.UNAVAILABLE,
    ErrorReason.READ_ONLY: grpc.StatusCode.UNAVAILABLE,
    ErrorReason.DEADLINE_PASSED: grpc.StatusCode.DEADLINE_EXCEEDED,
}

PUSHBACK_MS = 200

# A client drops a whole status whose metadata exceeds 8 KiB. Binary metadata travels as base64.
MESSAGE_BYTES = 800
PART_BYTES = 300
DETAILS_BYTES = 3_600

Metadata = tuple[tuple[str, str | bytes], ...]


def status(error: RouterError) -> tuple[grpc.StatusCode, str, Metadata]:
    """The code, message and trailing metadata that tell an error to a client."""
    code = STATUS[error.reason]
    message = shortened(error.message, MESSAGE_BYTES)
    told = status_pb2.Status(code=code.value[0], message=message)
    trailing: Metadata = ()
    for detail in details(error):
        told.details.add().Pack(detail)
    if error.reason is ErrorReason.OVERLOADED:
        trailing = ((PUSHBACK_KEY, str(PUSHBACK_MS)),)
    return code, message, ((DETAILS_KEY, told.SerializeToString()), *trailing)


def details(error: RouterError) -> Iterator[Message]:
    """ErrorInfo always; BadRequest where fields are at fault; RetryInfo on overload."""
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
    if error.reason is ErrorReason.OVERLOADED:
        delay = Duration()
        delay.FromMilliseconds(PUSHBACK_MS)
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
