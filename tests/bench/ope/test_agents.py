"""Agents that came, changed and went, judged by a configuration that has them or has them not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bench.ope.estimators import known
from routerd.core.events import AgentCooledDown, AgentRecovered
from tests.bench.ope.test_log import PLAIN, configured, engine, judged
from tests.core.engine import AGENTS, Engine


@pytest.mark.parametrize("first", [0, 20])
def test_agents_that_came_over_rpc_are_judged_like_those_of_the_file(first: int) -> None:
    """Their laws line up with the names, though they came later and stand first by name."""
    made = Engine(**PLAIN, policy={"kind": "random"})
    for row in range(80):
        if row == first:
            made.register("avid")
        answer = made.route(request_id=f"r{row}")
        made.report(answer.decision_id, quality=float(answer.decision.agent_id == "avid"))
    found, sample = judged(made, configured(policy={"kind": "random"}))
    assert found.agents == ("avid", "large", "medium", "small")
    assert np.array_equal(known(sample.policy), known(sample.law))
    _, greedy = judged(made, configured(policy={"kind": "greedy"}))
    assert known(greedy.policy)[-1].tolist() == [1.0, 0.0, 0.0, 0.0]


def test_an_agent_that_moves_into_the_file_and_out_again_is_judged() -> None:
    """Whichever way the judged configuration has it: as the log says, or all along, or not."""
    made = Engine(**PLAIN, agents=AGENTS[:2])

    def work(agent_id: str = "") -> None:
        name = made.route(work_type="code", agent_id=agent_id).decision_id
        made.report(name, success=len(made.state.decisions) % 3 > 0)

    def over_rpc() -> None:
        made.register("avid", head_start=0.2)
        made.beat("avid")
        made.update("avid", version="2", specializations=["code"])
        for _ in range(9):
            work()

    over_rpc()
    made.open(**PLAIN, agents=[*AGENTS[:2], {"id": "avid"}])
    made.set_status("avid", "ONLINE")
    for _ in range(3):
        work("avid")
    made.open(**PLAIN, agents=AGENTS[:2])
    over_rpc()
    made.deregister("avid")
    work()
    without = configured(agents=AGENTS[:2])
    with_it = configured(agents=[*AGENTS[:2], {"id": "avid"}])
    found, sample = judged(made, without)
    assert found.agents == ("avid", "large", "medium")
    assert [bool(law[0] > 0.0) for law in known(sample.policy)] == [True] * 18 + [False]
    assert (known(judged(made, with_it)[1].policy)[:, 0] > 0.0).all()
    assert len(judged(made, "always:avid")[1].reward) == 19


@pytest.mark.parametrize("left", ["the file", "RPC"])
@pytest.mark.parametrize("failed", [False, True])
def test_how_an_agent_stood_is_over_when_it_goes(left: str, failed: bool) -> None:
    """It comes back online, in the log and in the judged configuration that has it all along."""
    cooldown: dict[str, Any] = {"cooldown": {"failures": 1}}
    file = [*AGENTS[:2], {"id": "avid"}] if left == "the file" else AGENTS[:2]
    made = Engine(**PLAIN, **cooldown, agents=file)
    if left == "RPC":
        made.register("avid")
    if failed:
        made.report(made.route(agent_id="avid").decision_id, success=False)
        assert made.events(AgentCooledDown)
    else:
        made.set_status("avid", "OFFLINE")
    if left == "RPC":
        made.deregister("avid")
    made.open(**PLAIN, **cooldown, agents=AGENTS[:2])
    made.register("avid")
    made.report(made.route().decision_id, quality=0.5)
    _, sample = judged(made, configured(**cooldown, agents=[*AGENTS[:2], {"id": "avid"}]))
    assert known(sample.law)[-1, 0] > 0.0
    assert known(sample.policy)[-1, 0] > 0.0


def test_what_befell_an_agent_that_is_not_judged_says_nothing() -> None:
    """Its status and its failures: the judged configuration has it not."""
    made = Engine(**PLAIN, cooldown={"failures": 1, "base_seconds": 0.001})
    made.set_status("small", "BUSY")
    made.beat("small", lease_ms=1_000)
    for _ in range(3):
        for success in (False, True):
            named = made.route(agent_id="small").decision_id
            made.report(named, success=success)
        made.register("avid")
        made.deregister("avid")
    made.report(made.route().decision_id, quality=0.5)
    assert made.events(AgentCooledDown)
    assert made.events(AgentRecovered)
    _, sample = judged(made, configured(agents=AGENTS[:2], cooldown={"failures": 1}))
    assert known(sample.policy)[-1, -1] == 0.0


def test_agents_come_and_go() -> None:
    """An agent that the log never had has no support; one that is judged away has no weight."""
    made = engine(40)
    fewer = configured(agents=[{"id": "small"}, {"id": "large"}])
    _, sample = judged(made, fewer)
    assert known(sample.policy)[:, 1].max() == 0.0
    more = configured(agents=[{"id": "small"}, {"id": "brand-new"}], policy={"kind": "random"})
    found, sample = judged(made, more)
    assert found.agents == ("brand-new", "large", "medium", "small")
    assert known(sample.policy)[:, 0].tolist() == [0.5] * 40
    assert known(sample.law)[:, 0].max() == 0.0
