"""A model server for whoever names it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.signals.models import Models, serving


@pytest.fixture
def models() -> Iterator[Models]:
    with serving() as server:
        yield server
