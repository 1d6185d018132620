"""How an agent has done lately, and what is logged when it is set aside or taken back."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from routerd.core.base import Event


class CooldownCause(StrEnum):
    """Why an agent is set aside."""

    FAILURES = "FAILURES"
    BELOW_PEERS = "BELOW_PEERS"
    TRIAL_FAILED = "TRIAL_FAILED"


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


class AgentCooledDown(Event, frozen=True, tag=True):
    """An agent fails, so it is set aside until a time. times: in a row."""

    agent_id: str
    until_ms: int
    times: int
    cause: CooldownCause


class AgentRecovered(Event, frozen=True, tag=True):
    """An agent that was set aside has passed its trial."""

    agent_id: str
