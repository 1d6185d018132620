"""What is ahead is looked at when little is known, then rarely, and kept in between."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from learners.policies import behind, lead
from routerd.core import lookahead
from routerd.core.decide import encode_request
from routerd.core.outlook import EVERY, MOST_KEPT, is_due
from routerd.core.state import State
from routerd.core.view import View, estimated
from routerd.router import request_of
from tests.core.engine import Engine


def lived(outcomes: int) -> Engine:
    engine = Engine(utility={"cost": 0.2})
    for i in range(outcomes):
        answer = engine.route(work_type=("code", "text", "maths")[i % 3])
        engine.report(answer.decision_id, quality=float(i % 4 == 0), cost_usd=0.001 * (i % 5))
    return engine


def view_of(state: State, **asked: object) -> View:
    query = encode_request(state, request_of({"work_type": "code", **asked}), "q")
    return View(state, query, 0)


def test_a_gap_is_how_far_an_agent_is_behind_in_each_context_by_the_requests_weights() -> None:
    state = lived(20).state  # each of so few outcomes was looked at
    view = view_of(state, preference={"quality": 0.5, "cost": 0.3, "latency": 0.1})
    ahead = []
    for x, cell in zip(state.contexts.x, state.contexts.cells.tolist(), strict=True):
        mean = 0.5 * state.learner.predict(x, slice(None))[0]
        mean -= view.cost_weight * state.cost.predict(cell, slice(None))[0]
        mean -= view.latency_weight * state.latency.predict(cell, slice(None))[0]
        ahead.append(behind(mean))
    assert np.allclose(lookahead.ahead(view, state.roster.everyone).gap.T, ahead, atol=1e-12)
    two = lookahead.ahead(view, (0, 2)).gap
    assert two.shape == (2, 20)
    assert np.allclose(two[0], two[1])  # the better of two is ahead by as much as the other lacks


def numbered(complexity: tuple[float, ...], **config: Any) -> State:
    """A state that knows contexts of these numbers."""
    engine = Engine(features=[{"kind": "number", "name": "complexity"}], **config)
    for i, value in enumerate(complexity):
        answer = engine.route(complexity=value)
        engine.report(answer.decision_id, quality=float(i % 3 == 0))
    return engine.state


def test_who_leads_ahead_counts_where_this_context_does_not_come_again() -> None:
    state = numbered((0.1, 0.9, 0.3, 0.7, 0.5))
    everyone = state.roster.everyone
    new, again = (view_of(state, complexity=value) for value in (0.2, 0.3))
    ahead = np.array([state.learner.predict(x, slice(None))[0] for x in state.contexts.x])
    leads = [(ahead[:, k] == ahead.max(1)).mean() for k in everyone]
    assert lookahead.ahead(new, everyone).leads.tolist() == leads
    assert max(leads) > 0.0
    assert not lookahead.ahead(again, everyone).leads.any()
    assert (lookahead.ahead(new, everyone).gap == lookahead.ahead(again, everyone).gap).all()


def test_who_leads_counts_paths_where_others_may_follow() -> None:
    """What a path adds here, it adds there: an agent leads elsewhere by its path, not by itself."""
    several = (0.1, 0.9, 0.3, 0.7, 0.5)
    state = numbered(several, cascade={"review_usd": 0.01}, thresholds={"cascade": 0.7})
    everyone = state.roster.everyone
    new, again = (view_of(state, complexity=value) for value in (0.2, 0.3))
    path = new.paths(everyone).mean - new.alone[0]
    assert np.ptp(path) > 0.0
    ahead = np.array([state.learner.predict(x, slice(None))[0] for x in state.contexts.x]) + path
    assert lookahead.ahead(new, everyone).leads.tolist() == lead(ahead).tolist()
    assert np.allclose(lookahead.ahead(new, everyone).gap.T, behind(ahead), atol=1e-12)
    assert not lookahead.ahead(again, everyone).leads.any()


@pytest.mark.parametrize(
    ("schema", "asked"),
    [
        ({"kind": "text", "size": 8}, {"description": "a new sentence"}),
        ({"kind": "embedding", "dimension": 4, "size": 2}, {"embedding": [0.5, 0.1, -0.3, 0.2]}),
        ({"kind": "number", "name": "load"}, {"features": {"load": 0.25}}),
    ],
)
def test_contexts_of_words_embeddings_and_numbers_do_not_come_again(
    schema: dict[str, Any], asked: dict[str, Any]
) -> None:
    engine = Engine(features=[schema])
    known = {"description": "the first", "embedding": [1.0, 0.0, 0.0, 0.0], "features": {"load": 1}}
    known = {name: known[name] for name in asked}
    engine.report(engine.route(**known).decision_id, quality=1.0)
    everyone = engine.state.roster.everyone
    assert lookahead.ahead(view_of(engine.state, **asked), everyone).leads.any()
    assert not lookahead.ahead(view_of(engine.state, **known), everyone).leads.any()


def test_contexts_of_categories_come_again() -> None:
    state = lived(20).state
    view = view_of(state, work_type="unheard of")
    assert view.query.x not in state.outlook
    assert not lookahead.ahead(view, state.roster.everyone).leads.any()


def test_the_first_decision_stands_for_those_to_come() -> None:
    view = view_of(lived(0).state)
    everyone = view.state.roster.everyone
    (gap, leads), (variance, covariance) = (
        lookahead.ahead(view, everyone),
        lookahead.doubt(view, everyone),
    )
    assert (gap[:, 0] == behind(view.utility[0])).all()
    assert not leads.any()
    assert (covariance[:, 0] == variance).all()


def test_what_is_not_known_of_costs_is_no_reason_to_look() -> None:
    """Else an agent of which one call ran away got all tasks, for what its next ones may cost."""
    engine = Engine(utility={"cost": 1.0, "cost_scale_usd": 0.01})
    for i in range(12):
        answer = engine.route(work_type="code", agent_id=("medium", "small", "large")[i % 3])
        engine.report(answer.decision_id, quality=float(i % 2), cost_usd=0.01 if i < 11 else 100.0)
    decision = engine.preview(work_type="code").decision
    law = dict(zip(decision.agents, np.frombuffer(decision.law), strict=True))
    assert law["large"] < 0.01
    view, everyone = view_of(engine.state), engine.state.roster.everyone
    assert view.utility[1][0] > 100.0
    variance, covariance = lookahead.doubt(view, everyone)
    assert (variance == view.quality[1]).all()
    assert (covariance == view.across).all()
    halved = lookahead.doubt(view_of(engine.state, preference={"quality": 0.5}), (0, 2))
    assert np.allclose(halved[0], 0.25 * variance[[0, 2]], rtol=1e-12)
    assert np.allclose(halved[1], 0.25 * covariance[[0, 2]], rtol=1e-12)


def test_who_does_not_ask_what_a_look_is_worth_is_not_told() -> None:
    """It takes a logistic model longer than all the rest of a decision; whoever does ask, is told
    all the same, as an arm of an experiment may."""
    policy = {"kind": "thompson", "learner": {"kind": "logistic"}}
    engine = Engine(policy=policy)
    for i in range(12):
        engine.report(engine.route(work_type="code").decision_id, quality=float(i % 2))
    state = engine.state
    view, x = view_of(state), view_of(state).x[None, :]
    mean, variance, covariance = estimated(state, x)
    assert covariance.size == 0
    assert (view.quality[0] == mean[0]).all()
    assert (view.quality[1] == variance[0]).all()
    _, told = lookahead.doubt(view, state.roster.everyone)
    assert (told == state.learner.joint(x, state.outlook.x, state.roster.arms)[2][0]).all()
    assert told.shape == (3, 12)


def test_it_changes_when_it_is_looked_at_and_not_before() -> None:
    engine = lived(16 * EVERY)
    assert is_due(16 * EVERY)
    before = engine.state.outlook.quality
    for i in range(EVERY):
        answer = engine.route(work_type="code")
        assert engine.state.outlook.quality is before
        engine.report(answer.decision_id, quality=float(i % 2))
    assert engine.state.outlook.quality is not before
    assert engine.state.outlook.quality.shape == (32, 3)


def test_whoever_joins_is_ahead_at_once() -> None:
    engine = lived(300)
    engine.register("newcomer")
    assert engine.state.outlook.quality.shape == (32, 4)
    assert lookahead.ahead(view_of(engine.state), engine.state.roster.everyone).gap.shape == (4, 32)


def test_what_is_kept_for_many_kinds_of_requests_is_bounded() -> None:
    state = lived(20).state
    for i in range(3 * MOST_KEPT):
        lookahead.ahead(view_of(state, preference={"cost": i / 1000}), state.roster.everyone)
    assert len(state.outlook._ahead) <= MOST_KEPT
