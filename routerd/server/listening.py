"""Where a daemon listens: a port or a socket that nobody else has."""

from __future__ import annotations

import socket
from contextlib import closing, suppress

import grpc

UNIX = "unix:"


def bound(server: grpc.aio.Server, address: str) -> int:
    """The port that the server got at host:port, 1 for a socket's path. Raises OSError."""
    path = address.removeprefix(UNIX).removeprefix("//") if address.startswith(UNIX) else ""
    if path and is_heard(path):
        # gRPC would take the path away from who has it, and that one hear of nothing any more.
        raise OSError(f"cannot listen on {address}: it is taken")
    try:
        return server.add_insecure_port(address)
    except RuntimeError:  # which says nothing else
        why = "it is taken, not of this machine, or not allowed"
        if path:
            why = "its directory is not there, or may not be written to"
        raise OSError(f"cannot listen on {address}: {why}") from None


def is_heard(path: str) -> bool:
    """Whether somebody listens at a socket's path; one that was left behind there hears nothing."""
    with closing(socket.socket(socket.AF_UNIX)) as asked, suppress(OSError):
        asked.connect(path)
        return True
    return False
