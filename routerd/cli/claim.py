"""`routerd claim`: an agent asks a daemon whether it may start."""

from __future__ import annotations

import click

from routerd.cli.calls import TIMEOUT_S, address_option, connected, in_json
from routerd.cli.output import json_option, say_json


@click.command()
@click.argument("decision_id")
@click.option("--competence", type=float, help="How able the agent says it is, from 0 to 1.")
@json_option
@address_option
def claim(decision_id: str, competence: float | None, as_json: bool, address: str) -> None:
    """Ask whether a decision's agent may start. It says how able it is; exit 1 when it may not."""
    from routerd.v1.router_pb2 import ClaimRequest
    from routerd.v1.router_pb2_grpc import RouterServiceStub

    wire = ClaimRequest(decision_id=decision_id, competence=competence)
    with connected(address) as channel:
        told = RouterServiceStub(channel).Claim(wire, timeout=TIMEOUT_S)
    if as_json:
        say_json(in_json(told))
        return
    disputed = "; its results so far say otherwise" if told.disputed else ""
    click.echo(f"may start: expected quality {told.expected_quality:.2f}{disputed}")
