"""How an outbox is emptied, round by round; what a network might answer is said by the tests."""

from __future__ import annotations

import grpc
import pytest

from routerd.client.decision import Decision
from routerd.client.delivery import TRIES, Calls, Delivery, Results
from routerd.client.errors import FailedPrecondition, NoAnswer, RouterdError
from routerd.client.outbox import Outbox, Report
from routerd.v1 import router_pb2, types_pb2

AWAY = NoAnswer("away", code=grpc.StatusCode.UNAVAILABLE)
BUSY = NoAnswer("busy", code=grpc.StatusCode.RESOURCE_EXHAUSTED, retry_after_s=7.0)
FULL = NoAnswer("Cancelled on the server side", code=grpc.StatusCode.CANCELLED)
BUG = NoAnswer("bug", code=grpc.StatusCode.INTERNAL)
EXPIRED = FailedPrecondition(
    "late", code=grpc.StatusCode.FAILED_PRECONDITION, reason="DECISION_EXPIRED"
)
NOBODY = FailedPrecondition(
    "all busy", code=grpc.StatusCode.FAILED_PRECONDITION, reason="NO_ELIGIBLE_AGENT"
)
SPENT = FailedPrecondition(
    "spent",
    code=grpc.StatusCode.FAILED_PRECONDITION,
    reason="BUDGET_EXHAUSTED",
    retry_after_s=9_000.0,
)
ACK = router_pb2.ReportOutcomeResponse()


class Post:
    """An outbox and its delivery; each round is answered as the test says."""

    def __init__(self, size: int = 100) -> None:
        self.outbox = Outbox(size)
        self.delivery = Delivery(self.outbox, self.decided)

    def put(self, decision_id: str, outcome_id: str = "") -> None:
        told = types_pb2.Outcome(decision_id=decision_id, outcome_id=outcome_id)
        self.outbox.put(Report(told))

    def put_late(self, request_id: str) -> None:
        """The outcome of a decision that the daemon has not heard of."""
        request = router_pb2.RouteRequest(request_id=request_id)
        decision = Decision(
            request=request, report=lambda *_: None, agent_id="a", reason="", from_fallback=True
        )
        self.outbox.put(Report(decision.outcome(outcome_id=request_id), decision))

    def decided(self, decision: Decision, answer: router_pb2.RouteResponse) -> None:
        decision.decision_id = answer.decision_id

    def round(self, *answers: Results) -> tuple[list[Calls], float]:
        """What one round sends, when it is answered so, and the pause that it asks for."""
        steps = self.delivery.round()
        sent = []
        try:
            sent.append(next(steps))
            for answer in answers:
                sent.append(steps.send(answer))
        except StopIteration as end:
            return sent, end.value
        raise AssertionError(f"unanswered: {sent[-1]}")


def ids(calls: Calls) -> list[str]:
    return [
        request.outcome.outcome_id
        for request in calls.requests
        if isinstance(request, router_pb2.ReportOutcomeRequest)
    ]


def test_outcomes_of_one_decision_are_never_on_their_way_together() -> None:
    """So none can overtake another, whatever happens to the first."""
    post = Post()
    for outcome_id in ("a1", "a2", "b1", "a3"):
        post.put(outcome_id[0], outcome_id)
    (sent,), _ = post.round([AWAY, ACK])
    assert ids(sent) == ["a1", "b1"]
    (sent,), _ = post.round([ACK])
    assert ids(sent) == ["a1"]
    (sent,), _ = post.round([ACK])
    assert ids(sent) == ["a2"]
    (sent,), pause_s = post.round([ACK])
    assert ids(sent) == ["a3"]
    assert pause_s == 0.0
    assert post.outbox.counts() == (0, 4, 0, 0)


def test_a_decision_goes_before_its_outcome() -> None:
    """The outcome is sent under the id that the daemon gave, and not before it has one."""
    post = Post()
    post.put_late("job-1")
    post.put_late("job-2")
    sent, _ = post.round([router_pb2.RouteResponse(decision_id="d1"), AWAY], [ACK])
    assert [calls.method for calls in sent] == ["Route", "ReportOutcome"]
    (told,) = sent[1].requests
    assert isinstance(told, router_pb2.ReportOutcomeRequest)
    assert (told.outcome.decision_id, told.outcome.executed_agent_id) == ("d1", "a")
    assert post.outbox.counts() == (1, 1, 0, 0)


@pytest.mark.parametrize("error", [AWAY, BUSY, FULL])
def test_who_is_away_is_asked_for_ever_with_growing_pauses(error: RouterdError) -> None:
    """Nothing is given up, and the daemon's own wish counts when it is longer."""
    post = Post()
    post.put("d")
    pauses_s = [post.round([error])[1] for _ in range(30)]
    assert post.outbox.counts().waiting == 1
    assert all(pause_s >= error.retry_after_s for pause_s in pauses_s)
    assert 0 < pauses_s[0] <= max(pauses_s[-1], error.retry_after_s)
    assert max(pauses_s) <= max(2.0, error.retry_after_s)


def test_a_refusal_is_given_up_at_once() -> None:
    """Asking again would change nothing."""
    post = Post()
    post.put("d")
    post.round([EXPIRED])
    assert post.outbox.counts() == (0, 0, 0, 1)


def test_when_a_refusal_passes_holds_up_nobody() -> None:
    """A budget's next window is of one task's concern: the others' outcomes went on after it."""
    post = Post()
    post.put_late("job")
    assert post.round([SPENT])[1] <= 2.0
    assert post.outbox.counts() == (0, 0, 0, 1)


@pytest.mark.parametrize("error", [BUG, NOBODY])
def test_what_may_pass_is_tried_some_times(error: RouterdError) -> None:
    """An agent that is busy may be free soon; a bug that one outcome meets must not stop others."""
    post = Post()
    post.put_late("job")
    for _ in range(TRIES - 1):
        post.round([error])
    assert post.outbox.counts() == (1, 0, 0, 0)
    post.round([error])
    assert post.outbox.counts() == (0, 0, 0, 1)


def test_what_comes_back_may_be_the_oldest_that_has_to_go() -> None:
    """Reports that were on their way count again when they return to a full outbox."""
    post = Post(size=2)
    post.put("a", "a1")
    steps = post.delivery.round()
    next(steps)
    post.put("b", "b1")
    post.put("c", "c1")
    with pytest.raises(StopIteration):
        steps.send([AWAY])
    assert post.outbox.counts() == (2, 0, 1, 0)
    (sent,), _ = post.round([ACK, ACK])
    assert ids(sent) == ["b1", "c1"]


def test_a_round_that_is_broken_off_loses_nothing() -> None:
    """Closing a generator in the middle, as a cancelled task does, puts everything back."""
    post = Post()
    post.put("a")
    steps = post.delivery.round()
    next(steps)
    steps.close()
    assert post.outbox.counts() == (1, 0, 0, 0)
