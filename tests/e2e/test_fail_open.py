"""Fail-open: callers do not notice kill -9, and afterwards the log shows what ran."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from routerd.client import AsyncClient, Client, Decision
from routerd.core.events import Decision as Decided
from routerd.core.events import OutcomeReported
from routerd.core.values import Outcome
from routerd.log.codec import decision_id, records
from routerd.log.sqlite import SqliteLog
from tests.e2e.daemon import PATIENCE_S, Daemon, verified
from tests.ports import free_port

CONFIG: dict[str, Any] = {
    "agents": [{"id": "large"}, {"id": "medium"}, {"id": "small"}],
    "static_routes": [{"agent": "large"}],
    "policy": {"kind": "random"},
}
TABLE = {"": "medium"}
TASKS = 6
THREADS = 3
KILLS = 2
RUN_S = 0.05
"""How long an agent takes: without it, callers would pile up work faster than anybody has any."""


class Ran(NamedTuple):
    """What a caller knows of one of its tasks."""

    agent_id: str
    quality: float
    from_fallback: bool


class Ledger:
    """What every caller ran, by request id, and how it was decided of late."""

    def __init__(self) -> None:
        self.ran: dict[str, Ran] = {}
        self.over = False
        self._lock = threading.Lock()
        self._since: Counter[bool] = Counter()

    def run(self, decision: Decision) -> None:
        """Run the agent that was decided, and judge it."""
        with self._lock:
            decision.quality = len(self.ran) % 8 / 8
            ran = Ran(decision.agent_id, decision.quality, decision.from_fallback)
            assert self.ran.setdefault(decision.request_id, ran) is ran
            self._since[ran.from_fallback] += 1

    async def until(self, from_fallback: bool) -> None:
        """Return after as many decisions of this sort as there are callers, twice."""
        with self._lock:
            self._since.clear()
        async with asyncio.timeout(PATIENCE_S):
            while self._since[from_fallback] < 2 * (TASKS + THREADS):
                await asyncio.sleep(0.005)


async def tasks(ledger: Ledger, client: AsyncClient, name: str) -> None:
    while not ledger.over:
        async with client.route({"work_type": name}) as decision:
            await asyncio.sleep(RUN_S)
            ledger.run(decision)


def threads(ledger: Ledger, client: Client, name: str) -> None:
    while not ledger.over:
        with client.route({"work_type": name}) as decision:
            time.sleep(RUN_S)
            ledger.run(decision)


async def kill_in_traffic(ledger: Ledger, daemon: Daemon) -> None:
    """Under both clients' callers; returns when the daemon has heard of everything."""
    address = daemon.address
    with Client(address, fallback=TABLE) as shared:
        async with AsyncClient(address, fallback=TABLE) as client:
            callers = [tasks(ledger, client, f"task-{n}") for n in range(TASKS)]
            callers += [
                asyncio.to_thread(threads, ledger, shared, f"thread-{n}") for n in range(THREADS)
            ]
            working = [asyncio.create_task(caller) for caller in callers]
            for _ in range(KILLS):
                await ledger.until(from_fallback=False)
                await asyncio.to_thread(daemon.kill)
                await ledger.until(from_fallback=True)
                await asyncio.to_thread(daemon.start)
            await ledger.until(from_fallback=False)
            ledger.over = True
            await asyncio.gather(*working)
            assert await client.flush(PATIENCE_S)
            assert await asyncio.to_thread(shared.flush, PATIENCE_S)
            lost = [(c.dropped, c.refused) for c in (client.counts, shared.counts)]
            assert lost == [(0, 0), (0, 0)]


def logged(data: Path) -> tuple[list[tuple[str, Decided]], dict[str, list[Outcome]]]:
    """Every decision with its id, and the outcomes by decision."""
    log = SqliteLog.open(data, read_only=True)
    decisions: list[tuple[str, Decided]] = []
    outcomes: dict[str, list[Outcome]] = {}
    for record in records(log, "default"):
        event = record.event
        if isinstance(event, Decided):
            decisions.append((decision_id(record.position, record.hash), event))
        elif isinstance(event, OutcomeReported):
            outcomes.setdefault(event.outcome.decision_id, []).append(event.outcome)
    log.close()
    return decisions, outcomes


async def test_kill_9_in_traffic_is_no_error_and_the_log_shows_what_ran(tmp_path: Path) -> None:
    """Every task has one decision and one outcome, credited to the agent that ran it."""
    ledger = Ledger()
    with Daemon(tmp_path, CONFIG, port=free_port()) as daemon:
        await kill_in_traffic(ledger, daemon)
        assert daemon.end() == 0
    decisions, outcomes = logged(daemon.data)
    shown = {}
    for name, decision in decisions:
        (outcome,) = outcomes.pop(name)
        explained = "gave no answer" in outcome.explanation
        assert explained == bool(outcome.executed_agent_id)
        agent_id = outcome.executed_agent_id or decision.agent_id
        shown[decision.query.request_id] = Ran(agent_id, outcome.quality or 0.0, explained)
    assert len(shown) == len(decisions)
    assert not outcomes
    assert shown == ledger.ran
    fallbacks = [ran for ran in ledger.ran.values() if ran.from_fallback]
    assert {ran.agent_id for ran in fallbacks} == {"medium"}
    result = verified(daemon.data)
    assert result.mismatches == ()
    assert result.laws_exact == result.decisions == len(ledger.ran)
    print(f"{len(ledger.ran)} tasks, {len(fallbacks)} of them from the table")
