"""What changes the operator's rules over RPC."""

from __future__ import annotations

from enum import StrEnum

from routerd.core.base import Event
from routerd.core.rules import Override


class RemovalCause(StrEnum):
    """Why a rule is gone: somebody removed it, or its time was over."""

    REMOVED = "REMOVED"
    EXPIRED = "EXPIRED"


class OverrideSet(Event, frozen=True, tag=True):
    """An override that came over RPC: a new one, or another in place of its namesake."""

    override: Override


class OverrideRemoved(Event, frozen=True, tag=True):
    """An override that came over RPC is gone."""

    override_id: str
    cause: RemovalCause = RemovalCause.REMOVED
