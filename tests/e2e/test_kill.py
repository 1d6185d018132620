"""Promises 1, 4 and 6: kill -9 at any instant loses no acknowledged event and repeats none."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest

from routerd.core.events import Decision, OutcomeReported
from routerd.log.codec import decision_id, records
from routerd.log.sqlite import SqliteLog
from routerd.v1 import agents_pb2, agents_pb2_grpc, router_pb2, router_pb2_grpc, types_pb2
from tests.e2e.daemon import PATIENCE_S, Daemon, verified

CONFIG: dict[str, Any] = {
    "agents": [{"id": "large"}, {"id": "medium"}, {"id": "small"}],
    "static_routes": [{"agent": "large"}],
    "seed": 13,
    # However slow the machine is, no call is refused for having waited: that has its own tests.
    "server": {"max_wait_ms": 60_000},
}
CLIENTS = 8


class Ledger:
    """What one client sent, and what was acknowledged to it: id -> acknowledgement or None.

    Each has an agent of its own: the last version that it sent, and that was acknowledged.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.rng = random.Random(name)
        self.answers = 0
        self.routes: dict[str, Routed | None] = {}
        self.outcomes: dict[str, tuple[types_pb2.Outcome, int | None]] = {}
        self.version_sent = self.version = 0


class Routed(NamedTuple):
    """An acknowledged decision, as far as it must never change."""

    decision_id: str
    agent_id: str
    propensity: float
    position: int


class Stubs:
    """The services of a daemon."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.router: Any = router_pb2_grpc.RouterServiceStub(channel)
        self.agents: Any = agents_pb2_grpc.AgentServiceStub(channel)


async def work(ledger: Ledger, stub: Stubs) -> None:
    """Send again what was not acknowledged, some of what was, then new calls until one fails."""
    await send_again(ledger, stub, last=3)
    while True:
        request_id = f"{ledger.name}-{len(ledger.routes)}"
        ledger.routes[request_id] = None
        routed = await route(ledger, stub, request_id)
        for n in range(ledger.rng.randrange(3)):
            outcome = types_pb2.Outcome(
                outcome_id=f"{request_id}-{n}",
                decision_id=routed.decision_id,
                source=("ci", "reviewer")[n],
                quality=ledger.rng.randrange(5) / 4,
                cost_usd=ledger.rng.random(),
            )
            ledger.outcomes[outcome.outcome_id] = (outcome, None)
            await report(ledger, stub, outcome)
        if ledger.rng.random() < 0.2:
            await renew(ledger, stub)


async def renew(ledger: Ledger, stub: Stubs) -> None:
    """Give the client's agent another version; the first call takes the agent in."""
    ledger.version_sent = ledger.version + 1
    definition = {"version": str(ledger.version_sent), "max_concurrency": 20}
    if ledger.version_sent == 1:
        register = agents_pb2.RegisterAgentRequest(agent_id=ledger.name, definition=definition)
        await stub.agents.RegisterAgent(register, timeout=PATIENCE_S)
    else:
        update = agents_pb2.UpdateAgentRequest(agent_id=ledger.name, definition=definition)
        await stub.agents.UpdateAgent(update, timeout=PATIENCE_S)
    ledger.version = ledger.version_sent
    ledger.answers += 1


async def look(ledger: Ledger, stub: Stubs) -> None:
    """The client's agent has the version that was acknowledged, or the one that was sent."""
    listing = agents_pb2.ListAgentsRequest(source="AGENT_SOURCE_RPC")
    agents = (await stub.agents.ListAgents(listing, timeout=PATIENCE_S)).agents
    found = {agent.agent_id: int(agent.definition.version) for agent in agents}
    assert found.get(ledger.name, 0) in (ledger.version, ledger.version_sent)
    ledger.version = found.get(ledger.name, 0)


async def route(ledger: Ledger, stub: Stubs, request_id: str) -> Routed:
    """Ask for the task that belongs to the id; the answer goes into the ledger."""
    work_type = f"w{int(request_id.rpartition('-')[2]) % 5}"
    request = router_pb2.RouteRequest(request_id=request_id, task={"work_type": work_type})
    answer = await stub.router.Route(request, timeout=PATIENCE_S)
    routed = Routed(answer.decision_id, answer.agent_id, answer.propensity, answer.position)
    ledger.routes[request_id] = routed
    ledger.answers += 1
    return routed


async def report(
    ledger: Ledger, stub: Stubs, outcome: types_pb2.Outcome
) -> router_pb2.ReportOutcomeResponse:
    request = router_pb2.ReportOutcomeRequest(outcome=outcome)
    call = stub.router.ReportOutcome(request, timeout=PATIENCE_S)
    ack: router_pb2.ReportOutcomeResponse = await call
    ledger.outcomes[outcome.outcome_id] = (outcome, ack.position)
    ledger.answers += 1
    return ack


async def until_cut_off(ledger: Ledger, address: str) -> None:
    """Work until the connection breaks; any other error than that is one of the daemon."""
    async with grpc.aio.insecure_channel(address) as channel:
        try:
            await work(ledger, Stubs(channel))
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise


async def load_and_kill(daemon: Daemon, ledgers: list[Ledger], delay_s: float) -> None:
    """All clients work at once; some time after the first answer the daemon is killed."""
    before = sum(ledger.answers for ledger in ledgers)
    clients = [asyncio.create_task(until_cut_off(le, daemon.address)) for le in ledgers]
    async with asyncio.timeout(PATIENCE_S):
        while sum(ledger.answers for ledger in ledgers) == before:
            await asyncio.sleep(0.001)
    await asyncio.sleep(delay_s)
    daemon.kill()
    await asyncio.gather(*clients)


async def send_again(ledger: Ledger, stub: Stubs, last: int | None = None) -> None:
    """Send the last calls of each kind again: each must give what was acknowledged, if it was."""
    for request_id, routed in list(ledger.routes.items())[-(last or 0) :]:
        again = await route(ledger, stub, request_id)
        assert routed in (None, again)
    for outcome, position in list(ledger.outcomes.values())[-(last or 0) :]:
        ack = await report(ledger, stub, outcome)
        assert position is None or (ack.position, ack.duplicate) == (position, True)
    await look(ledger, stub)


async def settle(daemon: Daemon, ledgers: list[Ledger]) -> None:
    """Send everything again."""
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        await asyncio.gather(*(send_again(ledger, Stubs(channel)) for ledger in ledgers))


def hold_to_the_ledgers(data: Path, ledgers: list[Ledger]) -> None:
    """The log has every acknowledged event where it was acknowledged, and each id once."""
    log = SqliteLog.open(data, read_only=True)
    decided: Counter[str] = Counter()
    reported: Counter[str] = Counter()
    found: dict[str, tuple[str, str, float, int]] = {}
    for record in records(log, "default"):
        event = record.event
        if isinstance(event, Decision):
            name = decision_id(record.position, record.hash)
            key = event.query.request_id
            decided[key] += 1
            found[key] = (name, event.agent_id, event.propensity, record.position)
        elif isinstance(event, OutcomeReported):
            reported[event.outcome.outcome_id] += 1
    log.close()
    routes = {key: routed for ledger in ledgers for key, routed in ledger.routes.items()}
    outcomes = {key for ledger in ledgers for key in ledger.outcomes}
    assert set(decided.values()) <= {1}
    assert set(reported.values()) <= {1}
    assert decided.keys() == routes.keys()
    assert reported.keys() == outcomes
    assert found == {key: tuple(routed or ()) for key, routed in routes.items()}


async def kill_again_and_again(folder: Path, kills: int, seed: int) -> None:
    """Load and kill, start and resend, `kills` times; then compare log and ledgers."""
    rng, started = random.Random(seed), time.monotonic()
    ledgers = [Ledger(f"{seed}-c{i}") for i in range(CLIENTS)]
    with Daemon(folder, CONFIG) as daemon:
        for _ in range(kills):
            await load_and_kill(daemon, ledgers, rng.uniform(0.0, 0.5))
            daemon.start()
        await settle(daemon, ledgers)
        assert daemon.end() == 0
        assert "Traceback" not in daemon.complaints()
    hold_to_the_ledgers(daemon.data, ledgers)
    result = verified(daemon.data)
    assert result.mismatches == ()
    assert result.laws_exact == result.decisions
    assert sum(ledger.version for ledger in ledgers) > kills
    sent = sum(len(ledger.routes) + len(ledger.outcomes) for ledger in ledgers)
    answers = sum(ledger.answers for ledger in ledgers)
    print(f"{kills} kills, {sent} calls, {answers} answers, {time.monotonic() - started:.0f} s")


async def test_no_kill_loses_or_repeats_an_acknowledged_event(tmp_path: Path) -> None:
    """20 kills at random points under concurrent Route, ReportOutcome and changes of agents."""
    await kill_again_and_again(tmp_path, kills=20, seed=1)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 7))
async def test_no_kill_of_many_loses_or_repeats_an_acknowledged_event(
    tmp_path: Path, seed: int
) -> None:
    """The same with 200 kills, for each of five seeds."""
    await kill_again_and_again(tmp_path, kills=200, seed=seed)
