"""Parallel probes: several agents at once, drawn so that every inclusion probability is true."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from routerd.core.draw import AGENT, uniform
from routerd.core.errors import ErrorReason
from routerd.core.events import Decision
from routerd.core.probe import capped, members
from routerd.core.reasons import law_of
from routerd.core.values import Reason
from routerd.engine.batch import route_many
from routerd.engine.verify import verify
from routerd.router import request_of
from tests.core.engine import Engine

PROBE: dict[str, Any] = {"thresholds": {"probe_complexity": 0.8}}


def sound(engine: Engine) -> None:
    assert engine.state.hash() == engine.refold().hash()
    assert not verify(engine.log).mismatches


def test_a_complex_task_goes_to_two_at_once() -> None:
    """Each by a decision of its own, with what it needs to be reported on; others stay single."""
    engine = Engine(**PROBE)
    assert engine.route(complexity=0.8).companions == ()
    assert engine.route().companions == ()
    answer = engine.route(complexity=0.9, session_id="chat")
    (other,) = answer.companions
    assert answer.decision.reason is Reason.PROBE
    assert other.agent_id != answer.decision.agent_id
    made = engine.state.decisions[other.decision_id].decision
    assert (made.agent_id, made.propensity, made.reason) == (other.agent_id, 1.0, Reason.PROBE)
    assert made.inclusion == other.inclusion
    assert answer.decision.inclusion == pytest.approx(2 * answer.decision.propensity)
    assert engine.state.sessions["chat"][0] == answer.decision.agent_id
    # The first valid result wins; the other is stopped, and that teaches nothing of its quality.
    engine.report(answer.decision_id, success=True, latency_ms=900)
    before = engine.state.learner.count
    engine.report(other.decision_id, cancelled=True, cost_usd=0.01)
    assert engine.state.learner.count == before
    assert engine.registry.get(other.agent_id).in_flight == 0
    sound(engine)


def test_a_probe_is_asked_once() -> None:
    """The same key gives the same agents and decisions; a preview shows them without a trace."""
    engine = Engine(**PROBE)
    shown = engine.preview(request_id="job", complexity=1.0)
    first = engine.route(request_id="job", complexity=1.0)
    again = engine.route(request_id="job", complexity=1.0)
    assert [c.agent_id for c in shown.companions] == [c.agent_id for c in first.companions]
    assert [c.decision_id for c in shown.companions] == [""]
    assert again.companions == first.companions
    assert len(engine.events(Decision)) == 2
    assert engine.state.hash() == engine.refold().hash()


def test_a_batch_probes_as_its_requests_do() -> None:
    asked = [request_of({"request_id": f"r{i}", "complexity": i % 2}) for i in range(20)]
    together, alone = Engine(**PROBE), Engine(**PROBE)
    told = route_many(together.sequencer, [(request, False) for request in asked])
    assert told == [alone.sequencer.route(request) for request in asked]
    assert together.state.hash() == alone.state.hash()


@pytest.mark.parametrize("m", [2, 3, 5])
def test_inclusion_probabilities_are_true(m: int) -> None:
    """Over 100,000 draws each agent is first, and is among them, as often as the law says."""
    rng = np.random.default_rng(m)
    law = capped(rng.dirichlet(np.full(7, 0.3)), m, list(range(7)))
    first, among, draws = np.zeros(7), np.zeros(7), 100_000
    for i in range(draws):
        chosen = members(law, uniform(3, "default", f"r{i}", AGENT), m)
        assert len(set(chosen)) == m
        first[chosen[0]] += 1
        among[chosen] += 1
    for counted, p in ((first, law), (among, np.minimum(m * law, 1.0))):
        bound = 4.5 * np.sqrt(draws * p * (1.0 - p)) + 1e-6
        assert (np.abs(counted - draws * p) <= bound).all()


def test_a_law_is_capped_in_its_proportions() -> None:
    """What the likeliest cannot take goes to the others as the law has them; with too few that have
    any, to the best of the rest; with as many agents as are asked for, everybody is in."""
    law = capped(np.array([0.7, 0.2, 0.1]), 2, [0, 1, 2])
    assert np.allclose(law, [0.5, 1 / 3, 1 / 6])
    assert np.allclose(capped(np.array([0.4, 0.3, 0.3]), 2, [0, 1, 2]), [0.4, 0.3, 0.3])
    assert np.allclose(capped(np.array([1.0, 0.0, 0.0]), 3, [2, 0, 1]), 1 / 3)
    engine = Engine(thresholds={"probe_complexity": 0.5, "probe_agents": 8})
    answer = engine.route(complexity=1.0)
    assert len(answer.companions) == 2
    assert set(law_of(answer.decision).values()) == {1 / 3}
    assert [c.inclusion for c in answer.companions] == [1.0, 1.0]


def test_who_is_named_or_goes_on_is_not_probed() -> None:
    engine = Engine(**PROBE)
    named = engine.route(complexity=1.0, agent_id="small")
    assert named.companions == ()
    follows = {"decision_id": named.decision_id, "cause": "FAILED"}
    assert engine.route(complexity=1.0, follows=follows).companions == ()
    assert engine.route(complexity=1.0, pool="free").companions == ()  # there is but one
    told = engine.refused(
        ErrorReason.FIELD_VIOLATIONS,
        engine.report,
        named.decision_id,
        cancelled=True,
        success=True,
    )
    assert [v.field for v in told.violations] == ["outcome.cancelled"]


@pytest.mark.parametrize(("usd", "many"), [(0.012, 1), (0.025, 2), (0.035, 4), (1.0, 4)])
def test_no_more_are_tried_than_a_budget_pays(usd: float, many: int) -> None:
    """Whoever is drawn, all that are tried fit into every hard budget together, free ones too;
    a mean holds back nobody."""
    prices = {"a": 10.0, "b": 10.0, "c": 10.0, "free": 0.0}  # 0.0113 USD a call is predicted, or 0
    budgets = [{"id": "total", "usd": usd}, {"id": "large", "usd": 5.0}]
    engine = Engine(
        agents=[{"id": i, "prices": {"input_usd_per_mtok": price}} for i, price in prices.items()],
        thresholds={"probe_complexity": 0.5, "probe_agents": 8},
        budgets=[*budgets, {"id": "mean", "usd_per_decision": 2e-4}],
    )
    shown = engine.preview(request_id="job", complexity=1.0)
    answer = engine.route(request_id="job", complexity=1.0)
    assert len(shown.companions) == len(answer.companions) == many - 1
    assert 0.0 < engine.state.ledgers["total"][""].spent_usd <= usd
    inclusion = [answer.decision.inclusion, *(c.inclusion for c in answer.companions)]
    assert inclusion == ([None] if many == 1 else [many / 4] * many)
    assert engine.route(request_id="job", complexity=1.0).companions == answer.companions
    sound(engine)


def test_who_was_stopped_is_not_missing() -> None:
    """A quality that is assumed for silence is not assumed of an agent that was stopped."""
    config: dict[str, Any] = {"outcomes": {"missing_quality": 0.0, "window_hours": 1}}
    engine = Engine(**PROBE, **config)
    other = engine.route(complexity=1.0).companions[0]
    engine.report(other.decision_id, cancelled=True)
    engine.wall.now_ms += 2 * 3_600_000
    engine.route()
    assert engine.state.learner.count == 1.0  # of the one that said nothing
    sound(engine)
