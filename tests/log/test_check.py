"""What a start from a snapshot does not fold is held to the chain all the same."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import apsw
import pytest

from routerd.log import check
from routerd.log.base import LogCorrupt
from routerd.log.check import checked
from routerd.log.sqlite import SqliteLog
from tests.log.entries import append


@pytest.mark.parametrize("few", [0, 1_000])
@pytest.mark.parametrize("bad", [1, 200, 399, 400])
def test_the_first_bad_entry_is_named(
    tmp_path: Path, few: int, bad: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it is looked for here or, in a long log, by two processes; and not further on."""
    monkeypatch.setattr(check, "FEW", few)
    with closing(SqliteLog.open(tmp_path)) as log:
        append(log, 450, at_once=50)
    with closing(apsw.Connection(str(tmp_path / "log.db"))) as db:
        db.execute("UPDATE entry SET payload = x'00' WHERE position = ?", (bad,))
    with closing(SqliteLog.open(tmp_path)) as log:
        with pytest.raises(LogCorrupt) as caught, checked(log, "p", 400, tmp_path):
            pass
        assert caught.value.position == bad
        with checked(log, "p", 0, tmp_path):
            pass


def test_a_whole_log_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compacted too, by the processes as well."""
    monkeypatch.setattr(check, "FEW", 0)
    with closing(SqliteLog.open(tmp_path)) as log:
        append(log, 300, at_once=50)
        log.forget("p", 20, most=500)
        with checked(log, "p", 300, tmp_path):
            pass
