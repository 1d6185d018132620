"""Would routing have paid on these tasks? Everything that the page of `routerd prove` tells.

The shipped default, starting from nothing, serves the tasks in seeded orders; whatever it has to
beat serves the same tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from bench.data.recorded import Array, Recorded, Rows
from bench.prove import elbow, jobs
from bench.prove.evidence import (
    Earned,
    ceiling,
    earned,
    estimate,
    held_out_single,
    rivals,
    so_far,
    within,
)
from bench.prove.findings import (
    AgentRow,
    Corner,
    Curve,
    Delayed,
    Elbow,
    Proof,
    Scope,
    Standing,
    Taught,
    Weighed,
    WorkType,
)
from bench.prove.plan import Plan, planned, strongest_cost
from bench.replay.contest import Conditions, stream
from bench.replay.references import FOLDS, chosen, folds, held_out_choices, hull, hull_quality
from bench.stats import Estimate
from routerd.core.words import counted

SHOWN_TYPES, SHOWN_AGENTS = 20, 24
SMALL_TYPE = 20  # tasks; an interval from fewer says little

Told = Callable[[int, int], None]
"""Told how many jobs are done, of how many."""


def prove(
    data: Recorded,
    cost_weight: float = 0.0,
    seeds: int | None = None,
    processes: int = 1,
    told: Told | None = None,
) -> Proof:
    """Find all of it. Without `seeds` as many as the work allows, 5 to 20. Raises DataError."""
    plan = planned(data, cost_weight, seeds)
    work = plan.jobs()
    found: Results = {}
    for job, result in zip(work, jobs.done(plan.data, work, processes), strict=True):
        found[job] = result
        if told is not None:
            told(len(found), len(work))
    return _Reading(plan, found).proof()


Results = dict[jobs.Job, jobs.Result]


class _Reading:
    """Turns results into findings."""

    def __init__(self, plan: Plan, results: Results) -> None:
        self.plan = plan
        self.data = plan.data
        self.results = results
        self.weight = plan.weights[0]
        self.u = self.data.utility(self.weight)
        self.mine = self.earned(plan.seeds, self.weight)
        self.rivals = rivals(self.data, plan.seeds, self.weight)
        self.theirs = [earned(self.data, plan.seeds, self.weight, r.arms) for r in self.rivals]
        self.place = np.array([self.placed(seed) for seed in plan.seeds])

    def arms(self, seeds: Sequence[int], weight: float, delay: int = 0) -> Rows:
        """Which agent each task got, (S, n)."""
        return np.array([self.results[self.plan.replayed(s, weight, delay)] for s in seeds])

    def earned(self, seeds: Sequence[int], weight: float, delay: int = 0) -> Earned:
        return earned(self.data, seeds, weight, self.arms(seeds, weight, delay))

    def placed(self, seed: int) -> Rows:
        """When each task came, from 0."""
        rows = stream(self.data, seed, Conditions()).scored
        place = np.empty(len(rows), dtype=np.intp)
        place[rows] = np.arange(len(rows))
        return place

    def proof(self) -> Proof:
        single = self.theirs[0].utility
        tables = [e for r, e in zip(self.rivals, self.theirs, strict=True) if r.key == "table"]
        routerd, *others = self.standings()
        return Proof(
            scope=self.scope(),
            routerd=routerd,
            rivals=others,
            table_over_single=estimate(tables[0].utility - single, fitted=2) if tables else None,
            ceiling=ceiling(self.data, self.weight),
            curve=self.curve(),
            work_types=self.work_types(),
            agents=self.agents(),
            agents_not_shown=max(0, len(self.data.agents) - SHOWN_AGENTS),
            hull=[Corner(*mix) for mix in hull(self.data)] if self.plan.weights[1:] else [],
            weighed=[self.weighed(w) for w in sorted(self.plan.weights) if self.plan.weights[1:]],
            elbow=self.elbow(),
            delays=self.delays(),
        )

    def scope(self) -> Scope:
        data = self.data
        return Scope(
            dataset=data.name,
            tasks=len(data),
            agents=len(data.agents),
            work_types=len(set(data.domain)),
            left_out=data.left_out,
            sampled_from=self.plan.sampled_from,
            seeds=len(self.plan.seeds),
            side_seeds=len(self.plan.side_seeds),
            cost_weight=self.weight,
            has_costs=bool(self.plan.weights[1:]),
            has_replicates=bool(data.replicates),
            outcomes_cost_usd=None if data.cost_usd is None else float(data.cost_usd.sum()),
        )

    def standings(self) -> list[Standing]:
        """routerd, then its rivals."""
        late = (self.place >= 0.8 * len(self.data)).astype(np.intp)
        told = [Standing(jobs.POLICY, "routerd", "", "", *figures(self.mine))]
        for rival, theirs in zip(self.rivals, self.theirs, strict=True):
            ahead, fitted = self.mine.utility - theirs.utility, rival.fitted
            at_end = within(ahead, late, 2, fitted)[1]
            differences = estimate(ahead, fitted), at_end
            told.append(Standing(*rival[:4], *figures(theirs, fitted), *differences))
        return told

    def curve(self) -> Curve:
        n = len(self.data)
        bins = int(np.clip(n // 25, 5, 40))
        ends = np.arange(1, bins + 1) * n // bins
        of_bin = np.searchsorted(ends, self.place, side="right")
        arms = self.arms(self.plan.seeds, self.weight)
        shares = {
            agent: [float((arms[of_bin == b] == k).mean()) for b in range(bins)]
            for k, agent in enumerate(self.data.agents)
        }
        gained = {
            rival.key: so_far(self.mine.utility - theirs.utility, self.place, ends, rival.fitted)
            for rival, theirs in zip(self.rivals, self.theirs, strict=True)
            if rival.key in ("single", "table")
        }
        return Curve(ends.tolist(), within(self.mine.utility, of_bin, bins), gained, shares)

    def work_types(self) -> list[WorkType]:
        """The work types by their tasks, the largest first, and last the small ones together."""
        kinds, of_task, counts = np.unique(
            np.array(self.data.domain), return_inverse=True, return_counts=True
        )
        order = np.argsort(-counts, kind="stable")
        shown = [at for at in order[:SHOWN_TYPES].tolist() if counts[at] >= SMALL_TYPE]
        group = np.full(len(kinds), len(shown))
        group[shown] = np.arange(len(shown))
        of_task = group[of_task]
        groups = int(of_task.max()) + 1
        utility = within(self.mine.utility, of_task, groups)
        ahead = self.mine.utility - self.theirs[0].utility
        over = within(ahead, of_task, groups, self.rivals[0].fitted)
        told = []
        for at in range(groups):
            rows = of_task == at
            means = self.u[rows].mean(axis=0)
            best, name = int(means.argmax()), counted(len(kinds) - len(shown), "smaller work type")
            named = (
                (self.data.agents[best], float(means[best])) if at < len(shown) else (None, None)
            )
            if at < len(shown):
                name = str(kinds[shown[at]])
            told.append(WorkType(name, int(rows.sum()), named[0], named[1], utility[at], over[at]))
        return told

    def agents(self) -> list[AgentRow]:
        """The agents by their utility, the best first."""
        data = self.data
        shown = np.argsort(-self.u.mean(axis=0), kind="stable")[:SHOWN_AGENTS].tolist()
        arms = self.arms(self.plan.seeds, self.weight)
        told = []
        for k in shown:
            cost = None if data.cost_usd is None else data.cost_usd[None, :, k]
            own = figures(Earned(self.u[None, :, k], data.quality[None, :, k], cost))
            told.append(AgentRow(data.agents[k], *own, float((arms == k).mean())))
        return told

    def weighed(self, weight: float) -> Weighed:
        """routerd and the honest references under a cost weight."""
        seeds = self.plan.seeds if weight == self.weight else self.plan.side_seeds
        mine = self.earned(seeds, weight)
        assert mine.cost_usd is not None
        single, second = rivals(self.data, seeds, weight)[:2]
        over_single, over_table = (
            estimate(mine.utility - earned(self.data, seeds, weight, r.arms).utility, r.fitted)
            for r in (single, second)
        )
        cost = estimate(mine.cost_usd)
        mixture = hull_quality(hull(self.data), cost.mean)
        return Weighed(
            cost_weight=weight,
            worth=weight * strongest_cost(self.data),
            quality=estimate(mine.quality),
            cost_usd=cost,
            mixture=None if np.isnan(mixture) else mixture,
            single=single.agent,
            over_single=over_single,
            over_table=over_table if second.key == "table" else None,
        )

    def elbow(self) -> Elbow:
        plan, n = self.plan, len(self.data)
        repeats = sorted({split.seed for split in plan.splits})
        profile, table = (np.empty((len(plan.sizes), len(repeats), n), np.intp) for _ in range(2))
        for split in plan.splits:
            named = self.results[jobs.Studied(self.weight, split, plan.sizes)]
            assert isinstance(named, elbow.Choices)
            profile[:, split.seed, named.rows] = named.profile
            table[:, split.seed, named.rows] = named.table
        of_fold = [folds(n, seed) for seed in repeats]
        single = self.by_arms([held_out_single(self.u, fold) for fold in of_fold])
        of_all = self.by_arms([held_out_choices(self.data.domain, self.u, f) for f in of_fold])
        points = []
        for size, learnt, plain in zip(plan.sizes, profile, table, strict=True):
            mine = self.by_arms(learnt)
            alone = [estimate(values, fitted=1) for values in (mine, self.by_arms(plain))]
            ahead = [estimate(mine - values, fitted=2) for values in (of_all, single)]
            points.append(Taught(size, *alone, *ahead))
        counts = np.unique(np.array(self.data.domain), return_counts=True)[1]
        return Elbow(
            splits=len(repeats),
            typical_size=int(np.median(counts) * (FOLDS - 1) / FOLDS),
            points=points,
            table_of_all=estimate(of_all, fitted=1),
            single=estimate(single, fitted=1),
            beats_single_from=lasting([(p.size, p.over_single) for p in points]),
            beats_table_from=lasting([(p.size, p.over_table_of_all) for p in points]),
        )

    def by_arms(self, arms: Sequence[Rows] | Rows) -> Array:
        return np.array([chosen(self.u, of) for of in arms])

    def delays(self) -> list[Delayed]:
        seeds = self.plan.side_seeds
        at_once = self.earned(seeds, self.weight).utility
        told = []
        for delay in self.plan.delays:
            late = self.earned(seeds, self.weight, delay).utility
            told.append(Delayed(delay, estimate(late), estimate(late - at_once)))
        return told


def figures(made: Earned, fitted: int = 0) -> tuple[Estimate, Estimate, Estimate | None]:
    """Utility, quality and, where it is known, cost."""
    cost = None if made.cost_usd is None else estimate(made.cost_usd, fitted)
    return estimate(made.utility, fitted), estimate(made.quality, fitted), cost


def lasting(above: Sequence[tuple[int, Estimate]]) -> int | None:
    """The size from which on every interval lies above 0."""
    found = None
    for size, ahead in reversed(above):
        if ahead.sign <= 0:
            break
        found = size
    return found
