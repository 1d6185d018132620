"""Who takes part in a replay, by what name, and with which features."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.data.recorded import DataError, Recorded
from bench.replay import baselines
from bench.replay import runs as rooms
from bench.replay.contest import Conditions, Skipped, play, stream
from bench.replay.results import replay
from bench.replay.runs import Run, enter, expanded, run_one
from routerd.config import ConfigErrors
from routerd.core.settings import EmbeddingFeature
from tests.bench.made import Witness, made


def test_names_are_policies_groups_and_files() -> None:
    """Groups are replaced by their members, repetition is dropped, the order is kept."""
    everyone = [*baselines.POLICIES, *baselines.INFORMED]
    assert expanded(["static", "baselines"]) == ["static", *[n for n in everyone if n != "static"]]
    assert expanded(["mine.yaml", "default"]) == ["mine.yaml", "default"]
    wanted = {"default", "random", "greedy", "epsilon_greedy", "linucb", "lints", "thompson"}
    assert wanted | {"squarecb", "static", "weighted_score", "rotation", "cheapest"} == set(
        everyone
    )
    with pytest.raises(DataError, match="no policy is called 'thomson'; there are default, random"):
        replay(made(), ["thomson"], 1)


def test_a_contestant_that_cannot_take_part_is_named_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A skip is told in the results, and the others run."""

    def absent(data: Recorded, cost_weight: float, seed: int) -> Witness:
        raise Skipped("its library is not installed")

    monkeypatch.setattr(rooms, "peers", lambda: {"peer": absent})
    results = replay(made(costs=False), ["random", "cheapest", "peers"], 1)
    assert [run["policy"] for run in results["runs"]] == ["random"]
    assert results["skipped"] == [
        {"dataset": "made", "policy": "cheapest", "reason": "no costs are recorded"},
        {"dataset": "made", "policy": "peer", "reason": "its library is not installed"},
    ]


def test_a_file_of_ones_own_takes_part_by_its_name(tmp_path: Path) -> None:
    """What a YAML file leaves out is the default's; its agents give way to the recorded ones."""
    same, other = tmp_path / "same.yaml", tmp_path / "other.yaml"
    same.write_text("agents: [{id: somebody}]\npolicy: {kind: value}\n")
    other.write_text("policy: {kind: greedy, floor: 0.5}\nutility: {quality: 1, cost: 0}\n")
    results = replay(made(), ["default", str(same), str(other)], 1, Conditions(cost_weight=3.0))
    default, twin, greedy = results["runs"]
    assert twin["per_seed"] == default["per_seed"] != greedy["per_seed"]
    assert greedy["policy"] == str(other)
    other.write_text("policy: {kind: value, flor: 0.5}\n")
    with pytest.raises(ConfigErrors, match=r"policy\.flor: unknown key; did you mean `floor`"):
        replay(made(), [str(other)], 1)


def test_a_cost_weight_is_nothing_where_no_costs_were_recorded() -> None:
    """L counts as 0 without costs: for what is earned, and for what the engine is told to weigh."""
    results = [
        replay(made(40, costs=False), ["default"], 2, Conditions(cost_weight=weight))["runs"][0]
        for weight in (0.0, 5.0)
    ]
    assert results[0]["per_seed"] == results[1]["per_seed"]
    assert results[0]["cost_mean_usd"] is None


def test_two_data_sets_of_one_name_are_refused() -> None:
    """Rows of results are told apart by data set and policy."""
    with pytest.raises(DataError, match="two data sets have one name"):
        replay([made(), made(seed=2)], ["random"], 1)


def test_agents_whose_names_are_no_ids_are_routed_to_as_well() -> None:
    """Names with spaces change no choice: agents are told apart by their order."""
    plain = made(40)
    odd = replace(plain, agents=("Agent A (May)", "Agent B / 2", "Agent ✓"))
    arms = [run_one(Run(data, "default", 0), Conditions()).arms.tolist() for data in (plain, odd)]
    assert arms[0] == arms[1]


def test_the_schema_never_has_more_than_64_columns() -> None:
    """Work types are declared while they fit; beyond, they share slots; numbers are projected."""

    def columns(kinds: int, numbers: int) -> tuple[int, list[str]]:
        data = replace(
            made(200),
            domain=tuple(f"k{i % kinds}" for i in range(200)),
            numbers=np.zeros((200, numbers)) if numbers else None,
            number_names=tuple(f"n{i}" for i in range(numbers)),
        )
        features = baselines.schema(data)
        contestant = enter(Run(data, "default", 0), Conditions())
        assert isinstance(contestant, baselines.Routed)
        contestant.choose(0)
        return contestant.engine.state.encoder.width, [type(f).__name__ for f in features]

    assert columns(1, 0) == (1, [])
    assert columns(63, 0) == (64, ["CategoryFeature"])
    assert columns(100, 0) == (64, ["CategoryFeature"])
    assert columns(3, 2) == (6, ["NumberFeature", "NumberFeature", "CategoryFeature"])
    assert columns(1, 63)[0] == 64
    assert columns(90, 63) == (64, [EmbeddingFeature.__name__, "CategoryFeature"])


def test_the_order_of_time_serves_tasks_at_their_times() -> None:
    """Under --order time the engine's clock is the tasks'; otherwise nothing grows old."""
    data = replace(made(6), time_ms=np.array([50.0, 10.0, 30.0, 20.0, 40.0, 60.0]) * 86_400_000)
    timed = enter(Run(data, "default", 0), Conditions(order="time"))
    assert isinstance(timed, baselines.Routed)
    play(timed, stream(data, 0, Conditions(order="time")), Conditions(order="time"))
    assert timed.engine.state.time_ms == 60 * 86_400_000
    shuffled = enter(Run(data, "default", 0), Conditions())
    assert isinstance(shuffled, baselines.Routed)
    assert shuffled.engine.state.config.clock == "logical"


@pytest.mark.parametrize(("cost_weight", "scale"), [(0.0, 0.01), (0.2, 0.01), (1e5, 1e-6)])
def test_the_scale_of_costs_follows_what_they_are_worth(cost_weight: float, scale: float) -> None:
    """A scale far above the costs would have every untried agent cost more than a success."""
    utility = baselines.weights(made(), cost_weight)
    assert utility.cost_scale_usd == pytest.approx(scale)
    assert utility.cost / utility.cost_scale_usd == pytest.approx(cost_weight)
