"""The rules around the policy at work in a real daemon; each story ends with `verify`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from routerd.v1 import (
    policy_pb2,
    policy_pb2_grpc,
    router_pb2,
    router_pb2_grpc,
    types_pb2,
)
from tests.e2e.daemon import PATIENCE_S, WITHOUT_AUDIT, Daemon, verified

AGENTS = [
    {"id": "large", "pool": "paid", "max_concurrency": 4},
    {"id": "medium", "pool": "paid", "max_concurrency": 4},
    {"id": "small", "pool": "free"},
]


class Told:
    """A client of a daemon."""

    def __init__(self, address: str) -> None:
        self.channel = grpc.insecure_channel(address)
        self._sent: list[Any] = []
        self.router: Any = router_pb2_grpc.RouterServiceStub(self.channel)
        self.policy: Any = policy_pb2_grpc.PolicyServiceStub(self.channel)

    def route(self, agent_id: str = "", **task: Any) -> router_pb2.RouteResponse:
        request = router_pb2.RouteRequest(agent_id=agent_id, task=types_pb2.Task(**task))
        answer: router_pb2.RouteResponse = self.router.Route(request, timeout=PATIENCE_S)
        return answer

    def report(self, decision_id: str, quality: float) -> None:
        """Send an outcome; the disk takes several at once."""
        outcome = types_pb2.Outcome(decision_id=decision_id, quality=quality)
        request = router_pb2.ReportOutcomeRequest(outcome=outcome)
        self._sent.append(self.router.ReportOutcome.future(request, timeout=PATIENCE_S))

    def settle(self) -> None:
        """Return when every outcome that was sent is learnt."""
        for sent in self._sent:
            sent.result()
        self._sent.clear()

    def done(self, quality: dict[str, float], agent_id: str = "", **task: Any) -> Any:
        """A task that was done as well as its agent does it."""
        answer = self.route(agent_id, **task)
        self.report(answer.decision_id, quality[answer.agent_id])
        return answer

    def ask(self, verb: str, kind: str, **fields: Any) -> Any:
        request = getattr(policy_pb2, f"{verb}{kind}Request")(**fields)
        return getattr(self.policy, f"{verb}{kind}")(request, timeout=PATIENCE_S)


@contextmanager
def story(folder: Path, **config: Any) -> Iterator[tuple[Daemon, Told]]:
    """A daemon and its client; afterwards its log verifies, every law bit for bit."""
    with Daemon(folder, {"agents": AGENTS, "seed": 5, **WITHOUT_AUDIT, **config}) as daemon:
        told = Told(daemon.address)
        try:
            yield daemon, told
        finally:
            told.channel.close()
        assert daemon.end() == 0
    found = verified(daemon.data)
    assert found.mismatches == ()
    assert found.laws_exact == found.decisions > 0


def code(answer: router_pb2.RouteResponse) -> str:
    return types_pb2.ReasonCode.Name(answer.reason_code).removeprefix("REASON_CODE_")


def test_an_agent_is_forced_for_one_customer(tmp_path: Path) -> None:
    """At once, over kill -9, for that customer alone, and until it is lifted."""
    acme: dict[str, Any] = {"labels": {"customer": "acme"}}
    with story(tmp_path, policy={"kind": "greedy"}) as (daemon, told):
        quality = {"large": 0.9, "medium": 0.5, "small": 0.3}
        for agent_id in quality:
            told.done(quality, agent_id)
        told.settle()
        definition = {
            "when": {"customer": "acme"},
            "action": "OVERRIDE_ACTION_FORCE",
            "agent_id": "small",
            "author": "ops",
            "reason": "ticket 7",
        }
        told.ask("Create", "Override", override_id="acme", definition=definition)
        daemon.kill()
        told.channel.close()
        daemon.start()
        told.__init__(daemon.address)  # type: ignore[misc]
        pinned = told.route(**acme)
        assert (pinned.agent_id, code(pinned)) == ("small", "OVERRIDE")
        assert pinned.reason.startswith("Forced by override acme by ops: ticket 7")
        assert told.route(labels={"customer": "globex"}).agent_id == "large"
        told.ask("Delete", "Override", override_id="acme")
        assert told.route(**acme).agent_id == "large"


def test_low_confidence_goes_to_the_fallback_and_comes_back(tmp_path: Path) -> None:
    """The share that explores learns who is better; then nothing falls back any more."""
    quality = {"large": 0.95, "medium": 0.3, "small": 0.2}
    config = {
        "static_routes": [{"agent": "medium"}],
        "thresholds": {"confidence": 0.9},
        "fallback": {"exploration": 0.3},
    }
    with story(tmp_path, **config) as (_, told):
        reasons = []
        for _ in range(150):
            reasons.append(code(told.done(quality, work_type="code")))
            if len(reasons) % 10 == 0:
                told.settle()
        assert "LOW_CONFIDENCE_FALLBACK" in reasons[:5]
        assert "LOW_CONFIDENCE_FALLBACK" not in reasons[-30:]


PAIR = {"when": {"pair": "en-de"}}
TABLES = {
    "unit": "customer",
    "arms": [
        {
            "arm_id": "today",
            "policy_json": '{"kind": "static"}',
            "static_routes": [{**PAIR, "agent_id": "small"}, {"agent_id": "medium"}],
        },
        {
            "arm_id": "mixed",
            "policy_json": '{"kind": "static"}',
            "static_routes": [{**PAIR, "agent_id": "large"}, {"agent_id": "medium"}],
        },
    ],
}


def test_two_static_tables_by_language_pair(tmp_path: Path) -> None:
    """Customers stay with their table, the lift is around the truth, and the better one stays."""
    quality = {"large": 0.9, "medium": 0.6, "small": 0.4}
    with story(tmp_path) as (_, told):
        told.ask("Create", "Experiment", experiment_id="pairs", definition=TABLES)
        arms: dict[str, set[str]] = {}
        for i in range(320):
            customer = f"c{i % 160}"
            labels = {"customer": customer, "pair": ("en-de", "de-fr")[i % 4 == 3]}
            answer = told.done(quality, labels=labels)
            assert code(answer) == "EXPERIMENT"
            assert (answer.agent_id == "medium") == (i % 4 == 3)
            if i % 4 != 3:
                arms.setdefault(customer, set()).add(answer.agent_id)
        told.settle()
        assert all(len(agents) == 1 for agents in arms.values())
        shown = told.ask("Get", "Experiment", experiment_id="pairs").experiment
        assert sum(result.decisions for result in shown.results) == 320
        (lift,) = shown.lifts
        assert lift.low < 0.75 * 0.5 < lift.high
        assert lift.low > 0
        told.ask("Promote", "Experiment", experiment_id="pairs", arm_id="mixed")
        assert told.route(labels={"pair": "en-de"}).agent_id == "large"


def test_from_shadow_to_live(tmp_path: Path) -> None:
    """What would have been is noted beside what was; promoted, it is what happens."""
    quality = {"large": 0.9, "medium": 0.6, "small": 0.4}
    shadow = {
        "unit": "request_id",
        "shadow": True,
        "arms": [
            {"arm_id": "table", "policy_json": '{"kind": "static", "floor": 0.5}'},
            {"arm_id": "best", "policy_json": '{"kind": "greedy"}'},
        ],
    }
    with story(tmp_path, static_routes=[{"agent": "small"}]) as (_, told):
        for agent_id in quality:
            told.done(quality, agent_id)
        told.settle()
        told.ask("Create", "Experiment", experiment_id="dark", definition=shadow)
        answers = [told.done(quality) for _ in range(330)]
        told.settle()
        assert {code(answer) for answer in answers} == {"SHADOW_BASELINE"}
        shown = told.ask("Get", "Experiment", experiment_id="dark").experiment
        served = sum(answer.agent_id == "large" for answer in answers) / 330
        assert shown.agreement == pytest.approx(served)
        assert 0.08 < served < 0.28
        (lift,) = shown.lifts
        assert lift.low < 0.9 - (4 * 0.4 + 0.6 + 0.9) / 6 < lift.high
        told.ask("Promote", "Experiment", experiment_id="dark", arm_id="best")
        live = told.route()
        assert (live.agent_id, live.policy_id) == ("large", "greedy")


def test_an_overloaded_pool_gives_way(tmp_path: Path) -> None:
    """To the static table's agent, which says so, until the pool has room again."""
    quality = {"large": 0.9, "medium": 0.8, "small": 0.3}
    config = {
        "static_routes": [{"agent": "small"}],
        "fallback": {"pool_load": 0.75, "exploration": 0.0},
        "policy": {"kind": "greedy"},
    }
    with story(tmp_path, **config) as (_, told):
        for agent_id in quality:
            told.done(quality, agent_id)
        told.settle()
        crowd = [told.route(agent_id).decision_id for agent_id in ("large", "medium") * 3]
        answer = told.route()
        assert (answer.agent_id, code(answer)) == ("small", "OVERLOAD_FALLBACK")
        assert "pool paid is 75% loaded" in answer.reason
        for name in crowd:
            told.report(name, 0.8)
        told.settle()
        answer = told.route()
        assert (answer.agent_id, code(answer)) == ("large", "BEST_KNOWN")


def test_a_budget_lasts_and_says_when_it_is_over(tmp_path: Path) -> None:
    """Charged at once, corrected by the reported cost, refused when it is spent, over kill -9."""
    priced = [{"id": "only", "prices": {"output_usd_per_mtok": 2.0}}]
    budgets = [{"id": "trial", "per": "customer", "usd": 0.004, "window_hours": 1e5}]
    acme: dict[str, Any] = {"labels": {"customer": "acme"}}
    with story(tmp_path, agents=priced, budgets=budgets) as (daemon, told):
        for _ in range(3):
            told.report(told.route(**acme).decision_id, 1.0)
        told.settle()
        daemon.kill()
        told.channel.close()
        daemon.start()
        told.__init__(daemon.address)  # type: ignore[misc]
        with pytest.raises(grpc.RpcError, match="nobody fits into the budget"):
            told.route(**acme)
        told.route(labels={"customer": "globex"})
        listed = told.ask("List", "Budgets").budgets
        assert [(b.value, b.decisions) for b in listed] == [("acme", 3), ("globex", 1)]
