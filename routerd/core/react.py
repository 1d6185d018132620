"""react(state) -> events: what the state itself calls for. Logged; replay never recomputes it."""

from __future__ import annotations

from itertools import islice, takewhile

from routerd.core.base import HOUR_MS
from routerd.core.cooldown import findings
from routerd.core.drift import drift_of, is_plain
from routerd.core.events import AnyEvent, DecisionsClosed, OverrideRemoved, RemovalCause
from routerd.core.overrides import has_expired
from routerd.core.state import OpenDecision, State

CLOSE_AT_ONCE = 256
# Decisions are closed some at a time: an event for each would cost every call a quarter more. So
# where a thousandth of the bound, or of the window, makes more than one, that many are waited for.
SHARE = 1_000
MOST_MORE = 32


def react(state: State) -> list[AnyEvent]:
    """What is over by time, overrides and decisions; what the last result and outcome call for."""
    events = close_decisions(state)
    if state.overrides_expire_ms and state.overrides_expire_ms <= state.time_ms:
        events += expire_overrides(state)
    if state.heard:
        events += findings(state)
    if is_plain(state):
        events.append(drift_of(state))
    return events


def expire_overrides(state: State) -> list[AnyEvent]:
    """Remove the overrides that came over RPC and whose time is over."""
    return [
        OverrideRemoved(state.time_ms, override_id, RemovalCause.EXPIRED)
        for override_id, placed in state.placed.items()
        if has_expired(placed.override, state.time_ms)
    ]


def close_decisions(state: State) -> list[AnyEvent]:
    """Close decisions whose window ended, and the oldest above the bound, up to 256 at once.

    Above the bound some more go than must, and a window may have ended for a thousandth of it.
    """
    if not state.decisions:
        return []
    bound = state.config.limits.open_decisions
    surplus = len(state.decisions) - bound
    if surplus > 0:
        return [closing(state, surplus + min(MOST_MORE, bound // SHARE))]
    oldest, window = next(iter(state.decisions.values())), window_ms(state)
    if oldest.decision.time_ms < state.time_ms - window - window // SHARE:
        return [closing(state, 0)]
    return []


def closing(state: State, surplus: int) -> DecisionsClosed:
    """The oldest decisions, up to 256: those whose window ended, then those above the bound."""
    oldest = list(islice(state.decisions.items(), CLOSE_AT_ONCE))
    over = takewhile(lambda item: window_ended(state, item[1], state.time_ms), oldest)
    ended = sum(1 for _ in over)
    count = min(max(ended, surplus), len(oldest))
    names = tuple(decision_id for decision_id, _ in oldest[:count])
    return DecisionsClosed(state.time_ms, names, censored=count - ended)


def window_ended(state: State, entry: OpenDecision, now_ms: int) -> bool:
    """Whether a decision that is still open accepts no more outcomes."""
    return entry.decision.time_ms < now_ms - window_ms(state)


def window_ms(state: State) -> int:
    """How long a decision accepts outcomes."""
    return int(state.config.outcomes.window_hours * HOUR_MS)
