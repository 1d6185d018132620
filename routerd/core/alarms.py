"""What an operator should look at: each alarm with its likely cause and what may be done.

Alarms are read from the state; nothing depends on them. What does, drift, is an event. Thresholds
are stated so that a router that works as it should raises none: each needs a least number of
decisions, and an effect that chance does not make.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from itertools import islice
from typing import NamedTuple

import numpy as np

from learners.base import Array
from learners.features import CLIP
from learners.policies import value_of_information
from routerd.core import lookahead
from routerd.core.base import HOUR_MS
from routerd.core.encode import category
from routerd.core.outcomes import owes
from routerd.core.pulse import LOOK, Pulse, of_policy
from routerd.core.react import window_ms
from routerd.core.settings import CategoryFeature, SquareCBPolicy, ThompsonPolicy, ValuePolicy
from routerd.core.state import OpenDecision, State
from routerd.core.values import Preference
from routerd.core.view import View

ENOUGH_LAWS = 200
COLLAPSED, UNSURE = 0.1, 0.9
LAWS = 50
FORGONE, RUN = 0.005, 32.0
HOPELESS, MATTERS, SURE = 0.02, 0.02, 3.0
ENOUGH_DUE, SILENT = 50, 0.1
LATE, LATE_MS = 3.0, 60_000
BEFORE, NOW = 600, 200
FAR, FAR_ERRORS = 0.75, 6.0
GONE = 0.5
EXPLORE_MORE = {
    ValuePolicy: "raise policy.spread or policy.floor",
    ThompsonPolicy: "raise policy.v_min or policy.floor_min",
    SquareCBPolicy: "lower policy.gamma_scale or policy.gamma_exponent",
}
"""What the operator of each policy that adapts its exploration may do."""


class AlarmKind(StrEnum):
    """What is wrong."""

    ENTROPY_COLLAPSE = "ENTROPY_COLLAPSE"
    CANNOT_WIN = "CANNOT_WIN"
    SILENCE = "SILENCE"
    FEATURE_DRIFT = "FEATURE_DRIFT"
    FEATURE_SWAP = "FEATURE_SWAP"
    AGENT_DRIFT = "AGENT_DRIFT"


class Alarm(NamedTuple):
    """about: the agent or the features that it is of; empty for all. told: what is seen."""

    kind: AlarmKind
    about: str
    told: str
    cause: str
    action: str


class Fit(NamedTuple):
    """How a column is made of a number: (value - centre) / scale, and clipped."""

    centre: float
    scale: float


def alarms(state: State, entries: list[OpenDecision], seen: Pulse) -> list[Alarm]:
    """All that there are. entries: the latest open decisions, the latest first."""
    found = [*collapse(state, entries, seen), *hopeless(state, entries, seen)]
    found += [*silence(state), *drifted(state), *features(state, entries)]
    return found


def collapse(state: State, entries: list[OpenDecision], seen: Pulse) -> Iterator[Alarm]:
    """The law is all but settled although the estimates are not, and that may cost something."""
    learns = type(state.config.policy) in EXPLORE_MORE
    if not learns or seen.drawn < ENOUGH_LAWS or seen.entropy is None or seen.confidence is None:
        return
    if seen.entropy >= COLLAPSED or seen.confidence >= UNSURE:
        return
    if (lost := forgone(state, entries)) > FORGONE:
        first = max(seen.agents, key=lambda agent: agent.mean_probability)
        yield Alarm(
            AlarmKind.ENTROPY_COLLAPSE,
            first.agent_id,
            f"{first.agent_id} has {first.mean_probability:.0%} of the probability, but is only "
            f"{seen.confidence:.0%} sure to be the better one; to try another for longer would "
            f"earn {lost:.3f} a decision",
            "exploration is set too low, or outcomes of the others do not come",
            f"{EXPLORE_MORE[type(state.config.policy)]}; look for alarms of silence",
        )


def forgone(state: State, entries: list[OpenDecision]) -> float:
    """What it would earn a decision ahead to look at another agent than the best for longer.

    In utility, less what the looks cost, by what the default policy makes of a look; a run of them
    is 1 / RUN of what is ahead, 8 times as long as there. The mean over the latest laws. Patience
    is the default, for what is set may be what is wrong. And looks under way count for nothing:
    where they never tell, they are why an agent is left out.
    """
    earned = []
    for view, known in islice(own_laws(state, entries), LAWS):
        mean, _ = view.utility_of(known)
        variance, covariance = lookahead.doubt(view, known)
        horizon = lookahead.horizon(view, ValuePolicy().patience, known)
        told = mean, variance, view.noise, 1.0, horizon, *lookahead.ahead(view, known)
        looks = covariance, np.zeros(len(known))
        centre, _, _ = value_of_information(*told, *looks, shorter=RUN)
        others = np.arange(len(known)) != mean.argmax()
        earned.append(max(0.0, float((centre[others] - mean.max()).max()) / RUN))
    return sum(earned) / max(len(earned), 1)


def own_laws(state: State, entries: list[OpenDecision]) -> Iterator[tuple[View, tuple[int, ...]]]:
    """Of the policy's own laws, the latest first: how it is now, and the agents that are still
    there, by index; two at least."""
    index = state.roster.index
    for entry in entries:
        decision = entry.decision
        if entry.generation == state.generation and of_policy(decision):
            known = tuple([index[name] for name in decision.agents if name in index])
            if len(known) > 1:
                yield View(state, decision.query, state.time_ms), known


def hopeless(state: State, entries: list[OpenDecision], seen: Pulse) -> Iterator[Alarm]:
    """Agents that no law gives more than a crumb, and that are worse, however different the tasks.

    A crumb alone says that a try does not pay now: of an agent that is hardly known, nothing.
    """
    least = HOPELESS / max(len(state.roster.ids), 1)
    crumbs = [a for a in seen.agents if a.laws >= ENOUGH_LAWS and a.highest_probability < least]
    behind = worse_by(state, entries) if crumbs else {}
    for agent in crumbs:
        if (by := behind.get(agent.agent_id, 0.0)) > MATTERS:
            yield Alarm(
                AlarmKind.CANNOT_WIN,
                agent.agent_id,
                f"it had at most {agent.highest_probability:.2%} in {agent.laws} laws, and by "
                f"{agent.outcomes:.0f} outcomes is worse by {by:.2f} at least",
                "the others are better or cheaper at all kinds of work seen of late",
                "remove it; or, if it changed since, give it a new version so that it is tried",
            )


def worse_by(state: State, entries: list[OpenDecision]) -> dict[str, float]:
    """By how much utility each agent is worse than the best, SURE standard deviations taken off:
    the least of the latest laws of LAWS different contexts."""
    found: dict[str, float] = {}
    contexts: set[tuple[bytes, int, Preference, tuple[int, ...]]] = set()
    for view, known in own_laws(state, entries):
        context = view.query.x, view.query.cell, view.query.preference, known
        if context in contexts:
            continue
        if len(contexts) == LAWS:
            break
        contexts.add(context)
        mean, variance = view.utility_of(known)
        best = mean.argmax()
        by = mean[best] - mean - SURE * np.sqrt(variance + variance[best])
        for i, worse in zip(known, by.tolist(), strict=True):
            agent_id = state.roster.ids[i]
            found[agent_id] = min(found.get(agent_id, worse), worse)
    return found


def silence(state: State) -> Iterator[Alarm]:
    """Decisions that should have heard an outcome by now, and did not."""
    entries = list(state.decisions.values())[-10 * LOOK :]
    delays = [delay for entry in entries if (delay := delay_ms(entry)) is not None]
    half_ms = state.config.outcomes.window_hours * HOUR_MS / 2
    due_ms = half_ms
    if len(delays) >= ENOUGH_DUE:
        due_ms = min(half_ms, LATE * float(np.quantile(delays, 0.95)) + LATE_MS)
    since_ms = state.time_ms - due_ms
    due = [e for e in entries if e.decision.time_ms < since_ms and owes(e)]
    if is_silent(due[-ENOUGH_DUE:]):
        yield quiet("", "all agents", due[-ENOUGH_DUE:])
        return
    by_agent: dict[str, list[OpenDecision]] = {agent_id: [] for agent_id in state.roster.ids}
    for entry in due:
        by_agent.setdefault(entry.decision.agent_id, []).append(entry)
    for agent_id in state.roster.ids:
        if is_silent(own := by_agent[agent_id][-ENOUGH_DUE:]):
            yield quiet(agent_id, agent_id, own)


def delay_ms(entry: OpenDecision) -> int | None:
    """How long after a decision its first quality came; None when none did."""
    times = [
        held.time_ms
        for registers in entry.reports.values()
        for held in (registers.quality, registers.success)
        if held is not None
    ]
    return max(min(times) - entry.decision.time_ms, 0) if times else None


def is_silent(due: list[OpenDecision]) -> bool:
    heard = sum(entry.credit.quality is not None for entry in due)
    return len(due) >= ENOUGH_DUE and heard < SILENT * len(due)


def quiet(about: str, who: str, due: list[OpenDecision]) -> Alarm:
    heard = sum(entry.credit.quality is not None for entry in due)
    return Alarm(
        AlarmKind.SILENCE,
        about,
        f"of {len(due)} decisions for {who} that should have heard an outcome, {heard} have",
        "whoever reports outcomes is stopped, fails, or reports other decision_ids",
        "look at the reporter's errors; what is not told cannot be learnt",
    )


def drifted(state: State) -> Iterator[Alarm]:
    """Agents that changed within the last window of outcomes."""
    since_ms = state.time_ms - window_ms(state)
    for agent_id, drift in sorted(state.drifts.items()):
        if agent_id in state.roster.index and drift.time_ms >= since_ms:
            way = "better" if drift.size > 0 else "worse"
            yield Alarm(
                AlarmKind.AGENT_DRIFT,
                agent_id,
                f"{agent_id} got {way} by {abs(drift.size):.2f}, as {drift.outcomes} outcomes tell",
                "its model, prompt or tools changed; or its tasks did",
                "nothing has to be done: it is learnt anew; tell new versions by their `version`",
            )


def features(state: State, entries: list[OpenDecision]) -> Iterator[Alarm]:
    """Columns that are no longer what they were: BEFORE decisions held against the latest NOW."""
    entries = [entry for entry in entries if entry.generation == state.generation]
    if len(entries) < BEFORE + NOW:
        return
    x = np.array([np.frombuffer(entry.decision.query.x) for entry in entries[: BEFORE + NOW]])
    now, before = x[:NOW], x[NOW:]
    moved = shift(before, now)
    names = column_names(state)
    numeric = np.array([bool(name) for name in names])
    far = np.flatnonzero(moved & numeric)
    swapped: set[int] = set()
    fits = fits_of(state)
    for i in far.tolist():
        for j in far.tolist():
            if i < j and is_swap(before[:, [i, j]], now[:, [i, j]], fits[i], fits[j]):
                swapped |= {i, j}
                yield Alarm(
                    AlarmKind.FEATURE_SWAP,
                    f"{names[i]}, {names[j]}",
                    f"{names[i]} looks as {names[j]} did, and the other way round",
                    "a caller sends one in the place of the other",
                    "look at the callers; what was learnt of these features misleads until then",
                )
    told = {names[i] for i in swapped}
    for i in far.tolist():
        if names[i] not in told:
            told.add(names[i])
            a, b = float(before[:, i].mean()), float(now[:, i].mean())
            yield Alarm(
                AlarmKind.FEATURE_DRIFT,
                names[i],
                f"{names[i]} is {b:.2g} on average where it was {a:.2g}, in scaled units",
                "callers send it in another unit, no longer, or of other tasks",
                "if tasks changed, give `features` a new centre and scale; else mend the callers",
            )
    yield from unknown_values(state, entries)


def shift(before: Array, now: Array) -> Array:
    """Whether each column's mean moved far, by its spread and by the error of the means."""
    spread = np.sqrt(before.var(axis=0) + 1e-12)
    moved = np.abs(now.mean(axis=0) - before.mean(axis=0)) / spread
    error = np.sqrt(1.0 / len(before) + 1.0 / len(now))
    far: Array = (moved > FAR) & (moved > FAR_ERRORS * error)
    return far


def is_swap(before: Array, now: Array, *fits: Fit) -> bool:
    """Whether two columns took each other's place: each is what the other would be in its scale."""
    for column, (own, other) in enumerate((fits, fits[::-1])):
        values = before[:, 1 - column] * other.scale + other.centre
        moved = np.clip((values - own.centre) / own.scale, -CLIP, CLIP)
        near = 0.25 * max(moved.std(), before[:, column].std()) + 1e-6
        if abs(now[:, column].mean() - moved.mean()) >= near:
            return False
    return True


def fits_of(state: State) -> dict[int, Fit]:
    """The scale of each column that is told in one of its own."""
    as_it_is = dict.fromkeys(range(state.encoder.width), Fit(0.0, 1.0))
    numbers = state.encoder.numbers
    return as_it_is | {start: Fit(centre, scale) for _, start, centre, scale in numbers}


def column_names(state: State) -> list[str]:
    """The feature of each column of x; empty for the intercept and for categories, whose mix may
    change by the hour."""
    names = [""] * state.encoder.width
    ends = [start for _, start in state.encoder.columns[1:]] + [state.encoder.width]
    for (feature, start), end in zip(state.encoder.columns, ends, strict=True):
        if not isinstance(feature, CategoryFeature):
            names[start:end] = [feature.name] * (end - start)
    return names


def unknown_values(state: State, entries: list[OpenDecision]) -> Iterator[Alarm]:
    """Categories that came and come no longer."""
    for feature, _ in state.encoder.columns:
        if not isinstance(feature, CategoryFeature):
            continue
        given = [bool(category(entry.decision.query, feature.name)) for entry in entries]
        now, before = np.mean(given[:NOW]), np.mean(given[NOW : NOW + BEFORE])
        if before - now > GONE:
            yield Alarm(
                AlarmKind.FEATURE_DRIFT,
                feature.name,
                f"{feature.name} is given by {now:.0%} of tasks; it was by {before:.0%}",
                "a caller no longer sends it, or sends it under another name",
                "mend the caller; tasks without it are decided by what all kinds have in common",
            )
