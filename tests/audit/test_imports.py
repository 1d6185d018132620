"""Which process loads what: the daemon never has two SQLites."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOREIGN = {"sqlite3", "pyarrow"}


def loaded(module: str) -> set[str]:
    """The modules that importing one loads."""
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_the_daemon_loads_no_second_sqlite() -> None:
    """Neither serving nor reading the audit imports sqlite3."""
    assert not loaded("routerd.server.app") & FOREIGN


def test_the_projector_loads_no_server() -> None:
    """The projector's process has what it folds and writes with, and no gRPC."""
    assert not loaded("routerd.audit.process") & {"grpc", "pyarrow"}
