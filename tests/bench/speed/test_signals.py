"""The measurement of classifiers: what it times is what it says, and nobody waits for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.speed import signals
from routerd.settings_signals import Signals
from routerd.signals.hybrid import Classifier


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A measurement that takes a second or two."""
    monkeypatch.setattr(signals, "TEXTS", 40)
    monkeypatch.setattr(signals, "TIMEOUT_MS", 150)
    monkeypatch.setattr(signals, "WARM_UP_S", 0.1)


def test_rules_and_remembered_texts_are_timed() -> None:
    for spread in (signals.by_rules(), signals.remembered()):
        assert 0 < spread.p50_us <= spread.p99_us


def test_the_rules_are_of_the_stated_number_and_find_something() -> None:
    known = signals.words(signals.WORDS)
    made = list(signals.rules(known))
    assert len(made) == signals.RULES
    told = signals.texts(known)
    assert {len(text) for text in told} == {signals.CHARS}
    classifier = Classifier(Signals(rules=tuple(made)), {})
    found = [classifier.quick(text) for text in told]
    assert any(each is not None and each.classified.label for each in found)


async def test_requests_hang_beside_others(tmp_path: Path) -> None:
    """Ten are on their way; each ends, and others are answered meanwhile."""
    hung = await signals.beside_a_hung_endpoint(tmp_path, rounds=1, seconds=1.0)
    assert hung.requests >= signals.HANGING
    assert hung.p99.median > 0
