"""Contestants that are configurations of routerd: the shipped default, baselines, one's own.

They share the features (see schema) and, unless a baseline is defined by another one, the learner,
so that what is compared is the policy. linucb and lints are the textbook's: disjoint linear models.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

from msgspec.structs import replace

from bench.data.recorded import DataError, Recorded, Rows
from bench.engine import Engine
from bench.replay.contest import Factory, Skipped
from bench.replay.references import folds, held_out_choices
from routerd.config import ConfigErrors, parse
from routerd.config_text import read
from routerd.core.rules import Budget
from routerd.core.settings import (
    Agent,
    CategoryFeature,
    CheapestPolicy,
    EmbeddingFeature,
    EngineConfig,
    Feature,
    GreedyPolicy,
    Learner,
    NumberFeature,
    Policy,
    RandomPolicy,
    RotationPolicy,
    SquareCBPolicy,
    StaticPolicy,
    StaticRoute,
    TextFeature,
    ThompsonPolicy,
    UcbPolicy,
    Utility,
    ValuePolicy,
    WeightedScorePolicy,
    engine_part,
)
from routerd.core.values import Task

MAX_COLUMNS = 64
PROJECTED = 32
AGENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}")
FOLD = "fold"
PAID = {"stream": "scored"}
RESERVE = 0.02
LEAST_USD = 1e-9  # that a decision may be paced to
TYPICAL_WORTH = 0.1  # of quality, of what a call costs

Labels = Callable[[int], dict[str, str]]


class Routed:
    """An engine as a contestant."""

    def __init__(
        self, name: str, config: EngineConfig, data: Recorded, labels: Labels | None = None
    ) -> None:
        self.name = name
        self._config = config
        self._paced = False
        self.engine = Engine(config)
        self._ids = self.engine.state.roster.ids
        self._task = _Tasks(config.features, data, labels)
        self._time_ms = None if data.time_ms is None else data.time_ms.tolist()
        self._open: dict[int, tuple[int, str]] = {}

    def keep_to(self, budget_usd: float, tasks: int) -> None:
        """Pace the spending of the stream, what is told before it not included, to a little less:
        a mean is kept to roughly, and the budget of a replay is hard.
        """
        usd = max((1.0 - RESERVE) * budget_usd / tasks, LEAST_USD)
        pace = Budget(id="stream", when=PAID, usd_per_decision=usd)
        self._paced = True
        self.engine = Engine(replace(self._config, budgets=(pace,)))

    @property
    def given_up(self) -> float:
        return self.engine.given_up

    def choose(self, i: int) -> int:
        task = self._task(i)
        if self._paced:
            task = replace(task, labels=task.labels | PAID)
        arm, _, decision_id = self.engine.choose(task, f"t{i}", time_ms=self._event_time(i))
        self._open[i] = arm, decision_id
        return arm

    def learn(
        self, i: int, arm: int, quality: float, cost: float | None, latency: float | None
    ) -> None:
        decided, decision_id = self._open.pop(i, (-1, ""))
        if decided != arm:
            _, _, decision_id = self.engine.choose(
                self._task(i), f"w{i}.{arm}", agent_id=self._ids[arm], time_ms=self._event_time(i)
            )
        self.engine.learn(decision_id, quality, cost, latency)

    def _event_time(self, i: int) -> int:
        return 0 if self._time_ms is None else int(self._time_ms[i])


class _Tasks:
    """Makes the request's task of a recorded one, with what the schema reads and no more."""

    def __init__(self, schema: tuple[Feature, ...], data: Recorded, labels: Labels | None) -> None:
        self._data = data
        self._labels = labels
        kinds = {type(feature) for feature in schema}
        self._reads_text = TextFeature in kinds
        self._reads_numbers = NumberFeature in kinds and data.numbers is not None
        self._reads_embedding = EmbeddingFeature in kinds and data.numbers is not None

    def __call__(self, i: int) -> Task:
        data = self._data
        numbers = data.numbers[i].tolist() if data.numbers is not None else []
        return Task(
            work_type=data.domain[i],
            domain=data.domain[i],
            labels=self._labels(i) if self._labels else {},
            description=data.text[i] if self._reads_text else "",
            features=dict(zip(data.number_names, numbers, strict=True))
            if self._reads_numbers
            else {},
            embedding=tuple(numbers) if self._reads_embedding else (),
        )


def schema(data: Recorded) -> tuple[Feature, ...]:
    """The features that a data set has: its work types, declared, and its numbers.

    At most 64 columns with the intercept. Too many numbers are projected, too many work types share
    the slots that are left.
    """
    room = MAX_COLUMNS - 1
    made: list[Feature] = []
    kinds = sorted(set(data.domain))
    names = data.number_names
    if len(names) + (len(kinds) > 1) > room:
        made.append(EmbeddingFeature(dimension=len(names), size=PROJECTED))
        room -= PROJECTED
    else:
        made += [NumberFeature(name=name) for name in names]
        room -= len(names)
    if len(kinds) > 1:
        values = tuple(kind for kind in kinds if kind)
        if len(values) <= room:
            made.append(CategoryFeature(name="work_type", values=values))
        else:
            made.append(CategoryFeature(name="work_type", slots=room))
    return tuple(made)


def weights(data: Recorded, cost_weight: float) -> Utility:
    """utility = quality - cost_weight * cost_usd, on the shipped reference scale.

    Where that scale is worth more than a tenth of a success, calls are taken to be cheaper: then
    it is what a tenth is worth. The guess of an untried agent's cost goes by it.
    """
    if data.cost_usd is None:
        return Utility()
    scale = min(Utility().cost_scale_usd, TYPICAL_WORTH / max(cost_weight, 1e-9))
    return Utility(cost=cost_weight * scale, cost_scale_usd=scale)


def agents(data: Recorded) -> tuple[Agent, ...]:
    """The recorded agents; numbered in the same order where a name is no id of routerd's."""
    if all(AGENT_ID.fullmatch(name) for name in data.agents):
        return tuple(Agent(id=name) for name in data.agents)
    return tuple(Agent(id=f"agent-{k:04d}") for k in range(len(data.agents)))


def configured(data: Recorded, cost_weight: float, seed: int, policy: Policy) -> EngineConfig:
    """The shipped default configuration with the data's agents and features, and a policy."""
    return EngineConfig(
        agents=agents(data),
        seed=seed,
        clock=clock(data),
        features=schema(data),
        utility=weights(data, cost_weight),
        policy=policy,
    )


def clock(data: Recorded) -> Literal["caller", "logical"]:
    """Tasks that come with their times are served at these; without, nothing grows old."""
    return "logical" if data.time_ms is None else "caller"


def contestant(name: str, policy: Policy, data: Recorded, cost_weight: float, seed: int) -> Routed:
    """A policy of routerd's as a contestant."""
    if isinstance(policy, CheapestPolicy) and data.cost_usd is None:
        raise Skipped("no costs are recorded")
    return Routed(name, configured(data, cost_weight, seed, policy), data)


LINEAR = Learner(kind="linear")
BASELINES: dict[str, Policy] = {
    "random": RandomPolicy(),
    "greedy": GreedyPolicy(),
    "epsilon_greedy": GreedyPolicy(id="epsilon_greedy", floor=0.1),
    "linucb": UcbPolicy(id="linucb", learner=LINEAR),
    "lints": ThompsonPolicy(
        id="lints", learner=LINEAR, v_0=1.0, v_min=1.0, floor=0.0, floor_min=0.0
    ),
    "thompson": ThompsonPolicy(),
    "squarecb": SquareCBPolicy(),
    "weighted_score": WeightedScorePolicy(),
    "rotation": RotationPolicy(),
    "cheapest": CheapestPolicy(),
}
"""The policies that the default is measured against; exploration of the textbook's, untuned."""

POLICIES: dict[str, Factory] = {
    name: partial(contestant, name, policy)
    for name, policy in {"default": ValuePolicy(), **BASELINES}.items()
}


def static(data: Recorded, cost_weight: float, seed: int) -> Routed:
    """The static table, honest: each task goes by the table that was fitted on the other folds.

    Made from data with outcomes. It stands for a table that was fitted once, before, on four times
    as many tasks as there are in a fold, each run by every agent.
    """
    fold = folds(len(data), seed)
    config = configured(data, cost_weight, seed, StaticPolicy())
    config = replace(config, static_routes=fold_routes(data, cost_weight, fold))
    return Routed("static", config, data, lambda i: {FOLD: str(fold[i])})


def fold_routes(data: Recorded, cost_weight: float, fold: Rows) -> tuple[StaticRoute, ...]:
    """A route for each fold and work type, to the agent that the other folds name."""
    names = [agent.id for agent in agents(data)]
    arms = held_out_choices(data.domain, data.utility(cost_weight), fold)
    table = {
        (str(f), kind): names[arm] for f, kind, arm in zip(fold, data.domain, arms, strict=True)
    }
    return tuple(
        StaticRoute(agent=agent, when={FOLD: f, "work_type": kind})
        for (f, kind), agent in sorted(table.items())
    )


INFORMED: dict[str, Factory] = {"static": static}
"""Contestants that are fitted beforehand, so that they are made from data with outcomes."""


def own(path: str, data: Recorded, cost_weight: float, seed: int) -> Routed:
    """The configuration in a YAML file as a contestant, see own_config."""
    return Routed(path, own_config(path, data, cost_weight, seed), data)


def own_config(path: str, data: Recorded, cost_weight: float, seed: int) -> EngineConfig:
    """The configuration in a YAML file; agents, seed and clock are the replay's.

    Without `features` or `utility` it gets those of the default. Raises DataError for a file that
    cannot be read, ConfigErrors with every error of one that can.
    """
    try:
        told, found = read(Path(path).read_bytes())
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None
    if found or not isinstance(told, dict):
        raise ConfigErrors(found or [("", "must be a mapping of sections such as `policy`")])
    config = parse({**told, "agents": [{"id": agent.id} for agent in agents(data)]})
    config = replace(config, seed=seed, clock=clock(data))
    if "features" not in told:
        config = replace(config, features=schema(data))
    if "utility" not in told:
        config = replace(config, utility=weights(data, cost_weight))
    return engine_part(config)
