"""Experiments: arms that share the tasks of some units, and what each came to.

An arm is a policy, a static table or both, small enough to stand in the log. The model that an arm
decides by is the configured policy's: arms differ in how they choose, not in what is learnt.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from routerd.core.base import Value
from routerd.core.rules import Text, When
from routerd.core.sections import Id, Name, Positive, Section, Word
from routerd.core.settings import EngineConfig, Policy, StaticRoute

BUCKETS = 64
METRICS = ("quality", "cost_usd", "latency_ms")
ARMS, LINES = 8, 1_000


class Arm(Section, frozen=True):
    """A way to choose. What is null is as in the configuration; `learner` of a policy counts not.

    weight: its share of the units, among the weights of all arms.
    """

    id: Id
    weight: Positive = 1.0
    policy: Policy | None = None
    static_routes: Annotated[tuple[StaticRoute, ...], Meta(max_length=LINES)] | None = None


class Experiment(Section, frozen=True):
    """Tasks whose work_type, domain or labels equal all of `when` go by one of the arms.

    unit: what stays with its arm, a label or one of request_id, task_id, group_id, session_id;
    tasks without it are not part of the experiment. shadow: the first arm answers, and what the
    second would have done is noted.
    """

    id: Id
    arms: Annotated[tuple[Arm, ...], Meta(min_length=2, max_length=ARMS)]
    when: When = {}
    unit: Name = "customer"
    shadow: bool = False
    author: Word = ""
    reason: Text = ""


class Trialled(Value, frozen=True):
    """That a decision was made in an experiment.

    bucket: of its unit; units are independent, their decisions are not. In shadow: the agent that
    the second arm would have drawn; weight: its probability of the chosen agent over the
    propensity; square: what the square of that weight was to be, by both laws; uncovered: its
    probability of agents that could not be drawn.
    """

    experiment: str
    arm: str
    bucket: int
    shadow_agent: str = ""
    weight: float | None = None
    square: float = 0.0
    uncovered: float = 0.0


class Sums(msgspec.Struct, gc=False):
    """What an arm came to: decisions, and for each (bucket, metric) how many and their total."""

    decisions: int = 0
    told: list[int] = msgspec.field(default_factory=lambda: [0] * BUCKETS * len(METRICS))
    total: list[float] = msgspec.field(default_factory=lambda: [0.0] * BUCKETS * len(METRICS))


class Trial(msgspec.Struct):
    """An experiment and what came of it so far. stopped_ms: 0 while it runs.

    since: the position of its start; decisions before it were of a deleted one of the same id. In
    shadow: agreed, how often both arms drew one agent; squares and uncovered: sums over decisions.
    """

    experiment: Experiment
    started_ms: int
    arms: dict[str, Sums]
    stopped_ms: int = 0
    promoted: str = ""
    agreed: int = 0
    squares: float = 0.0
    uncovered: float = 0.0
    since: int = 0

    @property
    def second(self) -> Sums:
        """What the second arm came to: in shadow the one that is only noted."""
        return self.arms[self.experiment.arms[1].id]


class Promoted(Value, frozen=True):
    """The arm in force in place of what the configuration says."""

    policy: Policy | None = None
    static_routes: tuple[StaticRoute, ...] | None = None


def promoted_of(arm: Arm) -> Promoted:
    return Promoted(arm.policy, arm.static_routes)


def in_force(config: EngineConfig, promoted: Promoted | None) -> EngineConfig:
    """A configuration with the arm that was promoted; what is learnt by stays its own."""
    if promoted is None:
        return config
    policy, routes = config.policy, config.static_routes
    if promoted.policy is not None:
        policy = msgspec.structs.replace(promoted.policy, learner=policy.learner)
    if promoted.static_routes is not None:
        routes = promoted.static_routes
    return msgspec.structs.replace(config, policy=policy, static_routes=routes)
