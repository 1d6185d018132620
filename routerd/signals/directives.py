"""The text that a label puts into the caller's prompt."""

from __future__ import annotations

import re

from routerd.core.events import Decision

_places = re.compile(r"\{(label|work_type|confidence|agent)\}")


def injected(decision: Decision) -> str:
    """The template of a decision's label, its places filled from the decision alone.

    {label}, {work_type}, {confidence} from 0 to 1, and {agent}, who was chosen; other braces stay.
    """
    told = decision.query.signal
    if told is None or not told.directives.inject:
        return ""
    values = {
        "label": told.label,
        "work_type": told.work_type,
        "confidence": "" if told.confidence is None else f"{told.confidence:.2g}",
        "agent": decision.agent_id,
    }
    return _places.sub(lambda place: values[place[1]], told.directives.inject)
