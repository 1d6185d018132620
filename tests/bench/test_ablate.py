"""Ablations: each takes away what its name says, for itself alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bench.ablate import VARIANTS, run
from bench.replay import replay
from bench.variants import earned, replaced
from learners import contexts, pooled
from tests.bench.made import made

COST_WEIGHT = 0.5


def test_without_nothing_it_is_the_default_of_a_replay() -> None:
    data = made()
    found = replay(data, ["default"], 2, jobs=1)["runs"][0]["per_seed"]
    assert [earned(data, VARIANTS[0], seed, 0.0) for seed in (0, 1)] == found


def test_what_is_replaced_is_put_back() -> None:
    """Also when the run fails."""
    push, slope = contexts.Contexts.push, pooled.SLOPE
    for variant in VARIANTS:
        try:
            with replaced(variant.constants):
                known = contexts.Contexts(1)
                known.push(np.ones(1), 0)
                assert len(known.x) == ("push" not in variant.constants.get(contexts.Contexts, {}))
                raise RuntimeError
        except RuntimeError:
            pass
    assert (contexts.Contexts.push, pooled.SLOPE) == (push, slope)


def test_every_variant_is_another_policy() -> None:
    """On the same streams each earns something else; rows are paired with the default's."""
    said: list[str] = []
    numbers = np.random.default_rng(2).normal(size=(400, 1))
    data = replace(made(400, 5), numbers=numbers, number_names=("size",))
    rows = run(data, 2, COST_WEIGHT, 1, said.append)
    assert len(rows) == len(said) == len(VARIANTS)
    assert rows[0]["change"] == 0.0
    assert len({round(row["utility_mean"], 9) for row in rows}) > len(VARIANTS) - 3
