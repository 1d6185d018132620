"""bench cascade: a router with a second agent against mixtures of single agents."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.data.recorded import DataError
from bench.studies.cascade import frontier, judged, measure, mixture

COST = {"cheap": 0.001, "dear": 0.01}


def write(path: Path, tasks: int = 120) -> Path:
    """Half of the tasks are too hard for the cheap agent, and the reviewer sees which."""
    rng = np.random.default_rng(1)
    rows = ["task_id,agent_id,quality,cost_usd,judge"]
    for i in range(tasks):
        hard = rng.random() < 0.5
        rows.append(f"t{i},cheap,{0 if hard else 1},{COST['cheap']},{0.2 if hard else 0.9}")
        rows.append(f"t{i},dear,1,{COST['dear']},0.95")
    rows.append("alone,cheap,1,0.001,0.9")  # nobody else did it
    path.write_text("\n".join(rows) + "\n")
    return path


def test_a_reviewer_that_sees_what_is_wrong_pays(tmp_path: Path) -> None:
    """The gain's interval is above 0 with a cascade, and is not without one."""
    data = judged(write(tmp_path / "tasks.csv"), "judge")
    assert (data.agents, len(data.task_ids)) == (("cheap", "dear"), 120)
    with_it = measure(data, 50.0, 0.7, 4, lambda: None)
    without = measure(data, 50.0, None, 4, lambda: None)
    assert with_it.ci95[0] > 0.03
    assert without.gain <= 1e-9
    assert without.second == 0.0
    assert 0.2 < with_it.second < 0.7
    assert "<svg" in frontier(data, [with_it])


def test_the_best_mixture_is_the_upper_hull(tmp_path: Path) -> None:
    data = judged(write(tmp_path / "tasks.csv"), "judge")
    cheap = float(data.quality[:, 0].mean())
    assert mixture(data, 0.00101) == pytest.approx(cheap, abs=0.01)
    assert mixture(data, 0.0055) == pytest.approx((cheap + 1) / 2)
    assert mixture(data, 1.0) == 1.0


def test_a_file_without_reviews_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nobody"):
        judged(write(tmp_path / "tasks.csv"), "nobody")
