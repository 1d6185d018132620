"""Promises 4 and 6 under concurrency: one order, one decision a key, every law derived again."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any

import grpc

from routerd.core.events import Decision
from routerd.log.codec import records
from routerd.log.sqlite import SqliteLog
from tests.e2e.daemon import Daemon, verified
from tests.e2e.script import CONFIG
from tests.server.harness import Client, refused

CLIENTS = 32
CALLS = 40


def decisions(data: Path) -> list[Decision]:
    log = SqliteLog.open(data, read_only=True)
    found = [record.event for record in records(log, "default")]
    log.close()
    return [event for event in found if isinstance(event, Decision)]


async def one_client(address: str, number: int) -> list[str]:
    """Routes and outcomes, some repeated, some cancelled, on a connection of its own."""
    rng, made = random.Random(number), list[str]()
    async with grpc.aio.insecure_channel(address) as channel:
        client = Client(channel)
        for i in range(CALLS):
            task = {"work_type": f"w{rng.randrange(6)}", "complexity": rng.random()}
            fields: dict[str, Any] = {"request_id": f"{number}-{i}", "task": task}
            if rng.random() < 0.1:
                call = asyncio.create_task(client.route(**fields))
                await asyncio.sleep(rng.random() / 500)
                call.cancel()
            answer = await client.route(**fields)
            made.append(answer.decision_id)
            if rng.random() < 0.7:
                await client.report(decision_id=rng.choice(made), quality=rng.random())
    return made


async def test_32_clients_leave_a_log_of_which_every_law_is_derived_again(tmp_path: Path) -> None:
    """Whatever order their calls took, verify finds no mismatch and each key has one decision."""
    config = {**CONFIG, "clock": "wall", "policy": {"kind": "value"}, "outcomes": {}, "limits": {}}
    config["server"] = {"max_wait_ms": 60_000}
    with Daemon(tmp_path, config) as daemon:
        answered = await asyncio.gather(*(one_client(daemon.address, n) for n in range(CLIENTS)))
        assert daemon.end() == 0
    found = verified(daemon.data)
    assert found.mismatches == ()
    assert found.laws_exact == found.decisions == CLIENTS * CALLS
    assert len({name for names in answered for name in names}) == found.decisions
    keys = Counter(decision.query.request_id for decision in decisions(daemon.data))
    assert set(keys.values()) == {1}


async def test_one_key_from_everybody_at_once_is_one_decision(tmp_path: Path) -> None:
    """The same key in flight 32 times is answered 32 times alike; after a restart as well."""
    fields = {"request_id": "one", "task": {"work_type": "code"}}
    with Daemon(tmp_path, CONFIG) as daemon:
        async with grpc.aio.insecure_channel(daemon.address) as channel:
            client = Client(channel)
            answers = await asyncio.gather(*(client.route(**fields) for _ in range(CLIENTS)))
            assert all(answer == answers[0] for answer in answers)
            told = {"decision_id": answers[0].decision_id, "outcome_id": "o", "quality": 0.5}
            acks = await asyncio.gather(*(client.report(**told) for _ in range(CLIENTS)))
            assert [ack.duplicate for ack in acks].count(False) == 1
            assert len({ack.position for ack in acks}) == 1
        daemon.kill()
        daemon.start()
        async with grpc.aio.insecure_channel(daemon.address) as channel:
            client = Client(channel)
            assert await client.route(**fields) == answers[0]
            assert (await client.report(**told)).duplicate
            other = await refused(client.route(**{**fields, "pool": "paid"}))
            assert (other.code, other.reason) == (
                grpc.StatusCode.ALREADY_EXISTS,
                "REQUEST_ID_REUSED",
            )
            other = await refused(client.report(**{**told, "quality": 0.6}))
            assert (other.code, other.reason) == (
                grpc.StatusCode.ALREADY_EXISTS,
                "OUTCOME_CONFLICT",
            )
        assert daemon.end() == 0
    assert len(decisions(daemon.data)) == 1
    assert verified(daemon.data).mismatches == ()


async def test_one_key_with_two_bodies_in_flight_has_one_winner(tmp_path: Path) -> None:
    """Of different bodies under one key exactly one is decided; all others are told so."""
    with Daemon(tmp_path, CONFIG) as daemon:
        async with grpc.aio.insecure_channel(daemon.address) as channel:
            client = Client(channel)
            calls = [
                client.route(request_id="one", task={"work_type": f"w{i}"}) for i in range(CLIENTS)
            ]
            results = await asyncio.gather(*calls, return_exceptions=True)
        assert daemon.end() == 0
    codes = Counter(
        result.code() if isinstance(result, grpc.aio.AioRpcError) else "answered"
        for result in results
    )
    assert codes == {"answered": 1, grpc.StatusCode.ALREADY_EXISTS: CLIENTS - 1}
    assert len(decisions(daemon.data)) == 1
