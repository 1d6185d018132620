"""react(state) -> events: what the state itself calls for. Logged; replay never recomputes it."""

from __future__ import annotations

from itertools import islice

from routerd.core.state import State
from routerd.core.values import AnyEvent, DecisionsClosed

CLOSE_AT_ONCE = 256


def react(state: State) -> list[AnyEvent]:
    """Close decisions whose window ended, and the oldest above the bound, up to 256 at once."""
    if not state.decisions:
        return []
    limit = state.time_ms - int(state.config.outcomes.window_hours * 3_600_000)
    surplus = len(state.decisions) - state.config.limits.open_decisions
    oldest = next(iter(state.decisions.values()))
    if surplus <= 0 and oldest.decision.time_ms >= limit:
        return []
    closing = [
        decision_id
        for i, (decision_id, entry) in enumerate(islice(state.decisions.items(), CLOSE_AT_ONCE))
        if i < surplus or entry.decision.time_ms < limit
    ]
    return [DecisionsClosed(time_ms=state.time_ms, decision_ids=tuple(closing))]
