"""`routerd serve`: how it starts, how it refuses to, and how it ends."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from routerd import __version__
from tests.cli.conftest import environment


def one_sentence(stderr: str) -> str:
    """The only line on stderr, without the command's name."""
    lines = stderr.strip().splitlines()
    assert len(lines) == 1, stderr
    assert lines[0].startswith("routerd: ")
    return lines[0].removeprefix("routerd: ")


def test_it_says_in_one_line_where_it_listens_and_ends_cleanly(start: Any, tmp_path: Path) -> None:
    """One line on stdout when calls are accepted; Ctrl-C ends it with code 0 and no noise."""
    daemon = start(tmp_path / "data")
    assert re.fullmatch(
        rf"routerd {re.escape(__version__)} listening on 127\.0\.0\.1:[1-9]\d*, "
        rf"data {re.escape(str(daemon.data))}, position 1\n",
        daemon.first_line,
    )
    assert daemon.end(signal.SIGINT) == (0, "")


def test_it_says_so_where_no_compiler_was(config_file: Path, tmp_path: Path) -> None:
    """In a second line; it serves all the same."""
    without = "import sys; sys.modules['learners._kernel'] = None"
    served = "from routerd.cli.main import main; main()"
    place = "--data", str(tmp_path), "--listen", "127.0.0.1:0"
    with subprocess.Popen(
        [sys.executable, "-c", f"{without}; {served}", "serve", "--config", config_file, *place],
        env=environment(),
        text=True,
        stdout=subprocess.PIPE,
    ) as daemon:
        assert daemon.stdout is not None
        lines = daemon.stdout.readline(), daemon.stdout.readline()
        daemon.send_signal(signal.SIGTERM)
    assert "listening on" in lines[0]
    assert lines[1].startswith("no compiled loops")
    assert daemon.returncode == 0


def test_it_goes_on_where_it_ended(start: Any, invoke: Any, tmp_path: Path) -> None:
    """After SIGTERM and a new start the log continues at its position."""
    first = start(tmp_path / "data")
    assert invoke("route", "--address", first.address).exit_code == 0
    assert first.end(signal.SIGTERM) == (0, "")
    assert start(tmp_path / "data").first_line.endswith("position 2\n")


def test_flags_are_environment_variables(start: Any, invoke: Any, tmp_path: Path) -> None:
    """ROUTERD_LISTEN and ROUTERD_SEED do what --listen and --seed do."""
    daemon = start(tmp_path / "a", ROUTERD_LISTEN="127.0.0.1:0", ROUTERD_SEED="7")
    other = start(tmp_path / "b", "--seed", "7")
    draws = [
        re.search(
            r'"u": (\S+),',
            invoke("decision", _routed(invoke, d), "--address", d.address, "--json").output,
        )
        for d in (daemon, other)
    ]
    assert draws[0]
    assert draws[1]
    assert draws[0][1] == draws[1][1]


def _routed(invoke: Any, daemon: Any) -> str:
    output = invoke("route", "--request-id", "r", "--address", daemon.address, "--json").output
    found = re.search(r'"decision_id": "(\w+)"', output)
    assert found, output
    return found[1]


def test_a_taken_port_is_one_sentence(
    start: Any, run: Any, config_file: Path, tmp_path: Path
) -> None:
    """A second daemon on the same port ends with code 1, names the address and makes no file."""
    daemon = start(tmp_path / "a")
    second = run(
        "serve", "--config", config_file, "--data", tmp_path / "b", "--listen", daemon.address
    )
    assert second.returncode == 1
    assert f"cannot listen on {daemon.address}" in one_sentence(second.stderr)
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("192.0.2.1:7450", "it is not of this machine"),
        ("a..b:7450", "no host of that name is known"),
        ("{}", "it is taken"),
    ],
)
def test_what_cannot_be_listened_on_says_why(
    address: str, why: str, run: Any, config_file: Path, tmp_path: Path
) -> None:
    """An address kept for examples, a name that no host can have, and a port in use."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        host, port = other.getsockname()
        asked = address.format(f"{host}:{port}")
        refused = run("serve", "--config", config_file, "--data", tmp_path / "b", "--listen", asked)
    assert refused.returncode == 1
    assert one_sentence(refused.stderr) == f"cannot listen on {asked}: {why}"
    assert not (tmp_path / "b").exists()


def test_a_taken_socket_stays_with_who_has_it(
    start: Any, run: Any, invoke: Any, config_file: Path, tmp_path: Path
) -> None:
    """gRPC gives its path to whoever comes last. One that was left behind is nobody's."""
    address = f"unix:{tmp_path / 's'}"
    killed = start(tmp_path / "a", "--listen", address).process
    killed.kill()
    killed.wait()
    daemon = start(tmp_path / "a", "--listen", address)
    asked = "serve", "--config", config_file, "--data", tmp_path / "b", "--listen"
    second = run(*asked, address)
    assert second.returncode == 1
    assert f"cannot listen on {address}: it is taken" in one_sentence(second.stderr)
    assert invoke("agents", "--address", address).exit_code == 0
    assert daemon.end() == (0, "")
    nowhere = run(*asked, f"unix:{tmp_path / 'no' / 's'}")
    assert "its directory is not there" in one_sentence(nowhere.stderr)
    assert not (tmp_path / "b").exists()


def test_a_socket_whose_owner_takes_no_calls_is_taken(
    run: Any, config_file: Path, tmp_path: Path
) -> None:
    """A full queue of calls is somebody's; to wait for a place in it may take for ever."""
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as owner, socket.socket(socket.AF_UNIX) as caller:
        owner.bind(path)
        owner.listen(0)
        caller.connect(path)
        asked = "serve", "--config", config_file, "--data", tmp_path / "b", "--listen"
        second = run(*asked, f"unix:{path}")
    assert second.returncode == 1
    assert "it is taken" in one_sentence(second.stderr)


@pytest.mark.parametrize(
    ("place", "why"), [("file", "it is a file"), ("file/data", "it lies in a file")]
)
def test_what_can_be_no_data_directory_says_why(
    place: str, why: str, run: Any, config_file: Path, tmp_path: Path
) -> None:
    """In words, without the system's number of the error."""
    (tmp_path / "file").touch()
    refused = run("serve", "--config", config_file, "--data", tmp_path / place)
    assert refused.returncode == 1
    assert one_sentence(refused.stderr).endswith(f"{place} as data directory: {why}")


def test_a_start_that_finds_its_port_taken_changes_nothing(
    start: Any, run: Any, config_file: Path, tmp_path: Path
) -> None:
    """Its changed configuration is not in the log: whoever starts next decides on that."""
    other, data = start(tmp_path / "other"), tmp_path / "data"
    first = start(data)
    assert first.first_line.endswith("position 1\n")
    first.end()
    changed = "--seed", "7", "--listen", other.address
    assert run("serve", "--config", config_file, "--data", data, *changed).returncode == 1
    assert start(data).first_line.endswith("position 1\n")


def test_a_taken_data_directory_is_one_sentence(
    start: Any, run: Any, config_file: Path, tmp_path: Path
) -> None:
    """A second daemon on the same data ends with code 1 and names the directory."""
    daemon = start(tmp_path / "data")
    second = run("serve", "--config", config_file, "--data", daemon.data, "--listen", "127.0.0.1:0")
    assert second.returncode == 1
    assert str(daemon.data) in one_sentence(second.stderr)


def test_a_damaged_log_is_one_sentence(
    start: Any, run: Any, config_file: Path, tmp_path: Path
) -> None:
    """A log whose bytes were changed is refused with code 1 and the way out."""
    data = tmp_path / "data"
    start(data).end()
    for file in data.glob("log.db*"):
        content = bytearray(file.read_bytes())
        content[: len(content)] = bytes(len(content))
        file.write_bytes(content)
    (data / "log.db").write_bytes(b"no database" * 1000)
    refused = run("serve", "--config", config_file, "--data", data, "--listen", "127.0.0.1:0")
    assert refused.returncode == 1
    assert "damaged" in one_sentence(refused.stderr)


@pytest.mark.parametrize("program", ["serve", "check-config"])
def test_a_bad_configuration_is_told_whole(program: str, run: Any, tmp_path: Path) -> None:
    """Code 2, every error on stderr with its path, no traceback, nothing on stdout."""
    file = tmp_path / "routerd.yaml"
    file.write_text("agents: [{id: a, prices: {input_usd_per_mtok: x}}]\nclok: 1\n")
    arguments = [file] if program == "check-config" else ["--config", file]
    refused = run(program, *arguments)
    assert refused.returncode == 2
    assert refused.stdout == ""
    assert refused.stderr.splitlines() == [
        f"routerd: {file}: 2 errors",
        '  agents[0].prices.input_usd_per_mtok: must be a number, not the text "x"',
        "  clok: unknown key; did you mean `clock`?",
    ]
    assert not (tmp_path / "routerd-data").exists()


@pytest.mark.parametrize("address", ["127.0.0.1:99999", "127.0.0.1", ":7464", ""])
def test_a_bad_address_is_refused_before_anything_starts(
    address: str, invoke: Any, config_file: Path, tmp_path: Path
) -> None:
    """--listen is held to the rules of the file: code 2 and the way out, no data directory."""
    data = tmp_path / "data"
    refused = invoke("serve", "--config", config_file, "--data", data, "--listen", address)
    assert refused.exit_code == 2
    told = one_sentence(refused.stderr)
    assert told.startswith(f"--listen: is '{address}'; give host:port with a port from 0 to 65535")
    assert not data.exists()


def test_a_bad_address_in_the_environment_is_refused(invoke: Any, config_file: Path) -> None:
    """ROUTERD_LISTEN is held to the same rules."""
    refused = invoke("serve", "--config", config_file, ROUTERD_LISTEN="127.0.0.1:http")
    assert refused.exit_code == 2
    assert "is '127.0.0.1:http'; give host:port" in one_sentence(refused.stderr)


@pytest.mark.parametrize("words", [["check-config"], ["serve", "--config"]])
def test_a_bad_address_in_the_file_is_refused(
    words: list[str], invoke: Any, tmp_path: Path
) -> None:
    """As every other error of a configuration: code 2, with its path."""
    file = tmp_path / "routerd.yaml"
    file.write_text("agents: [{id: a}]\nlisten: 127.0.0.1:99999\n")
    refused = invoke(*words, file)
    assert refused.exit_code == 2
    assert "  listen: is '127.0.0.1:99999'; give host:port" in refused.stderr
