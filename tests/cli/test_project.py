"""`routerd project`: the audit file by hand."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from routerd.audit.process import claimed
from routerd.router import Router

CONFIG = {"agents": [{"id": "small"}, {"id": "large"}], "clock": "logical"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with two decisions."""
    with Router.open(CONFIG, tmp_path / "data") as router:
        router.route(request_id="a")
        router.route(request_id="b")
    return tmp_path / "data"


def requests(data: Path) -> list[str]:
    with closing(sqlite3.connect(data / "audit.db")) as db:
        return [name for (name,) in db.execute("SELECT request_id FROM decisions ORDER BY 1")]


def test_it_brings_the_audit_up_to_date(invoke: Any, data: Path) -> None:
    """It says how far the audit reaches; a second run goes on where the first ended."""
    told = invoke("project", data)
    assert told.output == "the audit of partition default holds everything up to position 3\n"
    with Router.open(CONFIG, data) as router:
        router.route(request_id="c")
    assert json.loads(invoke("project", data, "--json").output) == {
        "projected_through": {"default": 4}
    }
    assert requests(data) == ["a", "b", "c"]


def test_it_makes_the_audit_anew(invoke: Any, data: Path) -> None:
    """--rebuild forgets what was changed by hand."""
    invoke("project", data)
    with closing(sqlite3.connect(data / "audit.db")) as db:
        db.execute("DELETE FROM decisions")
        db.commit()
    assert invoke("project", data).exit_code == 0
    assert requests(data) == []
    assert invoke("project", data, "--rebuild").exit_code == 0
    assert requests(data) == ["a", "b"]


@pytest.mark.parametrize("projected", [True, False])
def test_a_damaged_log_is_told(invoke: Any, data: Path, projected: bool) -> None:
    """Code 1, wherever the damage is: behind what the audit holds already, too."""
    if projected:
        assert invoke("project", data).exit_code == 0
    with closing(apsw.Connection(str(data / "log.db"))) as db:
        db.execute("UPDATE entry SET payload = x'00' WHERE position = 2")
    result = invoke("project", data)
    assert result.exit_code == 1
    assert "the log is damaged at position 2" in result.stderr


def test_one_at_a_time(invoke: Any, data: Path) -> None:
    """Beside a projector that is at work it says whose it is and how to go on; code 1."""
    with claimed(data, wait=False):
        result = invoke("project", data)
    assert result.exit_code == 1
    assert "keeps the audit" in result.stderr
    assert "audit: {enabled: false}" in result.stderr


def test_without_a_log_it_is_one_sentence(invoke: Any, tmp_path: Path) -> None:
    """No directory, and a directory without a log, are told with the way out."""
    assert "no data directory" in invoke("project", tmp_path / "none").stderr
    result = invoke("project", tmp_path)
    assert result.exit_code == 1
    assert "there is no log yet" in result.stderr
    assert not (tmp_path / "audit.db").exists()
