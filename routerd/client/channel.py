"""How a channel to a daemon is set up: retries, keepalive, and coming back after an outage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

SERVICE_CONFIG = files("routerd.client").joinpath("service_config.json").read_text()
"""gRPC's own JSON, for any language: what is retried, how often, and within which time."""

ADDRESS = "127.0.0.1:7450"

LARGEST = 4 * 2**20
"""Bytes of a message that a daemon takes."""

Options = Sequence[tuple[str, Any]]

OPTIONS = {
    "grpc.service_config": SERVICE_CONFIG,
    # A ping every 30 s, without calls too: a connection that a middlebox dropped is noticed.
    "grpc.keepalive_time_ms": 30_000,
    "grpc.keepalive_timeout_ms": 10_000,
    "grpc.keepalive_permit_without_calls": 1,
    "grpc.http2.max_pings_without_data": 0,
    # A daemon that is back is found within seconds; gRPC's own bound is two minutes.
    "grpc.initial_reconnect_backoff_ms": 200,
    "grpc.min_reconnect_backoff_ms": 5_000,
    "grpc.max_reconnect_backoff_ms": 2_000,
    "grpc.max_receive_message_length": 16 * 2**20,
}


def with_defaults(options: Options) -> Options:
    """A channel's options, the caller's before ours."""
    return [*{**OPTIONS, **dict(options)}.items()]


def checked_address(address: str) -> str:
    """HOST:PORT or unix:PATH. TypeError or ValueError for what can be no address."""
    if not isinstance(address, str):
        raise TypeError(f"address: must be text such as {ADDRESS!r}, not {address!r}")
    if not address.strip():
        raise ValueError(f"address: is empty; give one such as {ADDRESS!r}")
    if address.startswith(("http://", "https://")):  # gRPC would look for such a host for ever
        raise ValueError(f"address: is the URL {address!r}; give one such as {ADDRESS!r}")
    return address


def checked_timeout(timeout_s: float) -> float:
    """Seconds until an answer is given up. TypeError or ValueError for what can be none."""
    if isinstance(timeout_s, bool) or not isinstance(timeout_s, int | float):
        raise TypeError(f"timeout_s: must be a number of seconds, not {timeout_s!r}")
    if not (math.isfinite(timeout_s) and timeout_s > 0):
        raise ValueError(f"timeout_s: is {timeout_s}; it must be finite and above 0")
    return timeout_s
