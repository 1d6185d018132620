"""Numbers in sentences."""

from __future__ import annotations


def counted(number: int, what: str) -> str:
    """A count and what it counts, in the plural where it is one.

    >>> counted(1, "decision"), counted(1200, "decision"), counted(0, "mismatch")
    ('1 decision', '1,200 decisions', '0 mismatches')
    """
    many = "es" if what.endswith("ch") else "s"
    return f"{number:,} {what}{'' if number == 1 else many}"
