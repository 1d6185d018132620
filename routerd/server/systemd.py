"""What a daemon tells systemd, by one datagram each; nothing without a NOTIFY_SOCKET.

Source: sd_notify(3) and sd_watchdog_enabled(3).
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress

logger = logging.getLogger(__name__)


class Systemd:
    """The service manager that started this process, if there is one."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        if self._address.startswith("@"):  # Linux's abstract names
            self._address = "\0" + self._address[1:]
        mine = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        told = environ.get("WATCHDOG_USEC", "")
        self._watchdog_s = int(told) / 1e6 if mine and told.isdigit() else 0.0
        self._beating: asyncio.Task[None] | None = None

    def ready(self, status: str) -> None:
        """Calls are accepted; from now on tell the watchdog, too, that the event loop turns."""
        self.send("READY=1", f"STATUS={status}")
        if self._address and self._watchdog_s and self._beating is None:
            self._beating = asyncio.get_running_loop().create_task(self._beat())

    def reloading(self) -> None:
        self.send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        self.send("STOPPING=1", "STATUS=draining")

    def send(self, *lines: str) -> None:
        """Tell it; who does not listen is not waited for."""
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto("\n".join(lines).encode(), self._address)

    def close(self) -> None:
        if self._beating is not None:
            self._beating.cancel()

    async def _beat(self) -> None:
        while True:
            self.send("WATCHDOG=1")
            await asyncio.sleep(self._watchdog_s / 3)
