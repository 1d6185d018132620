"""Whether a log's rows are independent: whether nothing that drew them followed from earlier rows.

A law that never learns is not enough. What an agent costs or how it fails may set it aside, an
experiment's arm may learn where the configuration does not, and a task that goes on from a decision
is there because that one failed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from routerd.core.events import (
    AgentRegistered,
    AgentUpdated,
    AnyEvent,
    ConfigApplied,
    ExperimentStarted,
)
from routerd.core.experiment import Arm, in_force, promoted_of
from routerd.core.settings import Agent, EngineConfig, RandomPolicy, StaticPolicy
from routerd.core.values import Query


class Settings(NamedTuple):
    """What was in force at some time of a log, in order.

    arms: what each experiment's arm made of each configuration. registered: agents over RPC.
    """

    configs: list[EngineConfig]
    arms: list[EngineConfig]
    registered: list[Agent]

    @property
    def fixed(self) -> bool:
        """Whether no law depended on anything but the request."""
        bounded = any(agent.max_concurrency for agent in self.registered)
        return not bounded and all(map(is_fixed, (*self.configs, *self.arms)))


def settings_of(events: Iterable[AnyEvent]) -> Settings:
    """The settings of a log with these events."""
    configs: list[EngineConfig] = []
    arms: list[Arm] = []
    registered: list[Agent] = []
    for event in events:
        if isinstance(event, ConfigApplied):
            configs.append(msgspec.json.decode(event.config, type=EngineConfig))
        elif isinstance(event, ExperimentStarted):
            arms += event.experiment.arms
        elif isinstance(event, AgentRegistered | AgentUpdated):
            registered.append(event.agent)
    promoted = [in_force(config, promoted_of(arm)) for config in configs for arm in arms]
    return Settings(configs, promoted, registered)


def is_fixed(config: EngineConfig) -> bool:
    """Whether a configuration's laws depend on nothing but the request."""
    if isinstance(config.policy, StaticPolicy):
        if all(route.when for route in config.static_routes):
            return False
    elif not isinstance(config.policy, RandomPolicy):
        return False
    return not any(listens(config))


def listens(config: EngineConfig) -> Iterator[bool]:
    """Whether each of what may move a fixed policy's law by what came before is there."""
    yield config.cooldown is not None
    yield config.thresholds.confidence > 0.0
    yield config.thresholds.probe_complexity is not None
    yield config.cold_start.static_until > 0
    yield config.fallback.pool_load is not None
    yield config.fallback.type_failures is not None
    yield config.exploration_cap.share < 1.0
    yield bool(config.budgets)
    yield any(agent.max_concurrency for agent in config.agents)


def follows_others(query: Query) -> bool:
    """Whether what a request may go to, or that it came at all, follows from earlier outcomes."""
    limited = query.max_cost_usd is not None or query.max_latency_ms is not None
    return limited or query.follows is not None
