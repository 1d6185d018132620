"""Times on the command line: as they are given, and as they are shown, which can be given again."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

import click

SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}

LAST_MS = int(datetime.max.replace(tzinfo=UTC).timestamp()) * 1_000
"""The end of the year 9999, which is the last that a calendar here knows."""


def ago(_: click.Context, __: click.Parameter, text: str | None) -> int:
    """The callback of an option that takes `2h`, `7d` (ago) or a time, as ms; 0 without one."""
    return _read(text, -1)


def from_now(_: click.Context, __: click.Parameter, text: str | None) -> int:
    """The callback of an option that takes `2h`, `7d` (from now) or a time, likewise."""
    return _read(text, +1)


def _read(text: str | None, way: int) -> int:
    """Milliseconds since the epoch, from 1 on; 0 for no text. Raises BadParameter."""
    if not text:
        return 0
    span = re.fullmatch(r"([0-9]{1,12})([smhd])", text)
    if span:
        ms = max(1, int((time.time() + way * int(span[1]) * SECONDS[span[2]]) * 1_000))
    else:
        ms = _date(text, "ago" if way < 0 else "from now")
    if not 0 < ms <= LAST_MS:
        raise click.BadParameter(f"{text!r} is not within the years 1970 to 9999")
    return ms


def _date(text: str, way: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} must be a time such as 2027-01-31 or 2027-01-31T18:00+01:00 (without a "
            f"zone: UTC), or 30m, 2h, 7d {way}"
        ) from None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1_000)


def span(seconds: float) -> str:
    """How long something takes, in the unit that suits it.

    >>> span(0.2), span(45), span(600), span(13_740), span(200_000)
    ('1 s', '45 s', '10 min', '3.8 h', '2.3 days')
    """
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5_400:
        return f"{round(seconds / 60)} min"
    hours = seconds / 3_600
    return f"{hours:.1f} h" if hours < 36 else f"{hours / 24:.1f} days"


def utc(ms: int, timespec: str = "seconds") -> str:
    """Milliseconds since the epoch as `2027-01-31 17:00:00Z`; as they are where no date has them.

    Who counts in nanoseconds, or says never by a huge number, told such a time over RPC.

    >>> utc(1_801_414_800_123), utc(1_801_414_800_123, "milliseconds")
    ('2027-01-31 17:00:00Z', '2027-01-31 17:00:00.123Z')
    >>> utc(4 * 10**15)
    '4000000000000000 ms'
    """
    if ms > LAST_MS:
        return f"{ms} ms"
    at = datetime.fromtimestamp(ms / 1_000, UTC).replace(tzinfo=None)
    return at.isoformat(" ", timespec) + "Z"
