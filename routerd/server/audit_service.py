"""routerd.v1.AuditService: convert, ask the log or the audit file, convert."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from routerd.audit.queries import FOREVER, Audit, page_token, position_of
from routerd.core.errors import ErrorReason, RouterError
from routerd.core.validate import PAGE_SIZE
from routerd.server import convert, convert_audit, convert_events
from routerd.server.audit_reader import AuditReader
from routerd.server.convert_agents import fitting
from routerd.server.interceptors import Partition
from routerd.server.watches import Watches
from routerd.v1 import audit_pb2

SERVICE = audit_pb2.DESCRIPTOR.services_by_name["AuditService"]


class AuditService:
    """Answers questions about decisions that were made, from what is durable."""

    def __init__(self, reader: AuditReader, watches: Watches) -> None:
        self._reader = reader
        self._watches = watches

    async def GetDecision(
        self, wire: audit_pb2.GetDecisionRequest, partition: Partition, deadline_s: float
    ) -> audit_pb2.GetDecisionResponse:
        found = partition.sequencer.find(convert.decision_id_of(wire))
        await partition.committer.durable(partition.sequencer.position, platter=False)
        record = convert.decision_record(found)
        if not found.open:
            record.MergeFrom(await self._what_came_of(found.position, deadline_s))
        return audit_pb2.GetDecisionResponse(decision=record)

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
            records = fitting(convert_audit.record(row) for row in found.rows)
            more = found.more or len(records) < len(found.rows)
            return records, page_token(search, records[-1].position) if more else ""

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

    async def WatchEvents(
        self, wire: audit_pb2.WatchEventsRequest, partition: Partition, deadline_s: float | None
    ) -> AsyncGenerator[audit_pb2.WatchEventsResponse, None]:
        end = partition.sequencer.durable
        position, wanted = convert_events.watched(wire, end)
        async with aclosing(self._watches.follow(partition, position)) as followed:
            async for record in followed:
                if isinstance(record.event, wanted):
                    event = convert_events.event(record)
                    yield audit_pb2.WatchEventsResponse(event=event)

    async def _what_came_of(self, position: int, deadline_s: float) -> audit_pb2.DecisionRecord:
        """Of a decision that the engine has forgotten, as far as the audit knows it."""
        try:
            _, row = await self._reader.ask(lambda audit: audit.decision(position), deadline_s)
        except RouterError as error:
            if error.reason is not ErrorReason.AUDIT_UNAVAILABLE:
                raise
            row = None
        return convert_audit.came_of(row) if row else audit_pb2.DecisionRecord()
