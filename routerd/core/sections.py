"""The base of every section of the configuration, and the types of what stands in them."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Id = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]*$")]
Name = Annotated[str, Meta(min_length=1, max_length=128)]
Positive = Annotated[float, Meta(ge=1e-9, le=1e9)]
# Times count in whole milliseconds: less than some of them would be no time at all.
Hours = Annotated[float, Meta(ge=1e-6, le=1e9)]
Minutes = Annotated[float, Meta(ge=1e-4, le=1e9)]
NonNegative = Annotated[float, Meta(ge=0, le=1e9)]
Share = Annotated[float, Meta(ge=0, le=1)]
Floor = Annotated[float, Meta(ge=0, le=0.5)]
Count = Annotated[int, Meta(ge=1)]
Word = Annotated[str, Meta(max_length=128)]
ENTRIES = 64
Names = Annotated[tuple[Name, ...], Meta(max_length=ENTRIES)]
Metadata = Annotated[dict[Name, Annotated[str, Meta(max_length=1024)]], Meta(max_length=ENTRIES)]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of all configuration sections: immutable, unknown keys are errors."""
