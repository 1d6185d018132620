"""Whether a log's rows are independent: whether nothing that drew them followed from earlier rows.

A law that never learns is not enough. What an agent costs or how it fails may set it aside, an
experiment's arm may learn where the configuration does not, and a task that goes on from a decision
is there because that one failed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from routerd.core.events import AnyEvent, ConfigApplied
from routerd.core.experiment import Arm, ExperimentStarted, in_force, promoted_of
from routerd.core.settings import EngineConfig, RandomPolicy, StaticPolicy
from routerd.core.values import Query


def in_turn(events: Iterable[AnyEvent]) -> tuple[list[EngineConfig], list[EngineConfig]]:
    """Every configuration of a log in order, and what its experiments' arms made of each."""
    configs: list[EngineConfig] = []
    arms: list[Arm] = []
    for event in events:
        if isinstance(event, ConfigApplied):
            configs.append(msgspec.json.decode(event.config, type=EngineConfig))
        elif isinstance(event, ExperimentStarted):
            arms += event.experiment.arms
    return configs, [in_force(config, promoted_of(arm)) for config in configs for arm in arms]


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
