"""The reference for decisions that hang together: probes, follow-ups, sessions, and claims."""

from __future__ import annotations

from routerd.core.events import ClaimMade, CompetenceDisputed, Decision
from routerd.core.state import State
from routerd.core.values import Reason
from tests.faults.model import ValuesOf, hold

PRIOR, BINS = 5.0, 5
ENOUGH_APART = 0.3
CLOSE = 1e-9


class Ties:
    """What is known of each decision's place among others.

    values_of: what was told of a decision so far. chains: who had a decision's task before it.
    """

    def __init__(self, values_of: ValuesOf) -> None:
        self.values_of = values_of
        self.decisions: dict[str, Decision] = {}
        self.chains: dict[str, tuple[str, ...]] = {}
        self.sessions: dict[str, str] = {}
        self.companions: dict[str, list[str]] = {}
        self.claims: dict[str, tuple[ClaimMade, int]] = {}
        self.disputed: set[str] = set()
        self._owed = ""

    def decided(self, position: int, name: str, event: Decision, open_ones: set[str]) -> None:
        """The companions of a decision stand right behind it, each on an agent of its own."""
        query = event.query
        if query.companion_of:
            hold(query.companion_of == self._owed, f"{name} accompanies a stranger")
            hold(query.request_id == f"@{position}", f"{name} has somebody's key")
            self.companions[self._owed].append(name)
        else:
            self.all_there()
            self._owed = name
            self.companions[name] = []
        self.decisions[name] = event
        together = [self.decisions[n].agent_id for n in (self._owed, *self.companions[self._owed])]
        hold(len(set(together)) == len(together), f"{together} are tried at once: {name}")
        before: tuple[str, ...] = ()
        if query.follows is not None:
            last = query.follows.decision_id
            hold(last in open_ones, f"{name} goes on from {last}, which is closed")
            before = (*self.chains[last], self.ran(last))
            again = set(before) & set(event.agents)
            hold(not again, f"{again} were tried: {name}")
        self.chains[name] = before
        held = self.sessions.get(query.session_id)
        if "sticky" in event.stages and event.reason is Reason.STICKY:
            hold(event.agent_id == held, f"{name} stays with {event.agent_id}, not with {held}")
        if query.session_id:
            self.sessions[query.session_id] = event.agent_id

    def all_there(self) -> None:
        """Whoever was to be tried at once has a decision."""
        if self._owed:
            made, asked = 1 + len(self.companions[self._owed]), self.decisions[self._owed].at_once
            hold(made == asked, f"{self._owed} began {made} decisions instead of {asked}")

    def ran(self, name: str) -> str:
        told: str = self.values_of(name).get("executed_agent_id", "")
        return told or self.decisions[name].agent_id

    def claimed(self, position: int, event: ClaimMade, bar: float) -> None:
        """An agent is believed as far as what came of such claims of it says."""
        name, said = event.decision_id, event.competence
        hold(name not in self.claims, f"{name} is claimed twice")
        if said is None:
            hold(not event.accepted, f"{name} may start, and says nothing")
        else:
            worth, decision = self._worth(name, said), self.decisions[name]
            hold(abs(worth - (event.expected or 0.0)) < CLOSE, f"{event}, expected {worth}")
            wrong = f"{event} of {decision.agent_id} is answered wrong"
            hold(event.accepted or worth < bar, wrong)  # a few of the others are let, to mend
            hold(not event.accepted or max(worth, said) >= bar, wrong)
        self.claims[name] = event, position

    def _worth(self, name: str, said: float) -> float:
        agent, told, total = self.decisions[name].agent_id, 0, 0.0
        for other, (claim, _) in self.claims.items():
            own = self.decisions[other].agent_id == agent == self.ran(other)
            if not own or not claim.accepted or claim.competence is None:
                continue
            quality = self.values_of(other).get("quality")
            if quality is not None and bin_of(claim.competence) == bin_of(said):
                told, total = told + 1, total + quality
        return (total + PRIOR * said) / (told + PRIOR)

    def disputes(self, event: CompetenceDisputed) -> None:
        """What was claimed last lies far from what its agent has shown."""
        last = next(reversed(self.claims), "")
        hold(event.decision_id == last, f"{event}, and {last} was claimed")
        hold(abs(event.competence - event.shown) > ENOUGH_APART, f"{event} is none")
        self.disputed.add(last)

    def refused(self, name: str) -> bool:
        """Whether a decision's agent was not let."""
        return name in self.claims and not self.claims[name][0].accepted

    def hold_state(self, state: State) -> None:
        self.all_there()
        served = {session: agent for session, (agent, _) in state.sessions.items()}
        hold(served == self.sessions, f"sessions are {served}, not {self.sessions}")


def bin_of(competence: float) -> int:
    return min(int(competence * BINS), BINS - 1)
