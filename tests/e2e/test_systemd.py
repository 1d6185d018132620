"""What a service manager is told, over a real socket, and the unit file that ships."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from routerd.server.systemd import Systemd
from tests.e2e.daemon import PATIENCE_S, ROOT, Daemon
from tests.e2e.test_reload import CONFIG
from tests.engine.test_committer import no_descriptors

UNIT = ROOT / "deploy" / "routerd.service"


class Manager:
    """A socket as systemd listens on."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(PATIENCE_S)

    def until(self, wanted: str) -> list[str]:
        """The first lines of what was told, up to the first that starts as wanted."""
        told: list[str] = []
        while not told or not told[-1].startswith(wanted):
            told.append(self.socket.recv(4096).decode().splitlines()[0])
        return told


@pytest.mark.parametrize("abstract", [False, True])
def test_the_manager_is_told_of_each_step(tmp_path: Path, abstract: bool) -> None:
    """READY when calls are accepted, WATCHDOG meanwhile, RELOADING and READY, STOPPING."""
    name = f"@routerd-{tmp_path}" if abstract else str(tmp_path / "notify")
    manager = Manager(name.replace("@", "\0") if abstract else name)
    with Daemon(tmp_path, CONFIG, NOTIFY_SOCKET=name, WATCHDOG_USEC="60000") as daemon:
        assert manager.until("READY=1") == ["READY=1"]
        manager.until("WATCHDOG=1")
        daemon.process.send_signal(signal.SIGHUP)
        assert set(manager.until("RELOADING=1")) <= {"WATCHDOG=1", "RELOADING=1"}
        assert set(manager.until("READY=1")) <= {"WATCHDOG=1", "READY=1"}
        daemon.config_file.write_text("{")
        daemon.process.send_signal(signal.SIGHUP)
        manager.until("RELOADING=1")
        manager.until("READY=1")
        assert daemon.process.poll() is None
        daemon.process.send_signal(signal.SIGTERM)
        manager.until("STOPPING=1")
        assert daemon.end() == 0
    manager.socket.close()


def test_without_a_descriptor_left_the_manager_is_not_told(tmp_path: Path) -> None:
    """It takes one to tell it, and nothing ends because there is none."""
    address = str(tmp_path / "notify")
    manager = Manager(address)
    systemd = Systemd({"NOTIFY_SOCKET": address})
    with no_descriptors():
        systemd.reloading()
    systemd.ready("serving")
    assert manager.until("READY=1") == ["READY=1"]
    manager.socket.close()


def test_a_manager_that_does_not_listen_holds_up_nothing(tmp_path: Path) -> None:
    """A NOTIFY_SOCKET that is not there, or is full, changes nothing."""
    manager = Manager(str(tmp_path / "notify"))
    address = str(tmp_path / "notify")
    with Daemon(tmp_path, CONFIG, NOTIFY_SOCKET=address, WATCHDOG_USEC="300") as daemon:
        assert daemon.end() == 0
    manager.socket.close()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_the_unit_file_is_one(tmp_path: Path) -> None:
    """systemd finds nothing wrong with the unit, but that the program may be elsewhere."""
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/usr/local/bin/routerd", shutil.which("true") or ""))
    command = ["systemd-analyze", "verify", "--recursive-errors=no", str(unit)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    about = [line for line in found.stderr.splitlines() if "routerd" in line]
    assert about == []


def test_the_unit_names_no_page_that_nothing_installs() -> None:
    assert "file://" not in UNIT.read_text()
