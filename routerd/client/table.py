"""Which agent runs when the daemon gives no answer."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping

from routerd.v1 import router_pb2

Fallback = Mapping[str, str] | Callable[[router_pb2.RouteRequest], str | None]
"""Work type -> agent, with "" for every other one; or a function of the request."""

LEARNT = 1_000

Key = tuple[str, str, tuple[str, ...]]


class Table:
    """The agent that the request names; else the one that the given table has for its work type,
    or for ""; else the fallback that the daemon named when it last answered a request of the same
    work type, pool and capabilities; else none.

    Of what is learnt, the LEARNT kinds of request that were answered last are kept. Safe to share
    by threads.

    >>> from routerd.v1.router_pb2 import RouteRequest, RouteResponse
    >>> table = Table({"code": "large"})
    >>> code, prose = (RouteRequest(task={"work_type": w}) for w in ("code", "prose"))
    >>> table.agent_for(code), table.agent_for(prose)
    ('large', '')
    >>> table.learn(prose, RouteResponse(agent_id="large", fallback_agent_id="small"))
    >>> table.agent_for(prose), table.agent_for(RouteRequest(agent_id="vision"))
    ('small', 'vision')
    """

    def __init__(self, given: Fallback | None = None) -> None:
        self._given = given if callable(given) else checked(given or {})
        self._learnt: OrderedDict[Key, str] = OrderedDict()
        self._lock = threading.Lock()

    def agent_for(self, request: router_pb2.RouteRequest) -> str:
        """The agent to run, or "" when there is none."""
        named = request.agent_id or self._own(request)
        if named:
            return named
        with self._lock:
            return self._learnt.get(key(request), "")

    def learn(self, request: router_pb2.RouteRequest, answer: router_pb2.RouteResponse) -> None:
        """Remember what the daemon would fall back on; where it names none, whom it chose."""
        if request.agent_id:
            return
        kind = key(request)
        with self._lock:
            self._learnt[kind] = answer.fallback_agent_id or answer.agent_id
            self._learnt.move_to_end(kind)
            if len(self._learnt) > LEARNT:
                self._learnt.popitem(last=False)

    def _own(self, request: router_pb2.RouteRequest) -> str:
        if callable(self._given):
            return self._given(request) or ""
        return self._given.get(request.task.work_type) or self._given.get("", "")


def checked(given: Mapping[str, str]) -> dict[str, str]:
    """A table of names. TypeError that says what is none: it would be noticed in an outage only."""
    if not isinstance(given, Mapping):
        wanted = "a mapping of work types to agents, or a function of the request"
        raise TypeError(f"fallback: must be {wanted}, not {given!r}")
    for work_type, agent_id in given.items():
        if not (isinstance(work_type, str) and isinstance(agent_id, str)):
            told = f"has {work_type!r}: {agent_id!r}; a work type and an agent's id are texts"
            raise TypeError(f"fallback: {told}")
    return dict(given)


def key(request: router_pb2.RouteRequest) -> Key:
    """What an agent must fit: the kind of work and the hard conditions."""
    capabilities = tuple(sorted(set(request.required_capabilities)))
    return request.task.work_type, request.pool, capabilities
