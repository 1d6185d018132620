"""When the user runs another agent than the one that routerd names: whom, and how that is told."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

from routerd.cli.calls import TIMEOUT_S, pages
from routerd.cli.output import Failed, shown

if TYPE_CHECKING:
    import grpc

    from routerd.v1 import agents_pb2, router_pb2

PROVIDER = "provider"
"""The key of an agent's metadata that says whose model it runs."""


def asked_for(channel: grpc.Channel, provider: str, model: str) -> str:
    """The agent with this provider and this model, where they are given; "" without either.

    Raises Failed when it is none or not the only one.
    """
    if not (provider or model):
        return ""
    every = list(agents(channel))
    fitting = [
        agent.agent_id
        for agent in every
        if provider in ("", agent.definition.metadata.get(PROVIDER, ""))
        and model in ("", agent.definition.model)
    ]
    wanted = " and ".join(
        f"{name} {value!r}" for name, value in ((PROVIDER, provider), ("model", model)) if value
    )
    if not fitting:
        known = "\n  ".join(map(described, every))
        raise Failed(f"no agent has {wanted}; there are:\n  {known}")
    if len(fitting) > 1:
        raise Failed(f"{', '.join(fitting)} have {wanted}; give both, or use --agent")
    return fitting[0]


def agents(channel: grpc.Channel) -> Iterator[agents_pb2.Agent]:
    """Every agent of the daemon."""
    from routerd.v1.agents_pb2 import ListAgentsRequest
    from routerd.v1.agents_pb2_grpc import AgentServiceStub

    for page in pages(AgentServiceStub(channel).ListAgents, ListAgentsRequest()):
        yield from page.agents


def described(agent: agents_pb2.Agent) -> str:
    """An agent as --provider and --model would name it."""
    given = (
        f"{name} {value}"
        for name, value in (
            (PROVIDER, agent.definition.metadata.get(PROVIDER)),
            ("model", agent.definition.model),
        )
        if value
    )
    return shown(f"{agent.agent_id}: {', '.join(given) or 'neither'}")


def told(channel: grpc.Channel, answer: router_pb2.RouteResponse, agent_id: str, why: str) -> None:
    """Tell the daemon that this agent runs in place of the decided one, and why."""
    from routerd.v1.router_pb2 import ReportOutcomeRequest
    from routerd.v1.router_pb2_grpc import RouterServiceStub
    from routerd.v1.types_pb2 import Outcome

    outcome = Outcome(
        outcome_id=str(uuid.uuid4()),
        decision_id=answer.decision_id,
        executed_agent_id=agent_id,
        explanation=why,
    )
    wire = ReportOutcomeRequest(outcome=outcome)
    RouterServiceStub(channel).ReportOutcome(wire, timeout=TIMEOUT_S)
