"""Budgets: never crossed but by what is in flight, paced before that, and told exactly."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from routerd.core.errors import ErrorReason, RouterError
from routerd.core.events import Decision
from routerd.core.reasons import law_of, sentence
from routerd.core.values import Exclusion, Reason
from routerd.engine.verify import verify
from tests.core.engine import HOUR_MS, START_MS, Engine

AGENTS: list[dict[str, Any]] = [
    {"id": "dear", "prices": {"output_usd_per_mtok": 20.0}},
    {"id": "cheap", "prices": {"output_usd_per_mtok": 0.2}},
]
FREE = {"id": "own", "prices": {}}
COST = {"dear": 0.01, "cheap": 0.0001, "own": 0.0}
QUALITY = {"dear": 0.9, "cheap": 0.5, "own": 0.3}


def engine(*budgets: dict[str, Any], agents: list[dict[str, Any]] = AGENTS, **more: Any) -> Engine:
    named = [{"id": f"b{i}", **budget} for i, budget in enumerate(budgets)]
    return Engine(agents=agents, budgets=named, **more)


def served(on: Engine, count: int, **fields: Any) -> list[str]:
    """So many tasks done, each at its agent's cost; who did them."""
    chosen = []
    for _ in range(count):
        answer = on.route(**fields)
        agent_id = answer.decision.agent_id
        on.report(answer.decision_id, quality=QUALITY[agent_id], cost_usd=COST[agent_id])
        chosen.append(agent_id)
    return chosen


def spent(on: Engine, value: str = "", budget: str = "b0") -> float:
    found = {(b.budget.id, b.value): b.ledger for b in on.rules.budgets().budgets}
    return found[budget, value].spent_usd


def test_a_budget_is_never_crossed_by_more_than_what_is_in_flight() -> None:
    """Who is predicted to cross it is left out; then the window is refused until it ends."""
    on = engine({"usd": 0.05, "window_hours": 1.0})
    most = 0.0
    with suppress(RouterError):
        for _ in range(2_000):
            made = on.route()
            on.report(made.decision_id, cost_usd=COST[made.decision.agent_id])
            most = max(most, spent(on))
    assert 0.049 < most <= 0.05
    refusal = on.refused(ErrorReason.BUDGET_EXHAUSTED, on.route)
    assert refusal.retry_after_ms == HOUR_MS - START_MS % HOUR_MS
    assert "; budget b0 has 0.0001 USD left" in refusal.message
    on.refused(ErrorReason.BUDGET_EXHAUSTED, on.route, agent_id="dear")
    on.wall.now_ms += refusal.retry_after_ms or 0
    assert spent(on) == 0.0
    served(on, 1)


def test_what_is_in_flight_is_charged_with_what_is_predicted() -> None:
    """Until its cost is told; a revision and a retraction move it, a lost outcome leaves it."""
    on = engine({"usd": 1.0})
    answer = on.route(agent_id="dear")
    predicted = answer.decision.predicted_usd
    assert predicted is not None
    assert spent(on) == pytest.approx(predicted)
    on.report(answer.decision_id, cost_usd=0.02)
    assert spent(on) == pytest.approx(0.02)
    on.report(answer.decision_id, cost_usd=0.03, kind="REVISE")
    assert spent(on) == pytest.approx(0.03)
    on.report(answer.decision_id, kind="RETRACT")
    assert spent(on) == pytest.approx(predicted)


def test_an_exhausted_budget_can_go_on_with_the_cheapest() -> None:
    """And whoever is free fits into any budget."""
    on = engine({"usd": 1e-6, "exhausted": "cheapest"})
    assert set(law_of(on.route().decision)) == {"cheap"}
    free = engine({"usd": 1e-6}, agents=[*AGENTS, FREE])
    made = free.route().decision
    assert set(law_of(made)) == {"own"}
    assert {e.reason for e in made.excluded} == {Exclusion.OVER_BUDGET}
    assert made.predicted_usd == 0.0


def test_a_budget_that_lets_the_cheapest_go_on_does_so_beside_one_that_refuses() -> None:
    """What another budget has left is no reason to refuse; where that one is spent, it is, and the
    refusal names it."""
    spent_up = {"usd": 1e-6, "exhausted": "cheapest"}
    assert set(law_of(engine(spent_up, {"usd": 1.0}).route().decision)) == {"cheap"}
    on = engine(spent_up, {"usd": 1e-5})
    refusal = on.refused(ErrorReason.BUDGET_EXHAUSTED, on.route)
    assert "budget b1 has 1e-05 USD left" in refusal.message


def test_a_budget_that_is_less_than_any_agent_costs_says_so() -> None:
    """No window ends that; which budget it is, and the way out, is told."""
    agents = AGENTS[:1]  # predicted to cost 0.0115 USD
    on = engine({"usd": 1.0}, {"usd": 0.001}, agents=agents)
    refusal = on.refused(ErrorReason.BUDGET_EXHAUSTED, on.route)
    assert refusal.retry_after_ms is None
    said = "No window will do, since budget b1 has 0.001 USD in a whole one: raise its `usd`"
    assert said in refusal.message
    on = engine({"usd": 0.001}, agents=AGENTS)
    assert set(law_of(on.route().decision)) == {"cheap"}
    refusal = on.refused(ErrorReason.BUDGET_EXHAUSTED, on.route, agent_id="dear")
    assert refusal.retry_after_ms is None


def test_it_is_time_to_come_again_when_the_last_budget_in_the_way_begins_anew() -> None:
    """Not when the first does, whether it was in the way or not."""
    hour, day = {"window_hours": 1.0, "usd": 1.0}, {"window_hours": 24.0, "usd": 0.02}
    on = engine(hour, day, agents=AGENTS[:1])
    served(on, 1)
    refusal = on.refused(ErrorReason.BUDGET_EXHAUSTED, on.route)
    assert refusal.retry_after_ms == 24 * HOUR_MS - START_MS % (24 * HOUR_MS)


def test_a_choice_that_money_made_says_so() -> None:
    """Who spends too fast is led to the cheap, and told that it is the budget that leads."""
    on = engine({"usd": 0.2, "window_hours": 1.0})
    served(on, 15)
    on.wall.now_ms += HOUR_MS
    made = [on.route().decision for _ in range(3)]
    told = [sentence(one) for one in made if one.reason is Reason.BEST_KNOWN]
    assert told
    for text in told:
        assert text.startswith("Best expected utility at the price that budgets put on money, ")
    free = engine({"usd": 0.2, "when": {"plan": "trial"}})
    served(free, 15)
    assert sentence(free.route().decision).startswith("Best expected utility, drawn ")


def test_each_value_has_a_budget_of_its_own_up_to_a_bound() -> None:
    """One customer's spending is not another's; those beyond the bound share one."""
    on = engine({"per": "customer", "usd": 0.0345}, limits={"budget_values": 2}, agents=AGENTS[:1])
    for customer in ("acme", "globex"):
        served(on, 3, labels={"customer": customer})
        on.refused(ErrorReason.BUDGET_EXHAUSTED, on.route, labels={"customer": customer})
    served(on, 2, labels={"customer": "late"})
    served(on, 1, labels={"customer": "later"})
    on.refused(ErrorReason.BUDGET_EXHAUSTED, on.route, labels={"customer": "last"})
    told = [(b.value, b.ledger.decisions) for b in on.rules.budgets().budgets]
    assert told == [("*", 3), ("acme", 3), ("globex", 3)]


def test_a_label_that_looks_like_the_others_has_a_budget_of_its_own() -> None:
    """`*` stands for those beyond the bound; who is called so is listed as `**`."""
    on = engine({"per": "customer", "usd": 1.0}, limits={"budget_values": 3}, agents=AGENTS[:1])
    for times, customer in enumerate(("*", "**", "acme", "late"), 1):
        served(on, times, labels={"customer": customer})
    told = {b.value: b.ledger.decisions for b in on.rules.budgets().budgets}
    assert told == {"**": 1, "***": 2, "acme": 3, "*": 4}


def test_a_value_that_is_not_asked_for_gives_its_place_up() -> None:
    """When others need it, and no task had it for a whole window: one day's customers do not keep
    those of later days from budgets of their own."""
    budget = {"per": "customer", "usd": 1.0, "window_hours": 1.0}
    on = engine(budget, limits={"budget_values": 2}, agents=AGENTS[:1])

    def ask(*customers: str) -> list[str]:
        names = [on.route(labels={"customer": c}).decision_id for c in customers]
        on.report(names[0], quality=0.5, cost_usd=0.02)
        on.wall.now_ms += HOUR_MS
        return [b.value for b in on.rules.budgets().budgets]

    assert ask("acme", "globex", "late") == ["*", "acme", "globex"]
    early = next(iter(on.state.decisions))
    assert ask("acme", "late") == ["*", "acme", "globex"]  # asked for in the last window
    assert ask("late", "late", "new") == ["*", "acme", "late"]
    assert ask("late", "new") == ["*", "late"]
    before = on.state.ledgers
    on.report(early, kind="REVISE", cost_usd=0.9)  # nobody's any more
    assert on.state.ledgers == before
    assert ask("new") == ["*", "late", "new"]
    assert on.state.hash() == on.refold().hash()
    assert not verify(on.log).mismatches


def test_what_a_decision_cost_is_charged_where_it_was_made() -> None:
    """To the budget that the others share, though its customer has one of its own since; and to
    nobody where that customer's was let go of, though the others would pay for it now."""
    budget = {"per": "customer", "usd": 1.0, "usd_per_decision": 0.01, "window_hours": 1.0}
    on = engine(budget, limits={"budget_values": 2}, agents=AGENTS[:1])

    def ask(customer: str) -> str:
        return on.route(labels={"customer": customer}).decision_id

    gone, _ = ask("acme"), ask("globex")
    on.wall.now_ms += 2 * HOUR_MS
    shared, own = ask("late"), ask("late")
    for name, usd in ((shared, 0.3), (own, 0.2)):
        on.report(name, quality=0.5, cost_usd=usd)
    assert spent(on, "*") == pytest.approx(0.3)
    assert spent(on, "late") == pytest.approx(0.2)
    ask("new")
    before = on.state.ledgers
    on.report(gone, quality=0.5, cost_usd=0.9)
    assert on.state.ledgers == before
    assert on.state.hash() == on.refold().hash()
    assert not verify(on.log).mismatches


def test_budgets_are_told_by_their_names_and_then_their_values() -> None:
    """Page by page, whatever the names have in them."""
    several = [
        {"id": name, "usd": 1.0, **({"per": "customer"} if name.startswith("a") else {})}
        for name in ("b", "a/", "a-b", "a")
    ]
    on = Engine(agents=AGENTS, budgets=several)
    for customer in ("x", "/x", ""):
        served(on, 1, labels={"customer": customer} if customer else {})
    told = [(b.budget.id, b.value) for b in on.rules.budgets().budgets]
    assert told == sorted(told)
    assert {name for name, _ in told} == {"a", "a-b", "a/", "b"}
    paged, token = [], ""
    while True:
        page = on.rules.budgets(2, token)
        paged += [(b.budget.id, b.value) for b in page.budgets]
        token = page.next
        if not token:
            break
    assert paged == told


def test_only_the_tasks_of_a_budget_are_charged_to_it() -> None:
    """Others cost it nothing and are not left out for it."""
    on = engine({"when": {"work_type": "code"}, "usd": 0.011})
    served(on, 20)
    assert spent(on) == 0.0
    assert on.route().decision.predicted_usd is None


@pytest.mark.parametrize("usd", [0.0005, 0.002, 0.006])
def test_the_mean_cost_is_paced_to_its_target(usd: float) -> None:
    """At any target between the agents' costs, from a cold start, with the dear one better."""
    on = engine({"usd_per_decision": usd})
    costs = [COST[agent_id] for agent_id in served(on, 1_500)]
    assert float(np.mean(costs)) == pytest.approx(usd, rel=0.08)
    assert on.preview().decision.stages == ("policy", "budget")


def test_a_budget_of_a_window_lasts_until_its_end() -> None:
    """Spread over the decisions that are expected in it, not spent by whoever comes first."""
    on = engine({"usd": 2.0, "window_hours": 10.0})
    on.wall.now_ms += 10 * HOUR_MS - START_MS % (10 * HOUR_MS)
    dear = []
    for _ in range(1_000):
        dear.append(served(on, 1)[0] == "dear")
        on.wall.now_ms += 36_000 - 1
    assert spent(on) <= 2.0
    assert sum(dear) > 150
    early, late = sum(dear[200:600]), sum(dear[600:])
    assert 0.5 < early / late < 2.0


def test_a_share_caps_what_exploration_gives_up() -> None:
    """Above the cap the law keeps only its floor, and the sums stay within it."""
    agents = [{"id": f"a{i}"} for i in range(6)]
    given_up = {}
    for share in (1.0, 0.02):
        cap = {"share": share, "window_hours": 1e5}
        on = Engine(agents=agents, policy={"kind": "random"}, exploration_cap=cap)
        for i in range(400):
            name = on.route(request_id=f"r{i}").decision_id
            chosen = on.state.decisions[name].decision.agent_id
            on.report(name, quality=0.2 + 0.12 * int(chosen[1]))
        made = on.events(Decision)
        given_up[share] = on.state.explored
        capped = [d for d in made if "exploration_cap" in d.stages]
        assert bool(capped) == (share < 1.0)
        for decision in capped:
            assert max(law_of(decision).values()) == 1.0
    held = given_up[0.02]
    assert held.given_up <= 0.02 * held.best + 1.0
    assert given_up[1.0].best == 0.0
    assert held.best > 100.0


@pytest.mark.parametrize("between", [(), ({"id": "b0", "usd": 2.0},)])
def test_a_budget_is_not_charged_for_what_was_decided_before_it(
    between: tuple[dict[str, Any], ...],
) -> None:
    """Neither for a decision that none was charged for, nor for one that another one was."""
    on = engine({"usd": 1.0})
    made = [on.route()]
    on.open(agents=AGENTS, budgets=between)
    made.append(on.route())
    on.open(agents=AGENTS, budgets=[{"id": "b0", "usd": 1.0}])
    for answer in made:
        on.report(answer.decision_id, quality=1.0, cost_usd=0.5)
        assert spent(on) == 0.0
    (agent_id,) = served(on, 1)
    ledger = on.state.ledgers["b0"][""]
    assert ledger.decisions == 1
    assert ledger.spent_usd == pytest.approx(COST[agent_id])
    assert on.refold().hash() == on.state.hash()


def test_a_history_with_budgets_verifies_and_survives_a_restart() -> None:
    """Ledgers, prices and caps come back from the log alone, through a change of configuration."""
    budgets: list[dict[str, Any]] = [
        {"id": "all", "usd": 0.4, "window_hours": 0.01, "exhausted": "cheapest"},
        {"id": "each", "per": "customer", "usd_per_decision": 0.001},
    ]
    cap = {"share": 0.001}
    on = Engine(agents=AGENTS, budgets=budgets, exploration_cap=cap)
    for i in range(200):
        answer = on.route(labels={"customer": f"c{i % 3}"})
        if i % 4:
            agent_id = answer.decision.agent_id
            on.report(answer.decision_id, quality=QUALITY[agent_id], cost_usd=COST[agent_id])
        on.wall.now_ms += 500
        if i == 100:
            kept = on.state.ledgers["each"]
            on.open(agents=AGENTS, budgets=budgets[1:], exploration_cap=cap)
            assert on.state.ledgers == {"each": kept}
    stages = {stage for made in on.events(Decision) for stage in made.stages}
    assert {"budget", "exploration_cap"} <= stages
    assert on.refold().hash() == on.state.hash()
    found = verify(on.log)
    assert (found.mismatches, found.laws_exact) == ((), 200)
