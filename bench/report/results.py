"""results.json as `routerd bench replay` writes it, read strictly.

What schema 1 may lack has a default, so that results of other makers can be read too.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from bench.pages.wording import usd
from bench.replay.baselines import INFORMED
from bench.stats import Estimate
from routerd.core.words import counted

OURS = "default"


class WorstSeed(msgspec.Struct, frozen=True):
    seed: int
    utility_mean: float


class Run(msgspec.Struct, frozen=True):
    """One policy on one data set; worst_seed and what follows may be missing."""

    dataset: str
    policy: str
    n_tasks: int
    n_agents: int
    seeds: list[int]
    utility_mean: float
    ci95: tuple[float, float]
    per_seed: list[float]
    quality_mean: float
    cost_mean_usd: float | None
    regret_vs_best_fixed: float
    share: dict[str, float]
    decisions_per_s: float
    worst_seed: WorstSeed | None = None
    exploration_spend: float | None = None
    curve: str | None = None
    n_left_out: int = 0

    @property
    def utility(self) -> Estimate:
        return Estimate(self.utility_mean, *self.ci95)


class Fixed(msgspec.Struct, frozen=True):
    quality_mean: float
    cost_mean_usd: float | None


class Corner(msgspec.Struct, frozen=True):
    cost_mean_usd: float
    quality_mean: float


class Reference(msgspec.Struct, frozen=True):
    """What fixed choices earn on one data set."""

    dataset: str
    random: float
    best_fixed: float
    per_domain_hindsight: float
    oracle: float
    best_fixed_agent: str = ""
    per_domain_cv: float | None = None
    fixed: dict[str, Fixed] = {}
    hull: list[Corner] | None = None
    label: dict[str, str] = {}


class Conditions(msgspec.Struct, frozen=True):
    cost_weight: float = 0.0
    order: str = "shuffled"
    warm_start: float = 0.0
    delay: int = 0
    budget_usd: float | None = None

    def words(self) -> str:
        """What the replay was run under."""
        told = [f"Order: {self.order}"]
        told += [f"utility = quality −\u00a0{self.cost_weight:g} × USD"] if self.cost_weight else []
        told += [f"{self.warm_start:.0%} of the tasks told beforehand"] if self.warm_start else []
        told += [f"each outcome {counted(self.delay, 'decision')} late"] if self.delay else []
        told += [f"a budget of {usd(self.budget_usd)}"] if self.budget_usd is not None else []
        return ", ".join(told) + "."


class Skip(msgspec.Struct, frozen=True):
    dataset: str
    policy: str
    reason: str


class Results(msgspec.Struct, frozen=True):
    """results.json."""

    schema: int
    runs: list[Run]
    references: list[Reference]
    skipped: list[Skip] = []
    conditions: Conditions = Conditions()


class Replay(NamedTuple):
    """One data set of one results file."""

    runs: list[Run]
    reference: Reference | None
    skipped: list[Skip]
    conditions: Conditions
    file: Path

    @property
    def ours(self) -> Run | None:
        return next((run for run in self.runs if run.policy == OURS), None)

    def others(self) -> list[Run]:
        """Everyone but the default, the best first."""
        others = [run for run in self.runs if run.policy != OURS]
        return sorted(others, key=lambda run: -run.utility_mean)

    def learners(self) -> list[Run]:
        """The others that began with nothing too, on the default's seeds, the best first."""
        mine = self.ours
        return [
            run
            for run in self.others()
            if run.policy not in INFORMED and mine is not None and run.seeds == mine.seeds
        ]

    def basis(self) -> str:
        run = self.runs[0]
        return f"n = {counted(run.n_tasks, 'task')}, {counted(len(run.seeds), 'seed')}."


def replays(results: Results, file: Path) -> Iterator[Replay]:
    """The data sets of a results file."""
    for name in dict.fromkeys(run.dataset for run in results.runs):
        yield Replay(
            [run for run in results.runs if run.dataset == name],
            next((ref for ref in results.references if ref.dataset == name), None),
            [skip for skip in results.skipped if skip.dataset == name],
            results.conditions,
            file,
        )
