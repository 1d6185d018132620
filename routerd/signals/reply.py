"""What a model replied, read strictly: one label of those that were offered, or a failure."""

from __future__ import annotations

import json
from collections.abc import Collection

from routerd.core.signals import SignalFailure
from routerd.signals.rules import Guess

MOST_CHARS = 4_096

_decoder = json.JSONDecoder()


class NoLabel(Exception):
    """No label came of asking the endpoint, and why."""

    def __init__(self, failure: SignalFailure) -> None:
        super().__init__(str(failure))
        self.failure = failure


def first_object(text: str) -> dict[str, object]:
    """The first whole JSON object in a text. Raises NoLabel.

    >>> first_object('Sure! {"label": "code"} {"label": "ops"}')
    {'label': 'code'}
    """
    start = text.find("{")
    while start >= 0:
        try:
            found, _ = _decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            start = text.find("{", start + 1)
            continue
        if isinstance(found, dict):
            return found
    raise NoLabel(SignalFailure.BAD_REPLY)


def read(text: str, kind: str, labels: Collection[str], confidence: float) -> Guess:
    """The label in a reply of kind `json` or `token`. Raises NoLabel.

    confidence: where the reply tells none. Nothing is repaired: a label in other letters or a
    confidence outside 0 to 1 is no answer.

    >>> read('{"label": "code", "confidence": 0.75}', "json", {"code"}, 0.5)
    Guess(label='code', confidence=0.75)
    >>> read(" code\\n", "token", {"code"}, 0.5)
    Guess(label='code', confidence=0.5)
    """
    text = text[:MOST_CHARS]
    told: object = text.strip()
    if kind == "json":
        found = first_object(text)
        told, given = found.get("label"), found.get("confidence", confidence)
        if isinstance(given, bool) or not isinstance(given, (int, float)) or not 0 <= given <= 1:
            raise NoLabel(SignalFailure.BAD_REPLY)
        confidence = float(given)
    if not isinstance(told, str):
        raise NoLabel(SignalFailure.BAD_REPLY)
    if told not in labels:
        raise NoLabel(SignalFailure.UNKNOWN_LABEL)
    return Guess(told, confidence)
