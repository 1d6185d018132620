"""The audit's wire messages: what is asked of it, and its rows as answers."""

from __future__ import annotations

from routerd.audit.queries import Search, Summed
from routerd.audit.told import Decided, Sums
from routerd.core.settings import Limits
from routerd.core.validate import MAX_PAGE_SIZE, MAX_TIME_MS, Check
from routerd.core.values import Reason
from routerd.server.convert import REASON_CODES, follows
from routerd.server.convert_signals import classification
from routerd.v1 import audit_pb2

MOST_LABELS = 8
MOST_GROUPS = 20

REASONS = {code: reason for reason, code in REASON_CODES.items()}
IDS = ("work_type", "domain", "group_id", "session_id", "task_id", "request_id")
NAMES = ("agent_id", "policy_id")


def search_of(wire: audit_pb2.ListDecisionsRequest) -> Search:
    """The filters of a listing."""
    texts = {name: getattr(wire, name) for name in (*IDS, *NAMES)}
    return Search(
        **texts,
        from_time_ms=wire.from_time_ms,
        until_time_ms=wire.until_time_ms,
        labels=dict(wire.labels),
        reason=str(REASONS.get(wire.reason_code, "")),
        open=wire.open if wire.HasField("open") else None,
    )


def check_list_request(
    wire: audit_pb2.ListDecisionsRequest, limits: Limits, position: int, *, token_fits: bool
) -> None:
    """Raise FIELD_VIOLATIONS with all that is wrong. position: of the log's end."""
    check = Check(limits)
    for name in IDS:
        check.text(name, getattr(wire, name), limits.id_chars)
    for name in (*NAMES, "page_token"):
        check.text(name, getattr(wire, name), check.name_chars)
    check.between("page_size", wire.page_size, 0, MAX_PAGE_SIZE)
    if not token_fits:
        check.add("page_token", "is none that a listing with these filters answered")
    if len(wire.labels) > MOST_LABELS:
        check.add("labels", f"has {len(wire.labels)} entries; the limit is {MOST_LABELS}")
    for key in sorted(wire.labels)[:MOST_LABELS]:
        if not key:
            check.add("labels", "has an empty key; name it")
        check.text(f"labels[{key[:64]!r}]", key, limits.id_chars)
        check.text(f"labels[{key[:64]!r}]", wire.labels[key], limits.id_chars)
    if wire.reason_code and wire.reason_code not in REASONS:
        known = ", ".join(f"REASON_CODE_{reason}" for reason in Reason)
        check.add("reason_code", f"{wire.reason_code} is none that decisions have: {known}")
    check_period(check, wire)
    check_position(check, wire.at_least_position, position)
    check.raise_if_any()


def check_summary_request(wire: audit_pb2.GetSummaryRequest, limits: Limits, position: int) -> None:
    """Raise FIELD_VIOLATIONS with all that is wrong. position: of the log's end."""
    check = Check(limits)
    check.between("max_groups", wire.max_groups, 0, MAX_PAGE_SIZE)
    check_period(check, wire)
    check_position(check, wire.at_least_position, position)
    check.raise_if_any()


def check_period(
    check: Check, wire: audit_pb2.ListDecisionsRequest | audit_pb2.GetSummaryRequest
) -> None:
    check.between("from_time_ms", wire.from_time_ms, 0, MAX_TIME_MS)
    check.between("until_time_ms", wire.until_time_ms, 0, MAX_TIME_MS)
    if 0 < wire.until_time_ms < wire.from_time_ms:
        told = f"is {wire.from_time_ms}, after until_time_ms, which is {wire.until_time_ms}"
        check.add("from_time_ms", f"{told}; exchange them")


def check_position(check: Check, asked: int, position: int) -> None:
    if not 0 <= asked <= position:
        check.add("at_least_position", f"is {asked}; the log ends at position {position}")


def record(row: Decided) -> audit_pb2.DecisionRecord:
    """A row of the table decisions, without candidates."""
    told = audit_pb2.DecisionRecord(
        decision_id=row.decision_id,
        request_id=row.request_id,
        position=row.position,
        time_ms=row.time_ms,
        task_id=row.task_id,
        group_id=row.group_id,
        work_type=row.work_type,
        classification=classification(row.signal),
        description=row.description,
        domain=row.domain,
        labels=row.labels,
        session_id=row.session_id,
        agent_id=row.agent_id,
        propensity=row.propensity,
        u=row.u,
        policy_id=row.policy_id,
        decision_confidence=row.confidence,
        reason_code=REASON_CODES[row.reason],
        reason=row.sentence,
        fallback_agent_id=row.fallback_agent_id,
        alternative_agent_ids=row.alternatives,
        stages=row.stages,
        open=bool(row.open),
        escalate_below=row.escalate_below,
        companion_of=row.companion_of,
        inclusion_probability=row.inclusion,
        follows=follows(row.conditions.follows),
    )
    told.MergeFrom(came_of(row))
    return told


def came_of(row: Decided) -> audit_pb2.DecisionRecord:
    """What a row says that others said of its decision, and nothing else."""
    told = audit_pb2.DecisionRecord(outcome=outcome_state(row))
    if row.claimed is not None:
        told.claim_accepted = bool(row.claimed)
    return told


def outcome_state(row: Decided) -> audit_pb2.OutcomeState | None:
    """The current outcome in a row; None when there is none, as in GetDecision."""
    metrics = (row.quality, row.cost_usd, row.latency_ms)
    elsewhere = row.executed_agent_id != row.agent_id
    if not elsewhere and all(metric is None for metric in metrics):
        return None
    return audit_pb2.OutcomeState(
        quality=row.quality,
        cost_usd=row.cost_usd,
        latency_ms=row.latency_ms,
        executed_agent_id=row.executed_agent_id if elsewhere else "",
        reports=row.messages,
        quality_assumed=bool(row.quality_assumed),
    )


def summary_response(reached: int, told: Summed) -> audit_pb2.GetSummaryResponse:
    whole = told.total.decisions
    return audit_pb2.GetSummaryResponse(
        projected_through=reached,
        total=summary(told.total, whole),
        agents=[summary(sums, whole) for sums in told.agents],
        work_types=[summary(sums, whole) for sums in told.work_types],
        groups=[summary(sums, whole) for sums in told.groups],
    )


def summary(sums: Sums, whole: int) -> audit_pb2.Summary:
    return audit_pb2.Summary(
        key=sums.key,
        decisions=sums.decisions,
        share=sums.decisions / whole if whole else 0.0,
        explored=sums.explored,
        open=sums.open,
        rated=sums.quality_count,
        mean_quality=mean(sums.quality_sum, sums.quality_count),
        mean_cost_usd=mean(sums.cost_usd_sum, sums.cost_count),
        total_cost_usd=sums.cost_usd_sum,
        mean_latency_ms=mean(sums.latency_ms_sum, sums.latency_count),
    )


def mean(total: float, count: int) -> float | None:
    return total / count if count else None
