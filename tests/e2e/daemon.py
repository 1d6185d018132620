"""A daemon that can be killed and started again on the same data."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import apsw

from routerd.engine.verify import Verified, verify
from routerd.log.snapshot import Snapshots
from routerd.log.sqlite import SqliteLog

ROOT = Path(__file__).parents[2]
PATIENCE_S = 30.0
WITHOUT_AUDIT = {"audit": {"enabled": False}}


class Daemon:
    """`routerd serve` with a configuration, in a folder that keeps its data.

    It keeps no audit unless the configuration says so: most tests are quicker without.

    address: where it listens; with port 0 another one after each start. position: where it started
    from. program: the module to run, and its own arguments. environ: beside this process's.
    """

    def __init__(
        self,
        folder: Path,
        config: dict[str, Any],
        port: int = 0,
        program: Sequence[str] = ("routerd",),
        **environ: str,
    ) -> None:
        self.data = folder / "data"
        self.config_file = folder / "routerd.json"
        self.config = {**WITHOUT_AUDIT, **config, "listen": f"127.0.0.1:{port}"}
        self.config_file.write_text(json.dumps(self.config))
        self._environ = environ
        self._command = [sys.executable, "-m", *program, "serve"]
        self._command += ["--config", str(self.config_file), "--data", str(self.data)]
        self._complaints = (folder / "stderr").open("a")
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            self._command,
            env={**os.environ, "PYTHONPATH": str(ROOT), **self._environ},
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
        )
        line = self.line()
        found = re.search(r"listening on (\S+), .*position (\d+)", line)
        assert found, f"the daemon did not start: {self.complaints()}"
        self.address, self.position = found[1], int(found[2])

    def kill(self) -> None:
        """kill -9; returns when the process is gone."""
        with self.process:
            self.process.kill()

    def end(self) -> int:
        """SIGTERM; the exit code."""
        with self.process:
            self.process.terminate()
            return self.process.wait(PATIENCE_S)

    def limit_file_bytes(self, most: int) -> None:
        """The size that no file of the daemon may grow beyond from now on; -1 lifts the limit."""
        _, hard = resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE)
        soft = hard if most < 0 else most
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (soft, hard))

    def line(self) -> str:
        """What it says next on stdout; "" when nothing comes."""
        assert self.process.stdout
        deadline = threading.Timer(PATIENCE_S, self.process.kill)
        deadline.start()
        line = self.process.stdout.readline()
        deadline.cancel()
        return line

    def complaints(self) -> str:
        """What it said on stderr so far."""
        return Path(self._complaints.name).read_text()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._complaints.close()
        if self.process.poll() is None:
            self.kill()


def verified(data: Path) -> Verified:
    """What `routerd verify` finds in a data directory that nobody writes to."""
    log = SqliteLog.open(data, read_only=True)
    try:
        return verify(log, Snapshots(data))
    finally:
        log.close()


def rows(data: Path) -> list[tuple[Any, ...]]:
    """Every row of the log's tables of entries and ends, in order."""
    db = apsw.Connection(str(data / "log.db"))
    try:
        entries = db.execute("SELECT * FROM entry ORDER BY partition, position").fetchall()
        return entries + db.execute("SELECT * FROM tail ORDER BY partition").fetchall()
    finally:
        db.close()
