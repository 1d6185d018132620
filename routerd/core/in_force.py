"""The operator's rules in force: what the events about them do to the state."""

from __future__ import annotations

from routerd.core.events import OverrideRemoved, OverrideSet
from routerd.core.overrides import Overrides, Placed
from routerd.core.state import State


def put_in_force(state: State) -> None:
    """Take all overrides together: those of the configuration, and those that came over RPC."""
    placed = [placed.override for placed in state.placed.values()]
    state.overrides = Overrides((*state.config.overrides, *placed))
    ends = [override.expires_time_ms for override in placed if override.expires_time_ms]
    state.overrides_expire_ms = min(ends, default=0)


def apply_override(state: State, event: OverrideSet | OverrideRemoved) -> None:
    if isinstance(event, OverrideSet):
        state.placed[event.override.id] = Placed(event.override, event.time_ms)
    else:
        del state.placed[event.override_id]
    put_in_force(state)
