"""How an agent has done lately, and whether it is set aside."""

from __future__ import annotations

import msgspec

from routerd.core.events import CooldownCause


class Health(msgspec.Struct, frozen=True, gc=False):
    """failures: in a row. results: the latest, a byte each, 1 for a success. since: the position at
    which the agent was last set aside or taken back; 0 when it never was. What was decided before
    does not count.
    """

    failures: int = 0
    results: bytes = b""
    since: int = 0


class Cooling(msgspec.Struct, frozen=True, gc=False):
    """An agent that is set aside until a time, and then tried by one decision at a time.

    times: in a row. trial: the decision that tries it. passed: what came of that; None while
    nothing did.
    """

    times: int
    until_ms: int
    cause: CooldownCause
    trial: str = ""
    passed: bool | None = None
