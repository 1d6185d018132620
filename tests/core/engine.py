"""An engine on a log in memory with a clock that the test moves, and what tests ask of it."""

from __future__ import annotations

from typing import Any

import msgspec

from routerd.core.answers import Ack, Answer
from routerd.core.errors import ErrorReason, RouterError
from routerd.core.settings import EngineConfig
from routerd.core.state import State
from routerd.core.values import AnyEvent, Decision, Outcome, Request
from routerd.log.base import Log
from routerd.log.codec import records
from routerd.log.fold import fold
from routerd.log.memory import MemoryLog
from routerd.log.sequencer import Sequencer
from routerd.router import request_of

HOUR_MS = 3_600_000
START_MS = 1_700_000_000_000

AGENTS = (
    {"id": "large", "pool": "paid", "capabilities": ["code", "vision"]},
    {"id": "medium", "pool": "paid", "capabilities": ["code"]},
    {"id": "small", "pool": "free"},
)


class Clock:
    """A wall clock that stands still until the test moves it, in any direction."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms


class Engine:
    """One partition of an engine; `config` is a file's content, three agents unless it has some."""

    def __init__(self, log: Log | None = None, wall: Clock | None = None, **config: Any) -> None:
        self.log = MemoryLog() if log is None else log
        self.wall = wall or Clock()
        self.config = {"agents": AGENTS, **config}
        self.open(**self.config)

    def open(self, **config: Any) -> None:
        """Start anew on the same log, with this configuration."""
        self.config = {"agents": AGENTS, **config}
        config_read = msgspec.convert(self.config, EngineConfig)
        self.sequencer = Sequencer.open(self.log, config_read, self.wall)

    @property
    def state(self) -> State:
        return self.sequencer.state

    def route(self, request: Request | None = None, **fields: Any) -> Answer:
        answer = self.sequencer.route(request or request_of(fields), explain=True)
        self.sequencer.commit()
        return answer

    def preview(self, **fields: Any) -> Answer:
        return self.sequencer.preview(request_of(fields))

    def report(self, decision_id: str, **fields: Any) -> Ack:
        outcome = msgspec.convert({"decision_id": decision_id, **fields}, Outcome)
        ack = self.sequencer.report(outcome)
        self.sequencer.commit()
        return ack

    def refold(self) -> State:
        """The state that the log alone gives."""
        return fold(self.log, "default")

    def events(self) -> list[AnyEvent]:
        return [record.event for record in records(self.log, "default")]

    def of_type(self, kind: type[AnyEvent]) -> list[Any]:
        return [event for event in self.events() if isinstance(event, kind)]


def law(decision: Decision) -> dict[str, float]:
    """A decision's law as agent -> probability."""
    from routerd.core.reasons import law_of

    return law_of(decision)


def refusal(engine: Engine, reason: ErrorReason, call: Any, *args: Any, **fields: Any) -> RouterError:
    """The refusal of a call that must be refused for this reason and change nothing."""
    before = engine.state.hash(), engine.sequencer.position
    try:
        answer = call(*args, **fields)
    except RouterError as error:
        assert error.reason is reason, f"{error.reason}: {error.message}"
        assert (engine.state.hash(), engine.sequencer.position) == before
        return error
    raise AssertionError(f"was answered: {answer}")
