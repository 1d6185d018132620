"""Where a daemon listens: a port or a socket that nobody else has."""

from __future__ import annotations

import os
import socket
from contextlib import closing, suppress
from pathlib import Path

import grpc

UNIX = "unix:"


def require_free(address: str) -> None:
    """OSError where a server could not be bound now; to be asked before anything is made for it."""
    path = path_of(address)
    if path:
        require_not_heard(address, path)
        if not os.access(Path(path).parent, os.W_OK):
            raise refused(address, path)
    elif not address.startswith("unix-abstract:") and not can_be_bound(address):
        raise refused(address, path)


def bound(server: grpc.aio.Server, address: str) -> int:
    """The port that the server got at host:port, 1 for a socket's path. Raises OSError."""
    path = path_of(address)
    if path:  # gRPC would take it away from who has it, and that one hear of nothing any more
        require_not_heard(address, path)
    try:
        return server.add_insecure_port(address)
    except RuntimeError:  # which says nothing else
        raise refused(address, path) from None


def path_of(address: str) -> str:
    """Of a socket; empty for host:port."""
    return address.removeprefix(UNIX).removeprefix("//") if address.startswith(UNIX) else ""


def refused(address: str, path: str) -> OSError:
    why = "it is taken, not of this machine, or not allowed"
    if path:
        why = "its directory is not there, or may not be written to"
    return OSError(f"cannot listen on {address}: {why}")


def can_be_bound(address: str) -> bool:
    """Whether one of the addresses that host:port stands for can; gRPC asks for no more."""
    host, _, port = address.rpartition(":")
    with suppress(OSError):
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
        for family, kind, protocol, _, place in found:
            with suppress(OSError), closing(socket.socket(family, kind, protocol)) as tried:
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gRPC does
                tried.bind(place)
                return True
    return False


def require_not_heard(address: str, path: str) -> None:
    if is_heard(path):
        raise OSError(f"cannot listen on {address}: it is taken")


def is_heard(path: str) -> bool:
    """Whether somebody listens at a socket's path; one that was left behind there hears nothing."""
    with closing(socket.socket(socket.AF_UNIX)) as asked:
        asked.setblocking(False)  # else a listener that takes no calls is waited for, without end
        try:
            asked.connect(path)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True
