"""The in-process router: the daemon's engine, its log and its refusals, without a server."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from routerd import Router
from routerd.config import ConfigErrors, parse
from routerd.core.errors import ErrorReason, RouterError
from routerd.core.values import AgentSource, AgentStatus, Listing, Outcome, Request, Task
from routerd.engine.fold import fold
from routerd.engine.verify import verify
from routerd.log.base import LogUnavailable
from routerd.log.sqlite import SqliteLog
from routerd.signals.hybrid import SignalsUnavailable
from tests.log.disk import watched_disk
from tests.log.faulty import FaultyLog
from tests.signals.models import serving

CONFIG: dict[str, Any] = {
    "agents": [{"id": "small"}, {"id": "large", "capabilities": ["code"]}],
    "clock": "logical",
    "seed": 4,
}


def failing(**config: Any) -> tuple[Router, FaultyLog]:
    """A router over a disk that can fail."""
    log = FaultyLog()
    return Router(log, parse({**CONFIG, **config})), log


def refused(reason: ErrorReason, router: Router, call: str, **fields: Any) -> RouterError:
    """The refusal of a call that must be refused for this reason."""
    with pytest.raises(RouterError) as caught:
        getattr(router, call)(**fields)
    assert caught.value.reason is reason
    return caught.value


def test_values_and_fields_are_the_same_call() -> None:
    """A call takes a whole Request or Outcome, or their fields, those of the task among them."""
    with Router.open(CONFIG) as router:
        whole = router.route(Request(request_id="r", task=Task(work_type="code"), pool="default"))
        parts = router.route(request_id="r", work_type="code", pool="default")
        assert parts.decision == whole.decision
        ack = router.report(Outcome(outcome_id="o", decision_id=whole.decision_id, success=True))
        again = router.report(outcome_id="o", decision_id=whole.decision_id, success=True)
        assert again == ack._replace(duplicate=True, decisions=0)


def test_an_unknown_field_is_an_error_of_the_program() -> None:
    """A misspelt field or a wrong type raises TypeError that names it, and nothing is decided."""
    with Router.open(CONFIG) as router:
        before = router.state_hash()
        with pytest.raises(TypeError, match=r"^work_typ: is no field; .* task_id, work_type$"):
            router.route(work_typ="code")
        with pytest.raises(
            TypeError, match=r"^preference\.cots: .* here are cost, latency, quality"
        ):
            router.route(preference={"cots": 2.0})
        with pytest.raises(TypeError, match=r"^follows\.evidence\.competenc: is no field"):
            router.route(follows={"decision_id": "x", "evidence": {"competenc": 0.5}})
        with pytest.raises(TypeError, match=r"^labels: given beside a whole task"):
            router.route(task={"work_type": "code"}, labels={"customer": "acme"})
        assert router.state_hash() == before
        name = router.route(work_type="code").decision_id
        with pytest.raises(TypeError, match=r"^cost: is no field; .* cost_usd, "):
            router.report(decision_id=name, quality=1, cost=0.5)
        assert router.find(name).quality is None
        with pytest.raises(TypeError, match=r"^Expected `str`, got `int` - at `work_type`$"):
            router.route(work_type=3)
        with pytest.raises(TypeError, match=r"- at `key` in `labels`$"):
            router.route(labels={1: "a"})
        for mapping in ({"work_type": "code"}, "code"):
            with pytest.raises(TypeError, match=r"^Request is wanted, or its fields by name"):
                router.route(mapping)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"^Outcome is wanted, .*; got dict$"):
            router.report({"success": True})  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"^pool: given beside a whole Request"):
            router.route(Request(), pool="paid")
        with pytest.raises(TypeError, match=r"^pol: is no field; .* pool, "):
            router.agents(pol="paid")
        with pytest.raises(TypeError, match=r"^pool: given beside a whole Listing"):
            router.agents(Listing(page_size=1), pool="paid")
        with pytest.raises(TypeError, match=r"^Expected `float.* - at `quality`$"):
            router.report(decision_id=name, quality="good")
        assert router.find(name).quality is None


def test_a_wrong_configuration_is_refused_whole() -> None:
    """Every error comes at once, from plain data as from a file."""
    with pytest.raises(ConfigErrors) as caught:
        Router.open({"agents": [{"id": "a"}, {"id": "a"}], "sed": 1})
    assert [path for path, _ in caught.value.errors] == ["sed", "agents[1].id"]


def test_the_log_outlives_the_router(tmp_path: Path) -> None:
    """A second router on the same directory goes on where the first ended."""
    with Router.open(CONFIG, tmp_path) as router:
        answer = router.route(request_id="r", work_type="code")
        router.report(decision_id=answer.decision_id, quality=0.5, cost_usd=0.1)
        before = router.state_hash()
    with Router.open(CONFIG, tmp_path) as router:
        assert router.state_hash() == before
        assert router.route(request_id="r", work_type="code").decision_id == answer.decision_id
        found = router.find(answer.decision_id)
        assert (found.quality, found.cost_usd, found.reports, found.open) == (0.5, 0.1, 1, True)


def test_a_directory_has_one_router(tmp_path: Path) -> None:
    """A second one on the same directory is refused while the first is open."""
    with (
        Router.open(CONFIG, tmp_path),
        pytest.raises(LogUnavailable, match=r"in use by the process with pid \d+"),
    ):
        Router.open(CONFIG, tmp_path)


def test_threads_share_a_router(tmp_path: Path) -> None:
    """Calls from several threads are decided one after the other; verify finds no mismatch."""
    with Router.open(CONFIG, tmp_path) as router:

        def calls(number: int) -> None:
            for i in range(25):
                answer = router.route(request_id=f"{number}-{i}", work_type=f"w{number}")
                router.report(decision_id=answer.decision_id, quality=i % 2)

        threads = [threading.Thread(target=calls, args=(n,)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        final = router.state_hash()
    log = SqliteLog.open(tmp_path, read_only=True)
    found = verify(log)
    log.close()
    assert (found.decisions, found.events, found.mismatches) == (150, 301, ())
    assert found.state_hashes == {"default": final}


def test_refusals_are_those_of_the_contract() -> None:
    """The same reasons, metadata and field paths as over gRPC."""
    with Router.open(CONFIG) as router:
        why = refused(
            ErrorReason.FIELD_VIOLATIONS, router, "route", complexity=2.0, max_cost_usd=-1.0
        )
        assert [v.field for v in why.violations] == ["max_cost_usd", "task.complexity"]
        refused(ErrorReason.EMPTY_POOL, router, "preview", pool="nowhere")
        refused(ErrorReason.DECISION_NOT_FOUND, router, "find", decision_id="nobody")
        refused(ErrorReason.DECISION_NOT_FOUND, router, "report", decision_id="x", success=True)


def test_half_a_character_is_refused() -> None:
    """Python has texts that no UTF-8 has, and so no log: half of an emoji that was cut."""
    half = "\ud83d"
    with Router.open(CONFIG) as router:
        made = router.route(work_type="code")
        before, why = router.state_hash(), ErrorReason.FIELD_VIOLATIONS
        for name in ("request_id", "work_type", "group_id"):
            refused(why, router, "route", **{name: half})
        refused(why, router, "route", labels={half: "acme"})
        told: dict[str, Any] = {"decision_id": made.decision_id, "quality": 1.0}
        refused(why, router, "report", explanation=half, **told)
        refused(why, router, "register", agent_id="a", definition={"version": half})
        assert router.state_hash() == before
        assert router.report(**told).position == made.position + 1


def test_a_full_disk_is_read_only_until_it_is_not() -> None:
    """A call that could not be written is READ_ONLY and forgotten; the next tries again."""
    router, log = failing()
    kept = router.route(request_id="kept")
    before = router.state_hash()
    log.full = True
    refused(ErrorReason.READ_ONLY, router, "route", request_id="lost")
    refused(ErrorReason.READ_ONLY, router, "report", decision_id=kept.decision_id, quality=1.0)
    assert router.state_hash() == before == fold(log, "default").hash()
    assert router.route(request_id="kept").decision_id == kept.decision_id
    assert router.find(kept.decision_id).open
    log.heal()
    router.route(request_id="lost")
    assert router.state_hash() == fold(log, "default").hash()


def test_a_failed_fsync_is_no_acknowledgement() -> None:
    """An outcome that did not reach the platter is refused; sent again, it is learnt once."""
    router, log = failing()
    name = router.route().decision_id
    log.unsyncable = True
    told: dict[str, Any] = {"decision_id": name, "outcome_id": "o", "quality": 1.0}
    refused(ErrorReason.READ_ONLY, router, "report", **told)
    log.heal()
    router.report(**told)
    assert log.synced["default"] == log.last("default")[0]
    assert router.find(name).reports == 1
    assert router.state_hash() == fold(log, "default").hash()


def test_with_durability_power_a_decision_reaches_the_platter_too() -> None:
    """A route is answered after its fsync, and refused when that fails."""
    router, log = failing(durability="power")
    router.route()
    assert log.synced["default"] == log.last("default")[0]
    log.unsyncable = True
    refused(ErrorReason.READ_ONLY, router, "route")


def test_a_real_disk_that_refuses_writes_is_recovered_from(tmp_path: Path) -> None:
    """SQLite refused by its disk: READ_ONLY, then the same call succeeds on the same router."""
    with watched_disk() as disk, Router.open(CONFIG, tmp_path) as router:
        router.route(request_id="kept")
        before = router.state_hash()
        disk.failing = range(1, 2**31)
        refused(ErrorReason.READ_ONLY, router, "route", request_id="lost")
        refused(ErrorReason.READ_ONLY, router, "route", request_id="lost")
        assert router.state_hash() == before
        disk.failing = range(0)
        assert router.route(request_id="lost").position == 3
        final = router.state_hash()
    log = SqliteLog.open(tmp_path, read_only=True)
    assert verify(log).state_hashes == {"default": final}
    log.close()


def test_agents_come_and_go_in_process(tmp_path: Path) -> None:
    """The registry is the daemon's: by the same rules, on the same log."""
    with Router.open(CONFIG, tmp_path) as router:
        told = router.register("guest", {"pool": "paid", "max_concurrency": 1})
        assert (told.source, told.agent.pool) == (AgentSource.RPC, "paid")
        answer = router.route(pool="paid")
        assert answer.decision.agent_id == "guest"
        refused(ErrorReason.NO_ELIGIBLE_AGENT, router, "route", pool="paid")
        router.report(decision_id=answer.decision_id, success=True)
        assert router.profile("guest").overall.outcomes == 1
        router.update("guest", {"pool": "free"}, AgentStatus.OFFLINE)
        wrong = refused(
            ErrorReason.FIELD_VIOLATIONS, router, "register", agent_id="a b", definition={"x": 1}
        )
        assert [v.field for v in wrong.violations] == ["id", "x"]
        refused(ErrorReason.AGENT_IS_CONFIGURED, router, "deregister", agent_id="small")
    with Router.open(CONFIG, tmp_path) as router:
        (guest,) = router.agents(source=AgentSource.RPC)
        assert (guest.agent.pool, guest.status) == ("free", AgentStatus.OFFLINE)
        router.deregister("guest")
        assert [told.agent.id for told in router.agents()] == ["large", "small"]
        before = router.state_hash()
    log = SqliteLog.open(tmp_path, read_only=True)
    assert fold(log, "default").hash() == before
    assert verify(log).mismatches == ()
    log.close()


def test_a_description_is_classified_in_process_too() -> None:
    """By rules at once, by an endpoint in a thread; a blocked label is refused."""
    with serving() as models:
        signals = {
            "rules": [{"label": "secrets", "any": ["password"]}],
            "labels": {"secrets": {"block": "no secrets"}, "code": {}},
            "endpoint": {"url": models.url, "protocol": "ollama"},
        }
        with Router.open({**CONFIG, "signals": signals}) as router:
            refused(ErrorReason.BLOCKED_BY_POLICY, router, "route", description="my password")
            assert router.preview(description="a bug").decision.query.work_type == "code"
            answer = router.route(description="a bug", request_id="r")
            models.reply = lambda prompt: "nonsense"
            assert router.route(description="a bug", request_id="r").decision == answer.decision
            other = router.route(description="another bug")
            assert other.decision.query.signal is not None
            assert other.decision.query.signal.failure == "BAD_REPLY"
            assert len(models.asked) == 2
            before = router.route(description="say this", work_type="talk").decision.query
            assert (before.signal, before.work_type) == (None, "talk")


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_closed_router_answers_no_more(on_disk: bool, tmp_path: Path) -> None:
    """One in memory went on as if nothing was: its decisions were of a log that nobody has."""
    router = Router.open(CONFIG, tmp_path if on_disk else None)
    made = router.route()
    router.close()
    router.close()
    calls = (
        router.route,
        router.preview,
        lambda: router.report(decision_id=made.decision_id, success=True),
        lambda: router.claim(made.decision_id),
        lambda: router.register("new"),
        lambda: router.update("large", {}),
        lambda: router.deregister("large"),
        router.agents,
        lambda: router.profile("large"),
        lambda: router.find(made.decision_id),
        router.state_hash,
    )
    for call in calls:
        with pytest.raises(ValueError, match="closed"):
            call()


def test_a_router_is_closed_while_its_model_is_asked() -> None:
    """Whoever waits for the model is let go, and to close it again changes nothing."""
    with serving() as models:
        signals = {"labels": {"code": {}}, "endpoint": {"url": models.url, "protocol": "ollama"}}
        router = Router.open({**CONFIG, "signals": signals})
        models.answering.clear()
        told: list[str] = []

        def ask() -> None:
            try:
                router.route(description="a bug")
            except ValueError as error:
                told.append(str(error))

        asking = threading.Thread(target=ask)
        asking.start()
        while not models.asked:
            time.sleep(0.001)
        router.close()
        router.close()
        asking.join()
        models.answering.set()
    assert told == ["this router is closed"]


def test_a_router_that_cannot_classify_makes_no_directory(tmp_path: Path) -> None:
    endpoint = {"url": "http://127.0.0.1:1", "api_key_env": "NO_SUCH_KEY"}
    signals = {"labels": {"code": {}}, "endpoint": endpoint}
    with pytest.raises(SignalsUnavailable, match="the environment has no NO_SUCH_KEY"):
        Router.open({**CONFIG, "signals": signals}, tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_an_empty_path_is_no_directory() -> None:
    """As of an unset variable: it would be the one that the program happens to run in."""
    with pytest.raises(ValueError, match="empty path"):
        Router.open(CONFIG, "")
    with pytest.raises(ValueError, match="empty path"):
        Router.open("")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"features": []}, ["features"]),
        ({"policy": {"kind": "greedy", "learner": {"kind": "linear"}}}, ["policy.learner"]),
        ({"utility": {"cost_scale_usd": 1.0, "cost": 2.0}}, ["utility.cost_scale_usd"]),
        ({"features": [{"kind": "text"}], "seed": 5}, ["features", "seed"]),
        ({"policy": {"kind": "greedy"}, "utility": {"cost": 2.0}, "seed": 5}, []),
    ],
)
def test_who_has_all_that_was_learnt_let_go_is_told(
    changed: dict[str, Any], told: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A scale or a feature costs everything that was learnt, and did so without a word."""
    Router.open(CONFIG, data_dir=tmp_path).close()
    assert not caplog.messages
    Router.open({**CONFIG, **changed}, data_dir=tmp_path).close()
    because = "learning starts anew, because of another "
    assert caplog.messages == ([because + ", ".join(told)] if told else [])
