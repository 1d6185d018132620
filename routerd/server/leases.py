"""Leases: an agent whose heartbeats stop is offline when its lease ends.

Timers live here, on the monotonic clock of the event loop, so no jump of the wall clock touches a
lease. Only their ends are events. A beat moves the end of a lease; its one timer follows later.
"""

from __future__ import annotations

import asyncio
import logging
import math

from routerd.core.answers import Logged
from routerd.core.errors import RouterError
from routerd.engine.committer import Committer
from routerd.engine.registry import Registry

# A timer that runs out so late tells that the whole process stood still.
LATE_S = 0.5
# When it is tried again to end a lease, where that failed.
AGAIN_S = 10.0

logger = logging.getLogger(__name__)


class Leases:
    """The leases of a partition's agents. Lengths are in its state; ends are known here alone."""

    def __init__(self, registry: Registry, committer: Committer) -> None:
        self._registry = registry
        self._committer = committer
        self._loop = asyncio.get_running_loop()
        self._ends_s: dict[str, float] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    def restart(self) -> None:
        """Start every lease anew: after a start, a failing disk, or a time standing still."""
        for agent_id in self._registry.leases():
            self.renew(agent_id)

    def renew(self, agent_id: str) -> None:
        """Start an agent's lease anew; forget it when there is none."""
        lease_ms = self._registry.lease_ms(agent_id)
        if not lease_ms or self._closed:
            self._ends_s.pop(agent_id, None)
            return
        end_s = self._ends_s[agent_id] = self._loop.time() + lease_ms / 1000
        timer = self._timers.get(agent_id)
        if timer is None or timer.when() > end_s:
            self._set_timer(agent_id, end_s)

    def left_ms(self, agent_id: str) -> int:
        """How long an agent's lease still runs; 0 when none does."""
        if not self._registry.lease_ms(agent_id) or agent_id not in self._ends_s:
            return 0
        return max(math.ceil(1000 * (self._ends_s[agent_id] - self._loop.time())), 0)

    def close(self) -> None:
        """End no lease any more, and start none."""
        self._closed = True
        for timer in self._timers.values():
            timer.cancel()
        self._ends_s.clear()

    def _set_timer(self, agent_id: str, end_s: float) -> None:
        earlier = self._timers.get(agent_id)
        if earlier is not None:
            earlier.cancel()
        self._timers[agent_id] = self._loop.call_at(end_s, self._look, agent_id)

    def _look(self, agent_id: str) -> None:
        """A timer ran out: end the lease, or if it was renewed meanwhile, wait for its new end."""
        late_s = self._loop.time() - self._timers.pop(agent_id).when()
        if not self._has_ended(agent_id):
            if agent_id in self._ends_s:
                self._set_timer(agent_id, self._ends_s[agent_id])
        elif late_s > LATE_S:  # beats of that time may still wait to be read
            self.restart()
        else:
            ending = self._loop.create_task(self._end(agent_id))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)

    def _has_ended(self, agent_id: str) -> bool:
        return self._ends_s.get(agent_id, math.inf) <= self._loop.time()

    async def _end(self, agent_id: str) -> None:
        def end() -> Logged:
            if not self._has_ended(agent_id):  # a beat came while this waited
                return Logged(0)
            ended = self._registry.end_lease(agent_id)
            del self._ends_s[agent_id]
            return ended

        try:
            await self._committer.settle(end, math.inf, platter=False)
        except RouterError:
            pass  # the disk fails: restart() follows when it works again
        except Exception:  # a fault of ours: its lease has ended all the same
            logger.exception("the lease of agent %s cannot end, trying again", agent_id)
            if agent_id in self._ends_s:
                self._set_timer(agent_id, self._loop.time() + AGAIN_S)
