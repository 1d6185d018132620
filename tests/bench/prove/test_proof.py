"""`routerd prove`: its numbers, what it runs, and its verdict."""

from __future__ import annotations

import dataclasses
import signal
import time
from multiprocessing import active_children
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pytest

from bench.data.recorded import Recorded
from bench.prove import elbow, jobs
from bench.prove.evidence import (
    earned,
    estimate,
    held_out_single,
    rivals,
    so_far,
    within,
)
from bench.prove.findings import Proof
from bench.prove.page import proof_page
from bench.prove.plan import LEAST_SEEDS, planned
from bench.prove.proof import lasting, prove
from bench.prove.verdict import learning, verdict
from bench.replay.contest import Conditions, stream
from bench.replay.references import folds, held_out_choices, references
from bench.replay.results import replay
from bench.replay.runs import Run, run_one
from bench.stats import Estimate
from tests.bench.prove.rows import COSTS, SPLIT, Rows, recorded, world


@pytest.fixture(scope="module")
def split() -> Recorded:
    """300 tasks of two work types, each with an agent of its own."""
    return recorded(world(300, SPLIT, costs=COSTS))


@pytest.fixture(scope="module")
def proof(split: Recorded) -> Proof:
    return prove(split, cost_weight=1.0, seeds=2)


# The numbers.


def test_routerd_s_figures_are_those_of_a_replay(proof: Proof, split: Recorded) -> None:
    """The page tells of the very engine, streams and scores that `bench replay` runs."""
    (found,) = replay(split, ["default"], 2, Conditions(cost_weight=1.0))["runs"]
    assert proof.routerd.utility.mean == pytest.approx(found["utility_mean"], abs=1e-12)
    assert proof.routerd.quality.mean == pytest.approx(found["quality_mean"], abs=1e-12)
    assert proof.routerd.cost_usd is not None
    assert proof.routerd.cost_usd.mean == pytest.approx(found["cost_mean_usd"], abs=1e-12)
    for agent in proof.agents:
        assert agent.share == pytest.approx(found["share"][agent.name], abs=1e-12)


def test_the_rivals_figures_are_the_references(split: Recorded) -> None:
    """Random, best fixed and the cross-validated table earn what bench.replay.references says."""
    wanted = references(split, 1.0)
    found = rivals(split, range(20), 1.0)
    means = {rival.key: earned(split, range(20), 1.0, rival.arms).utility.mean() for rival in found}
    (best,) = (rival for rival in found if "best" in rival.key)
    assert means["random"] == pytest.approx(wanted["random"])
    assert means[best.key] == pytest.approx(wanted["best_fixed"])
    assert best.agent == wanted["best_fixed_agent"]
    assert means["table"] == pytest.approx(wanted["per_domain_cv"])


def test_differences_are_paired(proof: Proof) -> None:
    """What routerd is ahead by is the difference of the means, and lies in its own interval."""
    for rival in proof.rivals:
        assert rival.ahead is not None
        gap = proof.routerd.utility.mean - rival.utility.mean
        assert rival.ahead.mean == pytest.approx(gap, abs=1e-12)
        assert rival.ahead.low <= rival.ahead.mean <= rival.ahead.high


def test_hindsight_and_honest_are_labelled(proof: Proof) -> None:
    """Whoever was picked by the outcomes of all tasks says hindsight; nobody else does."""
    for rival in proof.rivals:
        afterwards = {"best", "strongest"} & set(rival.key.split("+"))
        assert rival.label == ("hindsight" if afterwards else "honest"), rival.key


def test_honest_choices_do_not_see_what_they_are_judged_by(split: Recorded) -> None:
    """Turning the outcomes of one fold around changes no honest choice in that fold."""
    fold = folds(len(split), 3)
    u = split.utility(1.0)
    turned = np.where((fold == 2)[:, None], -100.0 * u, u)
    same = fold == 2
    single = held_out_single(u, fold), held_out_single(turned, fold)
    table = (held_out_choices(split.domain, of, fold) for of in (u, turned))
    for before, after in (single, tuple(table)):
        assert (before[same] == after[same]).all()
        assert (before[~same] != after[~same]).any()


def test_intervals_cover_tasks_and_orders() -> None:
    """95% intervals cover the truth in 93% or more of 600 worlds with both kinds of noise."""
    rng = np.random.default_rng(5)
    seeds, tasks, worlds = 20, 120, 600
    of_task = rng.normal(size=(worlds, 1, tasks)) * 0.5
    of_seed = rng.normal(size=(worlds, seeds, 1)) * 0.2
    values = 0.3 + of_task + of_seed + rng.normal(size=(worlds, seeds, tasks)) * 0.3
    covered = np.mean([found.low <= 0.3 <= found.high for found in map(estimate, values)])
    assert 0.93 <= covered <= 0.97


def alike(seed: int) -> Recorded:
    """60 tasks of three work types, and four agents that do each with the same luck."""
    rng = np.random.default_rng(seed)
    right = (rng.random((60, 4)) < 0.6).astype(np.float64)
    kinds = tuple(f"k{kind}" for kind in rng.integers(3, size=60))
    ids, agents = tuple(f"{task:02d}" for task in range(60)), ("a", "b", "c", "d")
    return Recorded("alike", ids, agents, kinds, ("",) * 60, right)


def test_what_learnt_from_luck_is_not_taken_for_a_gain() -> None:
    """Where agents are alike, routerd looks better or worse than the best in 5% of runs or fewer.

    All orders share the luck of their tasks, so that the mean over them varies more than it seems.
    """
    signs = []
    for seed in range(40):
        tasks, orders = alike(seed), tuple(range(10))
        arms = np.array([jobs.Replayed(order, Conditions()).do(tasks) for order in orders])
        single = rivals(tasks, orders, 0.0)[0]
        ahead = (earned(tasks, orders, 0.0, of).utility for of in (arms, single.arms))
        signs.append(estimate(next(ahead) - next(ahead), single.fitted).sign)
    assert np.abs(signs).sum() <= 2


@pytest.mark.parametrize("seeds", [1, 5])
def test_what_was_fitted_to_luck_is_not_taken_for_a_gain(seeds: int) -> None:
    """Where agents are alike, a table looks better or worse than an agent in 5% of 200 or fewer."""
    signs = []
    for seed in range(200):
        tasks = alike(seed)
        single, table = (
            earned(tasks, range(seeds), 0.0, rival.arms).utility
            for rival in rivals(tasks, range(seeds), 0.0)[:2]
        )
        signs.append(estimate(table - single, fitted=2).sign)
    assert np.abs(signs).mean() <= 0.05


def test_one_task_is_no_certainty() -> None:
    """The interval of a group of one task is as wide as the spread of all, under each seed."""
    values = np.zeros((3, 30))
    values[:, 4] = 1.0
    (_, one) = within(values, (np.arange(30) == 4).astype(np.intp), 2)
    assert one.mean == one.high == 1.0
    assert one.low == pytest.approx(1.0 - 1.96 * values[0].std())


@pytest.mark.parametrize(("size", "mean"), [(5, 0.9), (8, 0.9), (8, 0.98), (20, 0.98)])
def test_tasks_that_came_out_alike_are_no_certainty(size: int, mean: float) -> None:
    """A small group without a failure, say, has an interval that holds the truth all the same."""
    rng = np.random.default_rng(7)
    groups = (np.arange(200) < size).astype(np.intp)
    held = 0
    for _ in range(300):
        values = (rng.random(200) < np.where(groups, mean, 0.7)).astype(np.float64)[None]
        found = within(values, groups, 2)[1]
        held += found.low <= mean <= found.high
    assert held >= 0.93 * 300


def test_groups_and_sums_add_up() -> None:
    """Means within groups and sums so far are those that plain arithmetic gives."""
    values = np.arange(12.0).reshape(2, 6)
    groups = np.array([0, 0, 0, 1, 1, 1])
    assert [e.mean for e in within(values, groups, 2)] == [4.0, 7.0]
    place = np.array([[5, 4, 3, 2, 1, 0], [0, 1, 2, 3, 4, 5]])
    first, last = so_far(values, place, np.array([2, 6]))
    assert first.mean == (5 + 4 + 6 + 7) / 2
    assert last.mean == values.sum() / 2


def test_the_curve_adds_up_to_the_whole(proof: Proof) -> None:
    """What was gained at the end is n times the difference, and shares of every bin sum to 1."""
    for key, gained in proof.curve.gained.items():
        ahead = proof.ahead_of(key)
        assert gained[-1].mean == pytest.approx(proof.scope.tasks * ahead.mean)
        assert gained[-1].low == pytest.approx(proof.scope.tasks * ahead.low)
    assert proof.curve.ends[-1] == proof.scope.tasks
    sums = np.sum(list(proof.curve.shares.values()), axis=0)
    assert sums == pytest.approx(1.0)


def test_the_curve_follows_the_streams(proof: Proof, split: Recorded) -> None:
    """The first stretch of the curve is what the first tasks of each stream earned."""
    first = proof.curve.ends[0]
    conditions = Conditions(cost_weight=1.0)
    earned_first = []
    for seed in (0, 1):
        rows = stream(split, seed, conditions).scored[:first]
        arms = run_one(Run(split, "default", seed), conditions).arms[:first]
        earned_first.append(split.utility(1.0)[rows, arms].mean())
    assert proof.curve.utility[0].mean == pytest.approx(np.mean(earned_first))


def test_figures_do_not_depend_on_the_processes() -> None:
    """Two processes find what one finds, to the last bit."""
    tasks = recorded(world(60, SPLIT, costs=COSTS))
    assert prove(tasks, 1.0, seeds=2, processes=2) == prove(tasks, 1.0, seeds=2)


# The sample-size study.


class Slow(NamedTuple):
    """A job that takes a minute, and says that it has begun."""

    begun: Path

    def do(self, data: Recorded) -> np.ndarray:
        self.begun.touch()
        time.sleep(60)
        return np.empty(len(data), np.intp)


def test_ctrl_c_waits_for_no_job(tmp_path: Path, split: Recorded) -> None:
    """Jobs that run are ended, not waited for: on much data each of them takes long."""

    def interrupt(*_: object) -> None:
        if (tmp_path / "1").exists():
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise KeyboardInterrupt

    some, others = split.take(np.arange(10)), set(active_children())
    before, started = signal.signal(signal.SIGALRM, interrupt), time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, 0.2, 0.2)
    try:
        with pytest.raises(KeyboardInterrupt):
            list(jobs.done(some, [Slow(tmp_path / name) for name in "123"], 2))  # type: ignore[misc]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - started < 30
    assert set(active_children()) <= others


def test_the_study_never_sees_the_tasks_it_is_judged_by(split: Recorded) -> None:
    """Other outcomes on the held-out fifth leave every choice as it was."""
    job = jobs.Studied(0.0, elbow.Split(1, 2), (1, 8, 64))
    _, judged = job.split.rows(split)
    quality = 0.5 + 0.01 * (split.quality - 0.5)
    quality[judged] = split.quality[judged]
    loud = dataclasses.replace(split, quality=quality)
    quality = quality.copy()
    quality[judged] = 1.0 - quality[judged]
    turned = dataclasses.replace(split, quality=quality)
    before, after = job.do(loud), job.do(turned)
    assert isinstance(before, elbow.Choices)
    assert isinstance(after, elbow.Choices)
    assert (before.profile == after.profile).all()
    assert (before.table == after.table).all()


def test_the_profile_finds_the_agent_of_each_work_type(proof: Proof) -> None:
    """Where each work type has an agent of its own, enough outcomes beat the best single agent."""
    found = proof.elbow
    assert found.beats_single_from is not None
    assert found.beats_single_from <= 16
    assert found.points[-1].profile.mean == pytest.approx(found.table_of_all.mean, abs=0.01)
    first = found.points[0]
    assert first.table.mean < found.points[-1].table.mean


def test_an_elbow_lasts() -> None:
    """A size counts only when every larger one is above 0 too."""
    up, level = Estimate(0.1, 0.05, 0.2), Estimate(0.1, -0.05, 0.2)
    assert lasting([(1, level), (2, up), (4, level), (8, up), (16, up)]) == 8
    assert lasting([(1, up), (2, level)]) is None
    assert lasting([(1, up), (2, up)]) == 1


# How much is run.


def big(tasks: int) -> Recorded:
    names = tuple(f"a{k:03d}" for k in range(3))
    quality = np.random.default_rng(0).random((tasks, 3))
    ids = tuple(f"{i:06d}" for i in range(tasks))
    return Recorded("big", ids, names, ("",) * tasks, ("",) * tasks, quality)


def test_much_data_gets_fewer_seeds_then_a_sample() -> None:
    """Work is bounded: seeds go from 20 to 5, then tasks are sampled; --seeds is obeyed."""
    assert (len(planned(big(300), 0.0, None).seeds), planned(big(300), 0.0, 2).seeds) == (
        20,
        (0, 1),
    )
    fewer = planned(big(20_000), 0.0, None)
    assert fewer.sampled_from is None
    assert LEAST_SEEDS <= len(fewer.seeds) < 20
    sampled = planned(big(100_000), 0.0, None)
    assert sampled.sampled_from == 100_000
    assert len(sampled.data) < 50_000
    assert len(sampled.seeds) == LEAST_SEEDS


def test_a_sample_is_told_on_the_page(proof: Proof) -> None:
    """A reader learns that not all tasks were used, and how many were left out."""
    scope = msgspec.structs.replace(proof.scope, sampled_from=100_000, left_out=7)
    page = proof_page(msgspec.structs.replace(proof, scope=scope), "0")
    assert "a random sample of 100,000" in page
    assert "7 tasks left out" in page


# The verdict.


def judged(rows: Rows, cost_weight: float = 0.0, seeds: int = 2) -> tuple[str, Proof]:
    found = prove(recorded(rows), cost_weight, seeds)
    return verdict(found).answer, found


def test_yes_where_each_work_type_has_its_agent() -> None:
    """Routing pays when agents differ by work type and there are tasks enough to learn it."""
    answer, found = judged(world(400, SPLIT))
    assert answer.startswith("Yes")
    assert found.ahead_of("single").low > 0


def test_no_where_one_agent_is_best_at_all() -> None:
    """Learning cannot pay where one agent is best everywhere and known from other tasks."""
    names = {f"bad{k}": (0.2, 0.2) for k in range(6)}
    answer, found = judged(world(200, {"good": (0.95, 0.95), **names}))
    assert answer == "No, the best single agent would have earned more"
    assert found.ahead_of("single").high < 0


def test_only_a_table_where_learning_takes_too_long() -> None:
    """With many agents and few tasks a table known beforehand pays and learning does not."""
    weak = {f"weak{k:02d}": (0.3, 0.3) for k in range(20)}
    answer, _ = judged(world(100, {"left": (0.95, 0.4), "right": (0.4, 0.95), **weak}))
    assert answer == "Only with a table that was fitted beforehand"


def test_nothing_to_gain_is_said() -> None:
    """Agents that do the same leave nothing to gain, and no verdict."""
    rows = world(120, {"one": (0.5, 0.5)})
    rows += [{**row, "agent_id": "two"} for row in rows]
    answer, found = judged(rows)
    assert answer == "It cannot be told: there was next to nothing to gain"
    assert found.ceiling == 0.0


def test_what_never_varies_is_no_answer() -> None:
    """All outcomes alike show nothing of how others would come out; nor would a lead on each."""
    rows = world(120, {"one": (1.0, 1.0), "two": (1.0, 1.0)})
    answer, found = judged(rows)
    assert answer == "It cannot be told: there was next to nothing to gain"
    assert (
        "no clear difference, 0.0000 (no interval: nothing varied)" in verdict(found).sentences[0]
    )
    assert [estimate(np.full((2, 60), gap)).sign for gap in (0.5, 0.0, -0.5)] == [0, 0, 0]


def test_no_work_types_are_said() -> None:
    """Without work types no router can beat the best agent, and the page says why."""
    rows = world(120, {"one": (0.5, 0.5)}, kinds=("", ""))
    answer, found = judged(rows + [{**row, "agent_id": "two"} for row in rows])
    assert answer == "It cannot be told: the tasks name no work types"
    assert "no work types" in verdict(found).reasons[0]
    assert found.rival("table") is None
    assert "Where it paid" not in proof_page(found, "0")


def test_too_few_tasks_are_said() -> None:
    """Under 50 tasks there is no verdict, whatever the numbers are."""
    answer, _ = judged(world(40, {"left": (1.0, 0.0), "right": (0.0, 1.0)}), seeds=2)
    assert answer == "It cannot be told: 40 tasks are too few"


def test_the_sentences_name_the_numbers(proof: Proof) -> None:
    """The first sentence holds n, both means, and the difference with its interval."""
    first = verdict(proof).sentences[0]
    ahead = proof.ahead_of("single")
    for number in (
        "300 tasks",
        f"{proof.routerd.utility.mean:.3f}",
        f"{proof.rivals[0].utility.mean:.3f}",
        f"{abs(ahead.mean):.3f} (95% interval",
    ):
        assert number in first
    assert len(verdict(proof).sentences) == 2


def test_a_lead_that_a_fifth_cannot_show_is_not_called_lost(proof: Proof) -> None:
    """A fifth of the tasks has a wide interval; that 0 lies in it does not say that a lead went."""
    single = msgspec.structs.replace(proof.rivals[0], ahead_at_the_end=Estimate(0.04, -0.02, 0.1))
    others = [single, *proof.rivals[1:]]
    told = learning(msgspec.structs.replace(proof, rivals=others))
    assert "is +0.040 (95% interval" in told
    assert told.endswith(": no clear difference on so few tasks.")


def test_the_verdict_says_what_it_left_out(proof: Proof) -> None:
    """Tasks that some agent never ran may be other tasks; so may those that were not drawn."""

    def said(**scope: int) -> str:
        of = msgspec.structs.replace(proof.scope, **scope)
        return verdict(msgspec.structs.replace(proof, scope=of)).sentences[0]

    assert said().startswith("On 300 tasks routerd, which")
    left = said(left_out=200)
    assert left.startswith("On 300 tasks, of 500 those that every agent had run, routerd, which")
    assert said(sampled_from=9000).startswith("On 300 tasks, drawn from 9,000, routerd, which")
    both = said(sampled_from=9000, left_out=1000)
    assert both.startswith("On 300 tasks, drawn from 9,000, of 10,000 those that every agent had ")
