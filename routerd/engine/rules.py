"""The calls that change or tell the operator's overrides, on the sequencer that orders them.

As in routerd.engine.registry: checked, answered and made durable like decisions, and definitions
come typed.
"""

from __future__ import annotations

from collections.abc import Mapping

from routerd.core.answers import BudgetPage, ListedBudget, ListedOverride, OverridePage, Removal
from routerd.core.errors import (
    ErrorReason,
    RouterError,
    Violation,
    invalid,
    not_registered,
)
from routerd.core.events import OverrideRemoved, OverrideSet
from routerd.core.ledger import Ledger, window_ms, window_of
from routerd.core.overrides import Placed, has_expired
from routerd.core.rules import Budget, Override
from routerd.core.state import State
from routerd.core.validate import PAGE_SIZE, check_ids, check_override_listing, check_page
from routerd.core.values import AgentSource
from routerd.engine.sequencer import Sequencer


class Rules:
    """The overrides of a partition. Every method is synchronous, like the sequencer's."""

    def __init__(self, sequencer: Sequencer) -> None:
        self._sequencer = sequencer

    @property
    def state(self) -> State:
        return self._sequencer.state

    def create(self, override: Override) -> ListedOverride:
        """Put an override into force; one that stands just so already is told as it stands.

        Raises FIELD_VIOLATIONS, OVERRIDE_IS_CONFIGURED, OVERRIDE_EXISTS, AGENT_NOT_FOUND,
        TOO_MANY_OVERRIDES, READ_ONLY.
        """
        self._require_not_configured(override.id)
        known = self.state.placed.get(override.id)
        if known is None:
            self._place(override)
        elif known.override != override:
            raise exists(known.override, override)
        return self.get(override.id)

    def update(self, override: Override) -> ListedOverride:
        """Put an override in place of its namesake.

        Raises FIELD_VIOLATIONS, OVERRIDE_NOT_FOUND, OVERRIDE_IS_CONFIGURED, AGENT_NOT_FOUND,
        READ_ONLY.
        """
        self._require_not_configured(override.id)
        if self._placed(override.id).override != override:
            self._place(override)
        return self.get(override.id)

    def delete(self, override_id: str) -> Removal:
        """Remove an override, if there is one. Raises FIELD_VIOLATIONS, OVERRIDE_IS_CONFIGURED,
        READ_ONLY.
        """
        check_ids(self.state, override_id=override_id)
        self._require_not_configured(override_id)
        there = override_id in self.state.placed
        if there:
            self._sequencer.change(OverrideRemoved, override_id)
        return Removal(there, self.state.position)

    def get(self, override_id: str) -> ListedOverride:
        """An override as it stands. Raises FIELD_VIOLATIONS, OVERRIDE_NOT_FOUND."""
        check_ids(self.state, override_id=override_id)
        configured = self._configured(override_id)
        if configured is not None:
            return self._listed(Placed(configured, 0), AgentSource.CONFIG)
        return self._listed(self._placed(override_id), AgentSource.RPC)

    def page(
        self, when: Mapping[str, str], page_size: int = 0, page_token: str = ""
    ) -> OverridePage:
        """The overrides whose `when` has all of these, in id order. Raises FIELD_VIOLATIONS."""
        check_override_listing(self.state, when, page_size, page_token)
        size = page_size or PAGE_SIZE
        ids = sorted(
            override.id
            for override in self.state.overrides.in_order
            if override.id > page_token and when.items() <= override.when.items()
        )
        told = tuple(self.get(override_id) for override_id in ids[:size])
        return OverridePage(told, ids[size - 1] if len(ids) > size else "", self.state.position)

    def budgets(self, page_size: int = 0, page_token: str = "") -> BudgetPage:
        """What stands at each budget, by its name and then its values. Raises FIELD_VIOLATIONS."""
        check_page(self.state, page_size, page_token)
        size, state = page_size or PAGE_SIZE, self.state
        keys = [
            (f"{budget.id} {value}", budget, value)  # no id has what sorts before a space
            for budget in state.config.budgets
            for value in (state.ledgers.get(budget.id) or ("",))
        ]
        keys.sort(key=lambda key: key[0])
        found = [key for key in keys if key[0] > page_token]
        told = tuple(self._account(budget, value) for _, budget, value in found[:size])
        following = found[size - 1][0] if len(found) > size else ""
        return BudgetPage(told, following, state.position)

    def check_expiry(self, time_ms: int) -> None:
        """Raise FIELD_VIOLATIONS for an end that has come; 0 is none."""
        if 0 < time_ms <= self._sequencer.time_ms():
            told = "lies in the past; give a later time, or none"
            raise invalid([Violation("definition.expires_time_ms", told)])

    def _account(self, budget: Budget, value: str) -> ListedBudget:
        window = window_of(budget, self._sequencer.time_ms())
        ledger = self.state.ledgers.get(budget.id, {}).get(value, Ledger()).at(window)
        begin_ms = window * window_ms(budget)
        return ListedBudget(budget, value, begin_ms, begin_ms + window_ms(budget), ledger)

    def _configured(self, override_id: str) -> Override | None:
        configured = self.state.config.overrides
        return next((override for override in configured if override.id == override_id), None)

    def _placed(self, override_id: str) -> Placed:
        placed = self.state.placed.get(override_id)
        if placed is None:
            text = f"no override has the id {override_id!r}; `routerd overrides` tells them all"
            facts = {"override_id": override_id}
            raise RouterError(ErrorReason.OVERRIDE_NOT_FOUND, text, metadata=facts)
        return placed

    def _listed(self, placed: Placed, source: AgentSource) -> ListedOverride:
        override, state = placed.override, self.state
        expired = has_expired(override, state.time_ms)
        return ListedOverride(override, source, placed.time_ms, expired, state.position)

    def _require_not_configured(self, override_id: str) -> None:
        if self._configured(override_id) is not None:
            text = f"override {override_id!r} is defined by the configuration file: change it there"
            facts = {"override_id": override_id}
            raise RouterError(ErrorReason.OVERRIDE_IS_CONFIGURED, text, metadata=facts)

    def _place(self, override: Override) -> None:
        """Put a new override into force, or another in place of its namesake."""
        self.check_expiry(override.expires_time_ms)
        if override.agent and override.agent not in self.state.roster.index:
            raise not_registered(override.agent)
        self._require_room(override.id)
        self._sequencer.change(OverrideSet, override)

    def _require_room(self, override_id: str) -> None:
        placed, limit = len(self.state.placed), self.state.config.limits.overrides
        if override_id not in self.state.placed and placed >= limit:
            text = (
                f"{placed} overrides came over RPC; limits.overrides is {limit}: "
                "delete one, or raise it"
            )
            facts = {"limit": str(limit)}
            raise RouterError(ErrorReason.TOO_MANY_OVERRIDES, text, metadata=facts)


def exists(known: Override, override: Override) -> RouterError:
    """The refusal to create an override under an id that has another definition."""
    fields = Override.__struct_fields__
    differ = ", ".join(f for f in fields if getattr(known, f) != getattr(override, f))
    text = f"override {override.id!r} is in force with another {differ}; UpdateOverride changes it"
    facts = {"override_id": override.id, "differ": differ}
    return RouterError(ErrorReason.OVERRIDE_EXISTS, text, metadata=facts)
