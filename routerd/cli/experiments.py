"""`routerd experiments`: arms beside each other, what came of them, and which is to stay."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from routerd.cli.calls import TIMEOUT_S, address_option, in_json, pages, policy_service
from routerd.cli.output import Exit, Failed, console, json_option, say_json
from routerd.cli.paths import PathTo
from routerd.cli.tables import facts, table
from routerd.core.words import counted

if TYPE_CHECKING:
    from routerd.v1 import policy_pb2


@click.group(invoke_without_command=True)
@json_option
@address_option
@click.pass_context
def experiments(context: click.Context, as_json: bool, address: str) -> None:
    """Start, read and end experiments. Without a command: list."""
    given = {"as_json": as_json, "address": address}
    context.default_map = dict.fromkeys(experiments.commands, given)
    if context.invoked_subcommand is None:
        context.invoke(list_experiments, **given)


@experiments.command("list")
@json_option
@address_option
def list_experiments(as_json: bool, address: str) -> None:
    """List all experiments."""
    from routerd.v1.policy_pb2 import ListExperimentsRequest

    with policy_service(address) as service:
        every = pages(service.ListExperiments, ListExperimentsRequest())
        found = [experiment for page in every for experiment in page.experiments]
    if as_json:
        say_json([in_json(experiment) for experiment in found])
    else:
        rows = [
            (
                e.experiment_id,
                status(e),
                ", ".join(a.arm_id for a in e.definition.arms),
                decisions(e),
            )
            for e in found
        ]
        console().print(table(("experiment", "status", "arms", "decisions"), rows, left=3))


@experiments.command("create")
@click.argument("file", type=PathTo(exists=True, dir_okay=False))
@json_option
@address_option
def create(file: Path, as_json: bool, address: str) -> None:
    """Start the experiment that the YAML or JSON FILE defines."""
    from routerd.v1.policy_pb2 import CreateExperimentRequest

    experiment_id, definition = defined(file)
    wire = CreateExperimentRequest(experiment_id=experiment_id, definition=definition)
    with policy_service(address) as service:
        say(service.CreateExperiment(wire, timeout=TIMEOUT_S).experiment, as_json)


@experiments.command("show")
@click.argument("experiment_id")
@json_option
@address_option
def show(experiment_id: str, as_json: bool, address: str) -> None:
    """Show the experiment EXPERIMENT_ID. Its arms, and their lift with intervals."""
    from routerd.v1.policy_pb2 import GetExperimentRequest

    wire = GetExperimentRequest(experiment_id=experiment_id)
    with policy_service(address) as service:
        say(service.GetExperiment(wire, timeout=TIMEOUT_S).experiment, as_json)


@experiments.command("stop")
@click.argument("experiment_id")
@json_option
@address_option
def stop(experiment_id: str, as_json: bool, address: str) -> None:
    """End the experiment EXPERIMENT_ID; its results stay."""
    from routerd.v1.policy_pb2 import StopExperimentRequest

    wire = StopExperimentRequest(experiment_id=experiment_id)
    with policy_service(address) as service:
        say(service.StopExperiment(wire, timeout=TIMEOUT_S).experiment, as_json)


@experiments.command("promote")
@click.argument("experiment_id")
@click.argument("arm_id")
@json_option
@address_option
def promote(experiment_id: str, arm_id: str, as_json: bool, address: str) -> None:
    """Put the arm ARM_ID in force for every task. Its experiment ends."""
    from routerd.v1.policy_pb2 import PromoteExperimentRequest

    wire = PromoteExperimentRequest(experiment_id=experiment_id, arm_id=arm_id)
    with policy_service(address) as service:
        say(service.PromoteExperiment(wire, timeout=TIMEOUT_S).experiment, as_json)


@experiments.command("delete")
@click.argument("experiment_id")
@json_option
@address_option
def delete(experiment_id: str, as_json: bool, address: str) -> None:
    """Forget the experiment EXPERIMENT_ID, which has ended."""
    from routerd.v1.policy_pb2 import DeleteExperimentRequest

    wire = DeleteExperimentRequest(experiment_id=experiment_id)
    with policy_service(address) as service:
        done = service.DeleteExperiment(wire, timeout=TIMEOUT_S)
    if as_json:
        say_json(in_json(done))
    elif done.removed:
        click.echo(f"forgotten: experiment {experiment_id} at position {done.position}")
    else:
        raise Failed(f"there is no experiment {experiment_id}")


def defined(file: Path) -> tuple[str, policy_pb2.ExperimentDefinition]:
    """The id and definition in a file. Raises Failed with every error, each with its path."""
    from routerd.config import ConfigErrors, parse_experiment
    from routerd.config_text import read
    from routerd.server.convert_trials import definition

    data, found = read(file.read_bytes(), "`id` and `arms`")
    try:
        if found or not isinstance(data, dict):
            raise ConfigErrors(found or [("", "must be a mapping of keys such as `arms`")])
        made = parse_experiment(data)
    except ConfigErrors as errors:
        raise Failed("\n  ".join([f"{file}:", *errors.lines()]), exit_code=Exit.USAGE) from None
    return made.id, definition(made)


def status(experiment: policy_pb2.Experiment) -> str:
    """`running`, `shadow, running`, `promoted: new`."""
    from routerd.v1.policy_pb2 import ExperimentStatus

    word = ExperimentStatus.Name(experiment.status).removeprefix("EXPERIMENT_STATUS_").lower()
    word += f": {experiment.promoted_arm_id}" if experiment.promoted_arm_id else ""
    return f"shadow, {word}" if experiment.definition.shadow else word


def decisions(experiment: policy_pb2.Experiment) -> str:
    return ", ".join(str(result.decisions) for result in experiment.results)


def say(experiment: policy_pb2.Experiment, as_json: bool) -> None:
    if as_json:
        say_json(in_json(experiment))
        return
    told = experiment.definition
    when = ", ".join(f"{key}={told.when[key]}" for key in sorted(told.when))
    agreement = f"{experiment.agreement:.0%}" if experiment.HasField("agreement") else ""
    pairs = [
        ("experiment", experiment.experiment_id),
        ("status", status(experiment)),
        ("when", when or "every task"),
        ("unit", told.unit),
        ("author", told.author),
        ("reason", told.reason),
        ("agreement", agreement),
    ]
    console().print(facts(pairs))
    head = ("arm", "does", "decisions", "quality", "USD", "ms")
    arms = zip(told.arms, experiment.results, strict=True)
    shadows = [told.shadow and number > 0 for number in range(len(told.arms))]
    console().print(table(head, map(arm_row, arms, shadows), left=2))
    rows = [lift_row(lift) for lift in experiment.lifts]
    if rows:
        over = (f"over {told.arms[0].arm_id}", "metric", "95% interval at any time", "lift")
        console().print(table(over, rows, left=3))


def arm_row(
    told: tuple[policy_pb2.ExperimentArm, policy_pb2.ArmResult], shadow: bool
) -> tuple[str, ...]:
    """What came of an arm. Of one in the shadow nothing did: its means are estimates."""
    arm, result = told
    does: dict[str, Any] = json.loads(arm.policy_json) if arm.policy_json else {}
    what = str(does.get("kind", "as configured"))
    what += f", {counted(len(arm.static_routes), 'route')}" if arm.static_routes else ""
    what += " (estimated)" if shadow else ""
    means = [f"{m.mean:.4g}" if m.HasField("mean") else "" for m in result.metrics]
    return (arm.arm_id, what, str(result.decisions), *means)


def lift_row(lift: policy_pb2.ExperimentLift) -> tuple[str, ...]:
    interval = f"[{lift.low:+.4g}, {lift.high:+.4g}]" if lift.HasField("low") else lift.refused
    mean = f"{lift.mean:+.4g}" if lift.HasField("mean") else ""
    return (lift.arm_id, lift.metric, interval, mean)
