"""What of a caller's texts goes into an event: as much as the configuration says."""

from __future__ import annotations

from typing import Protocol

import msgspec

from routerd.core.values import Outcome, Query


class Texts(Protocol):
    """What is kept of a text; empty for nothing."""

    def description(self, text: str) -> str: ...

    def explanation(self, text: str) -> str: ...


def of_query(texts: Texts, query: Query, description: str) -> Query:
    """The query with what is kept of its task's description, and of what it goes on from."""
    kept = texts.description(description)
    if kept:
        query = msgspec.structs.replace(query, description=kept)
    follows = query.follows
    if follows is None or not follows.evidence.explanation:
        return query
    why = texts.explanation(follows.evidence.explanation)
    evidence = msgspec.structs.replace(follows.evidence, explanation=why)
    return msgspec.structs.replace(
        query, follows=msgspec.structs.replace(follows, evidence=evidence)
    )


def of_outcome(texts: Texts, outcome: Outcome) -> Outcome:
    """The outcome with what is kept of its explanation."""
    kept = texts.explanation(outcome.explanation)
    return msgspec.structs.replace(outcome, explanation=kept)
