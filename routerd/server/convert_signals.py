"""What was made of a description, and what to do with it, for the wire."""

from __future__ import annotations

from routerd.core.events import Decision
from routerd.core.signals import NO_DIRECTIVES, Classified, SignalSource
from routerd.signals.directives import injected
from routerd.v1 import types_pb2

SOURCES: dict[SignalSource, types_pb2.SignalSource] = {
    source: getattr(types_pb2, f"SIGNAL_SOURCE_{source}") for source in SignalSource
}


def classification(told: Classified | None) -> types_pb2.Classification | None:
    """As the log holds it: without what only the call knows that asked."""
    if told is None:
        return None
    return types_pb2.Classification(
        source=SOURCES[told.source],
        label=told.label,
        work_type=told.work_type,
        signal_confidence=told.confidence,
        classifier_version=told.version,
        failure=told.failure,
    )


def directives(decision: Decision) -> types_pb2.Directives | None:
    told = decision.query.signal
    if told is None or told.directives == NO_DIRECTIVES:
        return None
    return types_pb2.Directives(
        inject=injected(decision),
        agent_id=told.directives.agent_id,
        model=told.directives.model,
        spawn=told.directives.spawn,
        metadata=dict(told.directives.metadata),
    )
