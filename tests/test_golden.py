"""Golden logs: what any released version wrote still chains, draws, folds and starts from."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from routerd import __version__
from routerd.core.fingerprint import fingerprint
from routerd.engine.fold import fold
from routerd.engine.verify import verify
from routerd.log.snapshot import Snapshots
from routerd.log.sqlite import SqliteLog
from tools.golden import GOLDEN, SCENES, content, make_all

KEPT = sorted(path.parent for path in GOLDEN.glob("*/*/expected.json"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Those of this version, made now."""
    folder = tmp_path_factory.mktemp("made")
    make_all(folder)
    return folder


@pytest.mark.parametrize("directory", KEPT, ids=lambda d: f"{d.parent.name}-{d.name}")
def test_a_golden_log_is_still_understood(directory: Path, tmp_path: Path) -> None:
    """Chain and draw always; law and state too where version and machine are the same."""
    hold(directory, tmp_path / "copy")


@pytest.mark.parametrize("scene", SCENES)
def test_what_is_written_now_can_become_golden(made: Path, scene: str, tmp_path: Path) -> None:
    """A log that was just made passes what it will be held to for good."""
    hold(made / scene, tmp_path / "copy")


def test_the_golden_logs_of_this_version_are_what_it_writes(made: Path) -> None:
    """Who changes what is decided or logged runs `python -m tools.golden` in the same commit."""
    if not (GOLDEN / __version__).exists():
        pytest.skip(f"no golden logs of {__version__} yet: python -m tools.golden")
    kept = content(GOLDEN / __version__)
    of_here = [json.loads(text)["fingerprint"] for text, _ in kept.values()]
    if of_here[0] != fingerprint():
        pytest.skip("they were made on a machine with other numeric kernels")
    assert content(made) == kept


def hold(golden: Path, directory: Path) -> None:
    expected = json.loads((golden / "expected.json").read_text())
    shutil.copytree(golden, directory)
    snapshots = Snapshots(directory)
    same_version = expected["engine_version"] == __version__
    exact = same_version and expected["fingerprint"] == fingerprint()
    with closing(SqliteLog.open(directory)) as log:
        position, chain = log.last("default")
        assert (position, chain.hex()) == (expected["position"], expected["chain"])
        found = verify(log, snapshots)
        assert found.mismatches == ()
        if log.base("default").position == 0:
            assert found.decisions == expected["decisions"]
        if exact:
            assert found.laws_exact == found.decisions
            assert found.state_hashes == {"default": expected["state_hash"]}
            assert fold(log, "default", snapshots).hash() == expected["state_hash"]
