"""Operators' overrides in force: which of them hold for a task, the most important first."""

from __future__ import annotations

from collections.abc import Iterable

from routerd.core.base import Value
from routerd.core.encode import category, matches
from routerd.core.rules import Override
from routerd.core.settings import Agent
from routerd.core.values import Query


class Placed(Value, frozen=True):
    """An override that came over RPC, and when."""

    override: Override
    time_ms: int


class Overrides:
    """An index over overrides, so that a decision looks only at those that may hold for it.

    in_order: by priority, the highest first; of equals those that forbid, then by id.
    """

    def __init__(self, overrides: Iterable[Override]) -> None:
        def rank(override: Override) -> tuple[int, bool, str]:
            return -override.priority, override.action != "forbid", override.id

        self.in_order = sorted(overrides, key=rank)
        self._always: list[int] = []
        self._keyed: dict[str, dict[str, list[int]]] = {}
        for place, override in enumerate(self.in_order):
            places = self._always
            if override.when:
                key = distinguishing(override.when)
                places = self._keyed.setdefault(key, {}).setdefault(override.when[key], [])
            places.append(place)

    def __len__(self) -> int:
        return len(self.in_order)

    def holding(self, query: Query, time_ms: int) -> list[Override]:
        """Those that hold for a task at a time, in order."""
        places = list(self._always)
        for key, by_value in self._keyed.items():
            places += by_value.get(category(query, key), ())
        found = [self.in_order[place] for place in sorted(places)]
        return [override for override in found if holds(override, query, time_ms)]


def distinguishing(when: dict[str, str]) -> str:
    """The key that fewest tasks are likely to share: a label, rather than the kind of work."""
    return min(when, key=lambda key: (key in ("work_type", "domain"), key))


def holds(override: Override, query: Query, time_ms: int) -> bool:
    """Whether an override is for this task, at this time."""
    return not has_expired(override, time_ms) and matches(query, override.when)


def has_expired(override: Override, time_ms: int) -> bool:
    return 0 < override.expires_time_ms <= time_ms


def is_meant(override: Override, agent: Agent) -> bool:
    """Whether an agent is one of those that an override forces or forbids."""
    return (
        override.agent in ("", agent.id)
        and override.pool in ("", agent.pool)
        and override.type in ("", agent.type)
    )


def described(override: Override) -> str:
    """An override by its name, author and reason."""
    by = f" by {override.author}" if override.author else ""
    return f"override {override.id}{by}" + (f": {override.reason}" if override.reason else "")
