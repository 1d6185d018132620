"""An engine on a log in memory with a clock that the test moves, and what tests ask of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
import pytest

from routerd.config import parse_agent, parse_experiment, parse_override
from routerd.core.answers import Ack, Answer, Listed, ListedOverride
from routerd.core.base import Event
from routerd.core.errors import ErrorReason, RouterError
from routerd.core.experiment import Trial
from routerd.core.settings import EngineConfig
from routerd.core.state import State
from routerd.core.values import AgentStatus, Heartbeat, Outcome
from routerd.engine.fold import fold
from routerd.engine.registry import Registry
from routerd.engine.rules import Rules
from routerd.engine.sequencer import Sequencer
from routerd.engine.trials import Trials
from routerd.log.codec import records
from routerd.log.memory import MemoryLog
from routerd.router import request_of

HOUR_MS = 3_600_000
START_MS = 1_700_000_000_000

AGENTS = (
    {"id": "large", "pool": "paid", "capabilities": ["code", "vision"]},
    {"id": "medium", "pool": "paid", "capabilities": ["code"]},
    {"id": "small", "pool": "free"},
)

E = TypeVar("E", bound=Event)


class Clock:
    """A wall clock that stands still until the test moves it, in any direction."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms


class Engine:
    """One partition of an engine. config: as in a file; without agents it has three."""

    def __init__(
        self, log: MemoryLog | None = None, wall: Clock | None = None, **config: Any
    ) -> None:
        self.log = log or MemoryLog()
        self.wall = wall or Clock()
        self.open(**config)

    def open(self, **config: Any) -> None:
        """Start anew on the same log, with this configuration."""
        typed = msgspec.convert({"agents": AGENTS, **config}, EngineConfig)
        self.sequencer = Sequencer.open(self.log, typed, self.wall)
        self.registry = Registry(self.sequencer)
        self.rules = Rules(self.sequencer)
        self.trials = Trials(self.sequencer)

    @property
    def state(self) -> State:
        return self.sequencer.state

    def route(self, **fields: Any) -> Answer:
        answer = self.sequencer.route(request_of(fields), explain=True)
        self.sequencer.commit()
        return answer

    def preview(self, **fields: Any) -> Answer:
        return self.sequencer.preview(request_of(fields))

    def report(self, decision_id: str = "", **fields: Any) -> Ack:
        ack = self.sequencer.report(
            msgspec.convert({"decision_id": decision_id, **fields}, Outcome)
        )
        self.sequencer.commit()
        return ack

    def register(self, agent_id: str, **fields: Any) -> Listed:
        told = self.registry.register(parse_agent({"id": agent_id, **fields}))
        self.sequencer.commit()
        return told

    def update(self, agent_id: str, **fields: Any) -> Listed:
        """A new definition; what is not named has its default."""
        told = self.registry.update(agent_id, parse_agent({"id": agent_id, **fields}))
        self.sequencer.commit()
        return told

    def set_status(self, agent_id: str, status: str) -> Listed:
        told = self.registry.update(agent_id, status=AgentStatus(status))
        self.sequencer.commit()
        return told

    def deregister(self, agent_id: str) -> None:
        self.registry.deregister(agent_id)
        self.sequencer.commit()

    def overrule(self, override_id: str, **fields: Any) -> ListedOverride:
        """Put an override into force, or another in place of its namesake."""
        override = parse_override({"id": override_id, **fields})
        known = override_id in self.state.placed
        told = self.rules.update(override) if known else self.rules.create(override)
        self.sequencer.commit()
        return told

    def experiment(self, experiment_id: str, **fields: Any) -> Trial:
        """Start an experiment."""
        self.trials.create(parse_experiment({"id": experiment_id, **fields}))
        self.sequencer.commit()
        return self.state.trials[experiment_id]

    def lift(self, override_id: str) -> None:
        """Remove an override."""
        self.rules.delete(override_id)
        self.sequencer.commit()

    def beat(self, agent_id: str, status: str = "ONLINE", lease_ms: int = 0) -> None:
        self.registry.beat(Heartbeat(agent_id, AgentStatus(status), lease_ms))
        self.sequencer.commit()

    def end_lease(self, agent_id: str) -> None:
        self.registry.end_lease(agent_id)
        self.sequencer.commit()

    def refold(self) -> State:
        """The state that the log alone gives."""
        return fold(self.log, "default")

    def events(self, kind: type[E]) -> list[E]:
        """The events of one kind, in order; Event is every kind."""
        stored = (record.event for record in records(self.log, "default"))
        return [event for event in stored if isinstance(event, kind)]

    def refused(
        self, reason: ErrorReason, call: Callable[..., object], *arguments: Any, **fields: Any
    ) -> RouterError:
        """The refusal of a call that must be refused for this reason and change nothing."""
        before = self.sequencer.position, self.state.hash()
        with pytest.raises(RouterError) as caught:
            call(*arguments, **fields)
        assert caught.value.reason is reason, caught.value.message
        assert (self.sequencer.position, self.state.hash()) == before
        return caught.value
