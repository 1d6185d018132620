"""Calls to a daemon: the connection, and its refusals as sentences that name the way out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from routerd.cli.output import Exit, Failed, shown
from routerd.cli.times import span

if TYPE_CHECKING:
    import grpc
    from google.protobuf.message import Message

    from routerd.client.errors import RouterdError
    from routerd.v1 import policy_pb2_grpc

ADDRESS = "127.0.0.1:7450"
TIMEOUT_S = 10.0

RESOLVED = ("dns:", "ipv4:", "ipv6:", "vsock:")
"""How addresses begin that gRPC itself finds the host and port of."""

PER_AGENT = ("NO_ELIGIBLE_AGENT", "EMPTY_POOL", "MISSING_CAPABILITY", "BUDGET_EXHAUSTED")
"""Reasons whose metadata says of each agent why it is out."""

WAYS_OUT = {"OVERRIDE_EXISTS": "here --replace does so"}
"""What a refusal's own sentence cannot know: how the command line calls it."""


def reachable(_: click.Context, __: click.Parameter, address: str) -> str:
    """The callback of --address: what no daemon can listen on is told before anybody is asked.

    An empty one, as of an unset variable, and one without a port, for which gRPC takes 443.
    """
    from routerd.config_addresses import address_problem

    if not address.startswith(RESOLVED) and (problem := address_problem(address)):
        raise Failed(f"--address: {problem}", exit_code=Exit.USAGE)
    return address


address_option = click.option(
    "--address",
    callback=reachable,
    default=ADDRESS,
    show_default=True,
    envvar="ROUTERD_ADDRESS",
    show_envvar=True,
    help="Where the daemon listens.",
)


@contextmanager
def connected(address: str) -> Iterator[grpc.Channel]:
    """A channel as the client has it; what a call on it raises ends the command with a sentence."""
    import grpc

    from routerd.client.channel import with_defaults
    from routerd.client.errors import error_of

    with grpc.insecure_channel(address, options=with_defaults(())) as channel:
        try:
            yield channel
        except grpc.RpcError as failed:
            error = error_of(failed)
            code = Exit.AWAY if is_away(error) else Exit.FAILED
            raise Failed(explained(error, address), exit_code=code) from None


@contextmanager
def policy_service(address: str) -> Iterator[policy_pb2_grpc.PolicyServiceStub]:
    """The policy service of a daemon."""
    from routerd.v1.policy_pb2_grpc import PolicyServiceStub

    with connected(address) as channel:
        yield PolicyServiceStub(channel)


def pages(call: Callable[..., Any], wire: Any) -> Iterator[Any]:
    """Every page of what a List call of a stub finds, from its request on."""
    while True:
        page = call(wire, timeout=TIMEOUT_S)
        yield page
        wire.page_token = page.next_page_token
        if not wire.page_token:
            return


def in_json(message: Message) -> dict[str, Any]:
    """A message by the JSON mapping of protobuf, under the contract's own field names."""
    from google.protobuf.json_format import MessageToDict

    return MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def is_away(error: RouterdError) -> bool:
    """Whether the same command may work later: nobody is there, or has room or time for it."""
    import grpc

    passing = grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED
    return error.code in (*passing, grpc.StatusCode.DEADLINE_EXCEEDED)


def explained(error: RouterdError, address: str) -> str:
    """A failed call in words: what was refused, why, and the way out."""
    import grpc

    if error.violations:
        found = (f"{v.field or 'request'}: {v.description}" for v in error.violations)
        return shown("; ".join(found))
    if not error.reason and error.code is grpc.StatusCode.UNAVAILABLE:
        start = "start one with `routerd serve --config FILE`"
        return f"no daemon answers at {address}: {start}, or give --address"
    if not error.reason and error.code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return f"the daemon at {address} did not answer within {TIMEOUT_S:g} s"
    if not error.reason:
        return f"the daemon at {address} answered {error.code.name}: {shown(error.message)}"
    # The other facts are in the sentence.
    per_agent = error.reason in PER_AGENT
    facts = [f"{k}: {v}" for k, v in sorted(error.metadata.items())] if per_agent else []
    way_out = f": {WAYS_OUT[error.reason]}" if error.reason in WAYS_OUT else ""
    if error.retry_after_s:
        way_out += f"; it may pass in {span(error.retry_after_s)}"
    return "\n  ".join(map(shown, [f"{error.message}{way_out} [{error.reason}]", *facts]))
