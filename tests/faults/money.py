"""The reference for budgets: what decisions were charged to each, and that none is crossed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from routerd.core.events import Decision
from routerd.core.state import State
from tests.faults.model import hold

HOUR_MS = 3_600_000
CENT = 1e-9


class Account:
    """What decisions were charged to one budget and value, each by its latest cost; None for those
    whose agent was not let, and of which no cost is told: they do not count."""

    def __init__(self, budget: Mapping[str, Any]) -> None:
        self.charged: dict[str, float | None] = {}
        self.window_of: dict[str, int] = {}
        self.window = -1
        self._length_ms = int(budget["window_hours"] * HOUR_MS)

    def at(self, time_ms: int) -> int:
        return time_ms // self._length_ms

    def move(self, time_ms: int) -> None:
        self.window = max(self.window, self.at(time_ms))

    @property
    def now(self) -> list[str]:
        """The decisions of its window that count."""
        inside = [name for name, window in self.window_of.items() if window == self.window]
        return [name for name in inside if self.charged[name] is not None]

    @property
    def spent(self) -> float:
        return sum(self.charged[name] or 0.0 for name in self.now)


class Money:
    """The accounts of the budgets in force."""

    def __init__(self) -> None:
        self.budgets: list[dict[str, Any]] = []
        self.accounts: dict[str, dict[str, Account]] = {}

    def configured(self, budgets: list[dict[str, Any]]) -> None:
        """Budgets that stay as they are keep their accounts."""
        same = [budget["id"] for budget in budgets if budget in self.budgets]
        self.accounts = {name: held for name, held in self.accounts.items() if name in same}
        self.budgets = budgets

    def decided(self, name: str, event: Decision) -> None:
        """A decision is charged what is predicted, and fits."""
        usd = event.predicted_usd
        hold((usd is None) == (not self.budgets), f"{name} is charged to nothing")
        for budget in self.budgets:
            value = event.query.work_type if budget["per"] else ""
            held = self.accounts.setdefault(budget["id"], {})
            account = held.setdefault(value, Account(budget))
            account.window = account.window_of[name] = account.at(event.time_ms)
            account.charged[name] = usd or 0.0
            if budget["usd"] is not None:
                over = account.spent - budget["usd"]
                hold(over <= CENT, f"{name} crosses budget {budget['id']} by {over:.3g} USD")

    def told(self, name: str, cost_usd: float | None, time_ms: int) -> None:
        """An outcome came, or an agent was not let; what its decision is charged with now."""
        for account in self._of(name):
            if cost_usd is not None or account.charged[name] is not None:
                account.move(time_ms)
                account.charged[name] = cost_usd

    def _of(self, name: str) -> Iterator[Account]:
        """The accounts that a decision was charged to, as far as they are the same."""
        for held in self.accounts.values():
            yield from [account for account in held.values() if name in account.charged]

    def hold_state(self, state: State) -> None:
        """The ledgers are what their decisions and outcomes come to."""
        for budget_id, held in self.accounts.items():
            for value, account in held.items():
                ledger = state.ledgers[budget_id][value]
                gap = abs(ledger.spent_usd - account.spent)
                hold(gap < CENT, f"budget {budget_id} of {value!r} is off by {gap:.3g} USD")
                made = len(account.now)
                hold(ledger.decisions == made, f"{ledger.decisions} decisions instead of {made}")
