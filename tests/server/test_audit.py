"""ListDecisions and GetSummary against a daemon with its projector, and where there is none."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import grpc
import pytest

from routerd.audit.schema import audit_path
from routerd.server.audit_reader import AuditReader
from routerd.server.projection import Projection
from routerd.v1 import audit_pb2, policy_pb2
from routerd.v1.router_pb2 import ClaimRequest
from tests.server.harness import (
    CONFIG,
    PATIENCE_S,
    Client,
    Daemon,
    Running,
    in_process,
    refused,
    until,
)

AUDIT = {"enabled": True}
SIGNALS = {"rules": [{"label": "ops", "any": ["deploy"]}]}
TEXTS = {"descriptions": "masked"}


def fresh_id() -> str:
    return uuid.uuid4().hex


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon with a projector, which the tests of this file share."""
    folder = tmp_path_factory.mktemp("audited")
    with Daemon(folder, audit=AUDIT, signals=SIGNALS, texts=TEXTS) as daemon:
        yield daemon


@asynccontextmanager
async def connected(daemon: Daemon) -> AsyncIterator[Client]:
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        yield Client(channel)


@pytest.fixture
async def client(audited: Daemon) -> AsyncIterator[Client]:
    async with connected(audited) as client:
        yield client


async def listed(client: Client, **fields: Any) -> audit_pb2.ListDecisionsResponse:
    request = audit_pb2.ListDecisionsRequest(**fields)
    answer: audit_pb2.ListDecisionsResponse = await client.audit.ListDecisions(
        request, timeout=PATIENCE_S
    )
    return answer


async def summary(client: Client, **fields: Any) -> audit_pb2.GetSummaryResponse:
    request = audit_pb2.GetSummaryRequest(**fields)
    answer: audit_pb2.GetSummaryResponse = await client.audit.GetSummary(
        request, timeout=PATIENCE_S
    )
    return answer


async def test_a_listed_decision_says_how_its_work_type_was_found(client: Client) -> None:
    """And has its description, masked, where that is kept."""
    task = {"description": "deploy it for ann@example.org", "group_id": fresh_id()}
    answer = await client.route(task=task)
    told = await listed(
        client, group_id=task["group_id"], work_type="ops", at_least_position=answer.position
    )
    (record,) = told.decisions
    assert record.classification.label == "ops"
    assert record.classification.classifier_version == answer.classification.classifier_version
    assert record.description == "deploy it for ***"
    found = await client.decision(answer.decision_id)
    assert (found.classification, found.description) == (record.classification, record.description)


async def test_a_listed_decision_is_the_one_that_getdecision_tells(client: Client) -> None:
    """Field by field, but for the candidates; with what came of it."""
    task = {"work_type": "code", "labels": {"customer": "acme"}, "group_id": (key := fresh_id())}
    route = await client.route(task={**task, "session_id": "s", "domain": "d", "task_id": "t"})
    await client.router.Claim(ClaimRequest(decision_id=route.decision_id, competence=0.9))
    ack = await client.report(
        decision_id=route.decision_id, quality=0.5, cost_usd=0.25, executed_agent_id="small"
    )
    told = await listed(client, group_id=key, at_least_position=ack.position)
    wanted = await client.decision(route.decision_id)
    assert wanted.candidates
    assert wanted.claim_accepted
    wanted.ClearField("candidates")
    assert list(told.decisions) == [wanted]
    assert told.projected_through >= ack.position
    assert not told.next_page_token


async def test_a_closed_decision_keeps_what_came_of_it() -> None:
    """The engine forgets it; GetDecision has its outcome from the audit, if there is one."""
    async with in_process(config={**CONFIG, "limits": {"open_decisions": 1}}) as running:
        client = running.client
        told = (await client.route()).decision_id
        await client.report(decision_id=told, quality=0.5)
        await client.route()
        assert not (await client.decision(told)).HasField("outcome")
    async with in_process(config={**CONFIG, "limits": {"open_decisions": 1}}) as running:
        client = running.client
        told = (await client.route()).decision_id
        await refused(client.router.Claim(ClaimRequest(decision_id=told)))
        await client.report(decision_id=told, quality=0.5, executed_agent_id="small")
        before = await client.decision(told)
        await client.route()
        running.project()
        after = await client.decision(told)
    assert (before.open, after.open) == (True, False)
    assert after.outcome == before.outcome
    assert after.outcome.quality == 0.5
    for record in (before, after):
        assert (record.HasField("claim_accepted"), record.claim_accepted) == (True, False)
    assert list(after.candidates) == list(before.candidates)


async def test_filters_and_pages_go_together(client: Client) -> None:
    """A page token goes on where the page ended; new decisions do not move it."""
    task = {"group_id": fresh_id(), "labels": {"customer": "acme"}}
    for number in range(5):
        last = await client.route(task={**task, "session_id": f"s{number % 2}"})
    asked = {"group_id": task["group_id"], "labels": {"customer": "acme"}, "session_id": "s0"}
    first = await listed(client, **asked, page_size=2, at_least_position=last.position)
    newer = await client.route(task={**task, "session_id": "s0"})
    token = first.next_page_token
    second = await listed(
        client, **asked, page_size=2, page_token=token, at_least_position=newer.position
    )
    positions = [d.position for d in (*first.decisions, *second.decisions)]
    assert positions == sorted(positions, reverse=True)
    assert len(positions) == 3
    assert positions[0] == last.position
    assert not second.next_page_token


async def test_short_ids_of_callers_are_no_bound_on_what_they_are_told(tmp_path: Path) -> None:
    """Ids and page tokens that are made here, and names out of the configuration, can be told again
    however short callers' own ids are to be."""
    name = "an-agent-with-a-long-name"
    agents = [{"id": name, "pool": "expensive-ones", "capabilities": ["long-context"]}]
    budgets = [{"id": f"what-is-spent-by-{i}", "per": "customer", "usd": 1.0} for i in range(2)]
    said = {"outcomes": {"sources": ["a-reviewer"]}, "limits": {"id_chars": 8}}
    with Daemon(tmp_path, audit=AUDIT, agents=agents, budgets=budgets, **said) as daemon:
        async with connected(daemon) as client:
            wanted = {"pool": "expensive-ones", "required_capabilities": ["long-context"]}
            task = {"labels": {"customer": "*" * 8}}
            made = await client.route(agent_id=name, task=task, **wanted)
            follows = {"decision_id": made.decision_id, "cause": "FOLLOW_CAUSE_FAILED"}
            refusal = await refused(client.route(follows=follows))
            assert refusal.reason == "NO_ELIGIBLE_AGENT"
            claim = ClaimRequest(decision_id=made.decision_id, competence=1.0)
            await client.router.Claim(claim, timeout=PATIENCE_S)
            told = {"executed_agent_id": name, "source": "a-reviewer", "quality": 1.0}
            await client.report(decision_id=made.decision_id, **told)
            await client.agent("Get", agent_id=name)
            await client.override("Create", override_id="a-long-name", definition=forced(name))
            await client.override("Get", override_id="a-long-name")
            asked = policy_pb2.ListBudgetsRequest(page_size=1)
            asked.page_token = (await client.policy.ListBudgets(asked)).next_page_token
            assert len((await client.policy.ListBudgets(asked)).budgets) == 1
            last = await client.route()
            page = await listed(client, page_size=1, at_least_position=last.position, agent_id=name)
            token = page.next_page_token
            (other,) = (await listed(client, page_token=token, agent_id=name)).decisions
            assert other.decision_id == made.decision_id
            refusal = await refused(client.route(request_id="r" * 9, pool="p" * 129))
            assert refusal.fields == ["request_id", "pool"]


def forced(agent_id: str) -> dict[str, Any]:
    return {"action": "OVERRIDE_ACTION_FORCE", "agent_id": agent_id}


async def test_what_nobody_decided_is_an_empty_page(client: Client) -> None:
    """Names that the log does not know find nothing; that is no error."""
    unknown = {"agent_id": "nobody", "work_type": "none", "request_id": "never"}
    for name, value in unknown.items():
        assert not (await listed(client, **{name: value})).decisions
    assert not (await listed(client, from_time_ms=2**53)).decisions
    assert not (await listed(client, labels={"customer": "nobody"})).decisions


async def test_a_period_that_ends_before_it_begins_is_refused(client: Client) -> None:
    """An answer without decisions would say that there were none."""
    for asked in (listed, summary):
        refusal = await refused(asked(client, from_time_ms=200, until_time_ms=100))
        assert refusal.fields == ["from_time_ms"]
        await asked(client, from_time_ms=200, until_time_ms=0)


async def test_every_wrong_field_of_a_listing_is_named(client: Client) -> None:
    """Bounds, unknown enums, foreign tokens and positions beyond the log's end."""
    wrong = {
        "page_size": 1_001,
        "page_token": "AAAA",
        "from_time_ms": -1,
        "until_time_ms": 2**60,
        "agent_id": "a" * 999,
        "work_type": "\0",
        "labels": {f"k{i}": "v" * 999 for i in range(9)},
        "reason_code": 99,
        "at_least_position": 10**9,
    }
    refusal = await refused(listed(client, **wrong))
    assert (refusal.code, refusal.reason) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "FIELD_VIOLATIONS",
    )
    named = {field.partition("[")[0] for field in refusal.fields}
    assert named == set(wrong)
    refusal = await refused(summary(client, max_groups=-1, from_time_ms=-5, at_least_position=-1))
    assert set(refusal.fields) == {"max_groups", "from_time_ms", "at_least_position"}


async def test_a_summary_adds_up(client: Client) -> None:
    """Counts, shares and means, in total, per agent, per kind of work and per group."""
    before, group = await summary(client), fresh_id()
    for agent_id, quality in (("small", 0.25), ("small", 0.75), ("large", 1.0)):
        task = {"work_type": group, "group_id": group}
        route = await client.route(task=task, agent_id=agent_id)
        ack = await client.report(decision_id=route.decision_id, quality=quality, cost_usd=0.5)
    told = await summary(client, at_least_position=ack.position, max_groups=1_000)
    assert told.total.decisions == before.total.decisions + 3
    assert sum(row.decisions for row in told.agents) == told.total.decisions
    assert sum(row.share for row in told.agents) == pytest.approx(1.0)
    for rows in (told.work_types, told.groups):
        row = next(row for row in rows if row.key == group)
        assert (row.decisions, row.rated, row.open) == (3, 3, 3)
        assert row.mean_quality == pytest.approx(2.0 / 3)
        assert (row.mean_cost_usd, row.total_cost_usd) == (0.5, 1.5)
        assert not row.HasField("mean_latency_ms")
    alike = await summary(client, until_time_ms=2**53, max_groups=1_000)
    assert [row.key for row in alike.groups] == [row.key for row in told.groups]
    assert alike.total.decisions == told.total.decisions
    assert alike.total.mean_quality == pytest.approx(told.total.mean_quality)
    nothing = await summary(client, from_time_ms=2**53)
    assert (nothing.total.decisions, list(nothing.agents)) == (0, [])


def projector(daemon: Daemon) -> int:
    """The pid of a daemon's projector."""
    return int((daemon.data / "audit.lock").read_text())


async def test_a_deadline_ends_the_wait_for_a_position(tmp_path: Path) -> None:
    """While the projector stands still nothing is told that is not there; then it is."""
    with Daemon(tmp_path, audit=AUDIT) as daemon:
        async with connected(daemon) as client:
            first = await client.route()
            await listed(client, at_least_position=first.position)
            os.kill(projector(daemon), signal.SIGSTOP)
            second = await client.route()
            asked: dict[str, Any] = {"at_least_position": second.position}
            for call, request in (
                (client.audit.ListDecisions, audit_pb2.ListDecisionsRequest(**asked)),
                (client.audit.GetSummary, audit_pb2.GetSummaryRequest(**asked)),
            ):
                refusal = await refused(call(request, timeout=0.3))
                assert refusal.code is grpc.StatusCode.DEADLINE_EXCEEDED
            assert (await listed(client)).projected_through == first.position
            waiting = asyncio.create_task(listed(client, **asked))
            os.kill(projector(daemon), signal.SIGCONT)
            assert (await waiting).projected_through == second.position


async def test_a_damaged_file_is_made_anew_by_itself(tmp_path: Path) -> None:
    """Whoever asks is told so; soon after the answer is there, without a restart."""
    with Daemon(tmp_path, audit=AUDIT) as daemon:
        async with connected(daemon) as client:
            route = await client.route()
            await listed(client, at_least_position=route.position)
            first = projector(daemon)
            os.kill(first, signal.SIGSTOP)
            for suffix in ("", "-wal"):
                path = audit_path(daemon.data).with_name(f"audit.db{suffix}")
                path.write_bytes(b"no database" * (path.stat().st_size // 11))
            refusal = await refused(listed(client))
            assert (refusal.code, refusal.reason) == (
                grpc.StatusCode.UNAVAILABLE,
                "AUDIT_UNAVAILABLE",
            )
            assert "made anew" in refusal.message
            os.kill(first, signal.SIGCONT)
            found = await listed(client, at_least_position=route.position)
            assert [d.decision_id for d in found.decisions] == [route.decision_id]


def spoil(path: Path, old: bytes, new: bytes) -> None:
    """Change bytes of the file of an audit, and nothing that SQLite would see."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole = path.read_bytes()
    assert old in whole
    path.write_bytes(whole.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [(b"COLD_START", b"COLD_STAR!", "reason"), (b'{"customer":', b'{"customer";', "column labels")],
    ids=["word", "JSON"],
)
async def test_a_changed_byte_of_a_row_is_damage(
    tmp_path: Path, old: bytes, new: bytes, wrong: str
) -> None:
    """SQLite gives it out like any other; it is told with its place, and the file made anew."""
    with Daemon(tmp_path, audit=AUDIT) as daemon:
        async with connected(daemon) as client:
            route = await client.route(task={"labels": {"customer": "acme"}})
            wanted = await listed(client, at_least_position=route.position)
            os.kill(first := projector(daemon), signal.SIGSTOP)
            spoil(audit_path(daemon.data), old, new)
            refusal = await refused(listed(client))
            assert refusal.reason == "AUDIT_UNAVAILABLE"
            assert f"damaged (table decisions, position {route.position}" in refusal.message
            assert wrong in refusal.message
            assert "made anew" in refusal.message
            os.kill(first, signal.SIGCONT)
            assert await listed(client, at_least_position=route.position) == wanted


async def test_a_damaged_audit_without_a_projector_names_the_command(running: Running) -> None:
    """`routerd project` goes on from where it stopped; a file with damage is to be made anew."""
    await running.client.route()
    running.project()
    path = audit_path(running.app.projection.directory)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE decisions SET stages = '[1]'")
    refusal = await refused(listed(running.client))
    assert refusal.reason == "AUDIT_UNAVAILABLE"
    assert "table decisions, position 2" in refusal.message
    assert "`routerd project --rebuild` makes it anew" in refusal.message


async def test_without_an_audit_it_is_unavailable_and_says_why(running: Running) -> None:
    """A daemon that keeps no audit names the setting, and the command that makes one."""
    for call in (listed(running.client), summary(running.client, at_least_position=1)):
        refusal = await refused(call)
        assert refusal.code is grpc.StatusCode.UNAVAILABLE
        assert refusal.reason == "AUDIT_UNAVAILABLE"
        assert "there is no audit file yet: `audit.enabled` is false" in refusal.message
        assert "`routerd project`" in refusal.message


async def test_an_audit_made_by_hand_is_read_as_far_as_it_reaches(running: Running) -> None:
    """Without a projector, `routerd project` makes the file; nobody waits for more in vain."""
    client = running.client
    first = await client.route()
    running.project()
    second = await client.route()
    assert (await listed(client)).projected_through == first.position
    refusal = await refused(listed(client, at_least_position=second.position))
    assert refusal.reason == "AUDIT_UNAVAILABLE"
    assert f"up to position {first.position}" in refusal.message


async def test_nobody_looks_on_for_who_has_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the file is still to be made, too: that may take for ever."""
    monkeypatch.setattr(Projection, "runs", True)
    reader = AuditReader(Projection(tmp_path, None), "default")
    late_s = asyncio.get_running_loop().time() + PATIENCE_S
    asking = asyncio.create_task(reader.ask(lambda audit: None, late_s, at_least=1))
    await until(lambda: reader._looking is not None)
    asking.cancel()
    await until(lambda: reader._looking is None)
    reader.close()


async def test_a_fault_of_ours_is_told_to_who_waits_for_the_audit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, not at its deadline; who asks next is looked for again."""
    monkeypatch.setattr(Projection, "runs", True)
    reader = AuditReader(Projection(tmp_path, None), "default")
    late_s = asyncio.get_running_loop().time() + 10 * PATIENCE_S
    first = reader._ask

    async def fault(question: Any, deadline_s: float, at_least: int) -> Any:
        if not at_least:  # it is looked how far the audit is
            raise TypeError("nobody foresaw it")
        return await first(question, deadline_s, at_least)

    monkeypatch.setattr(reader, "_ask", fault)
    for _ in range(2):
        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(TypeError, match="nobody foresaw it"):
                await reader.ask(lambda audit: None, late_s, at_least=1)
    reader.close()
