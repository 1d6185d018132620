"""What a start from a snapshot does not fold is held to the chain all the same."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from routerd.log import check, seals
from routerd.log.base import Entry, Log, LogCorrupt
from routerd.log.check import checked, seal
from routerd.log.sqlite import SqliteLog
from tests.log.entries import append, payload_of

END = 400
# What damage makes of an entry. The last ones leave its bytes as they are, or the seal's text.
SPOILT: dict[str, str] = {
    "payload": "UPDATE entry SET payload = x'00' WHERE position = ?",
    "bit": "UPDATE entry SET payload = payload || x'00' WHERE position = ?",
    "hash": "UPDATE entry SET hash = zeroblob(16) WHERE position = ?",
    "gone": "DELETE FROM entry WHERE position = ?",
    "text": "UPDATE entry SET payload = CAST(payload AS TEXT) WHERE position = ?",
    "hash text": "UPDATE entry SET hash = CAST(hash AS TEXT) WHERE position = ?",
    "border": "UPDATE entry SET payload = CAST(substr(hash, 16) || payload AS BLOB), "
    "hash = substr(hash, 1, 15) WHERE position = ?",
}


@pytest.fixture(autouse=True)
def short_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a short log has some, and whole ones at neither end."""
    monkeypatch.setattr(seals, "STRETCH", 30)


def filled(directory: Path) -> None:
    with closing(SqliteLog.open(directory)) as log:
        append(log, END + 50, at_once=50)


def changed_by(directory: Path, sql: str, *bindings: object) -> None:
    with closing(apsw.Connection(str(directory / "log.db"))) as db:
        db.execute(sql, bindings)


@pytest.mark.parametrize("few", [0, 1_000])
@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("bad", [1, 200, 399, END])
def test_the_first_bad_entry_is_named(
    tmp_path: Path, few: int, sealed: bool, bad: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the chain is looked at or, in a long log, its seals; and not further on."""
    monkeypatch.setattr(check, "FEW", few)
    filled(tmp_path)
    with closing(SqliteLog.open(tmp_path)) as log:
        if sealed:
            seal(log, "p", END, tmp_path)
    changed_by(tmp_path, SPOILT["payload"], bad)
    with closing(SqliteLog.open(tmp_path)) as log:
        with pytest.raises(LogCorrupt) as caught, checked(log, "p", END, tmp_path):
            pass
        assert caught.value.position == bad
        with checked(log, "p", 0, tmp_path):
            pass


@pytest.mark.parametrize("how", SPOILT)
def test_a_seal_fits_only_what_was_sealed(
    tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever happened to an entry under a seal, the start sees it, and names it."""
    monkeypatch.setattr(check, "FEW", 0)
    filled(tmp_path)
    with closing(SqliteLog.open(tmp_path)) as log:
        seal(log, "p", END, tmp_path)
    changed_by(tmp_path, SPOILT[how], 200)
    with (
        closing(SqliteLog.open(tmp_path)) as log,
        pytest.raises(LogCorrupt) as caught,
        checked(log, "p", END, tmp_path),
    ):
        pass
    assert caught.value.position == 200


def test_what_is_sealed_is_not_looked_through_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first start seals; the next one reads the chain only where there are no whole stretches.

    A log that lets go of its start, and grows, changes nothing of what is sealed.
    """
    monkeypatch.setattr(check, "FEW", 0)
    filled(tmp_path)
    read: list[tuple[int, int]] = []
    look = check.entries

    def noted(log: Log, partition: str, after: int, through: int) -> Iterable[Entry]:
        read.append((after, through))
        return look(log, partition, after, through)

    monkeypatch.setattr(check, "entries", noted)

    def looked_through(through: int) -> list[tuple[int, int]]:
        read.clear()
        with closing(SqliteLog.open(tmp_path)) as log, checked(log, "p", through, tmp_path):
            pass
        return [(after, end) for after, end in read if after < end]

    assert looked_through(END) == [*((n, n + 30) for n in range(0, 390, 30)), (390, END)]
    assert looked_through(END) == [(390, END)]
    with closing(SqliteLog.open(tmp_path)) as log:
        log.forget("p", 40, most=500)
    assert looked_through(END + 30) == [(40, 60), (390, 420), (420, 430)]
    assert looked_through(END + 30) == [(40, 60), (420, 430)]
    (tmp_path / "seals" / "p").write_bytes(b"no seals at all")
    assert looked_through(END)[0] == (40, 60)
    assert looked_through(END) == [(40, 60), (390, END)]


def test_seals_of_another_log_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They fit nothing, so the chain is looked at, and sealed anew."""
    monkeypatch.setattr(check, "FEW", 0)
    filled(tmp_path)
    wrong = {number: bytes(32) for number in range(13)}
    seals.keep(tmp_path, "p", wrong)
    with closing(SqliteLog.open(tmp_path)) as log, checked(log, "p", END, tmp_path):
        pass
    made = seals.held(tmp_path, "p")
    assert made.keys() == wrong.keys()
    assert bytes(32) not in made.values()


def test_a_stretch_that_is_too_large_is_never_sealed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody reads it in one piece; its chain is looked at every time."""
    monkeypatch.setattr(check, "FEW", 0)
    sizes = [sum(len(payload_of(p)) for p in range(n + 1, n + 31)) for n in range(0, 390, 30)]
    monkeypatch.setattr(seals, "MOST_BYTES", max(sizes))
    filled(tmp_path)
    with closing(SqliteLog.open(tmp_path)) as log:
        seal(log, "p", END, tmp_path)
    assert seals.held(tmp_path, "p").keys() == {
        number for number, size in enumerate(sizes) if size < max(sizes)
    }
