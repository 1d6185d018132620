"""A model's reply is read strictly: a whole answer, or none."""

from __future__ import annotations

import pytest

from routerd.core.signals import SignalFailure
from routerd.signals.reply import NoLabel, read

LABELS = {"code", "ops"}
BAD, UNKNOWN = SignalFailure.BAD_REPLY, SignalFailure.UNKNOWN_LABEL


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('{"label": "code", "confidence": 0.25}', ("code", 0.25)),
        ('Sure:\n```json\n{"label": "ops"}\n```', ("ops", 0.5)),
        ('{broken {"label": "code", "confidence": 1} {"label": "ops"}', ("code", 1.0)),
        ('{"label": "code"', BAD),
        ("code", BAD),
        ("[1, 2]", BAD),
        ("", BAD),
        ('{"label": "code", "confidence": 1.5}', BAD),
        ('{"label": "code", "confidence": NaN}', BAD),
        ('{"label": "code", "confidence": "high"}', BAD),
        ('{"label": "code", "confidence": true}', BAD),
        ('{"label": ["code"]}', BAD),
        ('{"label": "Code"}', UNKNOWN),
        ('{"label": ""}', UNKNOWN),
        ('{"answer": {"label": "code"}}', BAD),  # the first whole object says no label
        ("{" * 5_000, BAD),
        ('{"a":' * 5_000, BAD),
    ],
)
def test_the_first_whole_object_counts(text: str, wanted: object) -> None:
    assert told(text, "json") == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("code", ("code", 0.5)),
        (" ops\n", ("ops", 0.5)),
        ("The label is code", UNKNOWN),
        ("", UNKNOWN),
    ],
)
def test_a_token_is_the_whole_reply(text: str, wanted: object) -> None:
    assert told(text, "token") == wanted


def told(text: str, kind: str) -> object:
    try:
        return read(text, kind, LABELS, 0.5)
    except NoLabel as error:
        return error.failure
