"""References: closed forms on small data, honesty on noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.replay.references import cross_validated, hull, references
from tests.bench.made import made


def test_references_have_their_closed_forms() -> None:
    """Four tasks by hand: fixed agents, tables and the oracle."""
    data = replace(
        made(4, agents=2),
        domain=("x", "x", "y", "y"),
        quality=np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0], [0.25, 0.5]]),
        cost_usd=np.array([[0.1, 0.2], [0.1, 0.2], [0.1, 0.2], [0.1, 0.2]]),
    )
    found = references(data, 1.0)
    assert found["random"] == pytest.approx(0.46875 - 0.15)
    assert (found["best_fixed"], found["best_fixed_agent"]) == (pytest.approx(0.3375), "agent-0")
    assert found["per_domain_hindsight"] == pytest.approx((1.5 - 0.2 + 1.5 - 0.4) / 4)
    assert found["oracle"] == pytest.approx((0.9 + 0.4 + 0.8 + 0.3) / 4)
    assert found["fixed"]["agent-1"]["quality_mean"] == 0.5
    assert {
        found["label"][k] for k in ("best_fixed", "per_domain_hindsight", "oracle", "hull")
    } == {"hindsight"}
    assert {found["label"][k] for k in ("random", "per_domain_cv")} == {"honest"}


def test_the_cross_validated_table_learns_nothing_where_there_is_nothing_to_learn() -> None:
    """On pure noise the hindsight table looks good and the honest one earns the mean."""
    noise = np.random.default_rng(3).random((600, 8))
    domain = tuple(str(i % 20) for i in range(600))
    honest = cross_validated(domain, noise)
    assert abs(honest - noise.mean()) < 0.02
    assert (
        references(replace(made(600, agents=8, costs=False), domain=domain, quality=noise), 0.0)[
            "per_domain_hindsight"
        ]
        > noise.mean() + 0.05
    )


def test_the_hull_leaves_out_agents_that_a_mixture_beats() -> None:
    """Of four agents, one is dominated and one lies below the line between two others."""
    data = replace(
        made(2, agents=4),
        quality=np.tile([0.2, 0.9, 0.5, 0.1], (2, 1)),
        cost_usd=np.tile([1.0, 3.0, 2.0, 1.5], (2, 1)),
    )
    assert [corner.agent for corner in hull(data)] == ["agent-0", "agent-1"]
