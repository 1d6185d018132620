"""`routerd overrides`: who is forced and who is forbidden, whatever the policy says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from routerd.cli.calls import TIMEOUT_S, address_option, in_json, pages, policy_service
from routerd.cli.output import Failed, console, json_option, key_values, options, say_json
from routerd.cli.ranges import INT32
from routerd.cli.tables import facts, table
from routerd.cli.times import from_now, utc

if TYPE_CHECKING:
    from routerd.v1 import policy_pb2

WHEN = click.option(
    "--when",
    multiple=True,
    callback=key_values,
    metavar="KEY=VALUE",
    help="A label, work_type or domain that tasks must have; may be given several times.",
)

definition_options = options(
    WHEN,
    click.option("--agent", "agent_id", default="", help="The agent that is meant."),
    click.option("--pool", default="", help="The agents of it are meant."),
    click.option("--type", default="", help="The agents of it are meant."),
    click.option("--priority", type=INT32, default=0, help="The highest comes first."),
    click.option(
        "--expires",
        "expires_time_ms",
        callback=from_now,
        metavar="WHEN",
        help="After 30m, 8h or 7d, or at 2027-01-31T18:00+01:00 (without a zone: UTC).",
    ),
    click.option(
        "--otherwise",
        type=click.Choice(["refuse", "policy"]),
        default="refuse",
        show_default=True,
        help="Where it leaves nobody: refuse the request, or pass the override over.",
    ),
    click.option("--author", default="", help="Who wants it so."),
    click.option("--reason", default="", help="Why."),
    click.option("--replace", is_flag=True, help="In place of the one that is in force."),
)


@click.group(invoke_without_command=True)
@json_option
@address_option
@click.pass_context
def overrides(context: click.Context, as_json: bool, address: str) -> None:
    """List, set and lift overrides. Without a command: list."""
    given = {"as_json": as_json, "address": address}
    context.default_map = dict.fromkeys(overrides.commands, given)
    if context.invoked_subcommand is None:
        context.invoke(list_overrides, when={}, **given)


@overrides.command("list")
@WHEN
@json_option
@address_option
def list_overrides(as_json: bool, address: str, when: dict[str, str]) -> None:
    """List all overrides, or those whose --when has all that is given."""
    from routerd.v1.policy_pb2 import ListOverridesRequest

    wire = ListOverridesRequest(when=when)
    with policy_service(address) as service:
        found = [rule for page in pages(service.ListOverrides, wire) for rule in page.rules]
    if as_json:
        say_json([in_json(rule) for rule in found])
    else:
        head = ("override", "when", "does", "until", "author", "reason", "priority")
        console().print(table(head, map(row, found), left=6))


@overrides.command("get")
@click.argument("override_id")
@json_option
@address_option
def get(override_id: str, as_json: bool, address: str) -> None:
    """Show the override OVERRIDE_ID."""
    from routerd.v1.policy_pb2 import GetOverrideRequest

    wire = GetOverrideRequest(override_id=override_id)
    with policy_service(address) as service:
        say(service.GetOverride(wire, timeout=TIMEOUT_S).rule, as_json)


@overrides.command("force")
@click.argument("override_id")
@definition_options
@json_option
@address_option
def force(override_id: str, as_json: bool, address: str, **given: Any) -> None:
    """Let nobody but these be chosen. OVERRIDE_ID names the override."""
    put(override_id, "FORCE", as_json, address, **given)


@overrides.command("forbid")
@click.argument("override_id")
@definition_options
@json_option
@address_option
def forbid(override_id: str, as_json: bool, address: str, **given: Any) -> None:
    """Keep these from being chosen. OVERRIDE_ID names the override."""
    put(override_id, "FORBID", as_json, address, **given)


@overrides.command("delete")
@click.argument("override_id")
@json_option
@address_option
def delete(override_id: str, as_json: bool, address: str) -> None:
    """Lift the override OVERRIDE_ID."""
    from routerd.v1.policy_pb2 import DeleteOverrideRequest

    with policy_service(address) as service:
        wire = DeleteOverrideRequest(override_id=override_id)
        done = service.DeleteOverride(wire, timeout=TIMEOUT_S)
    if as_json:
        say_json(in_json(done))
    elif done.removed:
        click.echo(f"lifted: override {override_id} at position {done.position}")
    else:
        raise Failed(f"there is no override {override_id}; `routerd overrides` lists them")


def put(
    override_id: str, action: str, as_json: bool, address: str, *, replace: bool, **given: Any
) -> None:
    """Create an override, or replace it, and show it."""
    from routerd.v1 import policy_pb2 as pb

    otherwise = f"OVERRIDE_OTHERWISE_{given.pop('otherwise').upper()}"
    definition = pb.OverrideDefinition(
        action=f"OVERRIDE_ACTION_{action}", otherwise=otherwise, **given
    )
    with policy_service(address) as service:
        if replace:
            changed = pb.UpdateOverrideRequest(override_id=override_id, definition=definition)
            rule = service.UpdateOverride(changed, timeout=TIMEOUT_S).rule
        else:
            fresh = pb.CreateOverrideRequest(override_id=override_id, definition=definition)
            rule = service.CreateOverride(fresh, timeout=TIMEOUT_S).rule
    say(rule, as_json)


def row(rule: policy_pb2.Override) -> tuple[str, ...]:
    told = rule.definition
    return (
        rule.override_id,
        tasks(told),
        does(told),
        until(rule),
        told.author,
        told.reason,
        str(told.priority),
    )


def tasks(told: policy_pb2.OverrideDefinition) -> str:
    return ", ".join(f"{key}={told.when[key]}" for key in sorted(told.when)) or "every task"


def does(told: policy_pb2.OverrideDefinition) -> str:
    """`force agent small`, `forbid pool paid, type coder`."""
    from routerd.v1.policy_pb2 import OverrideAction

    verb = OverrideAction.Name(told.action).removeprefix("OVERRIDE_ACTION_").lower()
    meant = (("agent", told.agent_id), ("pool", told.pool), ("type", told.type))
    return f"{verb} " + ", ".join(f"{name} {value}" for name, value in meant if value)


def until(rule: policy_pb2.Override) -> str:
    if not rule.definition.expires_time_ms:
        return ""
    return utc(rule.definition.expires_time_ms) + (" (over)" if rule.expired else "")


def say(rule: policy_pb2.Override, as_json: bool) -> None:
    from routerd.v1 import agents_pb2, policy_pb2

    if as_json:
        say_json(in_json(rule))
        return
    told = rule.definition
    configured = rule.source == agents_pb2.AGENT_SOURCE_CONFIG
    refuses = told.otherwise == policy_pb2.OVERRIDE_OTHERWISE_REFUSE
    console().print(
        facts(
            [
                ("override", rule.override_id),
                ("when", tasks(told)),
                ("does", does(told)),
                ("priority", str(told.priority)),
                ("until", until(rule)),
                ("if nobody is left", "the request is refused" if refuses else "it is passed over"),
                ("author", told.author),
                ("reason", told.reason),
                ("defined by", "the configuration" if configured else "RPC"),
            ]
        )
    )
