"""Work on the sequencer, alone or in a crowd: in order, in one commit, each with its own answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, ClassVar

import pytest

from routerd.core.answers import Answer
from routerd.core.apply import apply
from routerd.core.errors import ErrorReason, RouterError
from routerd.core.events import Decision, DecisionsClosed, Record
from routerd.core.state import State
from routerd.engine import committer as committer_module
from routerd.engine import fold as fold_module
from routerd.engine import writer
from routerd.engine.committer import Committer, worked_off
from routerd.engine.crowd import FIRST, MOST
from routerd.log.base import EventUnfit
from routerd.router import request_of
from tests.core.engine import Engine
from tests.log.faulty import PATIENCE_S, FaultyLog


class Desk:
    """An engine on a log that can fail, and a committer that decides on it."""

    def __init__(self, on_health: Callable[[bool], None] = lambda _: None, **config: Any) -> None:
        self.log = FaultyLog()
        self.engine = Engine(self.log, clock="logical", **config)
        self.committer = Committer(self.engine.sequencer, on_health, most=256)
        self.decided: list[str] = []

    def route(self, request_id: str, **fields: object) -> Callable[[], Answer]:
        def work() -> Answer:
            self.decided.append(request_id)
            request = request_of({"request_id": request_id, **fields})
            return self.engine.sequencer.route(request)

        return work

    def ask(
        self, request_id: str, in_s: float = PATIENCE_S, **fields: object
    ) -> asyncio.Task[Answer]:
        deadline_s = asyncio.get_running_loop().time() + in_s
        work = self.route(request_id, **fields)
        return asyncio.create_task(self.committer.settle(work, deadline_s, platter=False))

    async def crowd(self) -> None:
        """Ask alone until the next call waits for a second one."""
        for number in range(FIRST):
            await self.ask(f"alone-{number}")
        self.decided.clear()
        self.log.appends.clear()


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    made = Desk()
    yield made
    made.log.heal()
    await made.committer.close()


async def test_who_asks_alone_is_served_without_a_turn_of_the_loop(desk: Desk) -> None:
    """Nothing is waited for: the work is done and committed when the call first runs."""
    task = desk.ask("r")
    await asyncio.sleep(0)
    assert desk.engine.sequencer.durable == 2
    assert (await task).position == 2


async def test_what_a_decision_calls_for_follows_its_answer_by_itself() -> None:
    """One decision too many is answered, written, and closes the oldest, though nobody calls."""
    desk = Desk(limits={"open_decisions": 2})
    for name in "abc":
        await desk.ask(name)
    await asyncio.sleep(0)
    assert desk.log.appends == [1, 1, 1, 1, 1]
    assert len(desk.engine.events(DecisionsClosed)) == 1
    assert desk.engine.refold().hash() == desk.engine.state.hash()
    await desk.committer.close()


async def test_whoever_looks_sees_what_was_written_last() -> None:
    """A second call that comes before the state has followed the first is told the same."""
    desk = Desk()
    first, again = await asyncio.gather(desk.ask("r"), desk.ask("r"))
    assert (again.decision_id, again.position) == (first.decision_id, 2)
    await desk.committer.close()


async def test_a_crowd_is_served_in_order_of_arrival_and_in_one_commit(desk: Desk) -> None:
    """Each caller gets its own answer; together they are one append."""
    await desk.crowd()
    asked = [desk.ask("a"), desk.ask("b")]
    answers = await asyncio.gather(*asked)
    assert desk.decided == ["a", "b"]
    assert [answer.decision.query.request_id for answer in answers] == ["a", "b"]
    assert desk.log.appends == [2]


async def test_many_callers_at_once_share_commits(desk: Desk) -> None:
    """A lasting crowd needs far fewer appends than it has calls, and loses none."""
    count = iter(range(1_000))

    async def caller() -> None:
        for number in count:
            await desk.ask(f"r-{number}")

    await asyncio.gather(*(caller() for _ in range(2 * MOST)))
    assert len(desk.log.appends) < 500
    assert sorted(desk.decided) == sorted(f"r-{number}" for number in range(1_000))
    assert desk.engine.refold().hash() == desk.engine.state.hash()


async def test_patience_ends(desk: Desk) -> None:
    """Who waits for company that does not come is served all the same."""
    await desk.crowd()
    assert (await desk.ask("a")).position == FIRST + 2


async def test_a_call_that_was_cancelled_while_it_waited_is_not_carried_out(desk: Desk) -> None:
    """The others are; the one that went away has changed nothing."""
    await desk.crowd()
    gone = desk.ask("gone")
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.sleep(0)
    await desk.ask("stays")
    assert desk.decided == ["stays"]


async def test_a_call_whose_deadline_passed_while_it_waited_is_not_carried_out(desk: Desk) -> None:
    """It is refused with DEADLINE_PASSED; who waited with it is served."""
    await desk.crowd()
    late, other = desk.ask("late", in_s=0.0), desk.ask("other")
    await other
    with pytest.raises(RouterError) as caught:
        await late
    assert caught.value.reason is ErrorReason.DEADLINE_PASSED
    assert desk.decided == ["other"]


async def test_a_refusal_is_for_its_own_caller_only(desk: Desk) -> None:
    """One wrong request in a crowd changes nothing for the others, nor in the log."""
    await desk.crowd()
    wrong, right = desk.ask("wrong", agent_id="nobody"), desk.ask("right")
    assert (await right).decision.query.request_id == "right"
    with pytest.raises(RouterError) as caught:
        await wrong
    assert caught.value.reason is ErrorReason.AGENT_NOT_FOUND
    assert desk.log.appends == [1]


async def test_a_failing_disk_refuses_all_who_were_served_together(desk: Desk) -> None:
    """READ_ONLY for each, and memory forgets what the disk does not hold."""
    await desk.crowd()
    durable = desk.engine.sequencer.position
    desk.log.full = True
    for task in (desk.ask("a"), desk.ask("b")):
        with pytest.raises(RouterError) as caught:
            await task
        assert caught.value.reason is ErrorReason.READ_ONLY
    assert desk.engine.sequencer.position == durable


async def test_what_cannot_be_applied_is_answered_for_by_nobody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug met by the next caller: the first one's event is gone with it, so nobody takes its
    place, all are refused, health says so, and the state is that of the log."""
    monkeypatch.setattr(committer_module, "RETRY_S", 0.005)
    health: list[bool] = []
    desk = Desk(health.append)
    await desk.crowd()
    desk.committer._crowd.aim = 3
    durable = desk.engine.sequencer.position

    def broken(state: State, record: Record, name: str) -> None:
        event = record.event
        if isinstance(event, Decision) and event.query.request_id == "first":
            raise ZeroDivisionError("nobody foresaw it")
        apply(state, record, name)

    monkeypatch.setattr(writer, "apply", broken)
    asked = [desk.ask(name) for name in ("first", "looks", "behind")]
    first, looked, behind = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(looked, ZeroDivisionError)
    for refused in (first, behind):
        assert isinstance(refused, RouterError)
        assert refused.reason is ErrorReason.READ_ONLY
    assert health == [False]
    assert desk.engine.sequencer.durable == desk.engine.sequencer.position == durable
    assert desk.engine.refold().hash() == desk.engine.state.hash()
    (told,) = caplog.records
    assert told.exc_info is not None
    assert "nobody foresaw it" in caplog.text
    async with asyncio.timeout(PATIENCE_S):
        while health != [False, True]:
            await asyncio.sleep(0.001)
    assert (await desk.ask("behind")).position == durable + 1
    await desk.committer.close()


async def test_what_can_never_be_applied_names_its_way_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A decision that was written before its bug was met: read-only for good, and so is a start."""
    monkeypatch.setattr(committer_module, "RETRY_S", 0.005)
    health: list[bool] = []
    desk = Desk(health.append)

    def broken(state: State, record: Record, name: str) -> None:
        if isinstance(record.event, Decision):
            raise ZeroDivisionError("nobody foresaw it")
        apply(state, record, name)

    monkeypatch.setattr(writer, "apply", broken)
    monkeypatch.setattr(fold_module, "apply", broken)
    written = (await desk.ask("r")).position
    async with asyncio.timeout(PATIENCE_S):
        while len(caplog.records) < 2:
            await asyncio.sleep(0.001)
    with pytest.raises(RouterError, match="cannot be written"):
        await desk.ask("next")
    assert health == [False]
    with pytest.raises(EventUnfit) as refused:
        desk.engine.refold()
    told = str(refused.value)
    assert f"whole at position {written} of partition 'default'" in told
    assert "ZeroDivisionError('nobody foresaw it')" in told
    assert "a newer one" in told
    assert (
        caplog.records[-1].getMessage() == f"read-only for good, and a start would refuse: {told}"
    )
    await desk.committer.close()


async def test_closing_serves_who_still_waits() -> None:
    """A call that waits for company when the committer closes is answered, and durable."""
    desk = Desk()
    await desk.crowd()
    waiting = desk.ask("last")
    await asyncio.sleep(0)
    await desk.committer.close()
    assert (await waiting).position == FIRST + 2
    assert desk.log.synced["default"] == FIRST + 2


class Joint:
    """Work that says whom it was done with. One called "broken" fails all of them."""

    seen: ClassVar[list[list[str]]] = []

    def __init__(self, desk: Desk, name: str) -> None:
        self.desk = desk
        self.name = name

    def __call__(self) -> Answer:
        raise AssertionError("in a crowd it is done together")

    @staticmethod
    def together(works: Sequence[Joint]) -> list[Answer | RouterError]:
        names = [work.name for work in works]
        Joint.seen.append(names)
        if "broken" in names:
            raise ZeroDivisionError
        return [
            RouterError(ErrorReason.EMPTY_POOL, "") if name == "bad" else work.desk.route(name)()
            for name, work in zip(names, works, strict=True)
        ]


async def test_neighbours_that_can_be_done_together_are(desk: Desk) -> None:
    """In order of arrival still: work of another kind between them parts them."""
    Joint.seen.clear()
    names = ["a", "bad", "b"]
    works: list[Callable[[], Answer]] = [Joint(desk, name) for name in names]
    works += [desk.route("alone"), Joint(desk, "c"), desk.route("last")]
    told = list(worked_off(works))
    assert Joint.seen == [names, ["c"]]
    assert desk.decided == ["a", "b", "alone", "c", "last"]
    assert [isinstance(each, Answer) for each in told] == [True, False, True, True, True, True]


async def test_a_bug_in_one_of_those_done_together_refuses_them_and_nobody_else(desk: Desk) -> None:
    """Whoever waits hears of it; the work beside them is done."""
    works: list[Callable[[], Answer]] = [Joint(desk, "one"), Joint(desk, "broken")]
    first, second, third = worked_off([*works, desk.route("alone")])
    assert isinstance(first, ZeroDivisionError)
    assert isinstance(second, ZeroDivisionError)
    assert isinstance(third, Answer)
