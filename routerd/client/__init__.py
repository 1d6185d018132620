"""Ask a daemon from Python: async and sync alike, with an answer even when the daemon is away.

from routerd.client import AsyncClient, Client
"""

from __future__ import annotations

from routerd.client.async_client import AsyncClient
from routerd.client.decision import Decision
from routerd.client.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NoAnswer,
    NotFound,
    OutOfRange,
    PermissionDenied,
    Refused,
    RouterdError,
    Unauthenticated,
    Violation,
)
from routerd.client.outbox import Counts
from routerd.client.sync_client import Client

__all__ = [
    "AlreadyExists",
    "AsyncClient",
    "Client",
    "Counts",
    "Decision",
    "FailedPrecondition",
    "InvalidArgument",
    "NoAnswer",
    "NotFound",
    "OutOfRange",
    "PermissionDenied",
    "Refused",
    "RouterdError",
    "Unauthenticated",
    "Violation",
]
