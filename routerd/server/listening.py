"""Where a daemon listens: a port or a socket that nobody else has."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import closing
from pathlib import Path

import grpc

UNIX = "unix:"
NO_PLACE = "its directory is not there, or may not be written to"
WHY = {
    errno.EADDRINUSE: "it is taken",
    errno.EADDRNOTAVAIL: "it is not of this machine",
    errno.EACCES: "this user may not have that port",
}


def require_free(address: str) -> None:
    """OSError where a server could not be bound now; to be asked before anything is made for it."""
    path = path_of(address)
    if path:
        require_not_heard(address, path)
        if not os.access(Path(path).parent, os.W_OK):
            raise refused(address, NO_PLACE)
    elif not address.startswith("unix-abstract:"):
        require_bindable(address)


def bound(server: grpc.aio.Server, address: str) -> int:
    """The port that the server got at host:port, 1 for a socket's path. Raises OSError."""
    path = path_of(address)
    if path:  # gRPC would take it away from who has it, and that one hear of nothing any more
        require_not_heard(address, path)
    try:
        return server.add_insecure_port(address)
    except RuntimeError:  # which says nothing else
        why = NO_PLACE if path else "it is taken, not of this machine, or not allowed"
        raise refused(address, why) from None


def path_of(address: str) -> str:
    """Of a socket; empty for host:port."""
    return address.removeprefix(UNIX).removeprefix("//") if address.startswith(UNIX) else ""


def refused(address: str, why: str) -> OSError:
    return OSError(f"cannot listen on {address}: {why}")


def require_bindable(address: str) -> None:
    """OSError where none of the addresses that host:port stands for can be; gRPC asks for one."""
    host, _, port = address.rpartition(":")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # the latter of names that no host can have
        raise refused(address, "no host of that name is known") from None
    why = ""
    for family, kind, protocol, _, place in found:
        try:
            with closing(socket.socket(family, kind, protocol)) as tried:
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gRPC does
                tried.bind(place)
                return
        except OSError as error:
            why = why or WHY.get(error.errno or 0) or str(error)
    raise refused(address, why)


def require_not_heard(address: str, path: str) -> None:
    if is_heard(path):
        raise refused(address, WHY[errno.EADDRINUSE])


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
