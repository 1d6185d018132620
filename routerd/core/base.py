"""The bases of what crosses the border of the engine and stands in its log, and what all share."""

from __future__ import annotations

import msgspec

DEFAULT_PARTITION = "default"
"""The partition of all who name none."""

HOUR_MS = 3_600_000


class Value(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Base of all values: immutable, defaults left out of the encoding.

    No value refers to itself, and hundreds of thousands stay in memory: the collector of cycles
    need not look at them.
    """


class Event(Value, frozen=True, tag_field="event"):
    """Something that happened, in the order of the log. Only an event changes state."""

    time_ms: int
