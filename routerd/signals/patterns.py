"""Patterns that cannot run away: RE2's, whose time is linear in the text whatever they say.

Python's own `re` backtracks, and no check of a pattern can tell in general whether it will run for
a microsecond or a year. RE2 refuses what it cannot do in linear time (references to groups, looks
ahead and behind) when a pattern is compiled, so at start. Many patterns are found together: only
those are run whose literal parts are in the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

MEMORY_BYTES = 1 << 20

# What stands between words: ASCII but letters, digits and underscore, and the blocks of spaces,
# punctuation and symbols. RE2's classes of all scripts (\pL) would say it whole, and make every
# pattern twenty times slower.
BORDER = (
    r"\x00-/:-@\[-^`{-\x{a9}\x{ab}-\x{b4}\x{b6}-\x{b9}\x{bb}-\x{bf}\x{d7}\x{f7}"
    r"\x{2000}-\x{206f}\x{20a0}-\x{20cf}\x{2190}-\x{2bff}\x{3000}-\x{3004}\x{3008}-\x{3020}"
    r"\x{fe30}-\x{fe4f}\x{ff01}-\x{ff0f}\x{1f000}-\x{1faff}"
)
HOW_TO_INSTALL = "needs google-re2: pip install 'routerd[signals]'"


class BadPattern(Exception):
    """A pattern that is none, or that could not be found in linear time."""


class MissingRe2(BadPattern):
    """There are patterns, and what finds them is not installed."""


def qualified(pattern: str, *, case: bool, words: bool) -> str:
    """A pattern with its qualifiers written into it.

    >>> qualified("log ?in", case=False, words=False)
    '(?i:log ?in)'
    """
    flags = "" if case else "i"
    if words:
        pattern = f"(?:^|[{BORDER}])(?:{pattern})(?:$|[{BORDER}])"
    return f"(?{flags}:{pattern})"


def compiled(pattern: str) -> Any:
    """A pattern of RE2. Raises BadPattern with what is wrong, and MissingRe2."""
    try:
        import re2
    except ImportError:
        raise MissingRe2(HOW_TO_INSTALL) from None
    try:
        return re2.compile(pattern, options())
    except re2.error as error:
        told = error.args[0] if error.args else "it is no pattern"
        words = told.decode(errors="replace") if isinstance(told, bytes) else str(told)
        raise BadPattern(f"cannot be found in linear time by RE2: {words}") from None
    except UnicodeEncodeError:
        raise BadPattern("has half a character, as of a cut emoji") from None


def options() -> Any:
    import re2

    made = re2.Options()
    made.max_mem = MEMORY_BYTES
    made.log_errors = False
    return made


class Finder:
    """Which of many patterns are in a text. Raises BadPattern."""

    def __init__(self, patterns: Sequence[str]) -> None:
        for pattern in patterns:
            compiled(pattern)
        import re2

        self._filter = re2.Filter()
        for pattern in patterns:
            self._filter.Add(pattern, options())
        self._filter.Compile()

    def found(self, text: str) -> frozenset[int]:
        """The indices of those that are."""
        return frozenset(self._filter.Match(text.encode(errors="replace")) or ())
