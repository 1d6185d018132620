"""The settings of what happens beyond one choice: follow-ups, agents that fail."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from routerd.core.sections import Count, Id, NonNegative, Positive, Section, Share


class Thresholds(Section, frozen=True):
    """max_steps: how many decisions a task may have, when each goes on from the one before.
    confidence: decisions that are less sure go to the static table's agent; 0 asks for none.
    cascade: the reported confidence below which a result goes on to another agent. switch_margin:
    by how much more utility than its own another agent takes over a session. claim: the quality
    that an agent must be expected to reach, by its own report, to claim a task. dispute: how far a
    report may lie from what the agent has shown. probe_complexity: tasks of a higher one go to
    probe_agents at once; null asks for none.
    """

    confidence: Share = 0.0
    max_steps: Annotated[int, Meta(ge=1, le=100)] = 4
    cascade: Share = 0.7
    switch_margin: NonNegative = 0.05
    claim: Share = 0.5
    dispute: Share = 0.3
    probe_complexity: Share | None = None
    probe_agents: Annotated[int, Meta(ge=2, le=8)] = 2


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


class Ladder(Section, frozen=True):
    """Agents to try one after the other, the cheapest first, for tasks that match all of `when`."""

    agents: Annotated[tuple[Id, ...], Meta(min_length=2, max_length=32)]
    when: dict[str, str] = {}


class Cascade(Section, frozen=True):
    """A result whose reported confidence is below `thresholds.cascade` goes on to another agent.

    ladders: the next agent on the first one that matches; without any, the one of highest expected
    utility among those that may be as good. review_usd: what each review costs.
    """

    ladders: Annotated[tuple[Ladder, ...], Meta(max_length=100)] = ()
    review_usd: NonNegative = 0.0
