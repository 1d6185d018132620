"""`routerd export` and `routerd backup` as people run them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from routerd.router import Router
from tests.cli.conftest import ROOT, environment
from tests.e2e.daemon import verified

CONFIG = {"agents": [{"id": "small"}, {"id": "large"}], "clock": "logical"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with ten decisions, each with an outcome."""
    with Router.open(CONFIG, tmp_path / "data") as router:
        for number in range(10):
            answer = router.route(request_id=f"r{number}", work_type="code")
            router.report(decision_id=answer.decision_id, quality=number / 10)
    return tmp_path / "data"


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_an_export_is_read_by_ope(invoke: Any, data: Path, suffix: str) -> None:
    """What export writes, `bench ope` judges like the directory itself."""
    path = data.parent / f"all.{suffix}"
    assert invoke("export", data, "--to", path).output == f"10 decisions in {path}\n"
    told = [
        json.loads(invoke("bench", "ope", of, "--policy", "uniform", "--json").output)
        for of in (path, data)
    ]
    values = [[(row["estimator"], row["value"]) for row in rows] for rows in told]
    assert values[0] == values[1]
    assert len(values[0]) > 1


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("all.xlsx", 2, "the name must end in .parquet or .csv"),
        ("none/all.csv", 1, "No such file or directory"),
    ],
)
def test_a_file_that_cannot_be_is_one_sentence(
    invoke: Any, data: Path, name: str, code: int, words: str
) -> None:
    result = invoke("export", data, "--to", data.parent / name)
    assert result.exit_code == code
    assert words in result.stderr


def test_an_unknown_partition_is_one_sentence(invoke: Any, data: Path) -> None:
    """It names those that there are."""
    result = invoke("export", data, "--to", data.parent / "all.csv", "--partition", "acme")
    assert result.exit_code == 1
    assert "has no partition 'acme'; there are: default" in result.stderr


def test_without_pyarrow_it_names_the_extra(data: Path) -> None:
    """Parquet asks for it in one sentence, CSV does without."""
    for suffix, code in (("parquet", 2), ("csv", 0)):
        path = data.parent / f"all.{suffix}"
        program = (
            "import sys; sys.modules['pyarrow'] = None; from routerd.cli.main import main; main()"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, "export", str(data), "--to", str(path)],
            env=environment(),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert ('pip install "routerd[export]"' in done.stderr) == (code == 2)
        assert path.exists() == (code == 0)


def test_a_backup_of_a_running_daemon_is_a_log(invoke: Any, start: Any, tmp_path: Path) -> None:
    """It verifies, and a daemon goes on from it; the original is not touched."""
    daemon = start(tmp_path / "data")
    for number in range(5):
        asked = ("--request-id", f"r{number}", "--address", daemon.address)
        assert invoke("route", *asked).exit_code == 0
    copy = tmp_path / "copy" / "of"
    told = invoke("backup", daemon.data, "--to", copy)
    assert told.output == f"{copy}: partition default up to position 6, its chain is whole\n"
    assert [path.name for path in copy.iterdir()] == ["log.db"]
    assert verified(copy).decisions == 5
    assert invoke("route", "--address", daemon.address).exit_code == 0
    other = start(copy)
    assert other.first_line.endswith("position 6\n")


def test_a_backup_overwrites_no_log(invoke: Any, data: Path, tmp_path: Path) -> None:
    """A directory that has one is refused; what is missing is told."""
    assert invoke("backup", data, "--to", tmp_path / "copy").exit_code == 0
    again = invoke("backup", data, "--to", tmp_path / "copy")
    assert again.exit_code == 1
    assert "holds a log already" in again.stderr
    none = invoke("backup", tmp_path / "none", "--to", tmp_path / "other")
    assert (none.exit_code, "no data directory" in none.stderr) == (1, True)


def test_a_backup_of_a_damaged_log_is_refused(invoke: Any, data: Path, tmp_path: Path) -> None:
    """A copy whose chain is broken gets no name; the sentence says where it is."""
    with (data / "log.db").open("r+b") as file:
        content = file.read()
        file.seek(content.index(b"request_id\xa2r7"))
        file.write(b"request_id\xa2x7")
    result = invoke("backup", data, "--to", tmp_path / "copy", "--json")
    assert result.exit_code == 1
    assert "the log is damaged at position 16" in result.stderr
    assert list((tmp_path / "copy").iterdir()) == []
