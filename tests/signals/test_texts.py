"""What the log keeps of texts, and what is blotted out of it."""

from __future__ import annotations

import pytest

from routerd.settings_signals import Texts as Settings
from routerd.signals.texts import Texts


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("write to ann.smith+x@mail.example.org now", "write to *** now"),
        ("use sk-proj-abcDEF123456 and ghp_abcdefghijkl", "use *** and ***"),
        ("Authorization: Bearer eyJhbGciOi.J9", "Authorization: ***"),
        ("card 4111 1111 1111 1111, call +49 170 1234567", "card ***, call ***"),
        (
            "order 12345678 of 2024-01-31, 10:59:59, v1.2.3",
            "order 12345678 of 2024-01-31, 10:59:59, v1.2.3",
        ),
        ("ticket ACME-77", "ticket ***"),
    ],
)
def test_what_is_private_is_blotted_out(text: str, kept: str) -> None:
    """Addresses, keys and long numbers, and what the configuration names."""
    assert Texts(Settings(mask=("ACME-[0-9]+",))).explanation(text) == kept


def test_a_text_is_cut_after_it_was_masked() -> None:
    """So that no half of a secret is left over at the end."""
    texts = Texts(Settings(chars=10))
    assert texts.explanation("mail ann@example.org") == "mail ***"
    assert texts.explanation("12345678901") == "***"
    assert texts.explanation("a longer story") == "a longer …"


def test_the_rules_for_descriptions_and_explanations_stand_apart() -> None:
    text = "ask ann@example.org"
    assert Texts(Settings()).description(text) == ""
    assert Texts(Settings(descriptions="masked")).description(text) == "ask ***"
    assert Texts(Settings(explanations="whole")).explanation(text) == text
    assert Texts(Settings(explanations="never")).explanation(text) == ""
