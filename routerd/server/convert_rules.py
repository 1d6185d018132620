"""Overrides: wire messages to values and back.

As in routerd.server.convert_agents: a definition is held to the rules of the configuration file,
and its violations are named as fields of the request.
"""

from __future__ import annotations

from typing import Any

from routerd.config import ConfigErrors, parse_override
from routerd.core.answers import ListedBudget, ListedOverride
from routerd.core.errors import Violation, invalid
from routerd.core.rules import CONDITIONS, Override
from routerd.server.convert_agents import SOURCES
from routerd.server.lengths import cut
from routerd.v1 import policy_pb2

ACTIONS = {
    policy_pb2.OVERRIDE_ACTION_FORCE: "force",
    policy_pb2.OVERRIDE_ACTION_FORBID: "forbid",
}
OTHERWISE = {
    policy_pb2.OVERRIDE_OTHERWISE_REFUSE: "refuse",
    policy_pb2.OVERRIDE_OTHERWISE_POLICY: "policy",
}
FIELDS = {"id": "override_id", "agent": "definition.agent_id"}


def override_of(
    wire: policy_pb2.CreateOverrideRequest | policy_pb2.UpdateOverrideRequest,
) -> Override:
    """The override that a request defines. Raises RouterError with every violation."""
    told = wire.definition
    wrong = cut(told, "definition", when=CONDITIONS)
    data: dict[str, Any] = {
        "id": wire.override_id,
        "when": {key: told.when[key] for key in told.when},
        "agent": told.agent_id,
        "pool": told.pool,
        "type": told.type,
        "priority": told.priority,
        "expires_time_ms": told.expires_time_ms,
        "author": told.author,
        "reason": told.reason,
    }
    named(data, "action", told.action, ACTIONS, policy_pb2.OverrideAction, wrong)
    if not told.action:
        words = ", ".join(policy_pb2.OverrideAction.Name(number) for number in ACTIONS)
        wrong.append(Violation("definition.action", f"is not set; give one of {words}"))
    named(data, "otherwise", told.otherwise, OTHERWISE, policy_pb2.OverrideOtherwise, wrong)
    try:
        made = parse_override(data)
    except ConfigErrors as errors:
        wrong += [Violation(field_of(path), text) for path, text in errors.errors]
    if wrong:
        raise invalid(wrong)
    return made


def field_of(path: str) -> str:
    """A path in a configuration file as a field of the request."""
    return FIELDS.get(path, f"definition.{path}" if path else "definition")


def named(
    data: dict[str, Any],
    field: str,
    number: int,
    words: dict[Any, str],
    enum: Any,
    wrong: list[Violation],
) -> None:
    """Note the word of an enum's number; none for 0, a violation for one not known here."""
    if number in words:
        data[field] = words[number]
    elif number:
        text = f"{number} is none of {', '.join(enum.keys())}"
        wrong.append(Violation(f"definition.{field}", text))


def override(told: ListedOverride) -> policy_pb2.Override:
    """An override for the wire."""
    return policy_pb2.Override(
        override_id=told.override.id,
        definition=definition(told.override),
        source=SOURCES[told.source],
        set_time_ms=told.set_ms,
        expired=told.expired,
    )


def budget(told: ListedBudget) -> policy_pb2.Budget:
    """What stands at a budget, for the wire."""
    return policy_pb2.Budget(
        budget_id=told.budget.id,
        value=told.value,
        window_begin_time_ms=told.begin_ms,
        window_end_time_ms=told.end_ms,
        usd=told.budget.usd,
        spent_usd=told.ledger.spent_usd,
        usd_per_decision=told.budget.usd_per_decision,
        decisions=told.ledger.decisions,
        price=told.ledger.price,
    )


def definition(of: Override) -> policy_pb2.OverrideDefinition:
    actions = {word: number for number, word in ACTIONS.items()}
    otherwise = {word: number for number, word in OTHERWISE.items()}
    return policy_pb2.OverrideDefinition(
        when=of.when,
        action=actions[of.action],
        agent_id=of.agent,
        pool=of.pool,
        type=of.type,
        priority=of.priority,
        expires_time_ms=of.expires_time_ms,
        otherwise=otherwise[of.otherwise],
        author=of.author,
        reason=of.reason,
    )
