"""Which arm of an experiment a task goes by, and what the events of experiments do to the state."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from routerd.core.draw import uniform
from routerd.core.encode import category, matches
from routerd.core.events import (
    ExperimentDeleted,
    ExperimentEvent,
    ExperimentPromoted,
    ExperimentStarted,
)
from routerd.core.experiment import (
    BUCKETS,
    METRICS,
    Arm,
    Experiment,
    Sums,
    Trial,
    Trialled,
    in_force,
    promoted_of,
)
from routerd.core.settings import EngineConfig
from routerd.core.state import Credit, OpenDecision, State
from routerd.core.values import Query

IDS = ("request_id", "task_id", "group_id", "session_id")
ARM, BUCKET = "experiment", "experiment bucket"


class Assigned(NamedTuple):
    """The arm that a task goes by. shadow: the one whose choice is noted, None without one."""

    experiment: Experiment
    arm: Arm
    bucket: int
    shadow: Arm | None


def assigned(state: State, query: Query) -> Assigned | None:
    """The first running experiment, by id, that a task is part of, and its unit's arm there."""
    for experiment in state.running:
        unit = unit_of(experiment, query)
        if unit and matches(query, experiment.when):
            key = f"{experiment.id}/{unit}"
            seed, partition = state.config.seed, state.partition
            bucket = int(BUCKETS * uniform(seed, partition, key, BUCKET))
            if experiment.shadow:
                return Assigned(experiment, experiment.arms[0], bucket, experiment.arms[1])
            arm = arm_at(experiment, uniform(seed, partition, key, ARM))
            return Assigned(experiment, arm, bucket, None)
    return None


def unit_of(experiment: Experiment, query: Query) -> str:
    if experiment.unit in IDS:
        return str(getattr(query, experiment.unit))
    return category(query, experiment.unit)


def arm_at(experiment: Experiment, u: float) -> Arm:
    """The arm at u of all weights, in the order of the arms."""
    left = u * sum(arm.weight for arm in experiment.arms)
    for arm in experiment.arms:
        left -= arm.weight
        if left < 0.0:
            return arm
    return experiment.arms[-1]


def apply_experiment(state: State, event: ExperimentEvent) -> None:
    if isinstance(event, ExperimentStarted):
        sums = {arm.id: Sums() for arm in event.experiment.arms}
        trial = Trial(event.experiment, event.time_ms, sums, since=state.position)
        state.trials[event.experiment.id] = trial
    elif isinstance(event, ExperimentDeleted):
        del state.trials[event.experiment_id]
    else:
        trial = state.trials[event.experiment_id]
        trial.stopped_ms = trial.stopped_ms or event.time_ms
        if isinstance(event, ExperimentPromoted):
            trial.promoted = event.arm_id
            arm = next(arm for arm in trial.experiment.arms if arm.id == event.arm_id)
            state.promoted = promoted_of(arm)
            state.config = in_force(configured(state), state.promoted)
    take_running(state)


def configured(state: State) -> EngineConfig:
    """The configuration as it was applied, without what was promoted."""
    return msgspec.json.decode(state.config_bytes, type=EngineConfig)


def take_running(state: State) -> None:
    """Make what follows from the trials: the experiments that run, in the order of their ids."""
    trials = sorted(state.trials.items())
    state.running = tuple(trial.experiment for _, trial in trials if not trial.stopped_ms)


def count_decision(state: State, told: Trialled, agent_id: str) -> None:
    """A decision was made in an experiment."""
    trial = state.trials[told.experiment]
    trial.arms[told.arm].decisions += 1
    if told.weight is not None:
        trial.second.decisions += 1
        trial.agreed += told.shadow_agent == agent_id
        trial.squares += told.square
        trial.uncovered += told.uncovered


def tell(state: State, entry: OpenDecision, old: Credit, new: Credit) -> None:
    """What came of a decision changed: its arm's sums follow. Another agent's result says nothing.

    In shadow the second arm gets the same, weighed by how likely it would have chosen so.
    """
    told = entry.decision.trial
    assert told is not None, "only decisions of an experiment are told to it"
    trial = state.trials.get(told.experiment)
    if trial is None or entry.position < trial.since:
        return
    arm = state.arm_of[entry.decision.agent_id]
    for index, metric in enumerate(METRICS):
        was = getattr(old, metric) if old.arm == arm else None
        now = getattr(new, metric) if new.arm == arm else None
        if was == now:
            continue
        place = told.bucket * len(METRICS) + index
        known = (now is not None) - (was is not None)
        more = (now or 0.0) - (was or 0.0)
        add(trial.arms[told.arm], place, known, more)
        if told.weight is not None:
            add(trial.second, place, known, told.weight * more)


def add(sums: Sums, place: int, known: int, more: float) -> None:
    sums.told[place] += known
    sums.total[place] += more
