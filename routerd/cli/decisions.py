"""`routerd decisions` and `routerd summary`: what was decided lately, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from routerd.cli.calls import TIMEOUT_S, address_option, connected, in_json
from routerd.cli.output import Exit, Failed, console, json_option, key_values, say_json
from routerd.cli.ranges import COUNT
from routerd.cli.tables import Rows, table
from routerd.cli.times import ago, utc

if TYPE_CHECKING:
    import grpc

    from routerd.v1 import audit_pb2

PAGE = 1_000


def period(command: Callable[..., None]) -> Callable[..., None]:
    """The options of a period, which has a beginning and then an end."""

    @wraps(command)
    def checked(**given: Any) -> None:
        begin, end = given["from_time_ms"], given["until_time_ms"]
        if 0 < end < begin:
            told = f"--since, {utc(begin)}, is after --until, {utc(end)}: exchange them"
            raise click.UsageError(told)
        command(**given)

    since = click.option("--since", "from_time_ms", callback=ago, help="2h, 7d or a time.")
    until = click.option("--until", "until_time_ms", callback=ago, help="As --since.")
    return since(until(checked))


wait_option = click.option(
    "--wait/--no-wait",
    default=True,
    show_default=True,
    help="Wait until the audit holds everything that was acknowledged.",
)


@contextmanager
def audited(channel: grpc.Channel, wait: bool) -> Iterator[dict[str, int]]:
    """How far the audit must be, for a request. A wait in vain names the audit, not the daemon."""
    import grpc

    needed = {"at_least_position": log_end(channel)} if wait else {}
    try:
        yield needed
    except grpc.RpcError as failed:
        if not wait or failed.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
            raise
        told = (
            f"the audit did not reach the log's end within {TIMEOUT_S:g} s: --no-wait shows what "
            "it holds; if the projector fails, the daemon's stderr says why"
        )
        raise Failed(told, exit_code=Exit.AWAY) from None


def log_end(channel: grpc.Channel) -> int:
    """A position behind everything that was acknowledged before this call."""
    from routerd.v1.agents_pb2 import ListAgentsRequest
    from routerd.v1.agents_pb2_grpc import AgentServiceStub

    page = AgentServiceStub(channel).ListAgents(ListAgentsRequest(page_size=1), timeout=TIMEOUT_S)
    return int(page.position)


@click.command()
@click.option("--agent", "agent_id", default="", help="That was chosen.")
@click.option("--work-type", default="")
@click.option("--domain", default="")
@click.option("--label", "labels", multiple=True, callback=key_values, metavar="KEY=VALUE")
@click.option("--group", "group_id", default="")
@click.option("--session", "session_id", default="")
@click.option("--task", "task_id", default="")
@click.option("--request-id", default="")
@click.option("--reason", default="", help="A word, such as SAMPLED.")
@click.option("--policy", "policy_id", default="")
@click.option("--open/--closed", "is_open", default=None, help="Whether it accepts outcomes.")
@period
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True)
@wait_option
@json_option
@address_option
def decisions(
    limit: int,
    reason: str,
    is_open: bool | None,
    wait: bool,
    as_json: bool,
    address: str,
    **filters: Any,
) -> None:
    """List decisions, the newest first, with what came of them. All filters given must hold."""
    from routerd.v1.audit_pb2_grpc import AuditServiceStub

    asked = {**filters, "reason_code": reason_code(reason)}
    if is_open is not None:
        asked["open"] = is_open
    with connected(address) as channel, audited(channel, wait) as needed:
        reached, found = listed(AuditServiceStub(channel), asked | needed, limit)
    if as_json:
        told = [in_json(record) for record in found]
        say_json({"decisions": told, "projected_through": reached})
    else:
        console().print(shown(found))


def reason_code(word: str) -> int:
    """A reason's number on the wire; 0 for none."""
    from routerd.v1 import types_pb2

    if not word:
        return 0
    try:
        return int(types_pb2.ReasonCode.Value(f"REASON_CODE_{word.upper()}"))
    except ValueError:
        names = (name.removeprefix("REASON_CODE_") for name in types_pb2.ReasonCode.keys()[1:])
        raise click.BadParameter(f"--reason: {word!r} is none of {', '.join(names)}") from None


def listed(
    stub: Any, asked: dict[str, Any], limit: int
) -> tuple[int, list[audit_pb2.DecisionRecord]]:
    """How far the audit is, and up to `limit` decisions, page by page."""
    from routerd.v1.audit_pb2 import ListDecisionsRequest

    found: list[audit_pb2.DecisionRecord] = []
    token = ""
    while True:
        size = min(limit - len(found), PAGE)
        request = ListDecisionsRequest(**asked, page_size=size, page_token=token)
        page = stub.ListDecisions(request, timeout=TIMEOUT_S)
        found += page.decisions
        token = page.next_page_token
        if not token or len(found) >= limit:
            return page.projected_through, found


def shown(found: Iterable[audit_pb2.DecisionRecord]) -> Rows:
    head = ("time", "decision", "agent", "work type", "reason", "p", "quality", "usd", "ms")
    return table(head, map(cells, found), left=5)


def cells(record: audit_pb2.DecisionRecord) -> list[str]:
    from routerd.v1 import types_pb2

    reason = types_pb2.ReasonCode.Name(record.reason_code).removeprefix("REASON_CODE_")
    ran = record.outcome.executed_agent_id
    agent = f"{record.agent_id}, run by {ran}" if ran else record.agent_id
    p = f"{record.propensity:.3g}"
    return [
        utc(record.time_ms),
        record.decision_id,
        agent,
        record.work_type,
        reason,
        p,
        *metrics(record),
    ]


def metrics(record: audit_pb2.DecisionRecord) -> Iterator[str]:
    for name in ("quality", "cost_usd", "latency_ms"):
        known = record.outcome.HasField(name)
        yield f"{getattr(record.outcome, name):.4g}" if known else ""


@click.command()
@period
@click.option("--groups", "max_groups", type=COUNT, help="How many groups to show.")
@wait_option
@json_option
@address_option
def summary(max_groups: int | None, wait: bool, as_json: bool, address: str, **asked: Any) -> None:
    """Count decisions and average what came of them.

    Per agent, kind of work and group.
    """
    from routerd.v1.audit_pb2 import GetSummaryRequest
    from routerd.v1.audit_pb2_grpc import AuditServiceStub

    with connected(address) as channel, audited(channel, wait) as needed:
        request = GetSummaryRequest(**asked, **needed, max_groups=max_groups or 0)
        told = AuditServiceStub(channel).GetSummary(request, timeout=TIMEOUT_S)
    if as_json:
        say_json(in_json(told))
        return
    out = console()
    for name, rows in (
        ("agent", [*told.agents, told.total]),
        ("work type", told.work_types),
        ("group", told.groups),
    ):
        if rows:
            out.print(summed(name, rows))
            out.print()


def summed(name: str, rows: Iterable[audit_pb2.Summary]) -> Rows:
    head = (name, "decisions", "share", "explored", "open", "quality", "mean usd", "usd", "ms")
    return table(head, (counts(row, name) for row in rows))


def counts(row: audit_pb2.Summary, name: str) -> list[str]:
    def mean(field: str) -> str:
        return f"{getattr(row, field):.4g}" if row.HasField(field) else ""

    return [
        row.key or ("all" if name == "agent" else "(none)"),
        f"{row.decisions:,}",
        f"{row.share:.1%}",
        f"{row.explored:,}",
        f"{row.open:,}",
        mean("mean_quality"),
        mean("mean_cost_usd"),
        f"{row.total_cost_usd:.4g}",
        mean("mean_latency_ms"),
    ]
