"""How an agent stands: what was set for it, and what its heartbeats say. The worse counts."""

from __future__ import annotations

import msgspec

from routerd.core.events import AgentStatusChanged
from routerd.core.values import AgentStatus, StatusCause

SEVERITY = {AgentStatus.ONLINE: 0, AgentStatus.BUSY: 1, AgentStatus.OFFLINE: 2}


class Standing(msgspec.Struct, frozen=True, gc=False):
    """held: as it was set over RPC, until it is set again. told: by its latest heartbeat, or by the
    end of its lease. lease_ms: how long a heartbeat holds; 0 while no lease runs.

    Both are kept, so that an agent that somebody took out of service does not come back by beating.

    >>> drained = Standing(AgentStatus.OFFLINE, 5, told_cause=StatusCause.HEARTBEAT)
    >>> drained.status, drained.cause
    (<AgentStatus.OFFLINE: 'OFFLINE'>, <StatusCause.SET: 'SET'>)
    """

    held: AgentStatus = AgentStatus.ONLINE
    held_ms: int = 0
    told: AgentStatus = AgentStatus.ONLINE
    told_cause: StatusCause | None = None
    told_ms: int = 0
    lease_ms: int = 0

    @property
    def status(self) -> AgentStatus:
        return max(self.held, self.told, key=SEVERITY.__getitem__)

    @property
    def cause(self) -> StatusCause | None:
        """Why it stands so; None when nobody ever said anything."""
        if self.told_cause is None or SEVERITY[self.held] > SEVERITY[self.told]:
            return StatusCause.SET if self.held_ms else None
        return self.told_cause

    @property
    def since_ms(self) -> int:
        """When that was said; 0 when nobody ever did."""
        return self.held_ms if self.cause is StatusCause.SET else self.told_ms

    def after(self, event: AgentStatusChanged) -> Standing:
        """The standing that an event leaves."""
        if event.cause is StatusCause.SET:
            return msgspec.structs.replace(self, held=event.status, held_ms=event.time_ms)
        return msgspec.structs.replace(
            self,
            told=event.status,
            told_cause=event.cause,
            told_ms=event.time_ms,
            lease_ms=event.lease_ms,
        )


UNHEARD_OF = Standing()
"""How an agent stands of which nobody said anything: online, without a lease."""
