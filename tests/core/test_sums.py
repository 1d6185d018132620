"""Promise 7: whatever way outcomes arrive, what was learnt is what the clean history teaches."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learners.base import Array
from routerd.core.errors import ErrorReason
from routerd.core.state import State
from tests.core.engine import HOUR_MS, Engine

CLOSE = 1e-9
SUMS = {"lam", "h", "n", "sums", "s", "arm_sums", "yy"}
WINDOW_MS = 48 * HOUR_MS
AGENTS = ("large", "medium", "small")
WORK_TYPES = ("", "code", "translate")
SOURCES = ("ci", "reviewer", "")
RANKED = ("reviewer", "ci", "caller")


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
    st.integers(0, 4),
    st.sampled_from((0, 0, 1, 8, 47, 60)),
    st.integers(0, 2),
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
        outcomes={
            "window_hours": WINDOW_MS / HOUR_MS,
            "sources": RANKED[:2],
            "missing_quality": missing,
        },
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
    """Send an outcome; one whose decision is closed must be refused, and any other accepted."""
    fields = {
        "outcome_id": outcome.outcome_id,
        "source": outcome.source,
        "kind": "RETRACT" if outcome.retracts else "REPORT",
        "event_time_ms": outcome.event_time_ms,
        **outcome.said,
    }
    now_ms = max(engine.state.time_ms, outcome.event_time_ms)
    known = outcome in to.accepted
    if to.name not in engine.state.decisions or (not known and now_ms > to.time_ms + WINDOW_MS):
        engine.refused(ErrorReason.DECISION_EXPIRED, engine.report, to.name, **fields)
        return
    assert engine.report(to.name, **fields).duplicate == known
    if not known:
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
    ours, theirs = sums(a), sums(b)
    return max(float(np.abs(ours[name] - theirs[name]).max()) for name in ours)


def sums(state: State) -> dict[str, Array]:
    """Everything of a state that commutes and can be taken back."""
    held = {"told": state.tally.told, "total": state.tally.total}
    for model in ("learner", "cost", "latency"):
        arrays = getattr(state, model).state()
        held |= {f"{model}.{name}": arrays[name] for name in arrays.keys() & SUMS}
    return held


def prediction_gap(a: State, b: State) -> float:
    """Largest difference between what two states predict, their learners refreshed."""
    pairs = []
    for state in (a, b):
        state.learner.refresh()
    for x in np.eye(a.encoder.width) + np.eye(a.encoder.width)[0]:
        pairs.append((a.learner.predict(x, slice(None)), b.learner.predict(x, slice(None))))
    for cell in range(1 + len(WORK_TYPES)):
        for model in ("cost", "latency"):
            both = [getattr(state, model).predict(cell, slice(None)) for state in (a, b)]
            pairs.append((both[0], both[1]))
    return max(
        float((np.abs(one - other) / np.maximum(1.0, np.abs(other))).max())
        for ours, theirs in pairs
        for one, other in zip(ours, theirs, strict=True)
    )


@settings(max_examples=150, deadline=None, derandomize=True)
@given(history=HISTORIES, config=CONFIGS)
def test_sums_are_those_of_the_clean_history(
    history: list[Task | Tell], config: dict[str, Any]
) -> None:
    """Late, duplicated, reordered, revised, retracted: sums and posterior are the clean ones."""
    hold_to_the_clean_history(history, config)


@pytest.mark.soak
@settings(max_examples=5_000, deadline=None)
@given(history=HISTORIES, config=CONFIGS)
def test_sums_are_those_of_many_clean_histories(
    history: list[Task | Tell], config: dict[str, Any]
) -> None:
    """The same for thousands of histories, others each time."""
    hold_to_the_clean_history(history, config)


def hold_to_the_clean_history(history: list[Task | Tell], config: dict[str, Any]) -> None:
    """Compare what the history taught with what only its final values teach, each told once."""
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
        assert dirty.refold().hash() == dirty.state.hash()
        assert prediction_gap(dirty.refold(), clean.refold()) < CLOSE


@pytest.mark.parametrize("kind", ["pooled", "linear"])
def test_what_was_all_retracted_leaves_no_trace(kind: str) -> None:
    """After every outcome was retracted, predictions are those of an engine that heard nothing."""
    taught, fresh = (engine(kind, None, 1_000, 1.0) for _ in range(2))
    for i in range(40):
        task = Task(i % 3, i % 3, i % 2 + 1, 0.5)
        name = decide(taught, task, taught.state.time_ms + task.delay_h * HOUR_MS)
        decide(fresh, task, taught.state.time_ms)
        taught.report(name, quality=(i % 4) / 4, cost_usd=0.01 * i, latency_ms=100.0 * i)
        taught.report(name, kind="RETRACT")
    assert gap(taught.state, fresh.state) < CLOSE
    assert prediction_gap(taught.refold(), fresh.refold()) < CLOSE


def test_the_last_word_counts_within_one_millisecond() -> None:
    """Outcomes without a time of their own are ordered by their receipt, whatever their ids."""
    taught = engine("pooled", None, 1_000, None)
    name = taught.route(agent_id="small").decision_id
    for quality in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9):
        taught.report(name, quality=quality)  # ids are made: @3 to @11
        assert taught.sequencer.find(name).quality == quality
    taught.report(name, outcome_id="z", quality=0.0)
    taught.report(name, outcome_id="a", kind="RETRACT")
    assert taught.sequencer.find(name).quality is None
    assert taught.state.learner.count == 0


def test_a_retraction_takes_back_only_what_came_before_it() -> None:
    """A report that happened after a retraction counts, in whichever order the two arrive."""
    for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1)):
        taught = engine("pooled", None, 1_000, None)
        name = taught.route(agent_id="small").decision_id
        now_ms = taught.state.time_ms
        says = (
            {"quality": 0.2, "cost_usd": 0.5, "event_time_ms": now_ms + 1},
            {"kind": "RETRACT", "event_time_ms": now_ms + 2},
            {"quality": 0.9, "event_time_ms": now_ms + 3},
        )
        for i in order:
            taught.report(name, **says[i])
        found = taught.sequencer.find(name)
        assert (found.quality, found.cost_usd, found.reports) == (0.9, None, 3)


def test_a_retracted_executed_agent_gives_the_credit_back() -> None:
    """The agent that ran is credited until that word is retracted; then the decided one is."""
    taught = engine("pooled", None, 1_000, None)
    name = taught.route(agent_id="small").decision_id
    taught.report(name, source="ci", quality=1.0)
    taught.report(name, source="reviewer", executed_agent_id="large")
    arm = taught.state.arm_of
    assert taught.state.learner.state()["n"][[arm["small"], arm["large"]]].tolist() == [0.0, 1.0]
    assert taught.sequencer.find(name).executed_agent_id == "large"
    taught.report(name, source="reviewer", kind="RETRACT")
    assert taught.state.learner.state()["n"][[arm["small"], arm["large"]]].tolist() == [1.0, 0.0]
    assert taught.sequencer.find(name).executed_agent_id == ""


def test_the_dearest_cost_leaves_no_trace_when_it_is_corrected() -> None:
    """What is admitted by default and then revised is gone to 1e-9 of a cent, among small costs."""
    dirty, clean = engine("pooled", None, 1_000, None), engine("pooled", None, 1_000, None)
    for either in (dirty, clean):
        for i in range(30):
            name = either.route(agent_id="small").decision_id
            either.report(name, cost_usd=0.01 + 0.001 * (i % 7))
            if either is dirty and i == 20:
                said = {"cost_usd": dirty.state.config.outcomes.max_cost_usd, "kind": "REVISE"}
                dirty.report(name, **said)
                either.report(name, cost_usd=0.01 + 0.001 * (i % 7), kind="REVISE")
    assert gap(dirty.state, clean.state) < CLOSE
    models = dirty.state.cost, clean.state.cost
    (mean, sd), (true_mean, true_sd) = (model.predict(0, slice(None)) for model in models)
    assert np.abs(mean - true_mean).max() < CLOSE / 100
    assert np.abs(sd - true_sd).max() < CLOSE / 100


def test_rounding_left_by_a_retraction_is_not_knowledge() -> None:
    """An agent whose costs were all retracted, across epochs, is not held to a cost limit."""
    taught = engine("pooled", None, 1_000, 1.0)
    names = [taught.route(agent_id="small").decision_id for _ in range(3)]
    for quarter, name in enumerate(names):
        taught.report(
            name, cost_usd=0.3, event_time_ms=taught.state.time_ms + quarter * 7 * HOUR_MS
        )
    for name in names:
        taught.report(name, kind="RETRACT", event_time_ms=taught.state.time_ms + 7 * HOUR_MS)
    assert taught.route(pool="free", max_cost_usd=0.001).decision.agent_id == "small"
