"""What an operator says beside the policy: sections of the configuration that move the law.

Those that come over RPC as well are logged as they stand here: fields are only added, with a
default.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from routerd.core.sections import Count, Id, Name, Positive, Section, Share, Word

TEXT_CHARS = 1_024
CONDITIONS = 16

Text = Annotated[str, Meta(max_length=TEXT_CHARS)]
When = Annotated[dict[Name, Text], Meta(max_length=CONDITIONS)]
Priority = Annotated[int, Meta(ge=0, le=1_000_000)]
TimeMs = Annotated[int, Meta(ge=0, le=2**53)]


class Override(Section, frozen=True):
    """Forces or forbids agents for tasks whose work_type, domain or labels equal all of `when`.

    The agents are those with this `agent` id, `pool` and `type`, as far as given. Of several, the
    highest priority comes first; one that forces is the last. expires_time_ms: by event time; 0 is
    never. otherwise: what happens where it would leave nobody, `policy` passes it over.
    """

    id: Id
    when: When = {}
    action: Literal["force", "forbid"] = "force"
    agent: Word = ""
    pool: Word = ""
    type: Word = ""
    priority: Priority = 0
    expires_time_ms: TimeMs = 0
    otherwise: Literal["refuse", "policy"] = "refuse"
    author: Word = ""
    reason: Text = ""


class ColdStart(Section, frozen=True):
    """static_until: the static table answers until so many outcomes of a kind of work are known."""

    static_until: Annotated[int, Meta(ge=0, le=1_000_000_000)] = 0


class Fallback(Section, frozen=True):
    """When the law moves to the agent to fall back on: the static table's.

    exploration: the share of the law that stays with the policy then, so that it can come back.
    pool_load: a pool is overloaded when so much of its agents' max_concurrency is in flight.
    type_failures: a type keeps failing after so many failed decisions of its agents in a row.
    """

    exploration: Share = 0.1
    pool_load: Annotated[float, Meta(gt=0, le=1)] | None = None
    type_failures: Count | None = None


class Budget(Section, frozen=True):
    """What tasks may cost whose work_type, domain or labels equal all of `when`.

    per: a label, work_type or domain, each value of which has such a budget of its own. usd: in
    each window of window_hours, never crossed but by what the decisions in flight cost more than
    was predicted. usd_per_decision: the mean that is paced; null paces usd over its window.
    exhausted: what happens when no agent fits any more, `cheapest` goes on with that one.
    """

    id: Id
    when: When = {}
    per: Word = ""
    usd: Positive | None = None
    window_hours: Annotated[float, Meta(ge=0.001, le=100_000)] = 24.0
    usd_per_decision: Positive | None = None
    exhausted: Literal["refuse", "cheapest"] = "refuse"


class ExplorationCap(Section, frozen=True):
    """How much expected utility exploration may give up in a window, as a share of the best.

    Above it the policy's law keeps only its floor. A share of 1 caps nothing.
    """

    share: Share = 1.0
    window_hours: Annotated[float, Meta(ge=0.001, le=100_000)] = 24.0
