"""What `routerd prove` finds: the numbers of its page, and of its JSON.

Money is in USD per task, utilities are per task, intervals are those of bench.prove.evidence.
"""

from __future__ import annotations

import msgspec

from bench.stats import Estimate


class Scope(msgspec.Struct, frozen=True):
    """What was looked at, and what was not.

    left_out: tasks that some agent never ran. sampled_from: tasks there were, if not all were used.
    side_seeds: of the frontier and the delays. outcomes_cost_usd: of every agent on every task.
    """

    dataset: str
    tasks: int
    agents: int
    work_types: int
    left_out: int
    sampled_from: int | None
    seeds: int
    side_seeds: int
    cost_weight: float
    has_costs: bool
    has_replicates: bool
    outcomes_cost_usd: float | None


class Standing(msgspec.Struct, frozen=True):
    """One way to choose.

    label: `honest`, or `hindsight` if it took the outcomes it is judged by. agent: the one that it
    always chooses, or most often. ahead: routerd's utility above it on all tasks, and on the last
    fifth of each stream; null for routerd itself.
    """

    key: str
    name: str
    label: str
    agent: str
    utility: Estimate
    quality: Estimate
    cost_usd: Estimate | None
    ahead: Estimate | None = None
    ahead_at_the_end: Estimate | None = None


class Curve(msgspec.Struct, frozen=True):
    """routerd as the tasks come in, bin by bin.

    ends: tasks served at the end of each bin. utility: in each bin. gained: by key of a rival, the
    sum of utility above it so far. shares: by agent, of each bin.
    """

    ends: list[int]
    utility: list[Estimate]
    gained: dict[str, list[Estimate]]
    shares: dict[str, list[float]]


class WorkType(msgspec.Struct, frozen=True):
    """One work type, or those together that have few tasks.

    best: its agent in hindsight, null for several. over_single: routerd above the honest single.
    """

    name: str
    tasks: int
    best: str | None
    best_utility: float | None
    utility: Estimate
    over_single: Estimate


class AgentRow(msgspec.Struct, frozen=True):
    """One agent on all tasks, and the share of them that routerd gave it."""

    name: str
    utility: Estimate
    quality: Estimate
    cost_usd: Estimate | None
    share: float


class Corner(msgspec.Struct, frozen=True):
    """A corner of the static-mixture hull, in hindsight."""

    agent: str
    cost_mean_usd: float
    quality_mean: float


class Weighed(msgspec.Struct, frozen=True):
    """routerd under a cost weight.

    worth: what that takes off the strongest agent's mean quality. mixture: the quality of the best
    static mixture at routerd's cost, in hindsight; null where even the cheapest agent costs more.
    """

    cost_weight: float
    worth: float
    quality: Estimate
    cost_usd: Estimate
    mixture: float | None
    single: str
    over_single: Estimate
    over_table: Estimate | None


class Taught(msgspec.Struct, frozen=True):
    """After so many outcomes per agent and work type: what learnt choices earn on other tasks.

    profile: routerd's model; table: plain means. Both `over`s are the profile's.
    """

    size: int
    profile: Estimate
    table: Estimate
    over_table_of_all: Estimate
    over_single: Estimate


class Elbow(msgspec.Struct, frozen=True):
    """The sample-size study. splits: how often the tasks were split in five.

    beats_*_from: the size from which on the profile's interval above a reference excludes 0.
    typical_size: outcomes per agent and work type that the table of all was fitted on, the median.
    """

    splits: int
    typical_size: int
    points: list[Taught]
    table_of_all: Estimate
    single: Estimate
    beats_single_from: int | None
    beats_table_from: int | None


class Delayed(msgspec.Struct, frozen=True):
    """routerd when each outcome comes so many decisions late. change: against no delay."""

    delay: int
    utility: Estimate
    change: Estimate


class Proof(msgspec.Struct, frozen=True):
    """All of it. ceiling: the best agents by work type above the best single one, in hindsight."""

    scope: Scope
    routerd: Standing
    rivals: list[Standing]
    table_over_single: Estimate | None
    ceiling: float
    curve: Curve
    work_types: list[WorkType]
    agents: list[AgentRow]
    agents_not_shown: int
    hull: list[Corner]
    weighed: list[Weighed]
    elbow: Elbow
    delays: list[Delayed]

    def rival(self, role: str) -> Standing | None:
        """The rival with this role: single, table, random, best, strongest or dearest."""
        return next((r for r in self.rivals if role in r.key.split("+")), None)

    def ahead_of(self, role: str) -> Estimate:
        """routerd above the rival with this role, which must be there."""
        rival = self.rival(role)
        assert rival is not None
        assert rival.ahead is not None
        return rival.ahead
