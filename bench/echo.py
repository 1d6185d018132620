"""The floor that a daemon is measured against: a bare gRPC server that answers without looking.

It has the server options of routerd's own and answers every Route with the same message: what it
costs is what grpc.aio and the parsing of messages cost. Run as `python -m bench.echo ANSWER`.
"""

from __future__ import annotations

import asyncio
import signal
import sys

import grpc

from routerd.server.app import OPTIONS
from routerd.v1 import router_pb2

SERVICE = router_pb2.DESCRIPTOR.services_by_name["RouterService"]


async def serve(answer: router_pb2.RouteResponse) -> None:
    """Serve on a free port until SIGTERM; print one line when calls are accepted."""

    async def route(request: router_pb2.RouteRequest, context: object) -> router_pb2.RouteResponse:
        return answer

    # Not by add_RouterServiceServicer_to_server: grpc.aio is slower with registered methods.
    method = grpc.unary_unary_rpc_method_handler(
        route,
        request_deserializer=router_pb2.RouteRequest.FromString,
        response_serializer=router_pb2.RouteResponse.SerializeToString,
    )
    server = grpc.aio.server(options=OPTIONS)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(SERVICE.full_name, {"Route": method}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"echo listening on 127.0.0.1:{port}, one answer for all", flush=True)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await server.stop(None)


if __name__ == "__main__":
    asyncio.run(serve(router_pb2.RouteResponse.FromString(bytes.fromhex(sys.argv[1]))))
