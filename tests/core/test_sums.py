"""Promise 7: whatever way outcomes arrive, what was learnt is what the clean history teaches."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerd.core.errors import ErrorReason, RouterError
from routerd.core.state import State
from routerd.core.values import Decision
from routerd.core.view import View
from tests.core.engine import HOUR_MS, START_MS, Engine

CLOSE = 1e-9
AGENTS = ("large", "medium", "small")
WORK_TYPES = ("", "code", "translate")
SOURCES = ("ci", "reviewer", "", "zoe")
RANKED = ("reviewer", "ci", "caller", "zoe")


class Task(NamedTuple):
    """A decision to make; the agent is named, so that the clean history has the same one."""

    delay_h: int
    agent: int
    work_type: int
    complexity: float


class Tell(NamedTuple):
    """An outcome of one of the decisions so far; `again` repeats an earlier one word for word."""

    to: int
    offset_h: int
    source: int
    retracts: bool
    said: dict[str, Any]
    again: int


def say() -> st.SearchStrategy[dict[str, Any]]:
    """What an outcome may say: at least one metric."""
    values = {
        "quality": st.sampled_from((0.0, 0.25, 0.8, 1.0)),
        "success": st.booleans(),
        "cost_usd": st.sampled_from((0.0, 0.003, 0.04, 2.0)),
        "latency_ms": st.sampled_from((0.0, 120.0, 9_000.0)),
        "executed_agent_id": st.sampled_from(AGENTS),
    }
    return st.fixed_dictionaries({}, optional=values).filter(bool)


TASKS = st.builds(
    Task,
    st.sampled_from((0, 1, 5, 30)),
    st.integers(0, 2),
    st.integers(0, 2),
    st.sampled_from((0.0, 0.3, 1.0)),
)
TELLS = st.builds(
    Tell,
    st.integers(0, 30),
    st.sampled_from((0, 1, 3, 8, 20, 47, 60)),
    st.integers(0, 3),
    st.sampled_from((False, False, False, True)),
    say(),
    st.sampled_from((-1, -1, -1, 0, 1, 2, 5)),
)
HISTORIES = st.lists(st.one_of(TASKS, TELLS, TELLS, TELLS), min_size=4, max_size=60)
CONFIGS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(("pooled", "linear")),
        "missing": st.sampled_from((None, 0.3)),
        "bound": st.sampled_from((3, 1_000)),
        "half_life_days": st.sampled_from((1.0, 20.0, None)),
    }
)


def engine(kind: str, missing: float | None, bound: int, half_life_days: float | None) -> Engine:
    return Engine(
        clock="caller",
        features=[
            {"kind": "category", "name": "work_type"},
            {"kind": "number", "name": "complexity"},
        ],
        policy={
            "kind": "value",
            "learner": {"kind": kind, "half_life_days": half_life_days, "epoch_hours": 6.0},
        },
        outcomes={"window_hours": 48.0, "sources": RANKED[:2], "missing_quality": missing},
        limits={"open_decisions": bound},
    )


def decide(engine: Engine, task: Task, time_ms: int) -> str:
    return engine.route(
        agent_id=AGENTS[task.agent],
        work_type=WORK_TYPES[task.work_type],
        complexity=task.complexity,
        event_time_ms=time_ms,
    ).decision_id


class Accepted(NamedTuple):
    """An outcome that the engine accepted, as it was sent."""

    event_time_ms: int
    outcome_id: str
    source: str
    retracts: bool
    said: dict[str, Any]


class Made(NamedTuple):
    """A decision, when it was made, and the outcomes that it accepted."""

    name: str
    task: Task
    time_ms: int
    accepted: list[Accepted]


def play(engine: Engine, history: list[Task | Tell]) -> list[Made]:
    """The history as it comes, with what was accepted of it."""
    made: list[Made] = []
    sent: list[tuple[Made, Accepted]] = []
    for i, step in enumerate(history):
        if isinstance(step, Task):
            name = decide(engine, step, engine.state.time_ms + step.delay_h * HOUR_MS)
            made.append(Made(name, step, engine.state.time_ms, []))
        elif 0 <= step.again < len(sent):
            tell(engine, *sent[-1 - step.again])
        elif made:
            to = made[step.to % len(made)]
            # ids in another order than that of arrival: equal times are settled by them
            outcome = Accepted(
                to.time_ms + step.offset_h * HOUR_MS,
                f"o{i * 7 % 31}-{i}",
                SOURCES[step.source],
                step.retracts,
                {} if step.retracts else step.said,
            )
            sent.append((to, outcome))
            tell(engine, to, outcome)
    return made


def tell(engine: Engine, to: Made, outcome: Accepted) -> None:
    try:
        ack = engine.report(
            to.name,
            outcome_id=outcome.outcome_id,
            source=outcome.source,
            kind="RETRACT" if outcome.retracts else "REPORT",
            event_time_ms=outcome.event_time_ms,
            **outcome.said,
        )
    except RouterError as error:
        assert error.reason is ErrorReason.DECISION_EXPIRED, error.message  # noqa: PT017
        return
    assert ack.duplicate == (outcome in to.accepted)
    if not ack.duplicate:
        to.accepted.append(outcome)


def final(outcomes: list[Accepted]) -> dict[str, Any]:
    """Each metric's value when the outcomes are read in the order in which they happened."""
    said: dict[str, dict[str, Any]] = {}
    for outcome in sorted(outcomes, key=lambda o: (o.event_time_ms, o.outcome_id)):
        source = outcome.source or "caller"
        said[source] = {} if outcome.retracts else said.get(source, {}) | outcome.said
    values: dict[str, Any] = {}
    for source in reversed(RANKED):
        own = said.get(source, {})
        success = {"quality": float(own["success"])} if "success" in own else {}
        values |= success | {metric: v for metric, v in own.items() if metric != "success"}
    return values


def gap(a: State, b: State) -> float:
    """Largest difference between two states' sums."""
    pairs = [(getattr(a.learner, "sums").state(), getattr(b.learner, "sums").state())]
    pairs += [(getattr(a, m).state(), getattr(b, m).state()) for m in ("cost", "latency")]
    counts = [{"runs": state.tally.runs, "quality": state.tally.quality} for state in (a, b)]
    pairs.append((counts[0], counts[1]))
    return max(
        float(np.abs(one[name] - other[name]).max()) for one, other in pairs for name in one
    )


def prediction_gap(a: State, b: State) -> float:
    """Largest difference between what two states predict, their learners refreshed."""
    a.learner.refresh()
    b.learner.refresh()
    width, worst = a.encoder.width, 0.0
    for i in range(width):
        x = np.zeros(width)
        x[0], x[i] = 1.0, 1.0
        for cell, model in ((None, "learner"), (i % 4, "cost"), (i % 4, "latency")):
            key = x if cell is None else cell
            for one, other in zip(
                getattr(a, model).predict(key, slice(None)),
                getattr(b, model).predict(key, slice(None)),
                strict=True,
            ):
                worst = max(worst, float(np.abs((one - other) / np.maximum(1.0, other)).max()))
    return worst


@settings(max_examples=150, deadline=None)
@given(history=HISTORIES, config=CONFIGS)
def test_sums_are_those_of_the_clean_history(
    history: list[Task | Tell], config: dict[str, Any]
) -> None:
    """Late, duplicated, reordered, revised, retracted: sums and posterior are the clean ones."""
    dirty, clean = engine(**config), engine(**config)
    made = play(dirty, history)
    for one in made:
        name = decide(clean, one.task, one.time_ms)
        values = final(one.accepted)
        if values:
            clean.report(name, **values)
    for delay_h in (0, 49):  # with decisions still open, then with every window ended
        end_ms = dirty.state.time_ms + delay_h * HOUR_MS
        for either in (dirty, clean):
            decide(either, Task(0, 0, 0, 0.0), end_ms)
        assert gap(dirty.state, clean.state) < CLOSE
        assert len(dirty.state.decisions) == len(clean.state.decisions)
        assert prediction_gap(dirty.refold(), clean.refold()) < 1e-8
