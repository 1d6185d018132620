"""Calls to a daemon: the connection, and its refusals as sentences that name the way out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from routerd.cli.output import Failed

if TYPE_CHECKING:
    import grpc
    from google.protobuf.message import Message

ADDRESS = "127.0.0.1:7450"
TIMEOUT_S = 10.0

WAYS_OUT = {
    "AGENT_NOT_FOUND": "the agents are those of the daemon's configuration",
    "REQUEST_ID_REUSED": "use another --request-id, or repeat the first request unchanged",
    "OUTCOME_CONFLICT": "use another --outcome-id, or repeat the first outcome unchanged",
    "DRAINING": "try again when the daemon is back",
    "OVERLOADED": "try again in a moment",
}

address_option = click.option(
    "--address",
    default=ADDRESS,
    show_default=True,
    envvar="ROUTERD_ADDRESS",
    show_envvar=True,
    help="Where the daemon listens.",
)


@contextmanager
def connected(address: str) -> Iterator[grpc.Channel]:
    """A channel; what a call on it raises ends the command with a sentence."""
    import grpc

    with grpc.insecure_channel(address) as channel:
        try:
            yield channel
        except grpc.RpcError as error:
            raise Failed(explained(error, address)) from None


def in_json(message: Message) -> dict[str, Any]:
    """A message by the JSON mapping of protobuf, under the contract's own field names."""
    from google.protobuf.json_format import MessageToDict

    return MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def explained(error: grpc.RpcError, address: str) -> str:
    """A failed call in words: what was refused, why, and the way out."""
    import grpc

    call: Any = error
    reason, metadata, violations = _details(call)
    if violations:
        return "; ".join(f"{field}: {description}" for field, description in violations)
    if not reason and call.code() is grpc.StatusCode.UNAVAILABLE:
        return f"no daemon answers at {address}: start one with `routerd serve`, or give --address"
    if not reason and call.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return f"the daemon at {address} did not answer within {TIMEOUT_S:g} s"
    if not reason:
        return f"the daemon at {address} answered {call.code().name}: {call.details()}"
    sentence = "; ".join(filter(None, [call.details(), WAYS_OUT.get(reason, "")]))
    # The metadata of these says for each agent why it is out; the other facts are in the sentence.
    per_agent = reason in ("NO_ELIGIBLE_AGENT", "EMPTY_POOL", "MISSING_CAPABILITY")
    facts = [f"{key}: {value}" for key, value in sorted(metadata.items())] if per_agent else []
    return "\n  ".join([f"{sentence} [{reason}]", *facts])


def _details(call: Any) -> tuple[str, dict[str, str], list[tuple[str, str]]]:
    """(reason, metadata, violations) of the google.rpc.Status that came with an error."""
    from google.rpc import error_details_pb2, status_pb2

    packed = dict(call.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
    info, fields = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status_pb2.Status.FromString(packed).details:
        detail.Unpack(info)
        detail.Unpack(fields)
    violations = [(v.field or "request", v.description) for v in fields.field_violations]
    return info.reason, dict(info.metadata), violations
