"""Addresses to listen on: gRPC takes more than it can keep, and says nothing."""

from __future__ import annotations

import re
from ipaddress import IPv6Address

MAX_PORT = 65_535


def address_problem(address: str) -> str | None:
    """What is wrong with an address to listen on; None when nothing is."""
    if re.fullmatch(r"unix(-abstract)?:.+", address):
        return None
    # gRPC itself would take 443 for no port, and of a port beyond the range what is left of it.
    host, _, port = address.rpartition(":")
    if _is_host(host) and re.fullmatch("[0-9]{1,5}", port) and int(port) <= MAX_PORT:
        return None
    return (
        f"is {address!r}; give host:port with a port from 0 to {MAX_PORT}, as 127.0.0.1:7450 "
        "or [::1]:7450, or unix:path"
    )


def _is_host(host: str) -> bool:
    """A name or IPv4 address, or an IPv6 address in brackets."""
    if not (host.startswith("[") and host.endswith("]")):
        return re.fullmatch(r"[\w.-]+", host) is not None
    try:
        IPv6Address(host[1:-1])
    except ValueError:
        return False
    return True
