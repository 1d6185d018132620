"""Unary calls at a fixed rate, whatever comes of them, by a client that costs next to nothing.

A gRPC client spends as much on a call as the server does, so it cannot overload one tenfold from
the same machine. This one speaks just enough of HTTP/2 (RFC 9113): the same bytes for each call but
for the stream's number, no compression of headers (table size 0), and answers told apart by their
frames. It runs in a process of its own:

    python -m bench.speed.flood ADDRESS METHOD RATE SECONDS CONNECTIONS
        the message as hex on stdin

and prints a line of JSON: a list of calls, each (when it was meant to start in s, latency in us,
grpc-status or -1 when none came).
"""

from __future__ import annotations

import json
import selectors
import socket
import struct
import sys
import time
from typing import NamedTuple

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, WINDOW = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1
NO_TABLE, NO_PUSH, WINDOW_SIZE = (1, 0), (2, 0), (4, 2**31 - 1)
LINGER_S = 30.0
TIMEOUT = "60S"


class Call(NamedTuple):
    """meant_s: since the start. status: of gRPC; -1 when none came."""

    meant_s: float
    latency_us: float
    status: int
    pushback: bool


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name: bytes, value: bytes) -> bytes:
    """A header, never to be remembered (RFC 7541, 6.2.2)."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


class Connection:
    """One connection and its open calls."""

    def __init__(self, address: str, method: str, message: bytes, timeout: str) -> None:
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        fields = (
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":path", method.encode()),
            (b":authority", b"localhost"),
            (b"content-type", b"application/grpc"),
            (b"te", b"trailers"),
            (b"grpc-timeout", timeout.encode()),
        )
        head = b"".join(literal(name, value) for name, value in fields)
        body = b"\x00" + struct.pack(">I", len(message)) + message
        self._head = struct.pack(">I", len(head))[1:] + struct.pack(">BB", HEADERS, END_HEADERS)
        self._fields = head
        self._body_head = struct.pack(">I", len(body))[1:] + struct.pack(">BB", DATA, END_STREAM)
        self._body = body
        settings = b"".join(struct.pack(">HI", *s) for s in (NO_TABLE, NO_PUSH, WINDOW_SIZE))
        grow = frame(WINDOW, 0, 0, struct.pack(">I", 2**30))
        self.out = bytearray(PREFACE + frame(SETTINGS, 0, 0, settings) + grow)
        self._in = bytearray()
        self._stream = 1
        self.open: dict[int, float] = {}
        self.done: list[Call] = []

    def call(self, meant_s: float) -> None:
        stream = struct.pack(">I", self._stream)
        self.out += self._head + stream + self._fields + self._body_head + stream + self._body
        self.open[self._stream] = meant_s
        self._stream += 2

    def flush(self) -> None:
        if self.out:
            try:
                sent = self.socket.send(self.out)
            except BlockingIOError:
                return
            del self.out[:sent]

    def take(self, started_s: float) -> None:
        """Read what has come."""
        try:
            data = self.socket.recv(1 << 18)
        except BlockingIOError:
            return
        if not data:
            raise ConnectionError("the server hung up")
        now_s = time.perf_counter() - started_s
        buffer = self._in
        buffer += data
        at = 0
        while len(buffer) - at >= 9:
            size = buffer[at] << 16 | buffer[at + 1] << 8 | buffer[at + 2]
            end = at + 9 + size
            if len(buffer) < end:
                break
            kind, flags = buffer[at + 3], buffer[at + 4]
            (stream,) = struct.unpack_from(">I", buffer, at + 5)
            if kind == HEADERS and flags & END_STREAM:
                self._ended(stream, now_s, bytes(buffer[at + 9 : end]))
            elif kind == RESET:
                self._ended(stream, now_s, b"")
            elif kind in (SETTINGS, PING) and not flags & ACK:
                payload = bytes(buffer[at + 9 : end]) if kind == PING else b""
                self.out += frame(kind, ACK, 0, payload)
            elif kind == GOAWAY:
                raise ConnectionError(bytes(buffer[at + 9 : end]).decode(errors="replace"))
            at = end
        del buffer[:at]

    def _ended(self, stream: int, now_s: float, trailers: bytes) -> None:
        meant_s = self.open.pop(stream, None)
        if meant_s is None:
            return
        status = -1
        at = trailers.find(b"grpc-status")
        if at >= 0:
            size = trailers[at + 11]
            status = int(trailers[at + 12 : at + 12 + size])
        pushback = b"grpc-retry-pushback-ms" in trailers
        self.done.append(Call(meant_s, 1e6 * (now_s - meant_s), status, pushback))


def flood(
    address: str, method: str, message: bytes, rate: float, seconds: float, connections: int
) -> list[Call]:
    """Call at a rate, evenly spaced, and wait a little for the last answers."""
    conns = [Connection(address, method, message, TIMEOUT) for _ in range(connections)]
    selector = selectors.DefaultSelector()
    for conn in conns:
        selector.register(conn.socket, selectors.EVENT_READ, conn)
    started_s = time.perf_counter()
    sent, total = 0, int(rate * seconds)
    while True:
        now_s = time.perf_counter() - started_s
        due = min(total, int(now_s * rate) + 1) if now_s < seconds else total
        while sent < due:
            conns[sent % connections].call(sent / rate)
            sent += 1
        for conn in conns:
            conn.flush()
        waiting = any(conn.open for conn in conns)
        if sent == total and (not waiting or now_s > seconds + LINGER_S):
            break
        pause_s = max(0.0, min(0.01, sent / rate - now_s)) if sent < total else 0.01
        for key, _ in selector.select(pause_s):
            key.data.take(started_s)
    lost = [Call(meant_s, 0.0, -1, False) for conn in conns for meant_s in conn.open.values()]
    return [call for conn in conns for call in conn.done] + lost


def main(address: str, method: str, rate: str, seconds: str, connections: str) -> None:
    message = bytes.fromhex(sys.stdin.read())
    print(
        json.dumps(flood(address, method, message, float(rate), float(seconds), int(connections)))
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
