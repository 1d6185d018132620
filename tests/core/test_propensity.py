"""Promise 8: an agent is drawn as often as its logged propensity says, through every stage."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from learners.base import Array
from learners.law import draw
from routerd.core.decide import decide, encode_request
from routerd.core.draw import AGENT, uniform
from routerd.core.events import Decision
from routerd.core.reasons import law_of, sentence
from routerd.core.state import State
from routerd.core.values import Reason
from routerd.router import request_of
from tests.core.engine import AGENTS, Engine

SIGMAS = 4.5
DECIDED = 500
FIVE = [{"id": f"a{i}", "pool": "p" if i < 3 else "q"} for i in range(5)]
SIGNAL = {"source": "RULES", "version": "v", "directives": {"agent_id": "a3"}}
PRICED = {"cost": 0.3, "latency": 0.1}


def taught(**config: Any) -> Engine:
    """An engine that learnt a little: enough for a law with both likely and unlikely agents."""
    engine = Engine(**{"agents": FIVE, "utility": PRICED, "seed": 11, **config})
    ids = [agent["id"] for agent in config.get("agents", FIVE)]
    for i in range(30):
        name = engine.route(agent_id=ids[i % len(ids)], work_type="code").decision_id
        quality = (0.4 + 0.1 * (i % len(ids)) + 0.3 * (i % 3 - 1)) % 1.0
        engine.report(name, quality=quality, cost_usd=0.002 * (1 + i % 4))
    return engine


def decided(engine: Engine, request_id: str, **fields: Any) -> Decision:
    """What decide draws for a request, on the state as it is."""
    query = encode_request(engine.state, request_of({"work_type": "code", **fields}), request_id)
    return decide(engine.state, query, engine.state.time_ms)[0]


def misses(law: Array, counts: Array) -> Array:
    """|sum(I - p)| of each agent in units of its own standard deviation."""
    total = counts.sum()
    sd = np.sqrt(total * law * (1.0 - law))
    apart = np.abs(counts - total * law)
    sure = np.where(apart > 0, np.inf, 0.0)
    return np.where(sd > 0, apart / np.maximum(sd, 1e-300), sure)


def draws(state: State, law: Array, count: int) -> Array:
    """How often each agent is drawn from the law over many request ids."""
    seed, partition = state.config.seed, state.partition
    counts = np.zeros(len(law))
    for i in range(count):
        counts[draw(law, uniform(seed, partition, f"request-{i}", AGENT))] += 1
    return counts


CASES: dict[str, tuple[int, dict[str, Any], dict[str, Any]]] = {
    "value": (1_000_000, {}, {}),
    "value, explored": (50_000, {"policy": {"kind": "value", "floor": 0.2}}, {}),
    "thompson": (100_000, {"policy": {"kind": "thompson"}}, {}),
    "squarecb": (50_000, {"policy": {"kind": "squarecb"}}, {}),
    "random": (50_000, {"policy": {"kind": "random"}}, {}),
    "static": (50_000, {"policy": {"kind": "static", "floor": 0.1}}, {}),
    "linear": (50_000, {"policy": {"kind": "value", "learner": {"kind": "linear"}}}, {}),
    "eligibility": (50_000, {}, {"pool": "p"}),
    "eligibility of two": (50_000, {"agents": AGENTS}, {"pool": "paid"}),
    "preference": (50_000, {}, {"preference": {"quality": 0.2, "cost": 1.0}}),
    "explicit": (1_000, {}, {"agent_id": "a3"}),
    "signal": (1_000, {}, {"signal": SIGNAL}),
    "signal, of another pool": (50_000, {}, {"signal": SIGNAL, "pool": "p"}),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agents_are_drawn_as_often_as_their_propensities_say(case: str) -> None:
    """|sum(I - p)| <= 4.5 sqrt(sum p (1 - p)) for each agent, on a fixed state, ids varying."""
    count, config, fields = CASES[case]
    engine = taught(**config)
    first = decided(engine, "request-0", **fields)
    law = np.frombuffer(first.law)
    for i in range(DECIDED):
        decision = decided(engine, f"request-{i}", **fields)
        drawn = draw(law, uniform(11, "default", f"request-{i}", AGENT))
        assert decision.law == first.law  # the id moves the draw, never the law
        assert (decision.agent_id, decision.propensity) == (first.agents[drawn], law[drawn])
    assert law.sum() == pytest.approx(1.0, abs=1e-12)
    assert (misses(law, draws(engine.state, law, count)) <= SIGMAS).all()


def test_propensities_are_true_while_the_law_moves() -> None:
    """The same bound holds over a run in which every decision has a law of its own."""
    engine = Engine(agents=FIVE, policy={"kind": "thompson", "floor": 0.1}, seed=5)
    rng = np.random.default_rng(7)
    drift = dict.fromkeys((str(agent["id"]) for agent in FIVE), 0.0)
    spread = dict.fromkeys(drift, 0.0)
    for i in range(3_000):
        answer = engine.route(request_id=f"r{i}", work_type=("code", "text")[i % 2])
        for agent, p in law_of(answer.decision).items():
            drift[agent] += (agent == answer.decision.agent_id) - p
            spread[agent] += p * (1.0 - p)
        quality = 0.5 + 0.08 * int(answer.decision.agent_id[1]) + 0.1 * rng.standard_normal()
        engine.report(answer.decision_id, quality=float(np.clip(quality, 0, 1)))
    assert all(abs(drift[agent]) <= SIGMAS * np.sqrt(spread[agent]) for agent in drift)


@pytest.mark.parametrize("other", ["seed", "partition", "request", "purpose"])
def test_draws_for_different_things_are_independent(other: str) -> None:
    """u under another seed, partition, id or purpose tells nothing about u: |r| < 4.5 / sqrt(n)."""
    n = 50_000
    a = [uniform(1, "default", f"r{i}", AGENT) for i in range(n)]
    b = [
        uniform(
            2 if other == "seed" else 1,
            "tenant" if other == "partition" else "default",
            f"q{i}" if other == "request" else f"r{i}",
            "other" if other == "purpose" else AGENT,
        )
        for i in range(n)
    ]
    assert abs(float(np.corrcoef(a, b)[0, 1])) < SIGMAS / np.sqrt(n)
    assert abs(float(np.mean(a)) - 0.5) < SIGMAS / np.sqrt(12 * n)


@pytest.mark.parametrize(
    ("p", "told"),
    [
        (1.0 + 2**-52, "1"),
        (1.0, "1"),
        (0.999999, "0.999999"),
        (0.9996, "0.9996"),
        (0.9994, "0.999"),
        (0.25, "0.25"),
    ],
)
def test_a_sentence_makes_no_certainty_of_what_is_none(p: float, told: str) -> None:
    """Only a propensity of 1 is told as 1, and nobody is told to be 100% sure."""
    decision = Engine().route().decision
    other = replace(decision, propensity=p, confidence=0.997, reason=Reason.BEST_KNOWN)
    assert f"probability {told} among 3 eligible agents; over 99% sure" in sentence(other)
