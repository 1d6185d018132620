"""Wire messages to values and back. This is the hot path: every field is touched once.

Only what the wire adds is looked at here: presence, and enum numbers that this version does not
know. What a value may be is checked by the engine, for every caller alike.
"""

from __future__ import annotations

from google.rpc.status_pb2 import Status

from routerd.core.answers import Ack, Answer, Candidate, Estimate, Found
from routerd.core.errors import ErrorReason, RouterError, Violation, invalid
from routerd.core.state import Claimed
from routerd.core.values import (
    Claim,
    Evidence,
    FollowCause,
    Follows,
    Outcome,
    OutcomeKind,
    Preference,
    Reason,
    Request,
    Task,
)
from routerd.engine.sequencer import logged_candidates
from routerd.server.convert_signals import classification, directives
from routerd.v1 import audit_pb2, router_pb2, types_pb2

# The defaults themselves, so that absent fields are left out of a request's digest.
NO_TASK = Request().task
NO_PREFERENCE = Request().preference
NO_EVIDENCE = Follows().evidence

MAX_TIMEOUT_MS = 3_600_000

RouteTold = router_pb2.RouteResponse | Status
OutcomeTold = router_pb2.ReportOutcomeResponse | Status

REASON_CODES: dict[Reason, types_pb2.ReasonCode] = {
    reason: getattr(types_pb2, f"REASON_CODE_{reason}") for reason in Reason
}
FOLLOW_CAUSES: dict[types_pb2.FollowCause, FollowCause] = {
    getattr(types_pb2, f"FOLLOW_CAUSE_{cause}"): cause for cause in FollowCause
}
OUTCOME_KINDS = {
    types_pb2.OUTCOME_KIND_UNSPECIFIED: OutcomeKind.REPORT,
    types_pb2.OUTCOME_KIND_REPORT: OutcomeKind.REPORT,
    types_pb2.OUTCOME_KIND_REVISE: OutcomeKind.REVISE,
    types_pb2.OUTCOME_KIND_RETRACT: OutcomeKind.RETRACT,
}


def request_of(wire: router_pb2.RouteRequest) -> Request:
    """A route request as a value."""
    has = wire.HasField
    return Request(
        request_id=wire.request_id,
        task=task_of(wire.task) if has("task") else NO_TASK,
        agent_id=wire.agent_id,
        required_capabilities=tuple(wire.required_capabilities),
        pool=wire.pool,
        preference=preference_of(wire.preference) if has("preference") else NO_PREFERENCE,
        max_cost_usd=wire.max_cost_usd if has("max_cost_usd") else None,
        max_latency_ms=wire.max_latency_ms if has("max_latency_ms") else None,
        event_time_ms=wire.event_time_ms,
        follows=follows_of(wire.follows) if has("follows") else None,
    )


def follows_of(wire: types_pb2.Follows) -> Follows:
    """What a request goes on from. Raises RouterError for a cause that is not known here."""
    evidence = NO_EVIDENCE
    if wire.HasField("evidence"):
        has = wire.evidence.HasField
        evidence = Evidence(
            reported_confidence=wire.evidence.reported_confidence
            if has("reported_confidence")
            else None,
            competence=wire.evidence.competence if has("competence") else None,
            explanation=wire.evidence.explanation,
        )
    if wire.cause and wire.cause not in FOLLOW_CAUSES:
        known = ", ".join(types_pb2.FollowCause.keys()[1:])
        raise invalid([Violation("follows.cause", f"{wire.cause} is none of {known}")])
    return Follows(wire.decision_id, FOLLOW_CAUSES.get(wire.cause), evidence)


def follows(told: Follows | None) -> types_pb2.Follows | None:
    """What a decision goes on from, for the wire."""
    if told is None:
        return None
    wire = types_pb2.Follows(decision_id=told.decision_id, cause=f"FOLLOW_CAUSE_{told.cause}")
    evidence = told.evidence
    if evidence != NO_EVIDENCE:
        wire.evidence.CopyFrom(
            types_pb2.Evidence(
                reported_confidence=evidence.reported_confidence,
                competence=evidence.competence,
                explanation=evidence.explanation,
            )
        )
    return wire


def task_of(wire: types_pb2.Task) -> Task:
    labels, features, embedding = wire.labels, wire.features, wire.embedding
    return Task(
        task_id=wire.task_id,
        group_id=wire.group_id,
        work_type=wire.work_type,
        domain=wire.domain,
        labels={key: labels[key] for key in labels},
        complexity=wire.complexity if wire.HasField("complexity") else None,
        description=wire.description,
        features={key: features[key] for key in features},
        embedding=tuple(embedding[:]),
        session_id=wire.session_id,
    )


def preference_of(wire: types_pb2.Preference) -> Preference:
    has = wire.HasField
    return Preference(
        quality=wire.quality if has("quality") else None,
        cost=wire.cost if has("cost") else None,
        latency=wire.latency if has("latency") else None,
    )


def outcome_of(
    wire: router_pb2.ReportOutcomeRequest | router_pb2.StreamOutcomesRequest,
) -> Outcome:
    """An outcome as a value. Raises RouterError: no outcome, or a kind that is not known here."""
    if not wire.HasField("outcome"):
        raise invalid([Violation("outcome", "is required")])
    told = wire.outcome
    kind = OUTCOME_KINDS.get(told.kind)
    if kind is None:
        known = ", ".join(types_pb2.OutcomeKind.keys())
        raise invalid([Violation("outcome.kind", f"{told.kind} is none of {known}")])
    has = told.HasField
    return Outcome(
        outcome_id=told.outcome_id,
        decision_id=told.decision_id,
        kind=kind,
        source=told.source,
        success=told.success if has("success") else None,
        quality=told.quality if has("quality") else None,
        cost_usd=told.cost_usd if has("cost_usd") else None,
        latency_ms=told.latency_ms if has("latency_ms") else None,
        reported_confidence=told.reported_confidence if has("reported_confidence") else None,
        executed_agent_id=told.executed_agent_id,
        explanation=told.explanation,
        event_time_ms=told.event_time_ms,
        group_id=told.group_id,
        signal=told.signal,
        cancelled=told.cancelled,
    )


def claim_of(wire: router_pb2.ClaimRequest) -> Claim:
    return Claim(wire.decision_id, wire.competence if wire.HasField("competence") else None)


def claim_response(claim: Claim, told: Claimed) -> router_pb2.ClaimResponse:
    """What became of a claim. Raises CLAIM_REFUSED."""
    if told.accepted:
        return router_pb2.ClaimResponse(
            expected_quality=told.expected or 0.0, disputed=told.disputed, position=told.position
        )
    facts = {"decision_id": claim.decision_id, "position": str(told.position)}
    said = "it does not say how able it is"
    if told.expected is not None:
        facts |= {"competence": f"{claim.competence:g}", "expected": f"{told.expected:.3g}"}
        said = f"it says {claim.competence:g}, which is worth {told.expected:.2g}"
    text = f"the agent may not start: {said}; ask Route again, with follows and REFUSED"
    raise RouterError(ErrorReason.CLAIM_REFUSED, text, metadata=facts)


def decision_id_of(wire: audit_pb2.GetDecisionRequest) -> str:
    """The id of the decision asked for. Raises RouterError when there is none."""
    if not wire.decision_id:
        raise invalid([Violation("decision_id", "is required")])
    return wire.decision_id


def inner_request(
    wire: router_pb2.PreviewRequest | router_pb2.RouteStreamRequest,
) -> router_pb2.RouteRequest:
    """The request that another message is about. Raises RouterError when there is none."""
    if not wire.HasField("request"):
        raise invalid([Violation("request", "is required")])
    return wire.request


def timeout_violations(timeout_ms: int) -> list[Violation]:
    """What is wrong with the timeout of one message of a stream; 0 is none."""
    if 0 <= timeout_ms <= MAX_TIMEOUT_MS:
        return []
    return [Violation("timeout_ms", f"is {timeout_ms}; it must lie in [1, {MAX_TIMEOUT_MS}]")]


def route_response(answer: Answer, *, explain: bool) -> router_pb2.RouteResponse:
    """An answer for the wire; with explain, every candidate too."""
    response = router_pb2.RouteResponse()
    write_answer(response, answer, explain=explain)
    return response


def write_answer(to: router_pb2.RouteResponse, answer: Answer, *, explain: bool) -> None:
    """Write an answer into an empty message: a message within another is copied if made apart."""
    decision = answer.decision
    to.decision_id = answer.decision_id
    to.request_id = decision.query.request_id
    to.agent_id = decision.agent_id
    to.propensity = decision.propensity
    to.policy_id = decision.policy_id
    if decision.confidence is not None:
        to.decision_confidence = decision.confidence
    to.reason_code = REASON_CODES[decision.reason]
    to.reason = answer.sentence
    to.fallback_agent_id = decision.fallback
    to.alternative_agent_ids.extend(decision.alternatives)
    to.position = answer.position
    if decision.escalate_below is not None:
        to.escalate_below = decision.escalate_below
    if decision.inclusion is not None:
        to.inclusion_probability = decision.inclusion
        for other in answer.companions:
            to.companions.add(
                agent_id=other.agent_id,
                decision_id=other.decision_id,
                inclusion_probability=other.inclusion,
            )
    if explain:
        to.candidates.extend(map(candidate, answer.candidates))
    if decision.query.signal is not None:
        to.MergeFrom(
            router_pb2.RouteResponse(
                classification=classification(decision.query.signal),
                directives=directives(decision),
            )
        )


def route_result(request_id: str, told: RouteTold) -> router_pb2.RouteResult:
    """What became of one request among several: its answer, or why there is none."""
    if isinstance(told, Status):
        return router_pb2.RouteResult(request_id=request_id, status=told)
    return router_pb2.RouteResult(request_id=told.request_id, answer=told)


def route_stream_response(request_id: str, told: RouteTold) -> router_pb2.RouteStreamResponse:
    return router_pb2.RouteStreamResponse(result=route_result(request_id, told))


def candidate(told: Candidate) -> types_pb2.Candidate:
    return types_pb2.Candidate(
        agent_id=told.agent_id,
        probability=told.probability,
        quality=estimate(told.quality),
        cost_usd=estimate(told.cost_usd),
        latency_ms=estimate(told.latency_ms),
        utility=estimate(told.utility),
        exclusion=told.exclusion,
        detail=told.detail,
    )


def estimate(told: Estimate | None) -> types_pb2.Estimate | None:
    return None if told is None else types_pb2.Estimate(mean=told.mean, sd=told.sd)


def outcome_response(ack: Ack) -> router_pb2.ReportOutcomeResponse:
    """An acknowledgement for the wire."""
    return router_pb2.ReportOutcomeResponse(
        outcome_id=ack.outcome_id,
        position=ack.position,
        duplicate=ack.duplicate,
        decisions=ack.decisions,
    )


def stream_outcomes_response(
    outcome_id: str, told: OutcomeTold
) -> router_pb2.StreamOutcomesResponse:
    """What became of one outcome among several: its acknowledgement, or why there is none."""
    if isinstance(told, Status):
        return router_pb2.StreamOutcomesResponse(outcome_id=outcome_id, status=told)
    return router_pb2.StreamOutcomesResponse(outcome_id=outcome_id, ack=told)


def decision_record(found: Found) -> audit_pb2.DecisionRecord:
    """A decision that was looked up, for the wire."""
    decision, query = found.decision, found.decision.query
    record = audit_pb2.DecisionRecord(
        decision_id=found.decision_id,
        request_id=query.request_id,
        position=found.position,
        time_ms=decision.time_ms,
        task_id=query.task_id,
        group_id=query.group_id,
        work_type=query.work_type,
        domain=query.domain,
        labels=query.labels,
        session_id=query.session_id,
        agent_id=decision.agent_id,
        propensity=decision.propensity,
        u=decision.u,
        policy_id=decision.policy_id,
        decision_confidence=decision.confidence,
        reason_code=REASON_CODES[decision.reason],
        reason=found.sentence,
        fallback_agent_id=decision.fallback,
        alternative_agent_ids=decision.alternatives,
        candidates=map(candidate, logged_candidates(decision)),
        stages=decision.stages,
        open=found.open,
        outcome=outcome_state(found),
        follows=follows(query.follows),
        classification=classification(query.signal),
        description=query.description,
        escalate_below=decision.escalate_below,
        companion_of=query.companion_of,
        inclusion_probability=decision.inclusion,
    )
    if found.claim is not None:
        record.claim_accepted = found.claim.accepted
    return record


def outcome_state(found: Found) -> audit_pb2.OutcomeState | None:
    """The current outcome; None when nothing was reported or all of it was retracted."""
    metrics = (found.quality, found.cost_usd, found.latency_ms)
    if not found.executed_agent_id and all(metric is None for metric in metrics):
        return None
    return audit_pb2.OutcomeState(
        quality=found.quality,
        cost_usd=found.cost_usd,
        latency_ms=found.latency_ms,
        executed_agent_id=found.executed_agent_id,
        reports=found.reports,
    )
