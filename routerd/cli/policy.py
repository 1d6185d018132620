"""`routerd policy`: what the policy does of late, and what to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from routerd.cli.calls import TIMEOUT_S, address_option, in_json, policy_service
from routerd.cli.output import console, json_option, say_json, shown
from routerd.cli.tables import facts, table

if TYPE_CHECKING:
    from routerd.v1 import policy_pb2

HEAD = ("agent", "share", "mean p", "highest p", "outcomes")


@click.command()
@json_option
@address_option
def policy(as_json: bool, address: str) -> None:
    """Show how much is explored, shares, and alarms.

    Each agent's share, why so much is explored, and of each alarm its likely cause and what may be
    done.
    """
    from routerd.v1.policy_pb2 import GetPolicyStateRequest

    with policy_service(address) as service:
        told = service.GetPolicyState(GetPolicyStateRequest(), timeout=TIMEOUT_S).state
    if as_json:
        say_json(in_json(told))
        return
    screen = console()
    screen.print(facts(list(in_words(told))))
    screen.print(table(HEAD, map(row, told.agents)))
    for alarm in told.alarms:
        from routerd.v1 import policy_pb2

        kind = policy_pb2.AlarmKind.Name(alarm.kind).removeprefix("ALARM_KIND_")
        screen.print(shown(f"{kind}: {alarm.description}"))
        screen.print(shown(f"  likely because {alarm.likely_cause}"))
        screen.print(shown(f"  {alarm.action}"))
    if not told.alarms:
        screen.print("no alarms")


def in_words(told: policy_pb2.PolicyState) -> list[tuple[str, str]]:
    """What is told of the whole."""
    known = [("entropy", "entropy"), ("confidence", "confidence")]
    return [
        ("policy", f"{told.policy_id} ({told.kind})"),
        ("outcomes", f"{told.outcomes:.0f}"),
        *((name, f"{told.schedule[name]:.4g}") for name in sorted(told.schedule)),
        *((name, f"{getattr(told, of):.1%}") for name, of in known if told.HasField(of)),
        ("exploring", told.explanation),
    ]


def row(agent: policy_pb2.AgentShare) -> tuple[str, ...]:
    return (
        agent.agent_id,
        f"{agent.share:.1%}",
        f"{agent.mean_probability:.1%}",
        f"{agent.highest_probability:.1%}",
        f"{agent.outcomes:.0f}",
    )
