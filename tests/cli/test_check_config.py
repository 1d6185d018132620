"""`routerd check-config` and the command's front page."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from routerd import __version__


def test_a_good_configuration_is_counted(invoke: Any, config_file: Path) -> None:
    """A valid file gives code 0 and says what is in it."""
    result = invoke("check-config", config_file)
    assert (result.exit_code, result.output) == (
        0,
        "OK: 2 agents, 1 static route, 1 feature, policy value\n",
    )


def test_a_missing_file_is_named(invoke: Any, tmp_path: Path) -> None:
    """A file that is not there gives code 2 and its name."""
    result = invoke("check-config", tmp_path / "none.yaml")
    assert result.exit_code == 2
    assert f"cannot read {tmp_path / 'none.yaml'}: No such file" in result.stderr


def test_the_version_is_told(invoke: Any) -> None:
    """`routerd --version` prints the package's version."""
    assert invoke("--version").output == f"routerd {__version__}\n"


def test_help_imports_nothing_heavy() -> None:
    """`routerd --help` lists the commands without loading gRPC, numpy, scipy or the database."""
    program = (
        "import sys\n"
        "from routerd.cli.main import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "heavy = {'grpc', 'numpy', 'scipy', 'apsw', 'jsonschema', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    commands = (
        "check-config",
        "decision",
        "demo",
        "outcome",
        "preview",
        "route",
        "serve",
        "verify",
    )
    assert all(f"\n  {name} " in done.stdout for name in commands)
