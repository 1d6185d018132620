"""The floor that a daemon is measured against: a bare gRPC server that answers without looking.

It has the server options of routerd's own and answers every call with the same bytes: what it
costs is what grpc.aio and the parsing of messages cost. Run as `python -m bench.echo ANSWER`.
"""

from __future__ import annotations

import asyncio
import signal
import sys

import grpc
from google.protobuf.message import Message

from routerd.server.app import OPTIONS
from routerd.v1 import router_pb2, router_pb2_grpc

Context = grpc.aio.ServicerContext[Message, Message]


class Echo(router_pb2_grpc.RouterServiceServicer):
    """Answers every Route alike, and knows no other method."""

    def __init__(self, answer: router_pb2.RouteResponse) -> None:
        self._answer = answer

    async def Route(
        self, request: router_pb2.RouteRequest, context: Context
    ) -> router_pb2.RouteResponse:
        return self._answer


async def serve(answer: router_pb2.RouteResponse) -> None:
    """Serve on a free port until SIGTERM; print one line when calls are accepted."""
    server = grpc.aio.server(options=OPTIONS)
    router_pb2_grpc.add_RouterServiceServicer_to_server(Echo(answer), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"echo listening on 127.0.0.1:{port}, nothing else", flush=True)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await server.stop(None)


if __name__ == "__main__":
    asyncio.run(serve(router_pb2.RouteResponse.FromString(bytes.fromhex(sys.argv[1]))))
