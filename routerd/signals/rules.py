"""Rules: patterns with qualifiers that give a description its label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from routerd.settings_signals import Rule
from routerd.signals.patterns import Finder, qualified


class Guess(NamedTuple):
    """A label, and how sure whoever names it is: from 0 to 1."""

    label: str
    confidence: float


class Prepared(NamedTuple):
    """A rule's answer, and its patterns as indices of a Finder's."""

    guess: Guess
    any: frozenset[int]
    all: frozenset[int]
    none: frozenset[int]

    def applies(self, found: frozenset[int]) -> bool:
        return (
            self.all <= found
            and not (self.none & found)
            and (not self.any or not self.any.isdisjoint(found))
        )


class Rules:
    """Rules in the order in which they count. Raises BadPattern.

    >>> rules = Rules([Rule("code", any=("fix", "bug")), Rule("ops", any=("deploy",), priority=1)])
    >>> rules.best("Fix the login page"), rules.best("deploy the fix").label, rules.best("hello")
    (Guess(label='code', confidence=0.9), 'ops', None)
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        numbers: dict[str, int] = {}

        def indices(rule: Rule, patterns: Sequence[str]) -> frozenset[int]:
            whole = [qualified(p, case=rule.case, words=rule.words) for p in patterns]
            return frozenset(numbers.setdefault(p, len(numbers)) for p in whole)

        order = sorted(rules, key=lambda rule: (-rule.priority, -rule.confidence))
        self._rules = [
            Prepared(
                Guess(rule.label, rule.confidence),
                indices(rule, rule.any),
                indices(rule, rule.all),
                indices(rule, rule.none),
            )
            for rule in order
        ]
        self._finder = Finder(list(numbers)) if numbers else None

    def best(self, text: str) -> Guess | None:
        """The label of the first rule that applies; None when none does."""
        if self._finder is None:
            return None
        found = self._finder.found(text)
        for rule in self._rules:
            if rule.applies(found):
                return rule.guess
        return None
