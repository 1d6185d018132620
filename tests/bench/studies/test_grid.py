"""The grid: the check picks without a set what is best on the others, each on its own scale."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from bench.data.recorded import Array, Recorded
from bench.replay.results import replay
from bench.studies.grid import GRID, Gains, check, gains, played
from bench.studies.streams import whole
from bench.studies.variants import Variant, replaced
from routerd.core.settings import ValuePolicy
from tests.bench.made import made

PLANTED = (Variant("wasteful", ValuePolicy(floor=0.5)), Variant("frugal"))
SETTINGS = ("frozen", "other")


def clear(name: str, right: int) -> Recorded:
    """One agent is always right, the others never: every exploration but the first costs."""
    data = made(120, 3, costs=False)
    return replace(data, name=name, quality=np.tile(np.arange(3) == right, (120, 1)).astype(float))


def world(name: str, other: Array) -> Gains:
    return Gains(name, SETTINGS, np.array([np.zeros(len(other)), other]))


def test_the_pick_is_what_was_planted() -> None:
    """Where the frozen setting wastes half of its decisions, the other is picked and earns more."""
    both = [clear("one", 1), clear("two", 2)]
    # what is written is what the check reads
    sets = json.loads(json.dumps([played(whole(data), 4, 0.0, 1, PLANTED) for data in both]))
    for row in check([gains(of) for of in sets])[:2]:
        assert row["pick"] == row["best_there"] == "frugal"
        assert row["change"] > 0.2
        assert row["ci95"][0] > 0.2


def test_the_first_of_the_grid_is_the_default_of_a_replay() -> None:
    data = made()
    found = replay(data, ["default"], 2, jobs=1)["runs"][0]["per_seed"]
    assert played(whole(data), 2, 0.0, 1, GRID[:1])["utility"] == {"the default": found}


def test_every_setting_is_another_one() -> None:
    """A name stands for one setting; the constants that a setting replaces exist."""
    assert len({of.name for of in GRID}) == len({repr(of[1:]) for of in GRID}) == len(GRID)
    for setting in GRID:
        with replaced(setting.constants):
            pass


def test_a_setting_that_pays_on_one_set_alone_is_not_picked_without_it() -> None:
    """And where the pick comes from that set, the others tell that it costs."""
    noise = np.array([-1.0, 1.0, -1.0, 1.0])
    sets = [
        world("tuned to", 5.0 + noise),
        world("one", -1.0 + noise),
        world("two", -1.0 + noise),
    ]
    tuned, one, two, every = check(sets)
    assert (tuned["pick"], tuned["change"]) == ("frozen", 0.0)
    assert one["pick"] == two["pick"] == every["pick"] == "other"
    assert one["change"] == two["change"] == -1.0


def test_no_set_dominates_by_its_unit() -> None:
    """A thousandfold utility is a thousandfold noise: such a set counts as before."""
    noise = np.array([-1.0, 1.0, -1.0, 1.0])
    sets = [
        world("large", 1e3 * (0.5 + noise)),
        world("one", -1.0 + noise),
        world("two", noise),
    ]
    assert check(sets)[2]["pick"] == "frozen"
    assert check(sets)[1]["pick"] == "other"


def test_the_check_wants_one_grid_and_a_set_to_leave_out() -> None:
    one = world("one", np.ones(2))
    for sets in ([one], [one, one._replace(settings=("frozen", "another"))]):
        with pytest.raises(ValueError, match="two sets or more, played with the same grid"):
            check(sets)
