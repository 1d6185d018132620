"""The reference: what clients were told, and what therefore must be true. It knows no engine.

Whoever calls tells it what was sent and what was acknowledged. At the end, it holds the log to
that: nothing acknowledged is lost or changed, nothing is there twice, nothing is there that nobody
sent, and the sums are those of the outcomes, each read once and in the order in which they
happened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from learners.base import Array, Sums
from routerd.core.events import (
    AgentRegistered,
    AgentUpdated,
    Decision,
    DecisionsClosed,
    OutcomeReported,
    Record,
)
from routerd.core.outcomes import cancelled
from routerd.core.state import OpenDecision, State
from routerd.log.codec import decision_id
from routerd.v1 import router_pb2, types_pb2

START_MS = 1_700_000_000_000
WINDOW_MS = 24 * 3_600_000
SLACK_MS = 3_600_000
RANKED = ("reviewer", "ci", "caller", "group")
CLOSE = 1e-9


ValuesOf = Callable[[str], Mapping[str, Any]]
"""What counts of a decision."""


class Violation(AssertionError):
    """What routerd promised is not so."""


def hold(true: bool, what: str) -> None:
    if not true:
        raise Violation(what)


class Routed(NamedTuple):
    """An answer to a request, as far as it must never change."""

    decision_id: str
    agent_id: str
    propensity: float
    position: int
    companions: tuple[tuple[str, str, float], ...] = ()


class Asked(NamedTuple):
    """A request: what was answered, and the event time of that decision."""

    answer: Routed | None = None
    time_ms: int = 0


class Claim(NamedTuple):
    """What a claim was answered, and where it stands; a refusal tells in words what it is worth."""

    accepted: bool
    expected: float
    disputed: bool
    position: int


class Told(NamedTuple):
    """How something stands at a position, as somebody was told; None: it is not there."""

    kind: str
    key: str
    value: Any
    position: int


class Model:
    """Every key that was sent, and of those that were acknowledged, with what.

    kept: the last position that was acknowledged as being on the platter. perhaps_lost: decisions
    that were acknowledged but not kept when power was lost.
    """

    def __init__(self) -> None:
        self.requests: dict[str, Asked] = {}
        self.outcomes: dict[str, types_pb2.Outcome] = {}
        self.acks: dict[str, int] = {}
        self.claims: dict[str, Claim] = {}
        self.perhaps_lost: set[str] = set()
        self.versions: dict[tuple[str, int], int] = {}
        self.answered: list[Told] = []
        self.kept = 0
        self.answers = 0

    def power_was_lost(self) -> None:
        """What was acknowledged, but not as being on the platter, may be gone."""
        for key, (answer, _) in self.requests.items():
            if answer is not None and answer.position > self.kept:
                self.perhaps_lost.add(answer.decision_id)
                self.perhaps_lost.update(name for _, name, _ in answer.companions)
                self.requests[key] = Asked()
        self.answered = [told for told in self.answered if told.position <= self.kept]

    def routed(
        self,
        request_id: str,
        answer: router_pb2.RouteResponse,
        time_ms: int,
        now_ms: int,
        platter: bool,
    ) -> Routed:
        """An answer came, decided at time_ms. It is the one of before, unless its window ended."""
        self.answers += 1
        others = tuple(
            (each.agent_id, each.decision_id, each.inclusion_probability)
            for each in answer.companions
        )
        found = Routed(
            answer.decision_id, answer.agent_id, answer.propensity, answer.position, others
        )
        before, since_ms = self.requests[request_id]
        if before not in (None, found):
            over = since_ms + WINDOW_MS - SLACK_MS <= now_ms
            hold(over, f"request {request_id} was answered {before}, and now {found}")
        self.requests[request_id] = Asked(found, time_ms)
        if platter:
            self.kept = max(self.kept, found.position)
        return found

    def acknowledged(
        self, outcome: types_pb2.Outcome, ack: router_pb2.ReportOutcomeResponse, now_ms: int
    ) -> None:
        """An outcome was taken: always at the same position, as long as its key lives."""
        self.answers += 1
        before = self.acks.setdefault(outcome.outcome_id, ack.position)
        what = f"outcome {outcome.outcome_id} was at {before}, and now at {ack.position}"
        if outcome.group_id and now_ms - START_MS >= WINDOW_MS:
            self.acks[outcome.outcome_id] = ack.position  # its decisions may be closed, others not
        else:
            hold(before == ack.position, what)
        self.kept = max(self.kept, ack.position)

    def claimed(self, decision_id: str, answer: Claim) -> None:
        """A claim was answered: always in the same way."""
        self.answers += 1
        before = self.claims.setdefault(decision_id, answer)
        hold(before == answer, f"claim on {decision_id} was answered {before}, and now {answer}")
        self.kept = max(self.kept, answer.position)

    def versioned(self, agent_id: str, version: int, position: int) -> None:
        """A definition was taken. An earlier one that arrives late takes its place again."""
        self.answers += 1
        self.versions.setdefault((agent_id, version), position)
        self.kept = max(self.kept, position)

    def told(self, kind: str, key: str, value: Any, position: int, platter: bool) -> None:
        """How something stands, which the log must say as well: see tests.faults.marks."""
        self.answers += 1
        self.answered.append(Told(kind, key, value, position))
        if platter:
            self.kept = max(self.kept, position)

    def hold_log(self, records: Sequence[Record]) -> None:
        """The log has all that was acknowledged where it was acknowledged, and each key once."""
        open_keys: dict[str, str] = {}
        names: dict[str, Routed] = {}
        reported: dict[str, int] = {}
        kept_by: dict[str, str] = {}
        versions: dict[tuple[str, int], int] = {}
        time_ms = 0
        for record in records:
            event = record.event
            hold(event.time_ms >= time_ms, f"time goes back at {record.position}")
            time_ms = event.time_ms
            match event:
                case Decision():
                    key, name = event.query.request_id, decision_id(record.position, record.hash)
                    first = event.query.companion_of
                    if first:
                        other = (event.agent_id, name, event.inclusion or 0.0)
                        told = (*names[first].companions, other)
                        names[first] = names[first]._replace(companions=told)
                        continue
                    hold(key in self.requests, f"nobody sent the request {key}")
                    hold(key not in open_keys, f"request {key} was decided twice")
                    open_keys[key] = name
                    names[name] = Routed(name, event.agent_id, event.propensity, record.position)
                case OutcomeReported():
                    key = event.outcome.outcome_id
                    hold(key in self.outcomes, f"nobody sent the outcome {key}")
                    hold(key not in kept_by, f"outcome {key} was taken twice")
                    reported[key] = record.position
                    kept_by[key] = (event.decision_ids or (event.outcome.decision_id,))[-1]
                case DecisionsClosed():
                    closed = set(event.decision_ids)
                    open_keys = {k: n for k, n in open_keys.items() if n not in closed}
                    kept_by = {k: n for k, n in kept_by.items() if n not in closed}
                case AgentRegistered() | AgentUpdated():
                    versions.setdefault((event.agent.id, int(event.agent.version)), record.position)
        for key, (answer, _) in self.requests.items():
            if answer is not None:
                found = names.get(answer.decision_id)
                hold(found == answer, f"request {key}: {answer} was lost or changed: {found}")
        for key, position in self.acks.items():
            found_at = reported.get(key)
            hold(found_at == position, f"outcome {key} at {position} was lost: {found_at}")
        for (agent_id, version), position in self.versions.items():
            taken_at = versions.get((agent_id, version), position + 1)
            hold(taken_at <= position, f"{agent_id} never had version {version} by {position}")

    def hold_sums(
        self,
        decisions: Mapping[str, Decision],
        values_of: ValuesOf,
        state: State,
    ) -> None:
        """Tallies and the learner's sums are those of each decision's final values."""
        arms, width = len(state.arm_of), state.encoder.width
        told, total, sums = np.zeros((arms, 3)), np.zeros((arms, 3)), Sums(arms, width, 1.0)
        for name, decision in decisions.items():
            values = values_of(name)
            arm = state.arm_of[values.get("executed_agent_id") or decision.agent_id]
            for i, metric in enumerate(("quality", "cost_usd", "latency_ms")):
                if metric in values:
                    told[arm, i] += 1
                    total[arm, i] += values[metric]
            if "quality" in values:
                sums.add(arm, np.frombuffer(decision.query.x), values["quality"], 1.0)
        near(state.tally.told.sum(axis=1), told, "how many values were told")
        near(state.tally.total.sum(axis=1), total, "the totals of what was told")
        entries = unheard(state)
        found = (len(entries), under_way(entries, state.tally.newest), answered(state))
        known = (state.awaited, state.under_way, state.answered)
        hold(found == known, f"awaited is not what is known, {found}")
        if state.drifts:
            return  # of an agent that changed the learner keeps a share alone
        learnt = state.learner.state()
        near(learnt["n"], sums.n, "how much was learnt")
        near(learnt["lam"], sums.lam, "what was learnt about")


def unheard(state: State) -> list[OpenDecision]:
    """The open decisions that may yet tell the learners something."""
    return [
        entry
        for entry in state.decisions.values()
        if entry.generation == state.generation and entry.credit.quality is None
        if entry.claim is None or entry.claim.accepted
        if not cancelled(entry.reports)
    ]


def answered(state: State) -> int:
    """How many open decisions told the learners of their quality."""
    return sum(
        entry.generation == state.generation and entry.credit.quality is not None
        for entry in state.decisions.values()
    )


def under_way(entries: list[OpenDecision], newest: Array) -> dict[int, list[int]]:
    """Of each arm that has any the positions of those since the latest that told."""
    found: dict[int, list[int]] = {}
    for entry in entries:
        if entry.position > newest[entry.credit.arm]:
            found.setdefault(entry.credit.arm, []).append(entry.position)
    return found


def hold_trial(trial: Any, decisions: Mapping[str, Decision], values_of: ValuesOf) -> None:
    """An arm's sums are those of its decisions; a shadow's those of the first arm, weighed."""
    arms = [arm.id for arm in trial.experiment.arms]
    shape = (len(arms), 3)
    made, told, total = np.zeros(len(arms)), np.zeros(shape), np.zeros(shape)
    for name, decision in decisions.items():
        assert decision.trial is not None
        shadow = decision.trial.weight
        shares = [(arms.index(decision.trial.arm), 1.0)]
        shares += [(1, shadow)] if shadow is not None else []
        values = values_of(name)
        elsewhere = values.get("executed_agent_id", "") not in ("", decision.agent_id)
        for arm, weight in shares:
            made[arm] += 1
            for i, metric in enumerate(("quality", "cost_usd", "latency_ms")):
                if metric in values and not elsewhere:
                    told[arm, i] += 1
                    total[arm, i] += weight * values[metric]
    for arm, arm_id in enumerate(arms):
        sums = trial.arms[arm_id]
        what = f"arm {arm_id} of {trial.experiment.id}"
        hold(sums.decisions == made[arm], f"{what}: {sums.decisions} decisions")
        found_told = np.reshape(sums.told, (-1, 3)).sum(axis=0)
        found_total = np.reshape(sums.total, (-1, 3)).sum(axis=0)
        hold(bool((found_told == told[arm]).all()), f"{what}: told {found_told} {told[arm]}")
        gap = float(np.abs(found_total - total[arm]).max())
        hold(gap < 1e-9, f"{what}: its totals are off by {gap:.3g}")


def near(found: Array, expected: Array, what: str) -> None:
    scale = np.maximum(1.0, np.abs(expected))
    gap = float((np.abs(found - expected) / scale).max())
    hold(gap < CLOSE, f"{what} is off by {gap:.3g}")


def happened(said: tuple[int, types_pb2.Outcome]) -> tuple[int, int, str]:
    """Its place among all that its source says: two of one time go by their ids."""
    position, outcome = said
    time_ms = outcome.event_time_ms
    return time_ms, 0 if time_ms else position, outcome.outcome_id


def final(said: Sequence[tuple[int, types_pb2.Outcome]]) -> Mapping[str, Any]:
    """Each metric's value when outcomes are read in the order in which they happened.

    One source tells its own times, the others' outcomes happened when they were received.
    """
    by_source: dict[str, dict[str, Any]] = {}
    for _, outcome in sorted(said, key=happened):
        source = outcome.source or ("group" if outcome.group_id else "caller")
        values: dict[str, Any] = {}
        for metric in ("quality", "cost_usd", "latency_ms"):
            if outcome.HasField(metric):
                values[metric] = getattr(outcome, metric)
        if outcome.executed_agent_id:
            values["executed_agent_id"] = outcome.executed_agent_id
        if outcome.cancelled:
            values["cancelled"] = True
        retracted = outcome.kind == types_pb2.OUTCOME_KIND_RETRACT
        by_source[source] = {} if retracted else by_source.get(source, {}) | values
    return {k: v for source in reversed(RANKED) for k, v in by_source.get(source, {}).items()}
