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
from routerd.server.convert_agents import SOURCES, named
from routerd.server.lengths import cut
from routerd.v1 import policy_pb2

ACTIONS = {
    "force": policy_pb2.OVERRIDE_ACTION_FORCE,
    "forbid": policy_pb2.OVERRIDE_ACTION_FORBID,
}
OTHERWISE = {
    "refuse": policy_pb2.OVERRIDE_OTHERWISE_REFUSE,
    "policy": policy_pb2.OVERRIDE_OTHERWISE_POLICY,
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
    enum = policy_pb2.OverrideAction
    action, unknown = named(ACTIONS, "definition.action", told.action, enum)
    wrong += unknown
    if action is not None:
        data["action"] = action
    elif not told.action:
        words = ", ".join(map(enum.Name, ACTIONS.values()))
        wrong.append(Violation("definition.action", f"is not set; give one of {words}"))
    otherwise, unknown = named(
        OTHERWISE, "definition.otherwise", told.otherwise, policy_pb2.OverrideOtherwise
    )
    if otherwise is not None:
        data["otherwise"] = otherwise
    wrong += unknown
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
    return policy_pb2.OverrideDefinition(
        when=of.when,
        action=ACTIONS[of.action],
        agent_id=of.agent,
        pool=of.pool,
        type=of.type,
        priority=of.priority,
        expires_time_ms=of.expires_time_ms,
        otherwise=OTHERWISE[of.otherwise],
        author=of.author,
        reason=of.reason,
    )
