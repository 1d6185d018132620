"""What an agent says of its own competence before it starts, and what is logged of that."""

from __future__ import annotations

from routerd.core.base import Event, Value


class ClaimMade(Event, frozen=True, tag=True):
    """A decision's agent claims its task, or is not let.

    competence: as it said, from 0 to 1; None when it said nothing. expected: the quality that its
    earlier self-reports of this height came to.
    """

    decision_id: str
    accepted: bool
    competence: float | None = None
    expected: float | None = None


class CompetenceDisputed(Event, frozen=True, tag=True):
    """An agent says of itself what its results do not bear out.

    shown: its mean quality over so many outcomes.
    """

    decision_id: str
    agent_id: str
    competence: float
    shown: float
    outcomes: int


class Claimed(Value, frozen=True):
    """What became of a claim, for good; expected is None when nothing was claimed.

    position: in the log. disputed: whether the agent's results spoke against it.
    """

    position: int
    accepted: bool
    competence: float | None = None
    expected: float | None = None
    disputed: bool = False
