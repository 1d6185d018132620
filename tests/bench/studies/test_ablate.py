"""Ablations: each takes away what its name says, for itself alone."""

from __future__ import annotations

import numpy as np

from bench.data.synthetic import SYNTHETIC
from bench.replay.results import replay
from bench.studies.ablate import VARIANTS
from bench.studies.streams import whole
from bench.studies.variants import against_first, earned, replaced
from learners import contexts, pooled
from tests.bench.made import made


def test_without_nothing_it_is_the_default_of_a_replay() -> None:
    data = made()
    found = replay(data, ["default"], 2, jobs=1)["runs"][0]["per_seed"]
    assert [earned(whole(data), VARIANTS[0], seed, 0.0) for seed in (0, 1)] == found


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
    data = SYNTHETIC["synthetic:kinds"](1).take(np.arange(400))
    rows = against_first(whole(data), VARIANTS, "without", 2, 0.0, 1, said.append)
    assert len(rows) == len(said) == len(VARIANTS)
    assert rows[0]["change"] == 0.0
    assert len({round(row["utility_mean"], 9) for row in rows}) == len(VARIANTS)
