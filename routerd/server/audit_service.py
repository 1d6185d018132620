"""routerd.v1.AuditService: convert, engine, await durable, convert."""

from __future__ import annotations

from routerd.server import convert
from routerd.server.interceptors import Partition
from routerd.v1 import audit_pb2

SERVICE = audit_pb2.DESCRIPTOR.services_by_name["AuditService"]


class AuditService:
    """Answers questions about decisions that were made, from what is durable."""

    async def GetDecision(
        self, wire: audit_pb2.GetDecisionRequest, partition: Partition, deadline_s: float
    ) -> audit_pb2.GetDecisionResponse:
        found = partition.sequencer.find(convert.decision_id_of(wire))
        await partition.committer.durable(partition.sequencer.position, platter=False)
        return convert.decision_response(found)
