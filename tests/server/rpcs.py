"""Every RPC with a request that is taken, one that is wrong and one that names what is not there.

Whoever adds an RPC adds its row to ROWS; the tests that walk reflection fail until it is there.
A row's requests are fields of the RPC's request message, as keywords. They may be made from Made,
which says what stands on a fresh server: give it a field if an RPC needs something else to exist.
Streams are asked with one message. Deadlines need nothing here: every RPC meets them alike.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import Default
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc.status_pb2 import Status

from tests.server.harness import PATIENCE_S, Client, Refusal, Running

Fields = dict[str, Any]


class Made(NamedTuple):
    """What a fresh server has been told before it is asked."""

    decision_id: str
    agent_id: str
    override_id: str
    experiment_id: str


class Row(NamedTuple):
    """One RPC.

    good: is taken, with every message inside it present. bad: is refused, and `field` is named.
    unknown: names something that does not exist, and is refused for `reason`; or why it cannot.
    endless: a stream of the server that may have nothing to tell for long.
    """

    good: Callable[[Made], Fields]
    bad: Fields
    field: str
    unknown: Fields | str
    reason: str = ""
    endless: bool = False


TASK: Fields = {"work_type": "code", "embedding": [0.1, 0.2, 0.3, 0.4]}
ROUTE: Fields = {"task": TASK, "preference": {"quality": 1.0}}
UNKNOWN = "0000000000000000"
AGENT: Fields = {"pool": "paid", "prices": {"input_usd_per_mtok": 1.0}}

OVERRIDE: Fields = {"when": {"customer": "acme"}, "agent_id": "small", "action": 1}

EXPERIMENT: Fields = {
    "when": {"customer": "acme"},
    "arms": [
        {"arm_id": "a", "policy_json": '{"kind": "static"}'},
        {"arm_id": "b", "static_routes": [{"agent_id": "small", "when": {"work_type": "code"}}]},
    ],
}
ASTRAY: Fields = {
    "arms": [{"arm_id": "a"}, {"arm_id": "b", "static_routes": [{"agent_id": "nobody"}]}]
}

ROWS: dict[str, Row] = {
    "routerd.v1.RouterService.Route": Row(
        good=lambda made: ROUTE,
        bad={"max_cost_usd": -1.0},
        field="max_cost_usd",
        unknown={"agent_id": "nobody"},
        reason="AGENT_NOT_FOUND",
    ),
    "routerd.v1.RouterService.RouteBatch": Row(
        good=lambda made: {"requests": [ROUTE]},
        bad={"requests": [{"max_cost_usd": -1.0}]},
        field="max_cost_usd",
        unknown={"requests": [{"agent_id": "nobody"}]},
        reason="AGENT_NOT_FOUND",
    ),
    "routerd.v1.RouterService.RouteStream": Row(
        good=lambda made: {"request": ROUTE, "timeout_ms": 1_000},
        bad={"request": {"max_cost_usd": -1.0}},
        field="request.max_cost_usd",
        unknown={"request": {"agent_id": "nobody"}},
        reason="AGENT_NOT_FOUND",
    ),
    "routerd.v1.RouterService.Preview": Row(
        good=lambda made: {"request": ROUTE},
        bad={"request": {"max_cost_usd": -1.0}},
        field="request.max_cost_usd",
        unknown={"request": {"agent_id": "nobody"}},
        reason="AGENT_NOT_FOUND",
    ),
    "routerd.v1.RouterService.Claim": Row(
        good=lambda made: {"decision_id": made.decision_id, "competence": 0.9},
        bad={"decision_id": UNKNOWN, "competence": 1.5},
        field="competence",
        unknown={"decision_id": UNKNOWN, "competence": 0.9},
        reason="DECISION_NOT_FOUND",
    ),
    "routerd.v1.RouterService.ReportOutcome": Row(
        good=lambda made: {"outcome": {"decision_id": made.decision_id, "quality": 0.5}},
        bad={"outcome": {"decision_id": UNKNOWN, "quality": 2.0}},
        field="outcome.quality",
        unknown={"outcome": {"decision_id": UNKNOWN, "quality": 0.5}},
        reason="DECISION_NOT_FOUND",
    ),
    "routerd.v1.RouterService.StreamOutcomes": Row(
        good=lambda made: {
            "outcome": {"decision_id": made.decision_id, "outcome_id": "o-1", "quality": 0.5}
        },
        bad={"outcome": {"decision_id": UNKNOWN, "quality": 0.5}},
        field="outcome.outcome_id",
        unknown={"outcome": {"decision_id": UNKNOWN, "outcome_id": "o-1", "quality": 0.5}},
        reason="DECISION_NOT_FOUND",
    ),
    "routerd.v1.AgentService.RegisterAgent": Row(
        good=lambda made: {"agent_id": "newcomer", "definition": AGENT},
        bad={"agent_id": "newcomer", "definition": {"max_concurrency": -1}},
        field="definition.max_concurrency",
        unknown="names an agent that need not exist",
    ),
    "routerd.v1.AgentService.UpdateAgent": Row(
        good=lambda made: {"agent_id": made.agent_id, "definition": AGENT, "status": 1},
        bad={"agent_id": "small"},
        field="definition",
        unknown={"agent_id": "nobody", "status": 1},
        reason="AGENT_NOT_FOUND",
    ),
    "routerd.v1.AgentService.DeregisterAgent": Row(
        good=lambda made: {"agent_id": made.agent_id},
        bad={},
        field="agent_id",
        unknown={"agent_id": "nobody"},
        reason="AGENT_NOT_FOUND",
    ),
    "routerd.v1.AgentService.GetAgent": Row(
        good=lambda made: {"agent_id": made.agent_id},
        bad={},
        field="agent_id",
        unknown={"agent_id": "nobody"},
        reason="AGENT_NOT_FOUND",
    ),
    "routerd.v1.AgentService.ListAgents": Row(
        good=lambda made: {"pool": "paid"},
        bad={"page_size": -1},
        field="page_size",
        unknown="filters by what need not exist",
    ),
    "routerd.v1.AgentService.Heartbeat": Row(
        good=lambda made: {"agent_id": made.agent_id, "lease_ms": 60_000},
        bad={"agent_id": "small", "lease_ms": 1},
        field="lease_ms",
        unknown={"agent_id": "nobody"},
        reason="AGENT_NOT_FOUND",
    ),
    "routerd.v1.AgentService.GetCapabilityProfile": Row(
        good=lambda made: {"agent_id": made.agent_id},
        bad={},
        field="agent_id",
        unknown={"agent_id": "nobody"},
        reason="AGENT_NOT_FOUND",
    ),
    "routerd.v1.AgentService.ListCapabilityProfiles": Row(
        good=lambda made: {"pool": "paid", "work_type": "code"},
        bad={"page_size": 1_001},
        field="page_size",
        unknown="filters by what need not exist",
    ),
    "routerd.v1.PolicyService.CreateOverride": Row(
        good=lambda made: {"override_id": "new", "definition": OVERRIDE},
        bad={"override_id": "new", "definition": {"action": 1}},
        field="definition.agent_id",
        unknown={"override_id": "new", "definition": {"agent_id": "nobody", "action": 1}},
        reason="AGENT_NOT_FOUND",
    ),
    "routerd.v1.PolicyService.GetOverride": Row(
        good=lambda made: {"override_id": made.override_id},
        bad={},
        field="override_id",
        unknown={"override_id": "none"},
        reason="OVERRIDE_NOT_FOUND",
    ),
    "routerd.v1.PolicyService.ListOverrides": Row(
        good=lambda made: {"when": {"customer": "acme"}},
        bad={"page_size": -1},
        field="page_size",
        unknown="filters by what need not exist",
    ),
    "routerd.v1.PolicyService.UpdateOverride": Row(
        good=lambda made: {"override_id": made.override_id, "definition": OVERRIDE},
        bad={"override_id": "rule", "definition": {"agent_id": "small"}},
        field="definition.action",
        unknown={"override_id": "none", "definition": OVERRIDE},
        reason="OVERRIDE_NOT_FOUND",
    ),
    "routerd.v1.PolicyService.DeleteOverride": Row(
        good=lambda made: {"override_id": made.override_id},
        bad={},
        field="override_id",
        unknown="what is gone already is no error",
    ),
    "routerd.v1.PolicyService.ListBudgets": Row(
        good=lambda made: {"page_size": 1},
        bad={"page_size": -1},
        field="page_size",
        unknown="it names nothing",
    ),
    "routerd.v1.PolicyService.GetPolicyState": Row(
        good=lambda made: {"decisions": 50},
        bad={"decisions": 10_001},
        field="decisions",
        unknown="it names nothing",
    ),
    "routerd.v1.PolicyService.CreateExperiment": Row(
        good=lambda made: {"experiment_id": "new", "definition": EXPERIMENT},
        bad={"experiment_id": "new", "definition": {"arms": [{"arm_id": "a"}]}},
        field="definition.arms",
        unknown={"experiment_id": "new", "definition": ASTRAY},
        reason="AGENT_NOT_FOUND",
    ),
    "routerd.v1.PolicyService.GetExperiment": Row(
        good=lambda made: {"experiment_id": made.experiment_id},
        bad={},
        field="experiment_id",
        unknown={"experiment_id": "none"},
        reason="EXPERIMENT_NOT_FOUND",
    ),
    "routerd.v1.PolicyService.ListExperiments": Row(
        good=lambda made: {"page_size": 1},
        bad={"page_size": -1},
        field="page_size",
        unknown="it names nothing",
    ),
    "routerd.v1.PolicyService.StopExperiment": Row(
        good=lambda made: {"experiment_id": made.experiment_id},
        bad={},
        field="experiment_id",
        unknown={"experiment_id": "none"},
        reason="EXPERIMENT_NOT_FOUND",
    ),
    "routerd.v1.PolicyService.PromoteExperiment": Row(
        good=lambda made: {"experiment_id": made.experiment_id, "arm_id": "b"},
        bad={"experiment_id": "trial", "arm_id": "c"},
        field="arm_id",
        unknown={"experiment_id": "none", "arm_id": "b"},
        reason="EXPERIMENT_NOT_FOUND",
    ),
    "routerd.v1.PolicyService.DeleteExperiment": Row(
        good=lambda made: {"experiment_id": made.experiment_id},
        bad={},
        field="experiment_id",
        unknown="what is gone already is no error",
    ),
    "routerd.v1.AuditService.GetDecision": Row(
        good=lambda made: {"decision_id": made.decision_id},
        bad={},
        field="decision_id",
        unknown={"decision_id": UNKNOWN},
        reason="DECISION_NOT_FOUND",
    ),
    "routerd.v1.AuditService.ListDecisions": Row(
        good=lambda made: {"labels": {"customer": "acme"}, "at_least_position": 2},
        bad={"page_size": -1},
        field="page_size",
        unknown="filters select: what nobody decided is an empty page",
    ),
    "routerd.v1.AuditService.WatchEvents": Row(
        good=lambda made: {"from_position": 1, "types": [1, 2]},
        bad={"from_position": 0},
        field="from_position",
        unknown="it names a place, and every place up to the end has an event",
        endless=True,
    ),
    "routerd.v1.AuditService.GetSummary": Row(
        good=lambda made: {"from_time_ms": 1},
        bad={"at_least_position": 10**9},
        field="at_least_position",
        unknown="it names nothing",
    ),
}


async def make(running: Running) -> Made:
    """Tell a fresh server what the good requests speak of."""
    decision = await running.client.route(task=TASK)
    agent = await running.client.agent("Register", agent_id="guest")
    rule = await running.client.override("Create", override_id="rule", definition=OVERRIDE)
    running.project()
    await running.client.experiment("Create", experiment_id="trial", definition=EXPERIMENT)
    trial = await running.client.experiment("Stop", experiment_id="trial")
    return Made(decision.decision_id, agent.agent_id, rule.override_id, trial.experiment_id)


def method(name: str) -> MethodDescriptor:
    """The descriptor of a method by its full name."""
    service, _, short = name.rpartition(".")
    return Default().FindServiceByName(service).methods_by_name[short]


def request(name: str, fields: Fields) -> Message:
    """The request message of a method, from its fields."""
    return GetMessageClass(method(name).input_type)(**fields)


async def ask(
    client: Client, name: str, message: Message | bytes, timeout: float = PATIENCE_S
) -> Refusal | None:
    """Why a method, whatever its kind, refuses this message; None when it is taken.

    A stream is sent the one message, and its first answer counts. An answer that has a Status in
    it is a refusal.
    """
    data = message if isinstance(message, bytes) else message.SerializeToString()
    asked = method(name)
    path = f"/{asked.containing_service.full_name}/{asked.name}"
    parse = GetMessageClass(asked.output_type).FromString
    many: Any = (asked.client_streaming, asked.server_streaming)
    open_call: Any = {
        (False, False): client.channel.unary_unary,
        (False, True): client.channel.unary_stream,
        (True, False): client.channel.stream_unary,
        (True, True): client.channel.stream_stream,
    }[many]
    call = open_call(path, None, parse)(*([] if many[0] else [data]), timeout=timeout)
    try:
        async with asyncio.timeout(PATIENCE_S):
            if many[0]:
                with suppress(Exception):  # of a call that has ended: reading says why
                    await call.write(data)
                    await call.done_writing()
            answer = await (call.read() if many[1] else call)
    except grpc.aio.AioRpcError as error:
        return Refusal(error)
    finally:
        call.cancel()
    told = next(statuses(answer), None)
    return None if told is None else Refusal.of(told)


def statuses(message: Message) -> Iterator[Status]:
    """Every Status in a message, at any depth."""
    if isinstance(message, Status):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        for inner in value if field.is_repeated else [value]:
            yield from statuses(inner)
