"""Whether rows of a log are independent: what learns, or listens to outcomes, makes them not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.bench.ope.test_log import configured, engine, judged
from tests.core.engine import AGENTS


def test_rows_are_independent_only_where_nothing_learns() -> None:
    """Random logs and policies without memory give independent rows, nothing else does."""
    random = engine(10, policy={"kind": "random"})
    assert judged(random, "uniform")[0].independent
    assert not judged(random, configured())[0].independent
    assert not judged(engine(10), "uniform")[0].independent
    routed = configured(policy={"kind": "static"}, static_routes=[{"agent": "small"}])
    assert judged(random, routed)[0].independent
    partly = [{"agent": "small", "when": {"work_type": "code"}}]
    assert not judged(random, configured(policy={"kind": "static"}, static_routes=partly))[
        0
    ].independent


@pytest.mark.parametrize(
    "section",
    [
        {"cooldown": {}},
        {"thresholds": {"confidence": 0.5}},
        {"thresholds": {"probe_complexity": 0.5}},
        {"cold_start": {"static_until": 5}},
        {"fallback": {"pool_load": 0.5}},
        {"fallback": {"type_failures": 5}},
        {"exploration_cap": {"share": 0.1}},
        {"budgets": [{"id": "all", "usd": 1.0}]},
        {"agents": [*AGENTS[:2], {**AGENTS[2], "max_concurrency": 2}]},
    ],
    ids=lambda section: next(iter(section)),
)
def test_what_listens_to_outcomes_makes_rows_dependent(section: dict[str, Any]) -> None:
    """A random log is not of independent rows where what came of some decides about others."""
    routes: dict[str, Any] = {"policy": {"kind": "random"}, "static_routes": [{"agent": "small"}]}
    assert not judged(engine(10, **routes, **section), "uniform")[0].independent
    assert judged(engine(10, **routes), "uniform")[0].independent
    assert not judged(engine(10, **routes), configured(**routes, **section))[0].independent


@pytest.mark.parametrize(("kind", "independent"), [("value", False), ("static", True)])
def test_an_arm_that_learns_makes_rows_dependent(kind: str, independent: bool) -> None:
    """Whether an experiment's rows are independent is told by its arms, not by the file alone."""
    made = engine(10, policy={"kind": "random"}, static_routes=[{"agent": "small"}])
    arms: list[dict[str, Any]] = [{"id": "a"}, {"id": "b", "policy": {"kind": kind}}]
    made.experiment("x", unit="request_id", arms=arms)
    made.report(made.route(request_id="late").decision_id, quality=1.0)
    assert judged(made, "uniform")[0].independent is independent


def test_a_task_that_goes_on_makes_rows_dependent() -> None:
    """A follow-up is there because a decision failed, so it says something of that one."""
    made = engine(10, policy={"kind": "random"})
    failed = made.route(request_id="first").decision_id
    made.report(failed, success=False)
    again = made.route(follows={"decision_id": failed, "cause": "FAILED"}).decision_id
    made.report(again, success=True)
    assert not judged(made, "uniform")[0].independent


def test_a_bound_of_an_agent_over_rpc_makes_rows_dependent() -> None:
    """An agent that is full until its outcomes come is left out, whoever defined it."""
    made = engine(10, policy={"kind": "random"})
    made.register("avid")
    assert judged(made, "uniform")[0].independent
    made.update("avid", max_concurrency=1)
    assert not judged(made, "uniform")[0].independent
