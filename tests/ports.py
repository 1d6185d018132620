"""Ports for servers that come later."""

from __future__ import annotations

import random
import socket
from contextlib import suppress

LEAST, MOST = 20_000, 32_000
"""Below those that systems give to whoever asks for any: nobody gets it in between."""


def free_port() -> int:
    """A port that nobody listens on."""
    while True:
        port = random.randrange(LEAST, MOST)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
