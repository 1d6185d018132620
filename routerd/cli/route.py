"""`routerd route` and `routerd preview`: ask a daemon which agent gets a task."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from routerd.cli import overruling
from routerd.cli.calls import TIMEOUT_S, address_option, connected, in_json
from routerd.cli.output import Failed, console, json_option, key_values, options, say_json, shown
from routerd.cli.tables import Facts, Rows, facts, table

if TYPE_CHECKING:
    from routerd.v1 import audit_pb2, router_pb2, types_pb2


def weights(
    context: click.Context, parameter: click.Parameter, pairs: tuple[str, ...]
) -> dict[str, float]:
    """The callback of an option that gives weights of quality, cost and latency."""
    told: dict[str, float] = {}
    for name, value in key_values(context, parameter, pairs).items():
        try:
            told[name] = float(value)
        except ValueError:
            raise click.BadParameter(f"{value!r} is not a number") from None
        if name not in ("quality", "cost", "latency"):
            raise click.BadParameter(f"{name!r} is none of quality, cost, latency")
    return told


_request_options = options(
    click.argument("text", default=""),
    click.option("--work-type", default="", help="The kind of work, for example code."),
    click.option("--domain", default="", help="The subject, for example legal."),
    click.option(
        "--label",
        "labels",
        multiple=True,
        callback=key_values,
        metavar="KEY=VALUE",
        help="A fact for static routes and features.",
    ),
    click.option("--complexity", type=float, help="From 0 (trivial) to 1."),
    click.option("--group", "group_id", default="", help="The plan that the task belongs to."),
    click.option(
        "--session", "session_id", default="", help="The conversation: it stays with its agent."
    ),
    click.option(
        "--prefer",
        "preference",
        multiple=True,
        callback=weights,
        metavar="NAME=WEIGHT",
        help="For this task alone: what quality, cost or latency weigh.",
    ),
    click.option("--capability", "capabilities", multiple=True, help="The agent must have it."),
    click.option("--pool", default="", help="The agent must belong to it."),
    click.option("--agent", default="", help="Insist on this agent."),
    click.option("--max-cost-usd", type=float, help="Exclude agents expected to cost more."),
    click.option("--max-latency-ms", type=float, help="Exclude agents expected to be slower."),
    click.option("--follows", default="", metavar="DECISION_ID", help="Go on from this decision."),
    click.option(
        "--cause",
        type=click.Choice(["failed", "refused", "low-confidence"]),
        help="Why --follows is not the last word.",
    ),
    click.option("--reported-confidence", type=float, help="A reviewer's, for low-confidence."),
    click.option("--request-id", default="", help="Idempotency key, and seed of the draw."),
    click.option("--explain", is_flag=True, help="Show every candidate."),
    json_option,
    address_option,
)


@click.command()
@_request_options
@click.option("--dry-run", is_flag=True, help="Show every candidate; decide and log nothing.")
@click.option("--confirm", is_flag=True, help="Show every candidate and ask before deciding.")
@click.option("--provider", default="", help="Run the agent with this `provider` in its metadata.")
@click.option("--model", default="", help="Run the agent with this model, whoever is decided.")
@click.option("--because", default="", help="Why you choose yourself, for the audit.")
def route(
    address: str,
    as_json: bool,
    dry_run: bool,
    confirm: bool,
    provider: str,
    model: str,
    because: str,
    **request: Any,
) -> None:
    """Choose an agent for a task. TEXT describes it; the decision is logged.

    With --provider or --model you choose the agent that runs: the decision is made and logged all
    the same, and the agent of your choice gets the credit for what comes of it.
    """
    from routerd.v1.router_pb2_grpc import RouterServiceStub

    if dry_run and confirm:
        raise click.UsageError("--dry-run decides nothing, so there is nothing to --confirm")
    if because and not (provider or model):
        raise click.UsageError("--because says why you choose: give --provider or --model")
    wire = _message(**request)
    with connected(address) as channel:
        stub = RouterServiceStub(channel)
        mine = overruling.asked_for(channel, provider, model)
        expected = _previewed(stub, wire) if dry_run or confirm else None
        if expected is not None and dry_run:
            _say(expected, as_json)
            return
        if expected is not None:
            _confirm(expected, mine)
        answer = stub.Route(wire, timeout=TIMEOUT_S)
        _say(answer, as_json)
        if mine:
            overruling.told(channel, answer, mine, because or "chosen on the command line")
    if mine:
        click.echo(shown(f"told that {mine} runs: it gets the credit"), err=True)
    elif expected is not None and answer.agent_id != expected.agent_id:
        click.echo("the log went on in between, so this is not the agent shown before", err=True)


def _previewed(stub: Any, wire: router_pb2.RouteRequest) -> router_pb2.RouteResponse:
    """What would be answered now, with every candidate."""
    from routerd.v1.router_pb2 import PreviewRequest

    asked = PreviewRequest(request=wire)
    asked.request.explain = True
    answer: router_pb2.RouteResponse = stub.Preview(asked, timeout=TIMEOUT_S).answer
    return answer


def _confirm(expected: router_pb2.RouteResponse, mine: str) -> None:
    """Show what would be decided, and go on if the user says so. Stdout is left to the answer."""
    console(stderr=True).print(*_shown(expected))
    question = f"Run {mine} in its place?" if mine else f"Route it to {expected.agent_id}?"
    if not click.confirm(shown(question), err=True):
        raise Failed("nothing was decided")


@click.command()
@_request_options
def preview(address: str, as_json: bool, **request: Any) -> None:
    """Answer like route, and leave no trace."""
    from routerd.v1.router_pb2 import PreviewRequest
    from routerd.v1.router_pb2_grpc import RouterServiceStub

    wire = PreviewRequest(request=_message(**request))
    with connected(address) as channel:
        answer = RouterServiceStub(channel).Preview(wire, timeout=TIMEOUT_S).answer
    _say(answer, as_json)


def _message(
    *,
    text: str,
    work_type: str,
    domain: str,
    labels: dict[str, str],
    complexity: float | None,
    group_id: str,
    session_id: str,
    preference: dict[str, float],
    capabilities: tuple[str, ...],
    agent: str,
    follows: str,
    cause: str | None,
    reported_confidence: float | None,
    **conditions: Any,
) -> router_pb2.RouteRequest:
    from routerd.v1.router_pb2 import RouteRequest
    from routerd.v1.types_pb2 import Evidence, Follows, Preference, Task

    if bool(follows) != bool(cause):
        raise click.UsageError(
            "--follows names the decision before and --cause says why: give both"
        )
    if reported_confidence is not None and not follows:
        raise click.UsageError("--reported-confidence is of the decision that --follows names")

    task = Task(
        description=text,
        work_type=work_type,
        domain=domain,
        labels=labels,
        complexity=complexity,
        group_id=group_id,
        session_id=session_id,
    )
    wire = RouteRequest(task=task, agent_id=agent, required_capabilities=capabilities, **conditions)
    if preference:
        wire.preference.CopyFrom(Preference(**preference))
    if cause:
        word = f"FOLLOW_CAUSE_{cause.upper().replace('-', '_')}"
        evidence = Evidence(reported_confidence=reported_confidence)
        wire.follows.CopyFrom(Follows(decision_id=follows, cause=word, evidence=evidence))
    # A key of its own: a lost connection is asked again without deciding twice.
    wire.request_id = wire.request_id or str(uuid.uuid4())
    return wire


def _say(answer: router_pb2.RouteResponse, as_json: bool) -> None:
    if as_json:
        say_json(in_json(answer))
        return
    console().print(*_shown(answer))


def _shown(answer: router_pb2.RouteResponse) -> list[Facts | Rows]:
    """An answer for people, with its candidates if it has them."""
    confidence = answer.decision_confidence if answer.HasField("decision_confidence") else None
    escalates = answer.HasField("escalate_below")
    told = facts(
        [
            ("agent", answer.agent_id),
            ("why", answer.reason),
            *signal_facts(answer),
            ("propensity", f"{answer.propensity:.4g}"),
            ("confidence", "" if confidence is None else f"{confidence:.4g}"),
            ("fallback", answer.fallback_agent_id),
            ("at once with", ", ".join(told_companion(c) for c in answer.companions)),
            ("escalate below", f"{answer.escalate_below:.3g}" if escalates else ""),
            ("alternatives", ", ".join(answer.alternative_agent_ids)),
            ("policy", answer.policy_id),
            ("decision", answer.decision_id or "none: this is a preview"),
            *directive_facts(answer.directives),
        ]
    )
    return [told, candidates(answer.candidates)] if answer.candidates else [told]


def signal_facts(
    told: router_pb2.RouteResponse | audit_pb2.DecisionRecord,
) -> Iterator[tuple[str, str]]:
    """What was made of the description."""
    if told.HasField("classification"):
        found = told.classification
        source = source_word(found)
        sure = f", {found.signal_confidence:.2g} sure" if found.label else ""
        failed = f"; the endpoint did not answer: {found.failure}" if found.failure else ""
        yield "classified", f"{found.label or 'no label'} ({source}{sure}{failed})"


def directive_facts(told: types_pb2.Directives) -> Iterator[tuple[str, str]]:
    """What the caller shall do with the label."""
    yield "inject", told.inject
    yield "run with", " ".join([told.model, *(["in a session of its own"] * told.spawn)]).strip()
    yield "metadata", ", ".join(f"{key}={told.metadata[key]}" for key in sorted(told.metadata))


def source_word(signal: types_pb2.Classification) -> str:
    """Who found the label, as a word for people."""
    from routerd.v1.types_pb2 import SignalSource

    word = SignalSource.Name(signal.source).removeprefix("SIGNAL_SOURCE_").lower()
    return f"{word}, remembered" if signal.cache_hit else word


def told_companion(companion: types_pb2.Companion) -> str:
    made = f", decision {companion.decision_id}" if companion.decision_id else ""
    return f"{companion.agent_id} ({companion.inclusion_probability:.3g}{made})"


def candidates(found: Iterable[types_pb2.Candidate]) -> Rows:
    """Every candidate with its probability and estimates, or why it is out."""
    rows = [
        (
            c.agent_id,
            c.detail or c.exclusion,
            "" if c.exclusion else f"{c.probability:.4f}",
            *(_estimate(c, name) for name in ("quality", "cost_usd", "latency_ms", "utility")),
        )
        for c in found
    ]
    head = ("agent", "excluded", "probability", "quality", "cost usd", "latency ms", "utility")
    used = [i for i in range(len(head)) if i == 0 or any(row[i] for row in rows)]
    return table(
        [head[i] for i in used], [[row[i] for i in used] for row in rows], left=1 + (1 in used)
    )


def _estimate(candidate: types_pb2.Candidate, name: str) -> str:
    if not candidate.HasField(name):
        return ""
    told = getattr(candidate, name)
    return " ± ".join(f"{x:.0f}" if x >= 100 else f"{x:.3g}" for x in (told.mean, told.sd))
