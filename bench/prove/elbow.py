"""How many outcomes a capability profile needs: taught on some tasks, judged on others.

Tasks are split in five. From four parts every agent is tried on m tasks of each work type; the
profile that routerd learnt from that is frozen, and names an agent for each task of the fifth part.
So does a plain table fitted on the same outcomes. Both are held against the table fitted on all
outcomes of the four parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bench.data.recorded import Recorded, Rows
from bench.replay.baselines import POLICIES
from bench.replay.references import FOLDS, fitted_table, folds

MOST = 512


class Split(NamedTuple):
    """One fifth of the tasks held out, by a seeded split."""

    seed: int
    held_out: int

    def rows(self, data: Recorded) -> tuple[Rows, Rows]:
        """Rows to teach, in a seeded order, and rows to judge by."""
        fold = folds(len(data), self.seed)
        rest = np.flatnonzero(fold != self.held_out)
        return np.random.default_rng(self.seed).permutation(rest), np.flatnonzero(
            fold == self.held_out
        )


class Choices(NamedTuple):
    """The agents named for the held-out rows, (sizes, rows) each."""

    rows: Rows
    profile: Rows
    table: Rows


def sizes(data: Recorded) -> list[int]:
    """1, 2, 4 and so on, up to the largest work type's tasks in four parts out of five."""
    kinds = np.unique(np.array(data.domain), return_counts=True)[1]
    most = max(1, min(MOST, int(kinds.max()) * (FOLDS - 1) // FOLDS))
    return [2**power for power in range(most.bit_length())]


def steps(data: Recorded, size: int) -> int:
    """Outcomes that are taught in one split to reach a size."""
    kinds = np.unique(np.array(data.domain), return_counts=True)[1]
    taught = np.minimum(kinds * (FOLDS - 1) // FOLDS, size)
    return int(taught.sum()) * len(data.agents)


def taught(rows: Rows, domain: Sequence[str]) -> Rows:
    """Which visit to its work type each row is, from 0."""
    seen: dict[str, int] = {}
    visit = []
    for row in rows.tolist():
        visit.append(seen.get(domain[row], 0))
        seen[domain[row]] = visit[-1] + 1
    return np.array(visit)


def study(data: Recorded, cost_weight: float, split: Split, grid: Sequence[int]) -> Choices:
    """Teach one split, size after size."""
    rows, judged = split.rows(data)
    visit = taught(rows, data.domain)
    learner = POLICIES["greedy"](data.blind(), cost_weight, split.seed)
    u = data.utility(cost_weight)
    first = {data.domain[row]: row for row in judged[::-1].tolist()}
    profile, table = [], []
    reached = 0
    for size in grid:
        for row in rows[(visit >= reached) & (visit < size)].tolist():
            for arm in range(len(data.agents)):
                cost = None if data.cost_usd is None else float(data.cost_usd[row, arm])
                learner.learn(row, arm, float(data.quality[row, arm]), cost, None)
        reached = size
        named = {kind: learner.choose(row) for kind, row in first.items()}
        profile.append([named[data.domain[row]] for row in judged])
        best, otherwise = fitted_table(data.domain, u, rows[visit < size])
        table.append([best.get(data.domain[row], otherwise) for row in judged])
    return Choices(judged, np.array(profile), np.array(table))
