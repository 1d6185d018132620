"""Replay: the engine that serves, on seeded streams, scored by what was chosen and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.data.recorded import Cell, DataError, Recorded, order
from bench.replay import baselines, curves
from bench.replay.contest import Conditions, play, stream, taught_first
from bench.replay.references import folds, held_out_choices
from bench.replay.results import replay
from bench.replay.runs import Run, enter, run_one
from routerd.core.settings import ValuePolicy
from routerd.router import Router
from routerd.settings import Config
from tests.bench.made import Witness, made, witnessed


def test_the_default_policy_chooses_what_a_live_router_chooses() -> None:
    """A replay's choices are those of Router with the same configuration, tasks and outcomes."""
    data = made()
    config = baselines.configured(data, 2.0, 4, ValuePolicy())
    expected = []
    with Router.open(Config(**{f: getattr(config, f) for f in config.__struct_fields__})) as live:
        for i in order(len(data), 4).tolist():
            kind = data.domain[i]
            answer = live.route(request_id=f"t{i}", work_type=kind, domain=kind)
            arm = data.agents.index(answer.decision.agent_id)
            expected.append(arm)
            assert data.cost_usd is not None
            live.report(
                decision_id=answer.decision_id,
                quality=float(data.quality[i, arm]),
                cost_usd=float(data.cost_usd[i, arm]),
            )
    played = run_one(Run(data, "default", 4), Conditions(cost_weight=2.0))
    assert played.arms.tolist() == expected


@pytest.mark.parametrize("delay", [0, 1, 5])
def test_an_outcome_is_told_after_exactly_so_many_further_decisions(delay: int) -> None:
    """With delay N the outcome of decision t is told before decision t + 1 + N, not sooner."""
    data = made(20)
    witness, _ = witnessed(data, Conditions(delay=delay))
    told = [call[1] for call in witness.calls if call[0] == "learn"]
    stream_of = order(20, 0).tolist()
    assert told == stream_of[: 20 - delay]
    for t, i in enumerate(stream_of[: 20 - delay - 1]):
        at = next(p for p, call in enumerate(witness.calls) if call[:2] == ("learn", i))
        assert witness.calls[at - 1] == ("choose", stream_of[t + delay])
        assert witness.calls[at + 1] == ("choose", stream_of[t + delay + 1])


def test_what_is_told_is_the_cell_that_was_chosen() -> None:
    """Quality, cost and latency are those of the chosen agent; an unmeasured latency is None."""
    latency = np.full((4, 3), np.nan)
    latency[0] = 7.0
    data = replace(made(4), latency_ms=latency)
    witness, _ = witnessed(data, Conditions())
    for call in witness.calls:
        if call[0] == "learn":
            _, i, arm, *told = call
            assert data.cost_usd is not None
            assert arm == i % 3
            assert told == [data.quality[i, arm], data.cost_usd[i, arm], None if i else 7.0]


def test_a_warm_start_tells_the_first_tasks_in_full_and_scores_the_rest() -> None:
    """Every agent's outcome of the first fraction is told; those tasks are never chosen for."""
    data = made(10)
    witness, played = witnessed(data, Conditions(warm_start=0.25))
    rows = order(10, 0).tolist()
    assert [c[1:3] for c in witness.calls[:9]] == [(i, k) for i in rows[:3] for k in range(3)]
    assert [c[1] for c in witness.calls if c[0] == "choose"] == rows[3:]
    assert len(played.arms) == 7
    contestant = enter(Run(data, "default", 0), Conditions())
    assert isinstance(contestant, baselines.Routed)
    play(contestant, stream(data, 0, Conditions(warm_start=0.25)), Conditions(warm_start=0.25))
    assert contestant.engine.state.learner.count == 9 + 7
    with pytest.raises(DataError, match="leaves none of 10 tasks"):
        stream(data, 0, Conditions(warm_start=0.99))


def test_a_budget_ends_the_serving_before_it_is_passed() -> None:
    """The first task that would pass the budget and all after it earn nothing."""
    data = replace(made(10), cost_usd=np.full((10, 3), 0.5), quality=np.ones((10, 3)))
    _, played = witnessed(data, Conditions(budget_usd=2.0))
    assert len(played.arms) == 4
    _, played = witnessed(data, Conditions(budget_usd=1.9))
    assert len(played.arms) == 3
    results = replay(data, ["random"], 2, Conditions(budget_usd=2.0, cost_weight=1.0))
    run = results["runs"][0]
    assert (run["n_served"], run["n_tasks"]) == (4.0, 10)
    assert run["utility_mean"] == pytest.approx(4 * 0.5 / 10)
    assert run["cost_mean_usd"] == pytest.approx(0.2)
    assert sum(run["share"].values()) == pytest.approx(1.0)
    with pytest.raises(DataError, match="a budget needs the column cost_usd"):
        replay(made(costs=False), ["random"], 1, Conditions(budget_usd=2.0))


# no peeking


@pytest.mark.parametrize("name", [*baselines.POLICIES, "peeker"])
def test_cells_that_were_not_chosen_change_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When every other cell is turned into its opposite, the same choices are made again."""

    def peeker(data: Recorded, cost_weight: float, seed: int) -> Witness:
        """Would take the best agent of each task if it could see one."""
        witness = Witness(len(data.agents))
        witness.choose = lambda i: int(data.quality[i].argmax())  # type: ignore[method-assign]
        return witness

    monkeypatch.setitem(baselines.POLICIES, "peeker", peeker)
    data = made(80)
    conditions = Conditions(cost_weight=1.0)
    first = run_one(Run(data, name, 3), conditions).arms
    rows = order(80, 3)
    poisoned = 1.0 - data.quality
    poisoned[rows, first] = data.quality[rows, first]
    assert data.cost_usd is not None
    cost = 10.0 * data.cost_usd[:, ::-1]
    cost[rows, first] = data.cost_usd[rows, first]
    again = run_one(Run(replace(data, quality=poisoned, cost_usd=cost), name, 3), conditions).arms
    assert again.tolist() == first.tolist()


def test_the_static_table_uses_no_outcome_of_its_own_fold() -> None:
    """Tasks are served by the table that was fitted on the other folds: their own do not count."""
    data = made(50)
    fold = folds(50, 2)
    first = run_one(Run(data, "static", 2), Conditions()).arms
    rows = order(50, 2)
    flipped = data.quality.copy()
    flipped[fold == 1] = 1.0 - flipped[fold == 1]
    again = run_one(Run(replace(data, quality=flipped), "static", 2), Conditions()).arms
    own = fold[rows] == 1
    assert again[own].tolist() == first[own].tolist()
    arms = held_out_choices(data.domain, data.quality, fold)
    assert first.tolist() == arms[rows].tolist()


def without_times(results: dict[str, Any]) -> dict[str, Any]:
    """Results without the one figure that varies."""
    runs = [{k: v for k, v in run.items() if k != "decisions_per_s"} for run in results["runs"]]
    return {**results, "runs": runs}


def test_results_have_the_promised_keys_and_figures() -> None:
    """results.json's schema 1; means are over all tasks and seeds, regret is a sum over tasks."""
    data = made(40)
    results = replay(data, ["default", "random"], 3, Conditions(cost_weight=2.0))
    assert results["schema"] == 1
    run = results["runs"][0]
    assert set(run) >= {
        *("dataset", "policy", "n_tasks", "n_agents", "seeds", "utility_mean", "ci95", "per_seed"),
        *("quality_mean", "cost_mean_usd", "regret_vs_best_fixed", "share", "decisions_per_s"),
        *("n_seeds", "worst_seed", "exploration_spend", "curve"),
    }
    u = data.utility(2.0)
    earned, shares = [], []
    for seed in range(3):
        arms = run_one(Run(data, "default", seed), Conditions(cost_weight=2.0)).arms
        earned.append(u[order(40, seed), arms].mean())
        shares.append(np.bincount(arms, minlength=3) / 40)
    assert run["per_seed"] == pytest.approx(earned)
    assert run["utility_mean"] == pytest.approx(np.mean(earned))
    assert run["worst_seed"] == {
        "seed": int(np.argmin(earned)),
        "utility_mean": min(run["per_seed"]),
    }
    assert list(run["share"].values()) == pytest.approx(np.mean(shares, axis=0))
    best = u.mean(axis=0).max()
    assert run["regret_vs_best_fixed"] == pytest.approx(40 * (best - np.mean(earned)))
    low, high = run["ci95"]
    assert min(earned) - 1e-9 < low < run["utility_mean"] < high < max(earned) + 1e-9
    assert (run["n_seeds"], run["seeds"], run["curve"]) == (3, [0, 1, 2], None)
    json.dumps(results, allow_nan=False)


def test_results_do_not_depend_on_the_number_of_jobs() -> None:
    """One process or two, the figures are the same."""
    if find_spec("joblib") is None:
        pytest.skip("joblib is not installed")
    data, names = made(40), ["default", "lints", "static", "greedy"]
    one = replay(data, names, 2, Conditions(cost_weight=1.0), jobs=1)
    two = replay(data, names, 2, Conditions(cost_weight=1.0), jobs=2)
    assert without_times(one) == without_times(two)


def test_policies_meet_the_same_replicates() -> None:
    """A visit's draw among a cell's runs depends on seed, task and agent, not on the policy."""
    data = made(30)
    pair = (Cell(0.0, np.nan, np.nan), Cell(1.0, np.nan, np.nan))
    runs = {(i, k): pair for i in range(30) for k in range(3)}
    data = replace(data, replicates=runs, cost_usd=None)
    ours, _ = witnessed(data, Conditions(), seed=6)
    theirs, _ = witnessed(data, Conditions(delay=3), seed=6)
    told = {c[1]: c[3] for c in ours.calls if c[0] == "learn"}
    assert {told[c[1]] == c[3] for c in theirs.calls if c[0] == "learn"} == {True}
    assert set(told.values()) == {0.0, 1.0}


@pytest.mark.parametrize("suffix", [".parquet", ".csv.gz"])
def test_curves_are_the_running_sums_of_the_run(suffix: str, tmp_path: Path) -> None:
    """Both formats hold each run's sums at up to 500 steps, the last one included."""
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    data, path = made(700), tmp_path / f"curves{suffix}"
    results = replay(data, ["greedy", "random"], [5, 7], Conditions(1.0), curves_file=path)
    assert {run["curve"] for run in results["runs"]} == {path.name}
    found = curves.read(path)
    assert list(found) == list(curves.COLUMNS)
    policies = list(zip(found["policy"], found["seed"], strict=True))
    assert policies == [(p, s) for p in ("greedy", "random") for s in (5, 7) for _ in range(500)]
    arms = run_one(Run(data, "random", 7), Conditions(1.0)).arms
    u = data.utility(1.0)[order(700, 7)]
    best = int(data.utility(1.0).mean(axis=0).argmax())
    at = [row for row, key in enumerate(policies) if key == ("random", 7)]
    for row in (at[0], at[77], at[-1]):
        step = found["step"][row]
        mine = u[np.arange(step), arms[:step]]
        assert found["utility"][row] == pytest.approx(mine.sum())
        assert found["regret"][row] == pytest.approx((u[:step, best] - mine).sum())
        assert found["regret_oracle"][row] == pytest.approx((u[:step].max(axis=1) - mine).sum())
        assert list(found["picks"][row]) == np.bincount(arms[:step], minlength=3).tolist()
    assert found["step"][at[-1]] == 700


def test_a_warm_start_from_other_tasks_tells_them_in_full_and_first() -> None:
    """Every cell of every task of the other set, then the stream as it is without a warm start."""
    first, data = replace(made(7, seed=2), name="earlier"), made(20)
    on = taught_first(first, 3, stream(data, 3, Conditions()))
    witness = Witness(3)
    play(witness, on, Conditions())
    warm = [call[1:] for call in witness.calls[: 7 * 3]]
    assert first.cost_usd is not None
    assert warm == [
        ("learn", i, k, first.quality[i, k], first.cost_usd[i, k], None)[1:]
        for i in order(7, 3).tolist()
        for k in range(3)
    ]
    chosen = [call[1] for call in witness.calls[7 * 3 :] if call[0] == "choose"]
    assert chosen == [7 + i for i in order(20, 3).tolist()]


def test_a_warm_start_from_other_tasks_pays_and_is_scored_on_the_stream_alone() -> None:
    """Who was told of like tasks errs less; the informed policies sit it out, by name."""
    first, data = replace(made(60, seed=2), name="earlier"), made(40)
    cold = replay(data, ["default", "static"], 5, Conditions(cost_weight=2.0))
    warm = replay(data, ["default", "static"], 5, Conditions(cost_weight=2.0), first=first)
    (before, _), (after,) = cold["runs"], warm["runs"]
    assert after["utility_mean"] > before["utility_mean"]
    assert (after["n_tasks"], warm["references"]) == (40, cold["references"])
    assert [skip["policy"] for skip in warm["skipped"]] == ["static"]
    assert warm["conditions"]["warm_from"] == "earlier"


def test_a_warm_start_needs_the_same_agents() -> None:
    """Outcomes of others say nothing of these."""
    with pytest.raises(DataError, match="the agents of made are"):
        replay(made(), ["default"], 1, first=made(agents=4))
