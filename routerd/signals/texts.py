"""What the log keeps of texts: as much as the configuration says, with what is private blotted out.

A mask is a help, not a promise: what it does not know it leaves.
"""

from __future__ import annotations

import re
from typing import Any

from routerd.settings_signals import Texts as Settings
from routerd.signals.patterns import compiled

BLOT = "***"

# Addresses, keys as they are usually written, and numbers of nine digits or more that are no date.
# Python's engine can have these: no repetition stands inside another, and each is bounded or ends
# where the next part begins.
KNOWN = re.compile(
    r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"
    r"|(?i:bearer|basic)\s[^\s]+"
    r"|\b(?:sk|pk|rk|ghp|gho|ghs|glpat|xox[abprs]|AKIA|eyJ)[-_A-Za-z0-9.]{12,}"
    r"|(?<!\d)(?!\d{4}-\d\d-\d\d)\+?\d(?:[ -]?\d){8,}"
)


class Texts:
    """Raises BadPattern for a mask that is none."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._masks: list[Any] = [compiled(pattern) for pattern in settings.mask]

    def description(self, text: str) -> str:
        """What is kept of a description."""
        return self._kept(text, self._settings.descriptions)

    def explanation(self, text: str) -> str:
        """What is kept of an outcome's explanation."""
        return self._kept(text, self._settings.explanations)

    def _kept(self, text: str, rule: str) -> str:
        if not text or rule == "never":
            return ""
        if rule == "masked":
            text = self.masked(text)
        most = self._settings.chars
        return text if len(text) <= most else text[: most - 1] + "…"

    def masked(self, text: str) -> str:
        """The text without what a mask finds; long before it is cut, so that no half is left over.

        >>> Texts(Settings()).masked("mail ann@example.org, card 4111 1111 1111 1111")
        'mail ***, card ***'
        """
        text = KNOWN.sub(BLOT, text)
        for mask in self._masks:
            text = mask.sub(BLOT, text)
        return text
