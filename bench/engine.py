"""The serving engine without a log: the same encode, decide, apply and react, kept in memory.

What it leaves out is what a log is for: hashes, durability and idempotent answers. A replay on it
makes the very decisions that a daemon with the same configuration, clock and requests makes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from learners.base import Array
from routerd import __version__
from routerd.core.apply import apply
from routerd.core.base import DEFAULT_PARTITION
from routerd.core.decide import decide, decided, encode_request
from routerd.core.events import (
    AgentRegistered,
    AnyEvent,
    ConfigApplied,
    Decision,
    OutcomeReported,
    Record,
)
from routerd.core.fingerprint import fingerprint
from routerd.core.react import react, window_ended
from routerd.core.settings import Agent, EngineConfig, engine_part
from routerd.core.state import GENESIS, State
from routerd.core.values import Follows, Outcome, Request, Task
from routerd.core.view import View, views


class Engine:
    """One partition of routerd. Agents are told by their index in id order."""

    def __init__(self, config: EngineConfig) -> None:
        self.state = State(DEFAULT_PARTITION)
        self.found: list[AnyEvent] = []  # what the engine itself found out, see react
        self._drawn: list[tuple[Array, bytes]] = []  # mean utilities and law of each decision
        wanted = msgspec.json.encode(engine_part(config), order="deterministic")
        self._apply(ConfigApplied(1, DEFAULT_PARTITION, wanted, __version__, fingerprint()))

    def choose(
        self,
        task: Task,
        request_id: str,
        *,
        agent_id: str = "",
        time_ms: int = 0,
        follows: Follows | None = None,
    ) -> tuple[int, float, str]:
        """Index of the agent that gets the task, its propensity, and the decision's id.

        agent_id: decide explicitly. time_ms: the event's time under `clock: caller`.
        Raises RouterError when nobody is eligible.
        """
        decision, view = self.decide(
            task, request_id, agent_id=agent_id, time_ms=time_ms, follows=follows
        )
        decision_id = self.take(decision, view)
        return self.state.roster.index[decision.agent_id], decision.propensity, decision_id

    def decide(
        self,
        task: Task,
        request_id: str,
        *,
        agent_id: str = "",
        time_ms: int = 0,
        follows: Follows | None = None,
    ) -> tuple[Decision, View]:
        """The decision alone; nothing changes."""
        request = Request(request_id, task, agent_id, follows=follows)
        query = encode_request(self.state, request, request_id)
        return decide(self.state, query, self._time(time_ms))

    def decide_many(self, asked: Sequence[tuple[Task, str]]) -> Iterator[tuple[Decision, View]]:
        """decide for tasks and their request ids, at most AT_ONCE, as a batch does: each is taken
        before the next is asked for, and none brings a value that is new to its feature."""
        requests = [Request(request_id, task) for task, request_id in asked]
        queries = [encode_request(self.state, each, each.request_id) for each in requests]
        made = views(self.state, queries)
        for time_ms, view in enumerate(made, self._time(0)):
            view.time_ms = time_ms
        for view in made:
            yield decided(view), view

    def take(self, decision: Decision, view: View) -> str:
        """Fold a decision that was just made; its id."""
        if not decision.query.agent_id:
            self._drawn.append((means(decision, view), decision.law))
        decision_id = self._apply(decision)
        self._react()
        return decision_id

    def learn(
        self,
        decision_id: str,
        quality: float | None,
        cost_usd: float | None = None,
        latency_ms: float | None = None,
        *,
        time_ms: int = 0,
        reported_confidence: float | None = None,
    ) -> bool:
        """Take the outcome of a decision; False when it comes after the decision was closed."""
        state, now_ms = self.state, self._time(time_ms)
        entry = state.decisions.get(decision_id)
        if entry is None or window_ended(state, entry, now_ms):
            return False
        outcome = Outcome(
            outcome_id=f"o{state.position + 1}",
            decision_id=decision_id,
            quality=quality,
            cost_usd=cost_usd,
            latency_ms=latency_ms,
            reported_confidence=reported_confidence,
        )
        self._apply(OutcomeReported(now_ms, outcome, b""))
        self._react()
        return True

    def register(self, agent: Agent) -> None:
        """Take in an agent that was not there before."""
        self._apply(AgentRegistered(self._time(0), agent))
        self._react()

    @property
    def given_up(self) -> float:
        """Utility that the laws drawn from gave up so far, by the engine's own estimates.

        The sum over decisions of (best mean - law . mean). Explicit ones give up nothing.
        """
        return sum(float(mean.max() - np.frombuffer(law) @ mean) for mean, law in self._drawn)

    def _time(self, asked_ms: int) -> int:
        """Event time as the sequencer gives it. There is no wall here: its time is the caller's."""
        if self.state.config.clock == "logical":
            return self.state.position + 1
        return max(asked_ms, self.state.time_ms)

    def _apply(self, event: AnyEvent) -> str:
        position = self.state.position + 1
        name = f"d{position}"
        apply(self.state, Record(position, GENESIS, event), name)
        return name

    def _react(self) -> None:
        while events := react(self.state):
            self.found += events
            for event in events:
                self._apply(event)


def means(decision: Decision, view: View) -> Array:
    """Mean utility of each agent that the law is over."""
    mean, _ = view.utility
    if decision.excluded:
        mean = mean[[view.state.roster.index[agent_id] for agent_id in decision.agents]]
    return mean
