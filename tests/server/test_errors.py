"""The table of statuses, and what a client can count on in their details."""

from __future__ import annotations

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from routerd.core.errors import ErrorReason, RouterError, Violation, invalid
from routerd.server import errors

METADATA_BYTES = 8_192  # what a gRPC client accepts by default


def call_status(error: RouterError) -> tuple[grpc.StatusCode, str, errors.Metadata]:
    return errors.call_status(error, "RouteRequest")


def told(error: RouterError) -> status_pb2.Status:
    trailing = dict(call_status(error)[2])
    details = trailing["grpc-status-details-bin"]
    assert isinstance(details, bytes)
    return status_pb2.Status.FromString(details)


def test_every_reason_has_a_status() -> None:
    """No reason of the domain is missing from the table, and none is OK."""
    assert set(errors.STATUS) == set(ErrorReason)
    assert grpc.StatusCode.OK not in errors.STATUS.values()


@pytest.mark.parametrize("reason", ErrorReason)
def test_every_refusal_carries_its_reason_and_facts(reason: ErrorReason) -> None:
    """The details repeat code and message, and start with an ErrorInfo."""
    code, message, _ = call_status(RouterError(reason, "why", metadata={"agent": "a"}))
    status = told(RouterError(reason, "why", metadata={"agent": "a"}))
    info = error_details_pb2.ErrorInfo()
    assert (status.code, status.message) == (code.value[0], message) == (code.value[0], "why")
    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain, dict(info.metadata)) == (reason, "routerd", {"agent": "a"})


def test_only_overload_asks_to_wait() -> None:
    """OVERLOADED has RetryInfo and the pushback that gRPC's own retries obey; nothing else has."""
    for reason in ErrorReason:
        keys = [key for key, _ in call_status(RouterError(reason, ""))[2]]
        kinds = [packed.TypeName() for packed in told(RouterError(reason, "")).details]
        retry = "google.rpc.RetryInfo" in kinds
        assert retry is ("grpc-retry-pushback-ms" in keys) is (reason is ErrorReason.OVERLOADED)


@pytest.mark.parametrize("char", ["x", "\N{SNOWMAN}", "%"])
def test_a_refusal_always_fits_into_metadata(char: str) -> None:
    """However much is wrong, a client receives the status: the rest is counted, not sent."""
    many = [Violation(f"task.labels[{char * 99}{i}]", char * 999) for i in range(20_000)]
    facts = {f"agent-{i}": char * 99 for i in range(1_000)}
    for error in (invalid(many), RouterError(ErrorReason.EMPTY_POOL, char * 9**6, metadata=facts)):
        _, message, trailing = call_status(error)
        escaped = sum(1 if " " <= c <= "~" and c != "%" else 3 * len(c.encode()) for c in message)
        details = dict(trailing)["grpc-status-details-bin"]
        assert escaped + len(details) * 4 / 3 < METADATA_BYTES
    bad = error_details_pb2.BadRequest()
    assert told(invalid(many)).details[1].Unpack(bad)
    listed = bad.field_violations[:-1]
    assert listed[0].field.startswith("task.labels[")
    assert bad.field_violations[-1].description == f"and {len(many) - len(listed)} more"
