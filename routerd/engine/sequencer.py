"""One sequencer a partition: decide, take the next position, queue, apply. No await, so no lock.

How what it decides gets to the log, and back into memory when the disk failed, is its base's: see
routerd.engine.writer.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import msgspec

from routerd.core.answers import Ack, Answer, Candidate, Companion, Found
from routerd.core.claims import dispute, judged
from routerd.core.decide import decided, digest_of, digest_of_request, encode_request
from routerd.core.errors import (
    ErrorReason,
    RouterError,
    Violation,
    compacted,
    invalid,
    not_registered,
)
from routerd.core.events import Decision, OutcomeReported
from routerd.core.follow import check_steps
from routerd.core.outcomes import current, meant
from routerd.core.probe import together
from routerd.core.react import window_ended
from routerd.core.reasons import law_of, sentence
from routerd.core.state import Claimed, OpenDecision
from routerd.core.validate import MADE_ID, check_claim, check_outcome, check_request
from routerd.core.values import Claim, Outcome, Query, Request
from routerd.core.view import View
from routerd.core.words import counted
from routerd.engine.texts import Texts, of_outcome, of_query
from routerd.engine.writer import Writer
from routerd.log.base import LogCompacted, LogUnavailable
from routerd.log.codec import decode, parse_decision_id

T = TypeVar("T", Request, Outcome)


class Sequencer(Writer):
    """The one writer of a partition. Every method is synchronous.

    texts: what is kept of descriptions and explanations; without it no description is, and every
    explanation as it came.
    """

    texts: Texts | None = None

    def route(self, request: Request, *, explain: bool = False) -> Answer:
        """Decide once for a request_id; asked again, answer what was answered."""
        known = self.known(request)
        if known is not None:
            return known
        view = View(self.state, self.query(request, self.state.position + 1), 0)
        return self.settle(view, request, explain=explain)

    def known(self, request: Request) -> Answer | None:
        """What was answered to this request; None when it is new and can be decided."""
        again = self._again(request)
        if again is None:
            self.require_writable()
            if request.follows is not None:
                self._check_follows(request)
        return again

    def query(self, request: Request, position: int) -> Query:
        """A new request as the law sees it; without an id it gets one from the position."""
        query = encode_request(self.state, request, request.request_id or f"{MADE_ID}{position}")
        if self.texts is None or not (request.task.description or request.follows):
            return query
        return of_query(self.texts, query, request.task.description)

    def settle(self, view: View, request: Request, *, explain: bool) -> Answer:
        """Decide on a new request, now."""
        view.time_ms = self.time_ms(request.event_time_ms)
        decision = decided(view)
        position, name = self.append(decision)
        candidates = explained(decision, view) if explain else ()
        others = self._accompany(name, decision) if decision.inclusion is not None else ()
        self.react_later()
        return Answer(name, position, decision, candidates, sentence(decision), others)

    def _accompany(self, name: str, first: Decision) -> tuple[Companion, ...]:
        """Decide on the others that are tried at once, each by a decision of its own."""
        made = []
        for number, (agent_id, inclusion) in enumerate(together(first), 1):
            query = msgspec.structs.replace(
                first.query,
                request_id=f"{MADE_ID}{self.state.position + 1}",
                session_id="",
                new_slots=(),
                companion_of=name,
                companion=number,
            )
            decision = decided(View(self.state, query, first.time_ms))
            made.append(Companion(agent_id, self.append(decision)[1], inclusion))
        return tuple(made)

    def preview(self, request: Request, *, explain: bool = True) -> Answer:
        """What route would answer now, its position included; nothing changes."""
        again = self._again(request)
        if again is not None:
            return again._replace(decision_id="")
        if request.follows is not None:
            self._check_follows(request)
        position = self.state.position + 1
        time_ms = self.time_ms(request.event_time_ms)
        view = View(self.state, self.query(request, position), time_ms)
        decision = decided(view)
        candidates = explained(decision, view) if explain else ()
        others = tuple([Companion(agent_id, "", p) for agent_id, p in together(decision)])
        return Answer("", position, decision, candidates, sentence(decision), others)

    def report(self, outcome: Outcome) -> Ack:
        """Accept an outcome once for an outcome_id; one that was accepted still is, however the
        configuration has changed since."""
        known = self.state.outcomes.get(outcome.outcome_id)
        if known is not None and is_same(known[0], digest_of, outcome):
            return Ack(outcome.outcome_id, known[1], duplicate=True)
        check_outcome(self.state, outcome)
        if known is not None:
            text = (
                f"outcome_id {outcome.outcome_id!r} was used for another outcome; give this one an "
                "id of its own, or send the first one unchanged"
            )
            facts = {"outcome_id": outcome.outcome_id, "position": str(known[1])}
            raise RouterError(ErrorReason.OUTCOME_CONFLICT, text, metadata=facts)
        self.require_writable()
        digest, time_ms = digest_of(outcome), self.time_ms(outcome.event_time_ms)
        names = self._open_group(outcome.group_id, time_ms) if outcome.group_id else ()
        entry = self._open(names[0] if names else outcome.decision_id, time_ms)
        for name in names or (outcome.decision_id,):
            self._require_room(name)
        executed = outcome.executed_agent_id
        if executed and executed not in self.state.arm_of:
            raise not_registered(executed, "outcome.executed_agent_id")
        if not outcome.outcome_id:
            made = f"{MADE_ID}{self.state.position + 1}"
            outcome = msgspec.structs.replace(outcome, outcome_id=made)
        if self.texts is not None and outcome.explanation:
            outcome = of_outcome(self.texts, outcome)
        since_ms = (outcome.event_time_ms or time_ms) - entry.decision.time_ms
        outcome = meant(outcome, self.state.config.outcomes.signals, since_ms)
        position, _ = self.append(OutcomeReported(time_ms, outcome, digest, names))
        self.react()
        return Ack(outcome.outcome_id, position, duplicate=False, decisions=len(names) or 1)

    def claim(self, claim: Claim) -> Claimed:
        """Let a decision's agent start, or not, by what it says of itself; once a decision.

        Raises DECISION_NOT_FOUND, DECISION_EXPIRED, CLAIM_CONFLICT.
        """
        name, time_ms = claim.decision_id, self.time_ms()
        known = self.state.decisions.get(name)
        if known is not None and known.claim and known.claim.competence == claim.competence:
            return known.claim
        check_claim(self.state, claim)
        entry = self._open(name, time_ms)
        if entry.claim is not None:
            first = entry.claim.competence
            said = "no competence" if first is None else f"{first:g}"
            text = f"decision {name} was claimed with {said}; the first claim stands"
            raise RouterError(ErrorReason.CLAIM_CONFLICT, text, metadata={"decision_id": name})
        self.require_writable()
        made = judged(self.state, name, claim.competence, time_ms)
        self.append(made)
        disputed = dispute(self.state, made)
        if disputed is not None:
            self.append(disputed)
        self.react()
        assert entry.claim is not None, "it was applied"
        return entry.claim

    def find(self, name: str) -> Found:
        """A decision by its id, open or closed. Raises DECISION_NOT_FOUND, POSITION_COMPACTED."""
        entry = self.state.decisions.get(name)
        if entry is None:
            try:
                logged = self._logged(name)
            except LogCompacted as error:
                raise compacted(error.first) from error
            if logged is None:
                raise not_found(name)
            position, decision = logged
            said = sentence(decision)
            return Found(name, position, decision, False, None, None, None, "", 0, said)
        executed = current(entry.reports, self.state.config.outcomes.sources).executed_agent_id
        return Found(
            decision_id=name,
            position=entry.position,
            decision=entry.decision,
            open=True,
            quality=entry.credit.quality,
            cost_usd=entry.credit.cost_usd,
            latency_ms=entry.credit.latency_ms,
            executed_agent_id="" if executed == entry.decision.agent_id else executed,
            reports=entry.told,
            sentence=sentence(entry.decision),
            claim=entry.claim,
        )

    def _again(self, request: Request) -> Answer | None:
        """What was answered to this request before, however the configuration has changed since.

        None when its id is new. Raises FIELD_VIOLATIONS, REQUEST_ID_REUSED.
        """
        name = self.state.requests.get(request.request_id)
        if name is None:
            check_request(self.state, request)
            return None
        entry = self.state.decisions[name]
        if not is_same(entry.decision.query.digest, digest_of_request, request):
            check_request(self.state, request)
            text = (
                f"request_id {request.request_id!r} was used for another request; give this one an "
                "id of its own, or send the first one unchanged"
            )
            facts = {"request_id": request.request_id, "decision_id": name}
            raise RouterError(ErrorReason.REQUEST_ID_REUSED, text, metadata=facts)
        candidates = logged_candidates(entry.decision)
        others = tuple(
            Companion(agent_id, companion, p)
            for companion, (agent_id, p) in zip(
                entry.companions, together(entry.decision), strict=True
            )
        )
        told = (entry.decision, candidates, sentence(entry.decision), others)
        return Answer(name, entry.position, *told)

    def _logged(self, name: str) -> tuple[int, Decision] | None:
        """A decision that is closed already, from the log. Raises LogCompacted."""
        parsed = parse_decision_id(name)
        if parsed is None:
            return None
        try:
            entry = self.log.get(self.state.partition, parsed[0])
        except LogUnavailable as error:
            text = f"the log cannot be read: {error}"
            raise RouterError(ErrorReason.READ_ONLY, text) from error
        if entry is None or entry.hash[: len(parsed[1])] != parsed[1]:
            return None
        event = decode(entry.payload)
        return (entry.position, event) if isinstance(event, Decision) else None

    def _open_group(self, group_id: str, time_ms: int) -> tuple[str, ...]:
        """The decisions of a group that accept outcomes. Raises GROUP_NOT_FOUND, or too many."""
        open_ones = tuple(
            name
            for name in self.state.groups.get(group_id, ())
            if not window_ended(self.state, self.state.decisions[name], time_ms)
        )
        if not open_ones:
            text = (
                f"no decision that is open has the group_id {group_id!r}; routes give it as "
                "task.group_id, and it ends with their outcomes' window"
            )
            raise RouterError(ErrorReason.GROUP_NOT_FOUND, text, metadata={"group_id": group_id})
        most = self.state.config.limits.group_decisions
        if len(open_ones) > most:
            text = (
                f"has {len(open_ones)} open decisions; limits.group_decisions is {most}: report on "
                "the decisions themselves"
            )
            raise invalid([Violation("outcome.group_id", text)])
        return open_ones

    def _check_follows(self, request: Request) -> None:
        """Raises DECISION_NOT_FOUND, DECISION_EXPIRED, STEPS_EXHAUSTED."""
        follows = request.follows
        assert follows is not None
        self._open(follows.decision_id, self.time_ms(request.event_time_ms))
        check_steps(self.state, follows)

    def _open(self, name: str, time_ms: int) -> OpenDecision:
        """A decision that accepts outcomes. Raises DECISION_NOT_FOUND, DECISION_EXPIRED."""
        entry = self.state.decisions.get(name)
        if entry is None or window_ended(self.state, entry, time_ms):
            raise self._not_open(name)
        return entry

    def _require_room(self, name: str) -> None:
        """Raises TOO_MANY_OUTCOMES for a decision that heard as many as it may."""
        most = self.state.config.limits.decision_outcomes
        if self.state.decisions[name].told >= most:
            heard = counted(most, "outcome")
            text = f"decision {name} has {heard}; limits.decision_outcomes is {most}"
            facts = {"decision_id": name, "limit": str(most)}
            raise RouterError(ErrorReason.TOO_MANY_OUTCOMES, text, metadata=facts)

    def _not_open(self, name: str) -> RouterError:
        with suppress(LogCompacted):  # then it was closed long ago, if it ever was
            if self._logged(name) is None:
                return not_found(name)
        hours = self.state.config.outcomes.window_hours
        bound = self.state.config.limits.open_decisions
        text = (
            f"decision {name} is closed: outcomes are accepted for {hours:g} h, "
            f"and for the latest {counted(bound, 'decision')}"
        )
        return RouterError(ErrorReason.DECISION_EXPIRED, text, metadata={"decision_id": name})


def is_same(known: bytes, digest: Callable[[T], bytes], asked: T) -> bool:
    """Whether what is asked has a digest; what no digest can be made of was never accepted."""
    try:
        return digest(asked) == known
    except (OverflowError, ValueError):
        return False


def not_found(name: str) -> RouterError:
    text = f"no decision {name[:64]!r}; use the decision_id that Route answered"
    return RouterError(ErrorReason.DECISION_NOT_FOUND, text, metadata={"decision_id": name[:64]})


def explained(decision: Decision, view: View) -> tuple[Candidate, ...]:
    """Every candidate with its estimates."""
    why = {e.agent_id: (str(e.reason), e.detail) for e in decision.excluded}
    return view.candidates(law_of(decision), why)


def logged_candidates(decision: Decision) -> tuple[Candidate, ...]:
    """Every candidate as the log holds it: probabilities and exclusions, no estimates."""
    drawn = [Candidate(agent_id, p) for agent_id, p in law_of(decision).items()]
    kept_out = [
        Candidate(e.agent_id, 0.0, exclusion=str(e.reason), detail=e.detail)
        for e in decision.excluded
    ]
    return tuple(sorted(drawn + kept_out, key=lambda c: c.agent_id))
