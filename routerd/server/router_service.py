"""routerd.v1.RouterService: convert, engine, await durable, convert."""

from __future__ import annotations

from routerd.core.errors import RouterError, Violation, invalid
from routerd.server import convert
from routerd.server.interceptors import Partition
from routerd.v1 import router_pb2

SERVICE = router_pb2.DESCRIPTOR.services_by_name["RouterService"]


class RouterService:
    """Chooses agents and learns from outcomes.

    power: whether a decision is answered only when it survives power loss. Outcomes always do.
    """

    def __init__(self, power: bool) -> None:
        self._power = power

    async def Route(
        self, wire: router_pb2.RouteRequest, partition: Partition, deadline_s: float
    ) -> router_pb2.RouteResponse:
        def route() -> router_pb2.RouteResponse:
            request, explain = convert.request_of(wire), wire.explain
            answer = partition.sequencer.route(request, explain=explain)
            return convert.route_response(answer, explain=explain)

        return await partition.committer.settle(route, deadline_s, platter=self._power)

    async def Preview(
        self, wire: router_pb2.PreviewRequest, partition: Partition, deadline_s: float
    ) -> router_pb2.PreviewResponse:
        request = convert.previewed(wire)
        try:
            answer = partition.sequencer.preview(
                convert.request_of(request), explain=request.explain
            )
        except RouterError as error:
            raise inside("request", error) from None
        await partition.committer.durable(partition.sequencer.position, platter=self._power)
        response = convert.route_response(answer, explain=request.explain)
        return router_pb2.PreviewResponse(answer=response)

    async def ReportOutcome(
        self, wire: router_pb2.ReportOutcomeRequest, partition: Partition, deadline_s: float
    ) -> router_pb2.ReportOutcomeResponse:
        def report() -> router_pb2.ReportOutcomeResponse:
            return convert.outcome_response(partition.sequencer.report(convert.outcome_of(wire)))

        return await partition.committer.settle(report, deadline_s, platter=True)


def inside(field: str, error: RouterError) -> RouterError:
    """The same error with its violations named as fields of an enclosing message."""
    if not error.violations:
        return error
    return invalid([Violation(f"{field}.{v.field}", v.description) for v in error.violations])
