"""Promise 10: ten times the load that can be answered, by a client in a process of its own."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from grpc._cython import cygrpc  # type: ignore[attr-defined]

from bench.speed.flood import Call
from routerd.clock import wall_clock
from routerd.server.admission import CALM_S, LOOK_S, PATIENCE_S, STARVED_S, Admission, Counts
from routerd.server.interceptors import Gate, Methods
from routerd.server.lulls import LULL_S, TURNS, Lulls
from routerd.settings import Server
from routerd.v1 import router_pb2
from tests.server.harness import Running, in_process

OK, EXHAUSTED = 0, 8
WORK_S = 0.01


def slow_clock() -> Callable[[], int]:
    """A clock that takes so long to read that a decision takes WORK_S."""
    wall = wall_clock()

    def clock() -> int:
        time.sleep(WORK_S)
        return wall()

    return clock


async def flooded(running: Running, rate: float, seconds: float) -> list[Call]:
    """Route at a rate from another process, whatever comes of it."""
    message = router_pb2.RouteRequest(task={"work_type": "code"}).SerializeToString()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.speed.flood", running.address),
        *("/routerd.v1.RouterService/Route", str(rate), str(seconds), "4"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await process.communicate(message.hex().encode())
    assert process.returncode == 0
    return [Call(*call) for call in json.loads(told)]


async def test_ten_times_the_load_is_refused_with_pushback_and_left_behind() -> None:
    """Some calls are answered, the rest RESOURCE_EXHAUSTED with pushback, none anything else."""
    async with in_process(slow_clock(), max_wait_ms=30) as running:
        calls = await flooded(running, rate=10 / WORK_S, seconds=0.8)
        found = Counter(call.status for call in calls)
        assert set(found) == {OK, EXHAUSTED}
        assert found[OK]
        assert all(call.pushback for call in calls if call.status == EXHAUSTED)
        assert running.app.sequencer.position == 1 + found[OK]  # a refused call changed nothing
        for _ in range(20):
            assert (await running.client.route()).decision_id


async def test_calls_one_after_the_other_are_never_refused() -> None:
    """However long each takes, who waits for the answer before the next call is no overload."""
    async with in_process(slow_clock(), max_wait_ms=1) as running:
        for _ in range(30):
            assert (await running.client.route()).decision_id


@dataclass
class Details:
    """What gRPC tells of a call that comes up."""

    method: str
    invocation_metadata: tuple[tuple[str, str | bytes], ...] = ()


class NoLulls(Lulls):
    """For who has no event loop: a call always waits, as far as they can tell."""

    def came(self) -> None:
        pass

    def take(self) -> bool:
        return False


class Queue:
    """A queue that the test fills, and a clock that it moves. look_s: what a look takes."""

    def __init__(self, max_wait_s: float, look_s: float = 0.0) -> None:
        self.now_s = self.looked_s = 0.0
        self.begun = self.ended = 0
        self._look_s = look_s
        self.admission = Admission(
            self._counts, lambda: 0, max_wait_s, NoLulls(), now=lambda: self.now_s
        )

    def _counts(self) -> Counts:
        self.now_s += self._look_s
        self.looked_s += self._look_s
        return Counts(self.begun, self.ended)

    def come_up(self, refusing_s: float = 0.0003) -> bool:
        """The next call comes up; whether it was answered."""
        self.admission.came()
        admitted = self.admission.admits()
        self.now_s += WORK_S if admitted else refusing_s
        self.ended += 1
        return admitted


def test_a_burst_is_let_be_and_a_long_queue_is_not() -> None:
    """Calls that wait too long are refused only when that goes on; then all that have waited."""
    queue = Queue(max_wait_s=0.1)
    queue.begun = 18
    assert all(queue.come_up() for _ in range(18))
    queue.begun += 400
    while queue.come_up():
        pass
    assert queue.now_s > PATIENCE_S
    left = queue.begun - queue.ended
    assert sum(queue.come_up() for _ in range(left)) == 0
    queue.begun += 1
    assert queue.come_up()


@pytest.mark.parametrize("look_s", [0.0, 0.03])
@pytest.mark.parametrize("load", [1.5, 3.0, 10.0])
def test_under_lasting_overload_a_part_of_the_time_is_for_answers(
    load: float, look_s: float
) -> None:
    """Where refusing is cheap, a part of what could be answered is, and nobody waits long; also
    where a thousand connections make every look into the counters dear."""
    queue = Queue(0.05, look_s)
    waits_s: list[float] = []
    answered = 0
    while queue.now_s < 20.0:
        queue.begun = int(queue.now_s * load / WORK_S) + 1
        if queue.ended == queue.begun:
            queue.now_s += LOOK_S
            continue
        came_s = queue.ended * WORK_S / load
        waited_s = queue.now_s - came_s
        if queue.come_up():
            answered += 1
            waits_s.append(waited_s)
    late = sorted(waits_s[len(waits_s) // 10 :])
    assert late[int(0.99 * len(late))] < 2 * WORK_S + look_s
    assert answered > 0.5 * queue.now_s / WORK_S
    assert queue.looked_s < 0.1 * queue.now_s


def test_where_refusing_is_too_slow_some_are_answered_all_the_same() -> None:
    """Every call has waited then: one a second is answered."""
    queue = Queue(max_wait_s=0.05)
    answered = 0
    while queue.now_s < 30.0:
        queue.begun = int(queue.now_s * 1_000) + 1
        answered += queue.come_up(refusing_s=0.002)
    assert answered > 25 / STARVED_S


def test_calls_that_were_given_up_in_the_queue_are_not_counted_as_waiting() -> None:
    """They never come up, and gRPC tells that they have ended."""
    queue = Queue(max_wait_s=0.1)
    queue.begun = 100
    queue.come_up()
    queue.ended = 100
    queue.now_s += LOOK_S
    queue.begun += 1
    assert queue.come_up()
    assert queue.admission.waiting <= 1


def test_what_ends_by_itself_is_forgotten() -> None:
    """A while after the overload a burst is let be as before."""
    queue = Queue(max_wait_s=0.1)
    queue.begun = 400
    while queue.ended < queue.begun:
        queue.come_up()
    assert queue.admission.refusing
    queue.now_s += CALM_S
    queue.begun += 18
    assert all(queue.come_up() for _ in range(18))
    assert not queue.admission.refusing


def test_a_load_that_can_be_answered_ends_it() -> None:
    """Without a pause: once hardly any call has waited, none is refused any more."""
    queue = Queue(max_wait_s=0.1)
    queue.begun = 400
    while queue.ended < queue.begun:
        queue.come_up()
    end_s = queue.now_s + 3 * CALM_S
    while queue.now_s < end_s:
        queue.begun += 1
        queue.come_up()
        queue.now_s += WORK_S
    assert not queue.admission.refusing


async def test_calls_that_leave_gaps_read_no_counters(monkeypatch: pytest.MonkeyPatch) -> None:
    """To tell them gRPC goes through all connections: idle ones, thousands, took a core."""
    reads = 0
    read = cygrpc.channelz_get_server

    def counted(server: int) -> bytes:
        nonlocal reads
        reads += 1
        told: bytes = read(server)
        return told

    monkeypatch.setattr(cygrpc, "channelz_get_server", counted)
    async with in_process() as running:
        for _ in range(8):
            await asyncio.sleep(2 * LOOK_S)
            await running.client.route()
    assert reads <= 2


async def turn_by_turn(come_up: Callable[[], object]) -> None:
    """One call after the other, for a while."""
    loop = asyncio.get_running_loop()
    end_s = loop.time() + 10 * LULL_S
    while loop.time() < end_s:
        come_up()
        for _ in range(TURNS // 2):
            await asyncio.sleep(0)


async def test_calls_that_come_up_turn_by_turn_leave_no_lull() -> None:
    """However long that goes on; once none comes there is one."""
    lulls = Lulls()
    assert lulls.take()
    await turn_by_turn(lulls.came)
    assert not lulls.take()
    async with asyncio.timeout(10):
        while not lulls.take():
            await asyncio.sleep(LULL_S)


async def test_calls_of_methods_that_there_are_not_leave_no_lull_either() -> None:
    """They stand in the same queue: thousands waited, and it was taken for empty."""
    lulls = Lulls()
    methods = Methods(Gate(Server(), {}))
    methods.admission = Admission(lambda: Counts(0, 0), lambda: 0, 1.0, lulls)
    lulls.came()
    lulls.take()
    await turn_by_turn(lambda: methods.service(Details("/routerd.v1.RouterService/None")))
    assert not lulls.take()


async def test_a_grpc_that_hides_its_counters_refuses_nobody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """They are no part of its interface: without them the daemon serves, and says what it lacks."""
    monkeypatch.delattr(cygrpc, "channelz_get_servers")
    async with in_process() as running:
        assert (await running.client.route()).decision_id
    assert "counts its calls out of sight" in caplog.text
