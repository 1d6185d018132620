"""The settings of what happens beyond one choice: follow-ups, agents that fail."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from routerd.core.sections import Count, Positive, Section, Share


class Thresholds(Section, frozen=True):
    """max_steps: how many decisions a task may have, when each goes on from the one before.

    confidence: decisions that are less sure go to the static table's agent; 0 asks for none.
    """

    confidence: Share = 0.0
    max_steps: Annotated[int, Meta(ge=1, le=100)] = 4


class Cooldown(Section, frozen=True):
    """When an agent that fails is left out for a while, and for how long.

    failures: so many in a row; null does not look at them. below_peers: when its share of successes
    among its latest `window` results is less than so much of the others'; null does not compare.
    It is left out for base_seconds, and twice as long each time its trial fails, up to max_seconds.
    """

    failures: Count | None = 5
    below_peers: Share | None = 0.5
    window: Annotated[int, Meta(ge=5, le=200)] = 20
    base_seconds: Positive = 30.0
    max_seconds: Positive = 3_600.0
