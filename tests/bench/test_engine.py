"""The engine without a log makes the decisions that the engine with one makes."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from bench.engine import Engine
from routerd.core.settings import EngineConfig
from routerd.core.values import Task
from routerd.router import Router
from routerd.settings import Config

AGENTS = [{"id": name} for name in ("large", "medium", "small")]
DAY_MS = 86_400_000


def config(**sections: Any) -> Config:
    return msgspec.convert({"agents": AGENTS, "clock": "logical", **sections}, Config)


def outcome(step: int, arm: int) -> tuple[float, float]:
    """A made-up quality and cost of this arm at this step."""
    u = float(np.random.default_rng([step, arm]).random())
    return round(u ** (arm + 1), 3), 0.01 * (3 - arm) * (0.5 + u)


@pytest.mark.parametrize("kind", ["value", "thompson", "squarecb", "ucb", "rotation"])
def test_decisions_are_those_of_a_live_router(kind: str) -> None:
    """Same configuration, requests and outcomes: the same agents by bit-equal propensities."""
    sections = config(policy={"kind": kind}, seed=5, utility={"cost": 0.2})
    engine = Engine(sections)
    with Router.open(sections) as live:
        for step in range(150):
            task = Task(work_type=f"w{step % 4}", domain="d")
            answer = live.route(request_id=f"r{step}", task=msgspec.to_builtins(task))
            arm, propensity, decision_id = engine.choose(task, f"r{step}")
            assert engine.state.roster.ids[arm] == answer.decision.agent_id, step
            assert propensity == answer.decision.propensity, step
            quality, cost_usd = outcome(step, arm)
            live.report(decision_id=answer.decision_id, quality=quality, cost_usd=cost_usd)
            assert engine.learn(decision_id, quality, cost_usd)


def test_late_outcomes_are_those_of_a_live_router() -> None:
    """The agreement holds when outcomes come decisions later."""
    sections = config()
    engine, waiting = Engine(sections), []
    with Router.open(sections) as live:
        for step in range(60):
            answer = live.route(request_id=f"r{step}", work_type="w")
            arm, propensity, decision_id = engine.choose(Task(work_type="w"), f"r{step}")
            assert propensity == answer.decision.propensity, step
            waiting.append((decision_id, answer.decision_id, outcome(step, arm)[0]))
            if step >= 7:
                ours, theirs, quality = waiting.pop(0)
                engine.learn(ours, quality)
                live.report(decision_id=theirs, quality=quality)


def test_an_explicit_decision_goes_to_the_agent_that_is_named() -> None:
    """A named agent is chosen with certainty, and its outcome is learnt like any other."""
    engine = Engine(config())
    arm, propensity, decision_id = engine.choose(Task(), "r", agent_id="medium")
    assert (arm, propensity, engine.given_up) == (1, 1.0, 0.0)
    assert engine.learn(decision_id, 1.0)
    assert engine.state.learner.count == 1.0


def test_an_outcome_after_the_window_is_refused() -> None:
    """An outcome that comes when its decision is closed teaches nothing, as in a live router."""
    caller = msgspec.structs.replace(config(), clock="caller")
    engine = Engine(caller)
    _, _, early = engine.choose(Task(), "early", time_ms=DAY_MS)
    _, _, late = engine.choose(Task(), "late", time_ms=2 * DAY_MS + 1)
    assert not engine.learn(early, 1.0)
    assert engine.state.learner.count == 0.0
    assert engine.learn(late, 1.0)
    assert engine.state.time_ms == 2 * DAY_MS + 1


def test_what_is_given_up_is_the_best_mean_less_the_laws() -> None:
    """Exploration is charged by the engine's own estimates, over all decisions so far."""
    engine = Engine(config(policy={"kind": "random"}))
    with Router.open(config(policy={"kind": "random"})) as live:
        expected = 0.0
        for step in range(20):
            answer = live.route(request_id=f"r{step}", explain=True)
            means = [c.utility.mean for c in answer.candidates if c.utility is not None]
            expected += max(means) - sum(means) / 3
            arm, _, decision_id = engine.choose(Task(), f"r{step}")
            live.report(decision_id=answer.decision_id, quality=outcome(step, arm)[0])
            engine.learn(decision_id, outcome(step, arm)[0])
    assert expected > 0.1
    assert engine.given_up == pytest.approx(expected, abs=1e-12)


def test_only_the_engines_part_of_a_configuration_is_taken() -> None:
    """A process's settings, such as its address, change nothing of what the engine holds."""
    one, other = Engine(config()), Engine(config(listen="127.0.0.1:1"))
    assert one.state.hash() == other.state.hash()
    assert isinstance(one.state.config, EngineConfig)


def test_decisions_made_together_are_those_made_one_by_one() -> None:
    alone, together = Engine(config()), Engine(config())
    for step in range(40):
        task = Task(work_type=f"w{step % 4}")
        for engine in (alone, together):
            _, _, decision_id = engine.choose(task, f"r{step}")
            engine.learn(decision_id, step % 3 / 2)
    asked = [(Task(work_type=f"w{step % 4}"), f"s{step}") for step in range(30)]
    made = together.decide_many(asked)
    for (task, request_id), (decision, view) in zip(asked, made, strict=True):
        expected, its_view = alone.decide(task, request_id)
        assert decision == expected
        assert alone.take(expected, its_view) == together.take(decision, view)
