"""`routerd watch`: the log's events, a line each, as they happen."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import click

from routerd.cli.calls import address_option, connected, in_json
from routerd.cli.output import shown
from routerd.cli.ranges import POSITION
from routerd.cli.times import utc
from routerd.core.words import counted

if TYPE_CHECKING:
    from routerd.v1 import audit_pb2

TYPES = {
    "config": ("CONFIG_APPLIED",),
    "decision": ("DECISION",),
    "outcome": ("OUTCOME",),
    "closed": ("DECISIONS_CLOSED",),
    "agent": ("AGENT_*",),
    "override": ("OVERRIDE_*",),
    "claim": ("CLAIM", "COMPETENCE_DISPUTED"),
    "drift": ("DRIFT_DETECTED",),
    "experiment": ("EXPERIMENT_*",),
    "imported": ("OUTCOMES_IMPORTED",),
}
"""The words of --type: which types of events each stands for, as patterns of their names."""


@click.command()
@click.option("--from", "position", type=POSITION, help="Begin at this position; 1 is the first.")
@click.option("--type", "kinds", multiple=True, type=click.Choice(list(TYPES)), help="Only these.")
@click.option("--count", type=click.IntRange(min=1), help="End after so many events.")
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON for each event.")
@address_option
def watch(
    position: int | None, kinds: tuple[str, ...], count: int | None, as_json: bool, address: str
) -> None:
    """Print the events of the log as they happen, until Ctrl-C. Begins with the next one."""
    from routerd.v1.audit_pb2 import WatchEventsRequest
    from routerd.v1.audit_pb2_grpc import AuditServiceStub

    request = WatchEventsRequest(from_position=position, types=types_of(kinds))
    with connected(address) as channel:
        try:
            for number, response in enumerate(AuditServiceStub(channel).WatchEvents(request), 1):
                told = response.event
                click.echo(json.dumps(in_json(told)) if as_json else shown(in_words(told)))
                if number == count:
                    return
        except KeyboardInterrupt:
            return


def types_of(kinds: tuple[str, ...]) -> list[Any]:
    """The types on the wire: what the words of --type stand for."""
    from routerd.v1 import audit_pb2

    wanted = [pattern for kind in kinds for pattern in TYPES[kind]]
    return [
        number
        for name, number in audit_pb2.EventType.items()
        if any(fnmatchcase(name.removeprefix("EVENT_TYPE_"), pattern) for pattern in wanted)
    ]


def in_words(told: audit_pb2.Event) -> str:
    """An event as a line for people: position, time, and what happened."""
    return f"{told.position:>8}  {utc(told.time_ms, 'milliseconds')}  {sentence(told)}"


def sentence(told: audit_pb2.Event) -> str:
    match told.WhichOneof("body"):
        case "config":
            return f"configuration of engine {told.config.engine_version} in force"
        case "decision":
            made = told.decision
            kind = f" for {made.work_type}" if made.work_type else ""
            return f"{made.decision_id}  {made.agent_id}{kind}: {made.reason}"
        case "outcome":
            return outcome(told.outcome)
        case "closed":
            return f"{counted(len(told.closed.decision_ids), 'decision')} closed"
        case "agent":
            return agent(told)
        case "imported":
            return f"{counted(told.imported.outcomes, 'recorded outcome')} learnt"
        case "drift":
            return drift(told.drift)
        case "experiment_change":
            return experiment(told)
        case "override_change":
            return override(told)
        case "claim":
            return claim(told.claim)
    return "an event that this version does not know"


def claim(told: audit_pb2.Claim) -> str:
    said = f"says {told.competence:.3g}" if told.HasField("competence") else "does not say"
    if told.HasField("shown_quality"):
        so_far = f"has shown {told.shown_quality:.3g} over {counted(told.outcomes, 'outcome')}"
        return f"{told.decision_id}  {told.agent_id} {said}, {so_far}"
    return f"{told.decision_id}  claim: it {said}, {'may' if told.accepted else 'may not'} start"


def outcome(told: audit_pb2.AcceptedOutcome) -> str:
    from routerd.v1 import types_pb2

    said = told.outcome
    of = (
        said.decision_id or f"group {said.group_id} ({counted(len(told.decision_ids), 'decision')})"
    )
    names = ("signal", "success", "quality", "cost_usd", "latency_ms", "executed_agent_id")
    values = [worded(f.name, value) for f, value in said.ListFields() if f.name in names]
    kind = types_pb2.OutcomeKind.Name(said.kind).removeprefix("OUTCOME_KIND_").lower()
    return f"{of}  {kind} of {said.source}: {', '.join(values) or 'all it said'}"


def worded(name: str, value: str | bool | float) -> str:
    """`success`, `failure`, `cost_usd 0.004`, `executed_agent_id large`."""
    if name == "success":
        return "success" if value else "failure"
    return f"{name} {value:.6g}" if isinstance(value, float) else f"{name} {value}"


def agent(told: audit_pb2.Event) -> str:
    from routerd.v1 import agents_pb2, audit_pb2

    change = told.agent
    what = audit_pb2.EventType.Name(told.type).removeprefix("EVENT_TYPE_AGENT_").lower()
    if told.type == audit_pb2.EVENT_TYPE_AGENT_STATUS_CHANGED:
        what = agents_pb2.AgentStatus.Name(change.status).removeprefix("AGENT_STATUS_").lower()
    return f"agent {change.agent_id} {what}"


def drift(told: audit_pb2.Drift) -> str:
    way = "better" if told.size > 0 else "worse"
    return (
        f"agent {told.agent_id} got {way} by {abs(told.size):.2f}, as {told.outcomes} outcomes tell"
    )


def experiment(told: audit_pb2.Event) -> str:
    from routerd.v1 import audit_pb2

    change = told.experiment_change
    what = audit_pb2.EventType.Name(told.type).removeprefix("EVENT_TYPE_EXPERIMENT_").lower()
    arm = f": arm {change.arm_id} in force" if change.arm_id else ""
    return f"experiment {change.experiment_id} {what}{arm}"


def override(told: audit_pb2.Event) -> str:
    from routerd.v1 import audit_pb2

    change = told.override_change
    if told.type == audit_pb2.EVENT_TYPE_OVERRIDE_SET:
        by = f" by {change.definition.author}" if change.definition.author else ""
        return f"override {change.override_id} set{by}"
    return f"override {change.override_id} {'expired' if change.expired else 'removed'}"
