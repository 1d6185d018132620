"""What was made of a description, and what to do with it, for the wire."""

from __future__ import annotations

import re

from routerd.core.events import Decision
from routerd.core.signals import NO_DIRECTIVES, Classified, SignalSource
from routerd.v1 import types_pb2

SOURCES: dict[SignalSource, types_pb2.SignalSource] = {
    source: getattr(types_pb2, f"SIGNAL_SOURCE_{source}") for source in SignalSource
}

_places = re.compile(r"\{(label|work_type|confidence|agent)\}")


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
        inject=injected(told, decision.agent_id),
        agent_id=told.directives.agent_id,
        model=told.directives.model,
        spawn=told.directives.spawn,
        metadata=dict(told.directives.metadata),
    )


def injected(told: Classified, agent_id: str) -> str:
    """The text that a label puts into the caller's prompt, its places filled.

    {label}, {work_type}, {confidence} from 0 to 1, and {agent}, who was chosen; other braces stay.
    """
    values = {
        "label": told.label,
        "work_type": told.work_type,
        "confidence": "" if told.confidence is None else f"{told.confidence:.2g}",
        "agent": agent_id,
    }
    return _places.sub(lambda place: values[place[1]], told.directives.inject)
