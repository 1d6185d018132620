"""Messages with more entries than there may be: refused by name, before they take any time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from routerd.core.errors import RouterError
from routerd.server.parsing import LARGE_BYTES, LIST_ENTRIES, MAP_ENTRIES, parser
from routerd.settings import Config
from routerd.v1 import router_pb2
from tests.server.harness import PATIENCE_S, Running, refused
from tests.server.messages import asked, said
from tests.server.rpcs import ROWS, method

# A field that nobody knows makes any message a large one.
FILL = b"\xfa\xff\x03\x80\x80\x08" + bytes(2 * LARGE_BYTES)
REQUESTS = {name: GetMessageClass(method(name).input_type) for name in ROWS}


def lists(message: Message, path: str = "") -> Iterator[tuple[str, Message, Any]]:
    """Every list and map in a message, which gets one entry of each list of messages on the way:
    its path, the message that it is of, and its field."""
    for field in message.DESCRIPTOR.fields:
        inner = field.message_type
        if field.is_repeated:
            yield f"{path}{field.name}", message, field
        if inner is None or is_map(field):
            continue
        if field.is_repeated:
            yield from lists(getattr(message, field.name).add(), f"{path}{field.name}[0].")
        else:
            yield from lists(getattr(message, field.name), f"{path}{field.name}.")


def is_map(field: Any) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def fill(message: Message, field: Any, count: int) -> None:
    """Have a list or map hold so many entries."""
    entries, kind = getattr(message, field.name), field
    if is_map(field):
        kind = field.message_type.fields_by_name["value"]
    empty = "" if kind.cpp_type == kind.CPPTYPE_STRING else 0
    if is_map(field):
        entries.update({str(number): empty for number in range(count)})
    elif field.message_type is None:
        entries.extend([empty] * count)
    else:
        while len(entries) < count:
            entries.add()


PLACES = [(name, path) for name, kind in REQUESTS.items() for path, _, _ in lists(kind())]


@pytest.mark.parametrize(("name", "path"), PLACES)
def test_a_list_or_map_is_as_long_as_may_be_or_refused_by_name(name: str, path: str) -> None:
    """In every request, at any depth; what is within bounds is read as it is."""
    kind = REQUESTS[name]
    parse = parser(kind)
    for over in (0, 1):
        whole = kind()
        ((of, field),) = [(of, field) for at, of, field in lists(whole) if at == path]
        most = MAP_ENTRIES if is_map(field) else LIST_ENTRIES
        fill(of, field, most + over)
        data = whole.SerializeToString() + FILL
        if not over:
            assert parse(data) == kind.FromString(data)
            continue
        with pytest.raises(RouterError) as refusal:
            parse(data)
        assert refusal.value.violations == ((path, f"has {most + 1} entries; the most is {most}"),)


def test_no_configuration_admits_more() -> None:
    """What a small message may hold, a large one may too."""
    limits = msgspec.json.schema(Config)["$defs"]
    assert limits["Limits"]["properties"]["labels"]["maximum"] <= MAP_ENTRIES
    assert limits["Limits"]["properties"]["features"]["maximum"] <= MAP_ENTRIES
    assert limits["Limits"]["properties"]["batch"]["maximum"] <= LIST_ENTRIES
    assert limits["EmbeddingFeature"]["properties"]["dimension"]["maximum"] <= LIST_ENTRIES


def test_of_a_map_that_is_too_long_nothing_is_read() -> None:
    """protobuf would take more than a second, in which no other call is answered."""
    wire = router_pb2.RouteRequest()
    for number in range(300_000):
        wire.task.labels[f"{number:x}"] = ""
    data, parse = wire.SerializeToString(), parser(router_pb2.RouteRequest)
    since_s = time.process_time()
    with pytest.raises(RouterError, match=r"task\.labels: has 300000 entries; the most is 256"):
        parse(data)
    assert time.process_time() - since_s < 0.25


async def test_a_call_that_is_too_long_is_told_which_field(running: Running) -> None:
    """Like any other mistake in a request."""
    features = {f"feature-{number:05}": 1.0 for number in range(5_000)}
    refusal = await refused(running.client.route(task={"features": features}))
    assert refusal.reason == "FIELD_VIOLATIONS"
    assert refusal.fields == ["task.features"]
    assert "has 5000 entries; the most is 256" in refusal.message


async def test_a_message_that_is_too_long_ends_no_stream(running: Running) -> None:
    """It is refused in its place; those around it are answered."""
    labels = {f"label-{number:05}": "v" for number in range(5_000)}
    messages = asked({"request_id": "a"}, {"task": {"labels": labels}}, {"request_id": "b"})
    call = running.client.router.RouteStream(timeout=PATIENCE_S)
    for message in messages:
        await call.write(message)
    await call.done_writing()
    results = [answer.result async for answer in call]
    assert [one.startswith("!") for one in said(results)] == [False, True, False]
    assert said(results)[1] == "!FIELD_VIOLATIONS"
