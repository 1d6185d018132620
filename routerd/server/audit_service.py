"""routerd.v1.AuditService: convert, ask the log or the audit file, convert."""

from __future__ import annotations

from routerd.audit.queries import FOREVER, Audit, page_token, position_of
from routerd.core.validate import PAGE_SIZE
from routerd.server import convert, convert_audit
from routerd.server.audit_reader import AuditReader
from routerd.server.interceptors import Partition
from routerd.v1 import audit_pb2

SERVICE = audit_pb2.DESCRIPTOR.services_by_name["AuditService"]


class AuditService:
    """Answers questions about decisions that were made, from what is durable."""

    def __init__(self, reader: AuditReader) -> None:
        self._reader = reader

    async def GetDecision(
        self, wire: audit_pb2.GetDecisionRequest, partition: Partition, deadline_s: float
    ) -> audit_pb2.GetDecisionResponse:
        found = partition.sequencer.find(convert.decision_id_of(wire))
        await partition.committer.durable(partition.sequencer.position, platter=False)
        return convert.decision_response(found)

    async def ListDecisions(
        self, wire: audit_pb2.ListDecisionsRequest, partition: Partition, deadline_s: float
    ) -> audit_pb2.ListDecisionsResponse:
        search = convert_audit.search_of(wire)
        before = position_of(search, wire.page_token) if wire.page_token else FOREVER
        sequencer = partition.sequencer
        limits = sequencer.state.config.limits
        convert_audit.check_list_request(
            wire, limits, sequencer.durable, token_fits=before is not None
        )

        def question(audit: Audit) -> tuple[list[audit_pb2.DecisionRecord], str]:
            found = audit.decisions(search, wire.page_size or PAGE_SIZE, before or FOREVER)
            following = page_token(search, found.rows[-1]["position"]) if found.more else ""
            return [convert_audit.record(row) for row in found.rows], following

        reached, (decisions, following) = await self._reader.ask(
            question, deadline_s, wire.at_least_position
        )
        return audit_pb2.ListDecisionsResponse(
            decisions=decisions, next_page_token=following, projected_through=reached
        )

    async def GetSummary(
        self, wire: audit_pb2.GetSummaryRequest, partition: Partition, deadline_s: float
    ) -> audit_pb2.GetSummaryResponse:
        sequencer = partition.sequencer
        limits = sequencer.state.config.limits
        convert_audit.check_summary_request(wire, limits, sequencer.durable)
        most = wire.max_groups or convert_audit.MOST_GROUPS
        reached, told = await self._reader.ask(
            lambda audit: audit.summed(wire.from_time_ms, wire.until_time_ms, most),
            deadline_s,
            wire.at_least_position,
        )
        return convert_audit.summary_response(reached, told)
