"""The floor that a daemon is measured against: a bare gRPC server that answers without looking.

It has the server options of routerd's own and answers each method of RouterService with the same
message every time: what it costs is what grpc.aio and the parsing of messages cost. Its event loop
is asyncio's own, which does not poll as that of routerd.server.polling does.

Run as `python -m bench.speed.echo FILE`: a JSON object of methods and their answers in hexadecimal
digits.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from routerd.server.app import OPTIONS
from routerd.v1 import router_pb2

SERVICE = router_pb2.DESCRIPTOR.services_by_name["RouterService"]


def echo(method: MethodDescriptor, data: bytes) -> grpc.RpcMethodHandler[Any, Any]:
    """The handler of a unary or a bidirectional method that gives one answer to every message."""
    request, response = map(GetMessageClass, (method.input_type, method.output_type))
    answer = response.FromString(data)

    async def unary(request: Message, context: object) -> Message:
        return answer

    async def stream(requests: object, context: Any) -> None:
        while await context.read() is not grpc.aio.EOF:
            await context.write(answer)

    many = method.client_streaming and method.server_streaming
    handler: Callable[..., grpc.RpcMethodHandler[Any, Any]] = (
        grpc.stream_stream_rpc_method_handler if many else grpc.unary_unary_rpc_method_handler
    )
    return handler(
        stream if many else unary,
        request_deserializer=request.FromString,
        response_serializer=response.SerializeToString,
    )


async def serve(answers: Mapping[str, bytes]) -> None:
    """Serve on a free port until SIGTERM; print one line when calls are accepted."""
    # Not by add_RouterServiceServicer_to_server: grpc.aio is slower with registered methods.
    handlers = {name: echo(SERVICE.methods_by_name[name], data) for name, data in answers.items()}
    server = grpc.aio.server(options=OPTIONS)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(SERVICE.full_name, handlers),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"echo listening on 127.0.0.1:{port}, one answer for all", flush=True)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await server.stop(None)


if __name__ == "__main__":
    told = json.loads(Path(sys.argv[1]).read_text())
    asyncio.run(serve({name: bytes.fromhex(data) for name, data in told.items()}))
