"""Experiments: wire messages to values and back.

A definition is held to the rules of the configuration, and its violations are named as fields of
the request.
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from routerd.config import ConfigErrors, parse_experiment
from routerd.core.answers import ListedExperiment
from routerd.core.errors import Violation, invalid
from routerd.core.experiment import ARMS, LINES, Arm, Experiment, Sums, Trial
from routerd.core.lift import Lift, means
from routerd.core.rules import CONDITIONS
from routerd.core.sections import ENTRIES
from routerd.server.lengths import cut
from routerd.v1 import policy_pb2

POLICY_BYTES = 10_000
FIELDS = (
    (re.compile(r"^id$"), "experiment_id"),
    (re.compile(r"^(arms\[\d+\])\.id$"), r"definition.\1.arm_id"),
    (re.compile(r"^(arms\[\d+\])\.policy.*$"), r"definition.\1.policy_json"),
    (re.compile(r"^(arms.*static_routes\[\d+\])\.agent$"), r"definition.\1.agent_id"),
)


def experiment_of(wire: policy_pb2.CreateExperimentRequest) -> Experiment:
    """The experiment that a request defines. Raises RouterError with every violation."""
    told = wire.definition
    wrong = cut(told, "definition", when=CONDITIONS, arms=ARMS)
    arms: list[dict[str, Any]] = []
    for i, arm in enumerate(told.arms):
        wrong += long_lines(arm, f"definition.arms[{i}]")
        data: dict[str, Any] = {"id": arm.arm_id}
        if arm.weight:
            data["weight"] = arm.weight
        if arm.static_routes:
            data["static_routes"] = [
                {"agent": route.agent_id, "when": {key: route.when[key] for key in route.when}}
                for route in arm.static_routes
            ]
        if arm.policy_json:
            try:
                data["policy"] = policy_of(arm.policy_json)
            except ValueError as error:
                wrong.append(Violation(f"definition.arms[{i}].policy_json", str(error)))
        arms.append(data)
    whole: dict[str, Any] = {
        "id": wire.experiment_id,
        "when": {key: told.when[key] for key in told.when},
        "arms": arms,
        "shadow": told.shadow,
        "author": told.author,
        "reason": told.reason,
    }
    if told.unit:
        whole["unit"] = told.unit
    try:
        made = parse_experiment(whole)
    except ConfigErrors as errors:
        wrong += [Violation(field_of(path), text) for path, text in errors.errors]
    if wrong:
        raise invalid(wrong)
    return made


def long_lines(arm: policy_pb2.ExperimentArm, path: str) -> list[Violation]:
    """What is too long in an arm's static table."""
    wrong = cut(arm, path, static_routes=LINES)
    for i, route in enumerate(arm.static_routes):
        wrong += cut(route, f"{path}.static_routes[{i}]", when=ENTRIES)
    return wrong


def policy_of(text: str) -> object:
    """The policy in a JSON text. Raises ValueError, in words."""
    if len(text) > POLICY_BYTES:
        raise ValueError(f"has {len(text)} characters; the limit is {POLICY_BYTES}")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError('is no JSON; give a policy such as {"kind": "static"}') from None


def field_of(path: str) -> str:
    """A path in a definition as a field of the request."""
    for pattern, field in FIELDS:
        if pattern.match(path):
            return pattern.sub(field, path)
    return f"definition.{path}" if path else "definition"


def experiment(told: ListedExperiment) -> policy_pb2.Experiment:
    """An experiment for the wire."""
    trial = told.trial
    of = trial.experiment
    status = "PROMOTED" if trial.promoted else "STOPPED" if trial.stopped_ms else "RUNNING"
    return policy_pb2.Experiment(
        experiment_id=of.id,
        definition=definition(of),
        status=f"EXPERIMENT_STATUS_{status}",
        start_time_ms=trial.started_ms,
        stop_time_ms=trial.stopped_ms,
        promoted_arm_id=trial.promoted,
        results=[result(arm.id, trial.arms[arm.id]) for arm in of.arms],
        lifts=map(lift, told.lifts),
        agreement=agreement(trial),
    )


def agreement(trial: Trial) -> float | None:
    decisions = trial.arms[trial.experiment.arms[0].id].decisions
    return trial.agreed / decisions if trial.experiment.shadow and decisions else None


def definition(of: Experiment) -> policy_pb2.ExperimentDefinition:
    return policy_pb2.ExperimentDefinition(
        when=of.when,
        unit=of.unit,
        arms=map(arm, of.arms),
        shadow=of.shadow,
        author=of.author,
        reason=of.reason,
    )


def arm(of: Arm) -> policy_pb2.ExperimentArm:
    return policy_pb2.ExperimentArm(
        arm_id=of.id,
        weight=of.weight,
        policy_json="" if of.policy is None else msgspec.json.encode(of.policy).decode(),
        static_routes=[
            policy_pb2.StaticRoute(when=route.when, agent_id=route.agent)
            for route in of.static_routes or ()
        ],
    )


def result(arm_id: str, sums: Sums) -> policy_pb2.ArmResult:
    metrics = [policy_pb2.MetricMean(**mean._asdict()) for mean in means(sums)]
    return policy_pb2.ArmResult(arm_id=arm_id, decisions=sums.decisions, metrics=metrics)


def lift(told: Lift) -> policy_pb2.ExperimentLift:
    return policy_pb2.ExperimentLift(**told._asdict())
