"""What was spent of one budget in its current window, and the price of money that paces it."""

from __future__ import annotations

from msgspec.structs import replace

from learners.pacing import REPAID_IN, Pace, corrected, paced, repaying
from routerd.core.base import HOUR_MS, Value
from routerd.core.rules import Budget, ExplorationCap

LEAST_SHARE = 0.01
BEFORE_WEIGHT = 0.25
ALLOWANCE = 100


class Ledger(Value, frozen=True):
    """window: its number since the epoch. spent_usd: in it, what is predicted of decisions whose
    cost nobody told included. decisions: in it; before: in the window before it. over_usd: how much
    more was spent than usd_per_decision. level, dual: see learners.pacing; a dual of 0 has not
    opened yet. price: of a USD, in utility. since: the position of the first decision charged to
    it; those before were charged to nothing, or to a budget that was changed since.
    """

    window: int = -1
    spent_usd: float = 0.0
    decisions: int = 0
    before: int = 0
    over_usd: float = 0.0
    level: float = Pace().level
    dual: float = Pace().dual
    price: float = 0.0
    since: int = 0

    def at(self, window: int) -> Ledger:
        """The ledger as it stands in a window: a new one begins with nothing spent."""
        if window == self.window:
            return self
        before = self.decisions if window == self.window + 1 else 0
        return replace(self, window=window, spent_usd=0.0, decisions=0, before=before)

    def charged(self, usd: float, decisions: int) -> Ledger:
        """With so much more spent in its window, less when it is negative."""
        spent_usd = max(self.spent_usd + usd, 0.0)
        return replace(self, spent_usd=spent_usd, decisions=self.decisions + decisions)

    def carrying(self, budget: Budget, usd: float, decisions: int) -> Ledger:
        """With so much more spent against usd_per_decision; what is saved is kept up to a bound."""
        if budget.usd_per_decision is None:
            return self
        over_usd = self.over_usd + usd - decisions * budget.usd_per_decision
        return replace(self, over_usd=max(over_usd, -REPAID_IN * budget.usd_per_decision))

    def repriced(self, budget: Budget, time_ms: int, usd: float, *, first: bool) -> Ledger:
        """After it is heard what a decision cost, or by how much more than was heard before."""
        target = target_usd(self, budget, time_ms)
        move = paced if first else corrected
        return self.with_pace(move(Pace(self.level, self.dual), usd / target), target)

    def with_pace(self, pace: Pace, target: float) -> Ledger:
        return replace(self, level=pace.level, dual=pace.dual, price=pace.dual / target)

    def left_usd(self, budget: Budget) -> float:
        """What one more decision may cost.

        A mean alone may be overspent by what ALLOWANCE decisions may cost.
        """
        if budget.usd is not None:
            return max(budget.usd - self.spent_usd, 0.0)
        assert budget.usd_per_decision is not None, "a budget limits one of the two"
        return max(ALLOWANCE * budget.usd_per_decision - self.over_usd, 0.0)


def window_ms(budget: Budget) -> int:
    return int(budget.window_hours * HOUR_MS)


def window_of(budget: Budget, time_ms: int) -> int:
    """The number of the window that a time falls into: windows begin at whole multiples."""
    return time_ms // window_ms(budget)


def cap_window(cap: ExplorationCap, time_ms: int) -> int:
    return time_ms // int(cap.window_hours * HOUR_MS)


def target_usd(ledger: Ledger, budget: Budget, time_ms: int) -> float:
    """What a decision may cost on average from here on.

    Without a figure of its own, what is left of the window's budget over the decisions that are
    still expected in it, by the pace of this window and of the one before.
    """
    if budget.usd_per_decision is not None:
        return repaying(budget.usd_per_decision, ledger.over_usd)
    assert budget.usd is not None, "a budget limits one of the two"
    passed = (time_ms % window_ms(budget)) / window_ms(budget)
    weight = BEFORE_WEIGHT if ledger.before else 0.0
    seen = ledger.decisions + weight * ledger.before
    rate = seen / max(passed + weight, LEAST_SHARE)
    left_usd = max(budget.usd - ledger.spent_usd, LEAST_SHARE * budget.usd)
    return left_usd / max(rate * (1.0 - passed), 1.0)


class Explored(Value, frozen=True):
    """What the policy's laws gave up in a window, and what the best agents were expected to earn.

    Both are sums of expected utility over the window's decisions.
    """

    window: int = -1
    given_up: float = 0.0
    best: float = 0.0

    def at(self, window: int) -> Explored:
        return self if window == self.window else Explored(window)
