"""Commands that write to a log hold it to its audit first, as a start does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from routerd.log.disk import boot_id
from tests.audit.test_reach import ALL, KEPT, hold, project, told, write


@pytest.mark.parametrize("verb", ["warm-start", "migrate"])
def test_whoever_writes_to_a_log_holds_it_to_its_audit(
    invoke: Any, tmp_path: Path, verb: str
) -> None:
    """Else a shortened log is gone on with, or one that the power shortened is vouched for."""
    data, table = tmp_path / "data", tmp_path / "table.csv"
    engine = told(20)
    write(engine, data, KEPT)
    project(engine, data)
    table.write_text("agent_id,quality\nsmall,1\n")
    asked = [verb, data, *(["--from", table] if verb == "warm-start" else [])]
    refused = invoke(*asked)
    assert refused.exit_code == 1
    assert f"positions {KEPT + 1} to {ALL} are missing" in refused.stderr
    lock = data / "lock"
    lock.write_text(lock.read_text().replace(boot_id(), "another"))
    assert invoke(*asked).exit_code == 0
    hold(data)
