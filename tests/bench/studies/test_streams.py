"""What studies are played on: the tasks of a seed, which are the same whoever asks."""

from __future__ import annotations

import json
import subprocess
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.data.datasets import load
from bench.data.recorded import DataError, Recorded
from bench.data.synthetic import SYNTHETIC
from bench.replay.results import replay
from bench.studies.command import draw_of, options, streams_of
from bench.studies.grid import GRID, played
from bench.studies.streams import drawn, whole, with_noise, with_words
from bench.studies.unseen import compared
from tests.bench.made import made


def same(one: Recorded, other: Recorded) -> bool:
    def numbers(of: Recorded) -> object:
        return None if of.numbers is None else of.numbers.tolist()

    alike = (one.agents, one.task_ids, one.domain) == (other.agents, other.task_ids, other.domain)
    return alike and np.array_equal(one.quality, other.quality) and numbers(one) == numbers(other)


def test_each_seed_has_a_draw_of_its_own() -> None:
    """Other agents and tasks for another seed, the same again for the same, all where few are."""
    data = made(90, 5)
    streams = drawn(data, (3, 20))
    draws = [streams.of(seed) for seed in (0, 1, 2, 0)]
    assert all(draw.quality.shape == (20, 3) for draw in draws)
    assert len({(draw.agents, draw.task_ids) for draw in draws}) == 3
    for draw in draws:
        rows = [data.task_ids.index(task_id) for task_id in draw.task_ids]
        columns = [data.agents.index(agent) for agent in draw.agents]
        assert (draw.quality == data.quality[np.ix_(rows, columns)]).all()
    assert drawn(data, (9, 900)).of(4).task_ids == data.task_ids

    for seed, earned in enumerate(played(streams, 3, 0.0, 1, GRID[:1])["utility"]["the default"]):
        alone = replay(draws[seed], ["default"], seed + 1, jobs=1)["runs"][0]["per_seed"]
        assert alone[seed] == earned


@pytest.mark.parametrize("text", ["8", "8,", "1,9", "8,0", "8,9,9", "8,-9", "a,b"])
def test_what_is_no_draw_is_refused_with_the_way_out(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="as 8,1000"):
        draw_of(text)
    assert draw_of("8,1000") == (8, 1000)


@pytest.mark.parametrize("make", SYNTHETIC.values(), ids=SYNTHETIC)
def test_each_seed_has_a_world_of_its_own(make: Callable[[int], Recorded]) -> None:
    """Of another shape too, and never one where all agents are alike."""
    pytest.importorskip("sklearn")
    worlds = [make(seed) for seed in range(6)]
    assert len({world.quality.shape for world in worlds}) > 3
    for seed, world in enumerate(worlds):
        assert same(world, make(seed))
        assert np.ptp(world.quality.mean(axis=0)) > 0.0
        assert set(np.unique(world.quality)) == {0.0, 1.0}
        assert world.numbers is None or np.isfinite(world.numbers).all()


def test_numbers_tell_who_is_right_where_they_are_said_to() -> None:
    """The better half of an agent's tasks is told by a regression on its numbers."""
    for name in ("synthetic:numbers", "synthetic:kinds"):
        world = SYNTHETIC[name](3)
        assert world.numbers is not None
        x = np.column_stack([np.ones(len(world)), world.numbers])
        fit = x @ np.linalg.lstsq(x, world.quality, rcond=None)[0]
        assert max(np.corrcoef(fit[:, k], world.quality[:, k])[0, 1] for k in range(3)) > 0.15


def test_words_and_noise_stand_beside_what_is_there() -> None:
    pytest.importorskip("sklearn")
    data = made(60)
    texts = ("red apple", "green apple", "green water", "blue water", "blue ice")
    data = replace(data, text=tuple(texts[i % 5] for i in range(60)))
    told = with_noise(with_words(data, 2), 3)
    assert told.numbers is not None
    assert told.numbers.shape == (60, 5) == (60, len(set(told.number_names)))
    assert np.allclose(told.numbers[:, :2].std(axis=0), 1.0)
    # alike texts have alike words, and nothing else has
    assert np.allclose(told.numbers[::5, :2], told.numbers[0, :2])
    assert not np.allclose(told.numbers[1, :2], told.numbers[0, :2])
    assert (told.quality == data.quality).all()
    with pytest.raises(DataError, match="no 2 directions of words"):
        with_words(made(60), 2)


def test_who_is_compared_earns_what_a_replay_says() -> None:
    data = made(80, 4)
    rows = compared(whole(data), ["default", "rotation"], 3, 0.5, 1, lambda _: None)
    found = {row["policy"]: row for row in rows}
    for run in replay(data, ["default", "rotation"], 3, jobs=1)["runs"]:
        assert run["dataset"] == found[run["policy"]]["dataset"]
    assert found["default"]["change"] == 0.0
    gap = found["default"]["utility_mean"] - found["rotation"]["utility_mean"]
    assert found["rotation"]["change"] == pytest.approx(gap, abs=1e-12)
    assert [row["utility_mean"] for row in rows] == sorted(
        (row["utility_mean"] for row in rows), reverse=True
    )


def test_a_world_is_neither_drawn_from_nor_added_to(tmp_path: Path) -> None:
    ask = ArgumentParser()
    options(ask)
    out = str(tmp_path / "out.json")
    for more in (["--draw", "2,9"], ["--noise", "2"], ["--words", "2"], ["--agents", "a,b"]):
        asked = ask.parse_args(["synthetic:rates", *more, "--out", out])
        with pytest.raises(DataError, match="synthetic:rates is another world for each seed"):
            streams_of("synthetic:rates", asked)


def test_what_cannot_be_read_is_told_in_a_sentence(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "bench.studies.unseen",
        "nowhere.parquet",
        "--out",
        str(tmp_path),
    ]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 2
    assert ran.stderr.splitlines()[-1].startswith("python -m bench.studies.unseen: error: ")
    assert "nowhere.parquet" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_the_commands_run(tmp_path: Path) -> None:
    """As the results say them, on the smallest set."""
    pytest.importorskip("sklearn")
    for room, more in (
        ("unseen", ["--policies", "default,linucb"]),
        ("ablate", ["--only", "leads elsewhere"]),
    ):
        out = tmp_path / f"{room}.json"
        command = [sys.executable, "-m", f"bench.studies.{room}", "iris", *more, "--seeds", "2"]
        subprocess.run([*command, "--out", str(out)], check=True, capture_output=True, timeout=120)
        rows = json.loads(out.read_text("utf-8"))
        assert len(rows) == 2
        assert {row["dataset"] for row in rows} == {"iris"}
    assert len(load("wine").agents) == 3
