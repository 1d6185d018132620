"""Files of recorded tasks that are made up, with agents whose skill is known."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.recorded import Recorded

Rows = list[dict[str, Any]]


def world(
    tasks: int,
    skill: Mapping[str, Sequence[float]],
    kinds: Sequence[str] = ("a", "b"),
    costs: Mapping[str, float] | None = None,
    seed: int = 0,
) -> Rows:
    """Rows of tasks whose agents succeed with a known probability by work type."""
    rng = np.random.default_rng(seed)
    rows: Rows = []
    for task in range(tasks):
        at = int(rng.integers(len(kinds)))
        for agent, chances in skill.items():
            row: dict[str, Any] = {
                "task_id": f"t{task:04d}",
                "agent_id": agent,
                "domain": kinds[at],
            }
            row["quality"] = int(rng.random() < chances[at])
            if costs is not None:
                row["cost_usd"] = round(costs[agent] * (0.5 + float(rng.random())), 6)
            rows.append(row)
    return rows


SPLIT = {"left": (0.9, 0.2), "right": (0.2, 0.9)}
COSTS = {"left": 0.01, "right": 0.03}


def write(path: Path, rows: Rows) -> Path:
    with path.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def recorded(rows: Rows) -> Recorded:
    """The rows as recorded tasks."""
    ids, agents = (sorted({row[key] for row in rows}) for key in ("task_id", "agent_id"))
    domain = {row["task_id"]: row.get("domain", "") for row in rows}
    values = {(r["task_id"], r["agent_id"]): (r["quality"], r.get("cost_usd", 0.0)) for r in rows}
    quality, cost = (
        np.array([[float(values[task, agent][at]) for agent in agents] for task in ids])
        for at in (0, 1)
    )
    costs = cost if "cost_usd" in rows[0] else None
    return Recorded("made", tuple(ids), tuple(agents), tuple(domain[t] for t in ids),
                    ("",) * len(ids), quality, costs)  # fmt: skip
