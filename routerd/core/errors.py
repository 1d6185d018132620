"""What can go wrong, in the domain's words. server/errors.py maps these to status codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple


class ErrorReason(StrEnum):
    """Stable reasons, part of the contract."""

    FIELD_VIOLATIONS = "FIELD_VIOLATIONS"
    DECISION_NOT_FOUND = "DECISION_NOT_FOUND"
    AGENT_NOT_FOUND = "AGENT_NOT_FOUND"
    GROUP_NOT_FOUND = "GROUP_NOT_FOUND"
    OVERRIDE_NOT_FOUND = "OVERRIDE_NOT_FOUND"
    EXPERIMENT_NOT_FOUND = "EXPERIMENT_NOT_FOUND"
    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    OUTCOME_CONFLICT = "OUTCOME_CONFLICT"
    AGENT_EXISTS = "AGENT_EXISTS"
    OVERRIDE_EXISTS = "OVERRIDE_EXISTS"
    EXPERIMENT_EXISTS = "EXPERIMENT_EXISTS"
    NO_ELIGIBLE_AGENT = "NO_ELIGIBLE_AGENT"
    EMPTY_POOL = "EMPTY_POOL"
    MISSING_CAPABILITY = "MISSING_CAPABILITY"
    DECISION_EXPIRED = "DECISION_EXPIRED"
    TOO_MANY_OUTCOMES = "TOO_MANY_OUTCOMES"
    POSITION_COMPACTED = "POSITION_COMPACTED"
    STEPS_EXHAUSTED = "STEPS_EXHAUSTED"
    CLAIM_REFUSED = "CLAIM_REFUSED"
    CLAIM_CONFLICT = "CLAIM_CONFLICT"
    AGENT_IS_CONFIGURED = "AGENT_IS_CONFIGURED"
    TOO_MANY_AGENTS = "TOO_MANY_AGENTS"
    OVERRIDE_IS_CONFIGURED = "OVERRIDE_IS_CONFIGURED"
    TOO_MANY_OVERRIDES = "TOO_MANY_OVERRIDES"
    EXPERIMENT_RUNS = "EXPERIMENT_RUNS"
    TOO_MANY_EXPERIMENTS = "TOO_MANY_EXPERIMENTS"
    BUDGET_EXHAUSTED = "BUDGET_EXHAUSTED"
    OVERLOADED = "OVERLOADED"
    DRAINING = "DRAINING"
    READ_ONLY = "READ_ONLY"
    AUDIT_UNAVAILABLE = "AUDIT_UNAVAILABLE"
    DEADLINE_PASSED = "DEADLINE_PASSED"
    BLOCKED_BY_POLICY = "BLOCKED_BY_POLICY"


class Violation(NamedTuple):
    """One wrong field of a request: its path, as the contract names it, and the way out."""

    field: str
    description: str


class RouterError(Exception):
    """A refusal that changed nothing: its reason, a sentence, and facts for programs.

    retry_after_ms: what is in the way may pass by itself; None: it will not.
    """

    def __init__(
        self,
        reason: ErrorReason,
        message: str,
        *,
        metadata: Mapping[str, str] | None = None,
        violations: Sequence[Violation] = (),
        retry_after_ms: int | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.metadata = dict(metadata or {})
        self.violations = tuple(violations)
        self.retry_after_ms = retry_after_ms


def invalid(violations: Sequence[Violation]) -> RouterError:
    """All violations of one request in one error."""
    told = "; ".join(f"{v.field or 'request'}: {v.description}" for v in violations)
    return RouterError(ErrorReason.FIELD_VIOLATIONS, told, violations=violations)


def not_registered(agent_id: str, field: str = "") -> RouterError:
    """The refusal of an agent's id that nobody has; field: where it stands, if in a message."""
    where = f"{field}: " if field else ""
    text = (
        f"{where}agent {agent_id!r} is not registered; `routerd agents` or ListAgents tells who is"
    )
    return RouterError(ErrorReason.AGENT_NOT_FOUND, text, metadata={"agent_id": agent_id})


def compacted(first: int) -> RouterError:
    """The refusal to tell what stood before the log's first position."""
    text = f"the log was compacted and starts at position {first}; what stood before is gone"
    facts = {"first_position": str(first)}
    return RouterError(ErrorReason.POSITION_COMPACTED, text, metadata=facts)
