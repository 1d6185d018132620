"""How good the off-policy estimates are where the truth is known: bias, RMSE and coverage.

python -m bench.ope.coverage --out bench/results/ope/coverage.json     1,000 logs a line, minutes

Each line is one world, one law that logged, one policy that is judged, one estimator, over many
logs. `coverage` is of the interval that would be quoted: a bootstrap where neither law learns, else
a confidence sequence. Beside it stands what each kind would have covered.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from bench.ope.estimators import Sample, known
from bench.ope.evaluate import Estimates, evaluate
from bench.ope.log import read_log
from bench.ope.worlds import (
    ARMS,
    BITS,
    CONTEXTS,
    WORLDS,
    EpsilonGreedy,
    Fixed,
    Indices,
    Logging,
    Logs,
    World,
    draw_each,
    make,
    simulate,
)
from bench.stats import Interval
from learners.base import Array
from routerd.core.base import DEFAULT_PARTITION
from routerd.core.settings import EngineConfig
from routerd.core.values import Outcome, Request, Task
from routerd.engine.sequencer import Sequencer
from routerd.log.memory import MemoryLog

LOGS, ROWS, ENGINE_ROWS = 1_000, 1_000, 400
RESAMPLES = 1_000
BOUNDS = (0.0, 1.0)

# Where an honest 95% interval lies after 1,000 logs.
ACCEPTED = (0.93, 0.97)

ENGINE_WORLDS = ("linear", "drifting", "delayed")


class Line(msgspec.Struct, frozen=True):
    """One estimator over the logs of one scenario. Shares and means are over logs not refused."""

    world: str
    logging: str
    policy: str
    estimator: str
    n_logs: int
    rows: int
    truth: float
    refused: float
    reasons: dict[str, int]
    ess_median: float | None
    bias: float | None = None
    bias_se: float | None = None
    rmse: float | None = None
    interval: str | None = None
    coverage: float | None = None
    width_median: float | None = None
    bootstrap_coverage: float | None = None
    anytime_coverage: float | None = None
    exact_coverage: float | None = None
    lift_coverage: float | None = None


class Scenario(NamedTuple):
    """Samples (L, n, ...) with the truth of each log (L,): the value of the policy, and its lift
    above the law that logged."""

    world: str
    logging: str
    policy: str
    sample: Sample
    truth: Array
    lift: Array
    independent: bool


def policies(world: World) -> dict[str, Array]:
    """Judged laws by context (M, K): another smooth one, and nearly the best at the start."""
    best = np.full((CONTEXTS, ARMS), 0.02 / ARMS)
    best[np.arange(CONTEXTS), world.first.argmax(1)] += 0.98
    return {"smooth": softmax(5, 1.5), "best": best}


def softmax(seed: int, scale: float) -> Array:
    """A random law by context (M, K)."""
    raw = np.exp(scale * np.random.default_rng(seed).normal(size=(CONTEXTS, ARMS)))
    law: Array = raw / raw.sum(1, keepdims=True)
    return law


def loggings(logs: int) -> dict[str, tuple[Callable[[], Logging], bool]]:
    """Laws that log, and whether their rows are independent."""
    fixed = 0.8 * softmax(9, 1.0) + 0.2 / ARMS
    one = np.eye(ARMS)[np.zeros(CONTEXTS, np.intp)]
    return {
        "fixed": (lambda: Fixed(fixed), True),
        "learning": (lambda: EpsilonGreedy(logs, CONTEXTS, ARMS, floor=0.2), False),
        "deterministic": (lambda: Fixed(one), True),
    }


def as_sample(world: World, logs: Logs, policy: Array) -> Sample:
    """Simulated logs and a judged law (M, K) or (L, n, K) as a sample."""
    judged = policy[logs.context] if policy.ndim == 2 else policy
    at = logs.arm[..., None]
    numbers = world.numbers[logs.context]
    return Sample(
        action=logs.arm,
        reward=logs.reward,
        propensity=np.take_along_axis(logs.law, at, -1)[..., 0],
        policy_propensity=np.take_along_axis(judged, at, -1)[..., 0],
        policy=judged,
        law=logs.law,
        x=np.concatenate([np.ones((*logs.arm.shape, 1)), numbers], -1),
        bounds=BOUNDS,
    )


def earned(world: World, context: Indices, law: Array) -> Array:
    """What laws (L, n, K) earn in expectation on the contexts (L, n) that came: (L,)."""
    rows = context.shape[-1]
    means = world.means(rows)[np.arange(rows), context]
    found: Array = (law * means).sum(-1).mean(-1)
    return found


def simulated(names: Sequence[str], logs: int, rows: int, seed: int) -> Iterator[Scenario]:
    """Every world under every vectorised law, each policy judged."""
    for name in names:
        world = make(name, 1)
        own = seed + tuple(WORLDS).index(name)  # or two worlds that differ in delay were one
        for logging, (law, independent) in loggings(logs).items():
            made = simulate(world, law(), logs, rows, own)
            logged = earned(world, made.context, made.law)
            for policy, judged in policies(world).items():
                truth = np.full(logs, world.value(judged, rows))
                lift = earned(world, made.context, judged[made.context]) - logged
                sample = as_sample(world, made, judged)
                yield Scenario(name, logging, policy, sample, truth, lift, independent)


def configuration(world: World, kind: str) -> EngineConfig:
    """routerd in a world: an agent for each arm, a number for each bit."""
    plain: dict[str, Any] = {
        "agents": [{"id": f"arm-{k}"} for k in range(world.arms)],
        "features": [{"kind": "number", "name": f"bit-{i}"} for i in range(BITS)],
        "clock": "logical",
        "policy": {"kind": kind},
    }
    return msgspec.convert(plain, EngineConfig)


def engine_log(world: World, kind: str, rows: int, seed: int) -> tuple[MemoryLog, Indices]:
    """One log that routerd made in a world, with the contexts (n,) that came."""
    rng = np.random.default_rng(seed)
    context = draw_each(world.traffic(rows).cumsum(1), rng.random((1, rows)))[0]
    chance, means = rng.random(rows), world.means(rows)
    log = MemoryLog()
    config = msgspec.structs.replace(configuration(world, kind), seed=seed)
    sequencer = Sequencer.open(log, config, lambda: 0)
    waiting: list[Outcome] = []
    for row in range(rows):
        if row > world.delay:
            sequencer.report(waiting[row - 1 - world.delay])
        numbers = world.numbers[context[row]].tolist()
        task = Task(features={f"bit-{i}": value for i, value in enumerate(numbers)})
        answer = sequencer.route(Request(task=task))
        arm = int(answer.decision.agent_id.removeprefix("arm-"))
        good = bool(chance[row] < means[row, context[row], arm])
        waiting.append(Outcome(decision_id=answer.decision_id, success=good))
    for outcome in waiting[max(0, rows - 1 - world.delay) :]:
        sequencer.report(outcome)
    sequencer.commit()
    return log, context


def engine_lane(name: str, kind: str, judged: str, rows: int, seed: int) -> tuple[Sample, Indices]:
    """One log of routerd's, judged through the very code of `routerd bench ope DIR`."""
    world = make(name, 1)
    log, context = engine_log(world, kind, rows, seed)
    found = read_log(log, DEFAULT_PARTITION, configuration(world, judged))
    assert not found.left_out, found.left_out
    assert found.sample is not None
    return found.sample, context


def engine(
    names: Sequence[str], logs: int, rows: int, jobs: int, kind: str = "thompson"
) -> Iterator[Scenario]:
    """routerd's own adaptive logs, judged: another configuration that learns, and uniform."""
    for name in names:
        lane = partial(engine_lane, name, kind, "squarecb", rows)
        if jobs > 1:
            with ProcessPoolExecutor(jobs) as pool:
                lanes = list(pool.map(lane, range(logs), chunksize=10))
        else:
            lanes = [lane(seed) for seed in range(logs)]
        world, sample = make(name, 1), stacked([sample for sample, _ in lanes])
        context = np.stack([context for _, context in lanes])
        uniform = np.full((*sample.reward.shape, world.arms), 1.0 / world.arms)
        even = sample._replace(policy=uniform, policy_propensity=uniform[..., 0])
        logged = earned(world, context, known(sample.law))
        for policy, judged in (("squarecb", sample), ("uniform", even)):
            truth = earned(world, context, known(judged.policy))
            yield Scenario(name, f"routerd {kind}", policy, judged, truth, truth - logged, False)


def stacked(samples: Sequence[Sample]) -> Sample:
    """Samples of equal length with a leading axis."""
    parts: dict[str, Any] = {
        field: np.stack([getattr(sample, field) for sample in samples])
        for field in Sample._fields
        if field != "bounds"
    }
    return Sample(**parts, bounds=samples[0].bounds)


def lines(scenario: Scenario, resamples: int = RESAMPLES) -> list[Line]:
    """Every estimator's line."""
    classic = evaluate(scenario.sample, independent=True, resamples=resamples)
    quoted = classic if scenario.independent else evaluate(scenario.sample, independent=False)
    return [line(scenario, name, quoted[name], classic[name].quoted) for name in quoted]


def line(scenario: Scenario, name: str, found: Estimates, classic: Interval | None) -> Line:
    """One estimator against the truth."""
    spoke = np.array([reason is None for reason in found.refused])
    codes = Counter(reason.partition(":")[0] for reason in found.refused if reason)
    logs, rows = scenario.sample.reward.shape
    told = Line(
        world=scenario.world,
        logging=scenario.logging,
        policy=scenario.policy,
        estimator=name,
        n_logs=logs,
        rows=rows,
        truth=rounded(float(scenario.truth.mean())),
        refused=rounded(float(1.0 - spoke.mean())),
        reasons=dict(codes),
        ess_median=rounded(float(np.median(found.ess))),
    )
    if spoke.sum() < 2:
        return told
    error = (found.value - scenario.truth)[spoke]
    told = msgspec.structs.replace(
        told,
        bias=rounded(float(error.mean())),
        bias_se=rounded(float(error.std() / np.sqrt(spoke.sum()))),
        rmse=rounded(float(np.sqrt((error**2).mean()))),
    )
    if found.quoted is None:
        return told

    def covers(interval: Interval | None, truth: Array) -> float | None:
        if interval is None:
            return None
        inside = (interval.low <= truth) & (truth <= interval.high)
        return rounded(float(inside[spoke].mean()))

    truth, width = scenario.truth, found.quoted.high - found.quoted.low
    return msgspec.structs.replace(
        told,
        interval="bootstrap" if scenario.independent else "anytime",
        coverage=covers(found.quoted, truth),
        width_median=rounded(float(np.median(width[spoke]))),
        bootstrap_coverage=covers(classic, truth),
        anytime_coverage=covers(found.anytime, truth),
        exact_coverage=covers(found.exact, truth),
        lift_coverage=covers(found.lift, scenario.lift),
    )


def rounded(value: float) -> float:
    return float(f"{value:.4g}")


def main() -> None:
    """Run every scenario, print the table, write the lines."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--logs", type=int, default=LOGS)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--engine-rows", type=int, default=ENGINE_ROWS)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    told: list[Line] = []
    for scenario in scenarios(asked.logs, asked.rows, asked.engine_rows, asked.jobs):
        for made in lines(scenario):
            told.append(made)
            print(in_words(made), flush=True)
    if asked.out:
        asked.out.write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=1) + b"\n")


def scenarios(logs: int, rows: int, engine_rows: int, jobs: int) -> Iterator[Scenario]:
    yield from simulated(tuple(WORLDS), logs, rows, seed=0)
    yield from engine(ENGINE_WORLDS, logs, engine_rows, jobs)


def in_words(told: Line) -> str:
    """One line of the table."""
    head = f"{told.world:11} {told.logging:16} {told.policy:8} {told.estimator:9}"
    if told.bias is None:
        return f"{head} refused {told.refused:.3f} {', '.join(told.reasons)}"
    text = f"{head} bias {told.bias:+.4f} ±{told.bias_se:.4f} rmse {told.rmse:.4f}"
    if told.coverage is not None:
        low, high = ACCEPTED
        mark = " " if low <= told.coverage <= high else "<" if told.coverage < low else ">"
        text += f" {told.interval:9} {told.coverage:.3f}{mark} width {told.width_median:.3f}"
        text += f" (bootstrap {told.bootstrap_coverage:.3f}, anytime {told.anytime_coverage:.3f}"
        text += f", lift {told.lift_coverage:.3f})"
    return text + (f" refused {told.refused:.3f}" if told.refused else "")


if __name__ == "__main__":
    main()
