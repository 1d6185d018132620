"""docs/embed.md names everything that the client offers."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path

import pytest

from routerd import client
from routerd.client import AsyncClient, Counts, Decision
from routerd.client.routing import Conditions, Told

PAGE = (Path(__file__).parents[2] / "docs" / "embed.md").read_text()

OFFERED = {
    "classes": set(client.__all__) - {"Counts", "Decision", "Violation"},
    "settings": set(inspect.signature(AsyncClient).parameters),
    "conditions": set(Conditions.__annotations__),
    "outcome": set(Told.__annotations__) - {"kind", "event_time_ms", "source"},
    "decision": {f.name for f in dataclasses.fields(Decision) if not f.name.startswith("_")}
    - {"request", "report", "source"},
    "counts": set(Counts._fields),
}


@pytest.mark.parametrize("what", OFFERED)
def test_everything_is_documented(what: str) -> None:
    """Whoever adds a parameter, a field or an exception says what it is for."""
    assert [name for name in sorted(OFFERED[what]) if f"`{name}`" not in PAGE] == []
