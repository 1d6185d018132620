"""What a call can end in: routerd's refusal, typed by its code, or no answer at all."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

DOMAIN = "routerd"
DETAILS_KEY = "grpc-status-details-bin"
PUSHBACK_KEY = "grpc-retry-pushback-ms"


class Violation(NamedTuple):
    """One wrong field of a request: its path, as the contract names it, and the way out."""

    field: str
    description: str


class RouterdError(Exception):
    """A call that failed.

    code: the gRPC status. reason: routerd's stable word, "" if it was not routerd that answered.
    metadata: facts for programs. violations: the wrong fields, all of them. retry_after_s: how long
    the daemon says to wait, until what is full has room or a budget's window ends; 0 if it says
    nothing.
    """

    def __init__(
        self,
        message: str,
        *,
        code: grpc.StatusCode,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        violations: tuple[Violation, ...] = (),
        retry_after_s: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.reason = reason
        self.metadata = dict(metadata or {})
        self.violations = violations
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return f"{self.message} [{self.reason or self.code.name}]"


class NoAnswer(RouterdError):
    """No decision came: the daemon is away, stopping, overloaded, too slow or broken."""


class Refused(RouterdError):
    """routerd understood the call and will not do it; asking again changes nothing by itself."""


class InvalidArgument(Refused):
    """The request is wrong in itself: `violations` lists every field."""


class NotFound(Refused):
    """It names a decision or an agent that there is not."""


class AlreadyExists(Refused):
    """Its key was used for something else."""


class FailedPrecondition(Refused):
    """As things stand it cannot be done; for Route, `metadata` has each agent's exclusion."""


class OutOfRange(Refused):
    """It asks for what the log no longer holds."""


class PermissionDenied(Refused):
    """The caller may not do this."""


class Unauthenticated(Refused):
    """The caller did not say who it is."""


REFUSALS: dict[grpc.StatusCode, type[Refused]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgument,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExists,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPrecondition,
    grpc.StatusCode.OUT_OF_RANGE: OutOfRange,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
}


def error_of(failed: grpc.RpcError) -> RouterdError:
    """A failed call as a typed error.

    A refusal is what routerd itself signed, with the domain of its ErrorInfo: a proxy's NOT_FOUND
    is no word of routerd's, so it is no answer.
    """
    call: Any = failed
    trailing = dict(call.trailing_metadata() or ())
    info, fields, retry = details_of(trailing.get(DETAILS_KEY, b""))
    signed = info.domain == DOMAIN
    kind: type[RouterdError] = REFUSALS.get(call.code(), NoAnswer) if signed else NoAnswer
    return kind(
        call.details() or "",
        code=call.code(),
        reason=info.reason if signed else "",
        metadata=info.metadata,
        violations=tuple(Violation(v.field, v.description) for v in fields.field_violations),
        retry_after_s=max(
            pushback_s(trailing.get(PUSHBACK_KEY, "")),
            retry.retry_delay.ToMilliseconds() / 1_000 if signed else 0.0,
        ),
    )


def hung_up() -> NoAnswer:
    """What a call ends in when its own client is closed."""
    return NoAnswer("the client was closed", code=grpc.StatusCode.CANCELLED)


class Details(NamedTuple):
    """The details of a google.rpc.Status, as far as it has them."""

    info: error_details_pb2.ErrorInfo
    fields: error_details_pb2.BadRequest
    retry: error_details_pb2.RetryInfo


def details_of(packed: bytes) -> Details:
    """What a google.rpc.Status says; empty where somebody else wrote into its place."""
    found = Details(
        error_details_pb2.ErrorInfo(),
        error_details_pb2.BadRequest(),
        error_details_pb2.RetryInfo(),
    )
    with suppress(DecodeError):
        for detail in status_pb2.Status.FromString(packed).details:
            for each in found:
                detail.Unpack(each)
    return found


def pushback_s(told_ms: str | bytes) -> float:
    """How long to wait by gRPC's pushback, in seconds; 0 when there is none."""
    text = told_ms if isinstance(told_ms, str) else ""
    return int(text) / 1000 if text.isdecimal() else 0.0
