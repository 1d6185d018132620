"""How fast a router notices: a much better agent joins, and later half of its right answers fail.

One run is a shuffled stream of a seed. The newcomer is registered at step JOIN; from step DEGRADE
on each right answer of it is kept with probability KEPT, by a seeded hash. What is asked:

    adopted    steps after JOIN until the newcomer has half of the latest 100 decisions
    abandoned  steps after DEGRADE until it has less than a tenth of the latest 50

    python -m bench.studies.change DATA/mmlu_pro.parquet [--seeds 20] [--policy FILE.yaml]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace

from bench.data.datasets import load
from bench.data.recorded import Array, Recorded, Rows
from bench.engine import Engine
from bench.replay.baselines import agents, configured, own_config
from bench.replay.runs import one_thread
from routerd.core.draw import uniform
from routerd.core.events import DriftDetected
from routerd.core.settings import EngineConfig, ValuePolicy
from routerd.core.values import Task

NEWCOMER = "gemini-1.5-pro-002"
MODELS = (
    "Meta-Llama-3-8B",
    "Meta-Llama-3_1-8B-Instruct",
    "Mixtral-8x7B-Instruct-v0.1",
    "Phi-3-mini-4k-instruct",
    "Yi-34B",
    "c4ai-command-r-v01",
    "gemma-7b",
    "mathstral-7B",
)
JOIN, DEGRADE, END = 1_000, 4_000, 6_000
KEPT = 0.5


class Noticed(NamedTuple):
    """Steps until each change was acted on, at most those that were played; shares of the newcomer
    in each 500 steps; the drifts that were detected, as (step, agent, size)."""

    seed: int
    adopted: int
    abandoned: int
    shares: tuple[float, ...]
    drifts: tuple[tuple[int, str, float], ...]


def outcomes(data: Recorded, rows: Rows, seed: int) -> Array:
    """Quality of every agent by the task's place in the stream, (n, K), the newcomer's degraded."""
    quality: Array = data.quality[rows].copy()
    column = quality[DEGRADE:, data.agents.index(NEWCOMER)]
    column *= [uniform(seed, str(step), NEWCOMER, "kept") < KEPT for step in range(len(column))]
    return quality


def run(data: Recorded, config: EngineConfig, seed: int) -> Noticed:
    """The stream of a seed. config: of all agents; the newcomer is taken out and joins later."""
    rows = data.rows("shuffled", seed)[:END]
    quality = outcomes(data, rows, seed).tolist()
    column = {agent.id: k for k, agent in enumerate(agents(data))}
    newcomer = config.agents[data.agents.index(NEWCOMER)]
    others = tuple(agent for agent in config.agents if agent is not newcomer)
    engine = Engine(replace(config, agents=others, seed=seed))
    chosen = np.zeros(len(rows), dtype=bool)
    drifts: list[tuple[int, str, float]] = []
    for step, row in enumerate(rows.tolist()):
        if step == JOIN:
            engine.register(newcomer)
        kind = data.domain[row]
        arm, _, decision_id = engine.choose(Task(work_type=kind, domain=kind), f"t{step}")
        agent_id = engine.state.roster.ids[arm]
        chosen[step] = agent_id == newcomer.id
        engine.learn(decision_id, quality[step][column[agent_id]])
        drifts += [
            (step, event.agent_id, round(event.size, 3))
            for event in engine.found
            if isinstance(event, DriftDetected)
        ]
        engine.found.clear()
    return Noticed(
        seed,
        adopted=steps_until(chosen, JOIN, 100, lambda share: share >= 0.5),
        abandoned=steps_until(chosen, DEGRADE, 50, lambda share: share < 0.1),
        shares=tuple(chosen.reshape(-1, 500).mean(axis=1).round(3).tolist()),
        drifts=tuple(drifts),
    )


def steps_until(chosen: Array, start: int, window: int, there: Callable[[float], bool]) -> int:
    """Steps after `start` until the share of the latest `window` decisions is there."""
    for step in range(start + 1, len(chosen) + 1):
        if there(float(chosen[step - window : step].mean())):
            return step - start
    return len(chosen) - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--policy", type=Path, help="a YAML file with `policy`, `drift` ...")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    data = load(args.file, [*MODELS, NEWCOMER]).complete()
    found = []
    with one_thread():
        for seed in range(args.seeds):
            if args.policy:
                config = own_config(str(args.policy), data, 0.0, seed)
            else:
                config = configured(data, 0.0, seed, ValuePolicy())
            found.append(run(data, config, seed))
            print(found[-1], flush=True)
    for name in ("adopted", "abandoned"):
        steps = np.array([getattr(noticed, name) for noticed in found])
        print(
            f"{name}: mean {steps.mean():.0f}, median {np.median(steps):.0f}, worst {steps.max()}"
        )
    if args.out:
        args.out.write_text(json.dumps([noticed._asdict() for noticed in found]))


if __name__ == "__main__":
    main()
