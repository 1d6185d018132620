"""`routerd agents`: who can be chosen, and how each one stands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from routerd.cli.calls import TIMEOUT_S, address_option, connected, in_json, pages
from routerd.cli.output import console, json_option, key_values, options, say_json
from routerd.cli.ranges import LIMIT
from routerd.cli.tables import facts, table
from routerd.cli.times import utc

if TYPE_CHECKING:
    from routerd.v1 import agents_pb2, agents_pb2_grpc

STATUSES = click.Choice(["online", "busy", "offline"])

definition_options = options(
    click.option("--version", help="Of what runs under this id."),
    click.option("--type", help="What sort of agent it is."),
    click.option("--pool", help="A request may ask for one."),
    click.option("--model", help="Informative."),
    click.option("--capability", "capabilities", multiple=True, help="What it can do."),
    click.option(
        "--specialization", "specializations", multiple=True, help="A work type it is better at."
    ),
    click.option(
        "--head-start",
        type=float,
        help="How much better than the others it is expected to be, from -1 to 1.",
    ),
    click.option("--input-usd-per-mtok", type=float, help="Price of a million tokens read."),
    click.option("--output-usd-per-mtok", type=float, help="Price of a million tokens written."),
    click.option(
        "--max-concurrency",
        type=LIMIT,
        help="How many decisions may be in flight; 0: any number.",
    ),
    click.option(
        "--metadata",
        multiple=True,
        callback=key_values,
        metavar="KEY=VALUE",
        help="A fact, not looked at here.",
    ),
)


@contextmanager
def stub(address: str) -> Iterator[agents_pb2_grpc.AgentServiceStub]:
    """The agent service of a daemon."""
    from routerd.v1.agents_pb2_grpc import AgentServiceStub

    with connected(address) as channel:
        yield AgentServiceStub(channel)


@click.group(invoke_without_command=True)
@json_option
@address_option
@click.pass_context
def agents(context: click.Context, as_json: bool, address: str) -> None:
    """List, register, change and remove agents. Without a command: list."""
    given = {"as_json": as_json, "address": address}
    context.default_map = dict.fromkeys(agents.commands, given)
    if context.invoked_subcommand is None:
        context.invoke(list_agents, **given)


@agents.command("list")
@click.option("--pool", default="", help="Only agents of it.")
@click.option("--type", default="", help="Only agents of it.")
@click.option("--capability", default="", help="Only agents that have it.")
@click.option("--status", type=STATUSES, help="Only agents that stand so.")
@json_option
@address_option
def list_agents(as_json: bool, address: str, status: str | None, **filters: Any) -> None:
    """List all agents, or those that pass every filter."""
    from routerd.v1.agents_pb2 import ListAgentsRequest

    wire = ListAgentsRequest(status=number(status), **filters)
    with stub(address) as service:
        found = [agent for page in pages(service.ListAgents, wire) for agent in page.agents]
    if as_json:
        say_json([in_json(agent) for agent in found])
    else:
        head = ("agent", "status", "pool", "version", "capabilities", "defined by", "in flight")
        console().print(table(head, map(row, found), left=6))


@agents.command("get")
@click.argument("agent_id")
@json_option
@address_option
def get(agent_id: str, as_json: bool, address: str) -> None:
    """Show the agent AGENT_ID."""
    from routerd.v1.agents_pb2 import GetAgentRequest

    with stub(address) as service:
        agent = service.GetAgent(GetAgentRequest(agent_id=agent_id), timeout=TIMEOUT_S).agent
    say(agent, as_json)


@agents.command("register")
@click.argument("agent_id")
@definition_options
@json_option
@address_option
def register(agent_id: str, as_json: bool, address: str, **given: Any) -> None:
    """Take an agent in under the id AGENT_ID. The same again changes nothing."""
    from routerd.v1.agents_pb2 import AgentDefinition, RegisterAgentRequest

    definition = changed(AgentDefinition(), given)
    wire = RegisterAgentRequest(agent_id=agent_id, definition=definition)
    with stub(address) as service:
        agent = service.RegisterAgent(wire, timeout=TIMEOUT_S).agent
    say(agent, as_json)


@agents.command("update")
@click.argument("agent_id")
@definition_options
@click.option(
    "--clear",
    multiple=True,
    type=click.Choice(["capabilities", "specializations", "prices", "metadata"]),
    help="Leave nothing of it but what is given beside this.",
)
@json_option
@address_option
def update(
    agent_id: str, clear: tuple[str, ...], as_json: bool, address: str, **given: Any
) -> None:
    """Change the agent AGENT_ID. What is not given stays."""
    from routerd.v1.agents_pb2 import GetAgentRequest, UpdateAgentRequest

    with stub(address) as service:
        found = service.GetAgent(GetAgentRequest(agent_id=agent_id), timeout=TIMEOUT_S).agent
        for name in clear:
            found.definition.ClearField(name)
        definition = changed(found.definition, given)
        wire = UpdateAgentRequest(agent_id=agent_id, definition=definition)
        agent = service.UpdateAgent(wire, timeout=TIMEOUT_S).agent
    say(agent, as_json)


@agents.command("status")
@click.argument("agent_id")
@click.argument("status", type=STATUSES)
@json_option
@address_option
def set_status(agent_id: str, status: str, as_json: bool, address: str) -> None:
    """Set how the agent AGENT_ID stands. It holds until it is set again."""
    from routerd.v1.agents_pb2 import UpdateAgentRequest

    wire = UpdateAgentRequest(agent_id=agent_id, status=number(status))
    with stub(address) as service:
        agent = service.UpdateAgent(wire, timeout=TIMEOUT_S).agent
    say(agent, as_json)


@agents.command("deregister")
@click.argument("agent_id")
@json_option
@address_option
def deregister(agent_id: str, as_json: bool, address: str) -> None:
    """Remove the agent AGENT_ID. What it learnt is kept for its return."""
    from routerd.v1.agents_pb2 import DeregisterAgentRequest

    wire = DeregisterAgentRequest(agent_id=agent_id)
    with stub(address) as service:
        done = service.DeregisterAgent(wire, timeout=TIMEOUT_S)
    if as_json:
        say_json(in_json(done))
    else:
        click.echo(f"removed: agent {agent_id} at position {done.position}")


def number(status: str | None) -> Any:
    """The wire's number of a status in lower case."""
    from routerd.v1.agents_pb2 import AgentStatus

    return None if status is None else AgentStatus.Value(f"AGENT_STATUS_{status.upper()}")


def changed(
    definition: agents_pb2.AgentDefinition, given: dict[str, Any]
) -> agents_pb2.AgentDefinition:
    """The definition with the options that were given; a list that is given replaces the old."""
    from routerd.v1.agents_pb2 import AgentDefinition

    for name, value in given.items():
        if value is None or value in ((), {}):
            continue
        if name.endswith("_usd_per_mtok"):
            setattr(definition.prices, name, value)
        else:
            definition.ClearField(name)
            definition.MergeFrom(AgentDefinition(**{name: value}))
    return definition


def row(agent: agents_pb2.Agent) -> tuple[str, ...]:
    definition = agent.definition
    limit = f" of {definition.max_concurrency}" if definition.max_concurrency else ""
    return (
        agent.agent_id,
        standing(agent),
        definition.pool,
        definition.version,
        ", ".join(definition.capabilities),
        source(agent),
        f"{agent.in_flight}{limit}",
    )


def standing(agent: agents_pb2.Agent) -> str:
    """`offline (set)`, `online (heartbeat, 12 s left)`, `online`."""
    from routerd.v1.agents_pb2 import AgentStatus, StatusCause

    status = AgentStatus.Name(agent.status).removeprefix("AGENT_STATUS_").lower()
    cause = StatusCause.Name(agent.status_cause).removeprefix("STATUS_CAUSE_").lower()
    notes = [cause.replace("_", " ")] if agent.status_cause else []
    if agent.lease_left_ms:
        notes.append(f"{agent.lease_left_ms / 1000:.0f} s left")
    if agent.on_trial:
        notes.append(f"on trial since {utc(agent.cooling_until_time_ms)}")
    elif agent.cooling_until_time_ms:
        notes.append(f"cooling down until {utc(agent.cooling_until_time_ms)}, then on trial")
    return f"{status} ({', '.join(notes)})" if notes else status


def source(agent: agents_pb2.Agent) -> str:
    from routerd.v1.agents_pb2 import AGENT_SOURCE_CONFIG

    return "the configuration" if agent.source == AGENT_SOURCE_CONFIG else "RPC"


def say(agent: agents_pb2.Agent, as_json: bool) -> None:
    if as_json:
        say_json(in_json(agent))
        return
    told = agent.definition
    since = f" since {utc(agent.status_time_ms)}" if agent.status_time_ms else ""
    prices = f"{told.prices.input_usd_per_mtok:g} in, {told.prices.output_usd_per_mtok:g} out"
    in_flight = row(agent)[-1]
    console().print(
        facts(
            [
                ("agent", agent.agent_id),
                ("status", standing(agent) + since),
                ("defined by", source(agent)),
                ("version", told.version),
                ("type", told.type),
                ("pool", told.pool),
                ("model", told.model),
                ("capabilities", ", ".join(told.capabilities)),
                ("specializations", ", ".join(told.specializations)),
                ("head start", f"{told.head_start:+g}" if told.head_start else ""),
                ("usd per mtok", prices if told.HasField("prices") else ""),
                ("in flight", in_flight),
                ("metadata", ", ".join(f"{k}={told.metadata[k]}" for k in sorted(told.metadata))),
            ]
        )
    )
