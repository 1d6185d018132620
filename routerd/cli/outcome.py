"""`routerd outcome`: tell a daemon what came of a decision."""

from __future__ import annotations

import uuid
from typing import Any

import click

from routerd.cli.calls import TIMEOUT_S, address_option, connected, in_json
from routerd.cli.output import json_option, say_json


@click.command()
@click.argument("decision_id", required=False, default="")
@click.option("--group", "group_id", default="", help="Of all open decisions of this group.")
@click.option(
    "--signal", default="", help="What a user did: one of outcomes.signals, instead of a quality."
)
@click.option("--success", is_flag=True, help="Stands in for an unset quality, as 1.")
@click.option("--failure", is_flag=True, help="The same, as 0.")
@click.option("--quality", type=float, help="From 0 to 1.")
@click.option("--cost-usd", type=float)
@click.option("--latency-ms", type=float)
@click.option("--reported-confidence", type=float, help="A reviewer's, from 0 to 1.")
@click.option("--cancelled", is_flag=True, help="Stopped: another one's result was taken.")
@click.option("--executed-agent", default="", help="The agent that really ran, if another did.")
@click.option("--explanation", default="", help="Why, for the audit: a failure, another agent.")
@click.option("--retract", is_flag=True, help="Take back what this source has said so far.")
@click.option("--source", default="", help="Who says so, for example ci or reviewer.")
@click.option("--outcome-id", default="", help="Idempotency key.")
@json_option
@address_option
def outcome(
    success: bool,
    failure: bool,
    executed_agent: str,
    retract: bool,
    as_json: bool,
    address: str,
    **told: Any,
) -> None:
    """Report what came of a decision, or of a group of them.

    It is learnt and on disk when this returns.
    """
    from routerd.v1.router_pb2 import ReportOutcomeRequest
    from routerd.v1.router_pb2_grpc import RouterServiceStub
    from routerd.v1.types_pb2 import OUTCOME_KIND_REPORT, OUTCOME_KIND_RETRACT, Outcome

    if success and failure:
        raise click.UsageError("--success and --failure: an outcome is one of them")
    if success or failure:
        told["success"] = success
    kind = OUTCOME_KIND_RETRACT if retract else OUTCOME_KIND_REPORT
    wire = ReportOutcomeRequest(
        outcome=Outcome(kind=kind, executed_agent_id=executed_agent, **told)
    )
    # A key of its own: a lost connection is asked again without learning twice.
    wire.outcome.outcome_id = wire.outcome.outcome_id or str(uuid.uuid4())
    with connected(address) as channel:
        ack = RouterServiceStub(channel).ReportOutcome(wire, timeout=TIMEOUT_S)
    if as_json:
        say_json(in_json(ack))
    else:
        what = "already known" if ack.duplicate else "retracted" if retract else "learnt"
        of = f" of {ack.decisions} decisions" if ack.decisions > 1 else ""
        click.echo(f"{what}: outcome {ack.outcome_id}{of} at position {ack.position}")
