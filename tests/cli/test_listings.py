"""Listings of more than a page: a command shows all of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from routerd.core.validate import PAGE_SIZE

MANY = [f"a{number:03}" for number in range(2 * PAGE_SIZE + 1)]
NEVER = 4 * 10**15
"""Milliseconds since 1970, beyond every calendar here."""


@pytest.fixture(scope="module")
def config_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More agents and overrides than two pages hold."""
    file = tmp_path_factory.mktemp("config") / "routerd.yaml"
    pins = ", ".join(
        f"{{id: {name}, when: {{label: {name}}}, agent: {name}, expires_time_ms: {NEVER}}}"
        for name in MANY
    )
    agents = ", ".join(f"{{id: {name}}}" for name in MANY)
    file.write_text(f"{{agents: [{agents}], overrides: [{pins}], audit: {{enabled: false}}}}")
    return file


@pytest.mark.parametrize(
    ("command", "name"),
    [("agents", "agent_id"), ("overrides", "override_id"), ("profile", "agent_id")],
)
def test_a_command_reads_page_after_page(command: str, name: str, ask: Any) -> None:
    """Every entry once, in order."""
    assert [told[name] for told in ask(command, "--json")] == MANY


def test_whom_one_may_run_is_looked_for_on_every_page(ask: Any) -> None:
    """`--model` names one of all agents."""
    told = ask("route", "--model", "nobody's").stderr
    assert MANY[0] in told
    assert MANY[-1] in told


def test_a_time_that_no_date_has_is_shown_as_it_is(ask: Any) -> None:
    """Some say never by a huge number; the others' overrides are listed all the same."""
    assert f"{NEVER} ms" in ask("overrides").output
