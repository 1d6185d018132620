"""Agents that fail are set aside for a while, then tried by one decision at a time.

Marks: they follow the order of the log, and a failure that is revised later has set aside all the
same. Time is event time, so that a jump of the clock ends no cooldown. An agent that was set aside,
or taken back, starts anew: what was decided before, and is told late, is the same trouble again.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from routerd.core.events import AgentCooledDown, AgentRecovered, CooldownCause
from routerd.core.state import Cooling, Health, State
from routerd.core.values import Outcome, OutcomeKind

UNKNOWN = Health()


def result_of(outcome: Outcome) -> bool | None:
    """Whether the agent did its work; None when the outcome does not say.

    A quality of 0 is a failure, any other is none. What a group or a user says is of the result,
    not of whether there was one.
    """
    if outcome.kind is OutcomeKind.RETRACT or outcome.group_id or outcome.signal:
        return None
    if outcome.success is not None or outcome.quality is None:
        return outcome.success
    return outcome.quality > 0.0


def counts_results(state: State) -> bool:
    """Whether anything follows from results."""
    return state.config.cooldown is not None or state.config.fallback.type_failures is not None


def count_result(state: State, agent_id: str, decision_id: str, *, passed: bool) -> None:
    """The first result of a decision that an agent ran. One that is gone has no health."""
    if agent_id not in state.roster.index:
        return
    count_result_of_type(state, agent_id, passed=passed)
    settings = state.config.cooldown
    if settings is None:
        return
    held = state.health.get(agent_id, UNKNOWN)
    if state.decisions[decision_id].position < held.since:
        return
    failures = 0 if passed else held.failures + 1
    results = (held.results + (b"\1" if passed else b"\0"))[-settings.window :]
    state.health[agent_id] = Health(failures, results, held.since)
    state.heard = agent_id
    cooling = state.cooling.get(agent_id)
    if cooling is not None and cooling.trial == decision_id:
        state.cooling[agent_id] = msgspec.structs.replace(cooling, passed=passed)


def count_result_of_type(state: State, agent_id: str, *, passed: bool) -> None:
    """How many decisions of agents of a type failed in a row, see `fallback.type_failures`."""
    if state.config.fallback.type_failures is None:
        return
    type_of = state.roster.agents[state.roster.index[agent_id]].type
    if passed:
        state.failing.pop(type_of, None)
    elif type_of:
        state.failing[type_of] = state.failing.get(type_of, 0) + 1


def begin_trial(state: State, agent_id: str, decision_id: str, time_ms: int) -> None:
    """A decision chose an agent that is set aside: it tries it, unless another does."""
    cooling = state.cooling[agent_id]
    if not on_trial(state, cooling, time_ms):
        state.cooling[agent_id] = msgspec.structs.replace(cooling, trial=decision_id)


def on_trial(state: State, cooling: Cooling, time_ms: int) -> bool:
    """Whether a decision tries the agent right now; one that lost its outcome no longer does."""
    entry = state.decisions.get(cooling.trial)
    return (
        entry is not None
        and entry.in_flight
        and entry.decision.time_ms >= state.in_flight_since_ms(time_ms)
    )


def set_aside(state: State, time_ms: int, wanted: str) -> Mapping[str, str]:
    """The agents that are not to be chosen, each with why; not the one that a request names."""
    told = {}
    for agent_id, cooling in state.cooling.items():
        if agent_id == wanted:
            continue
        left_s = (cooling.until_ms - time_ms) / 1000
        if left_s > 0:
            told[agent_id] = f"is cooling down for {left_s:.3g} s: {BECAUSE[cooling.cause]}"
        elif on_trial(state, cooling, time_ms):
            told[agent_id] = "is cooling down, and another decision is its trial"
    return told


BECAUSE = {
    CooldownCause.FAILURES: "it failed several times in a row",
    CooldownCause.BELOW_PEERS: "it succeeds far less often than the others",
    CooldownCause.TRIAL_FAILED: "its trial failed",
}


def findings(state: State) -> list[AgentCooledDown | AgentRecovered]:
    """What the result that was heard calls for: to set its agent aside, or to take it back."""
    agent_id, time_ms = state.heard, state.time_ms
    cooling = state.cooling.get(agent_id)
    if cooling is None:
        cause = failing(state, agent_id)
        times = 1
    elif cooling.passed:
        return [AgentRecovered(time_ms, agent_id)]
    else:
        cause = CooldownCause.TRIAL_FAILED if cooling.passed is False else None
        times = cooling.times + 1
    if cause is None:
        return []
    return [AgentCooledDown(time_ms, agent_id, time_ms + length_ms(state, times), times, cause)]


def length_ms(state: State, times: int) -> int:
    """How long an agent is set aside for the so-many-th time in a row."""
    settings = state.config.cooldown
    assert settings is not None, "only then is an agent set aside"
    seconds = settings.base_seconds * 2.0 ** min(times - 1, 40)
    return int(1000 * min(seconds, settings.max_seconds))


def failing(state: State, agent_id: str) -> CooldownCause | None:
    """Why an agent is to be set aside; None when it is not."""
    settings, held = state.config.cooldown, state.health[agent_id]
    assert settings is not None, "only then are results counted"
    if settings.failures is not None and held.failures >= settings.failures:
        return CooldownCause.FAILURES
    if settings.below_peers is None or len(held.results) < settings.window:
        return None
    known = state.health.items()
    peers = b"".join([other.results for name, other in known if name != agent_id])
    if len(peers) < settings.window:
        return None
    rate, theirs = sum(held.results) / len(held.results), sum(peers) / len(peers)
    return CooldownCause.BELOW_PEERS if rate < settings.below_peers * theirs else None


def apply_cooldown(state: State, event: AgentCooledDown) -> None:
    state.cooling[event.agent_id] = Cooling(event.times, event.until_ms, event.cause)
    state.health[event.agent_id] = Health(since=state.position)


def apply_recovery(state: State, event: AgentRecovered) -> None:
    del state.cooling[event.agent_id]
    state.health[event.agent_id] = Health(since=state.position)
