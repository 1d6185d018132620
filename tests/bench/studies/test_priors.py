"""What is said of agents beforehand is true, by lot or wrong, as its name says."""

from __future__ import annotations

import numpy as np

from bench.data.synthetic import SYNTHETIC
from bench.replay.baselines import agents
from bench.studies.priors import VARIANTS, best, head_starts, specialists, worst
from bench.studies.streams import whole
from bench.studies.variants import against_first


def test_each_work_type_has_one_specialist() -> None:
    data = SYNTHETIC["synthetic:kinds"](3)
    kinds, rates = np.array(data.domain), data.utility(0.0)
    for pick, is_extreme in ((best, np.max), (worst, np.min)):
        told = specialists(pick, agents(data), data, 0.0, seed=0)
        assert sorted(kind for agent in told for kind in agent.specializations) == sorted(
            set(kinds)
        )
        for arm, agent in enumerate(told):
            for kind in agent.specializations:
                means = rates[kinds == kind].mean(axis=0)
                assert means[arm] == is_extreme(means)


def test_head_starts_are_what_agents_exceed_the_mean_by() -> None:
    data = SYNTHETIC["synthetic:rates"](3)
    told = [agent.head_start for agent in head_starts(1.0, agents(data), data, 0.0, seed=0)]
    means = data.utility(0.0).mean(axis=0)
    assert np.allclose(told, means - means.mean())


def test_what_is_true_helps_and_what_is_wrong_hurts_less() -> None:
    """On worlds whose agents are each good at some kinds of work."""
    said: list[str] = []
    data = SYNTHETIC["synthetic:kinds"](1).take(np.arange(600))
    rows = {
        row["said"]: row["change"]
        for row in against_first(whole(data), VARIANTS, "said", 6, 0.0, 1, said.append)
    }
    true, wrong = (
        rows["of each work type its best agent"],
        rows["of each work type its worst agent"],
    )
    assert true > 0.0
    assert -wrong < true
    assert len(said) == len(VARIANTS)
