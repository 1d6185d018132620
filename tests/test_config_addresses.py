"""Addresses to listen on: those that gRPC would take for others are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from routerd.config import parse
from tests.test_config import AGENTS, errors_of


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1:99999",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1:+5",
        "127.0.0.1: 5",
        "127.0.0.1:",
        "127.0.0.1",
        "127.0.0.1:http",
        ":7464",
        "*:7464",
        "::1",
        "::1:7464",
        "[::1]",
        "[127.0.0.1]:7464",
        "http://localhost:7464",
        "unix:",
    ],
)
def test_an_address_that_cannot_be_listened_on_is_told(address: str, tmp_path: Path) -> None:
    """gRPC would listen on some other port, or say that the address is taken."""
    assert errors_of(AGENTS + f"listen: '{address}'", tmp_path) == [
        f"listen: is '{address}'; give host:port with a port from 0 to 65535, "
        "as 127.0.0.1:7450 or [::1]:7450, or unix:path"
    ]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1:0",
        "0.0.0.0:65535",
        "localhost:7450",
        "my_service-1.internal:7450",
        "[::]:7450",
        "[fe80::1%eth0]:7450",
        "unix:routerd.sock",
        "unix:///run/routerd/a:b.sock",
        "unix-abstract:routerd",
    ],
)
def test_every_form_of_an_address_may_be_given(address: str) -> None:
    """A name, IPv4, IPv6 in brackets, and sockets of Unix."""
    assert parse({"agents": [{"id": "a"}], "listen": address}).listen == address
