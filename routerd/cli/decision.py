"""`routerd decision`: why a task went to an agent, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from routerd.cli.calls import TIMEOUT_S, address_option, connected, in_json
from routerd.cli.output import console, json_option, say_json
from routerd.cli.route import candidates, signal_facts
from routerd.cli.tables import facts
from routerd.cli.times import utc

if TYPE_CHECKING:
    from routerd.v1 import audit_pb2


@click.command()
@click.argument("decision_id")
@json_option
@address_option
def decision(decision_id: str, as_json: bool, address: str) -> None:
    """Show the decision DECISION_ID. Its law, its reasons, and what came of it so far."""
    from routerd.v1.audit_pb2 import GetDecisionRequest
    from routerd.v1.audit_pb2_grpc import AuditServiceStub

    with connected(address) as channel:
        record = (
            AuditServiceStub(channel)
            .GetDecision(GetDecisionRequest(decision_id=decision_id), timeout=TIMEOUT_S)
            .decision
        )
    _say(record, as_json)


def _say(record: audit_pb2.DecisionRecord, as_json: bool) -> None:
    if as_json:
        say_json(in_json(record))
        return
    at = utc(record.time_ms, "milliseconds")
    labels = ", ".join(f"{key}={record.labels[key]}" for key in sorted(record.labels))
    out = console()
    out.print(
        facts(
            [
                ("decision", record.decision_id),
                ("position", f"{record.position}, {at}"),
                ("agent", record.agent_id),
                ("why", record.reason),
                ("draw", f"u = {record.u:.6f}, propensity {record.propensity:.4g}"),
                ("confidence", _known(record, "decision_confidence")),
                ("follows", _follows(record)),
                ("companion of", record.companion_of),
                ("included with", _known(record, "inclusion_probability")),
                ("claim", _claim(record)),
                ("escalate below", _known(record, "escalate_below")),
                ("fallback", record.fallback_agent_id),
                ("policy", record.policy_id),
                ("stages", ", ".join(record.stages)),
                ("work type", record.work_type),
                *signal_facts(record),
                ("description", record.description),
                ("domain", record.domain),
                ("labels", labels),
                ("group", record.group_id),
                ("session", record.session_id),
                ("task", record.task_id),
                ("request", record.request_id),
                ("outcome", _outcome(record)),
            ]
        )
    )
    out.print(candidates(record.candidates))


def _known(record: audit_pb2.DecisionRecord, name: str) -> str:
    """A number that may be absent."""
    return f"{getattr(record, name):.4g}" if record.HasField(name) else ""


def _follows(record: audit_pb2.DecisionRecord) -> str:
    """The decision before, and why it was not the last word."""
    from routerd.v1.types_pb2 import FollowCause

    if not record.HasField("follows"):
        return ""
    cause = FollowCause.Name(record.follows.cause).removeprefix("FOLLOW_CAUSE_").lower()
    return f"{record.follows.decision_id} ({cause.replace('_', ' ')})"


def _claim(record: audit_pb2.DecisionRecord) -> str:
    """Whether its agent was let, if it asked."""
    if not record.HasField("claim_accepted"):
        return ""
    return "accepted" if record.claim_accepted else "refused"


def _outcome(record: audit_pb2.DecisionRecord) -> str:
    state = "open" if record.open else "closed"
    if not record.HasField("outcome"):
        return f"none so far ({state})"
    told = record.outcome
    values = [
        f"{name} {getattr(told, name):.6g}"
        for name in ("quality", "cost_usd", "latency_ms")
        if told.HasField(name)
    ]
    assumed = ["which nobody told in time"] if told.quality_assumed else []
    ran = [f"run by {told.executed_agent_id}"] if told.executed_agent_id else []
    reports = "1 report" if told.reports == 1 else f"{told.reports} reports"
    return f"{', '.join([*values, *assumed, *ran])} ({state}, {reports})"
