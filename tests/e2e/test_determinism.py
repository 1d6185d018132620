"""Promises 4, 5 and 6: the same calls give the same bytes, whatever happened in between."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from learners.kernel import COMPILED
from routerd.router import Router
from routerd.v1 import router_pb2, router_pb2_grpc
from tests.e2e.daemon import PATIENCE_S, ROOT, Daemon, rows, verified
from tests.e2e.script import CONFIG, Step, Target, in_process, play, steps

SCRIPT = "-m", "tests.e2e.script"
IN_NUMPY = (
    "-c",
    "import sys; sys.modules['learners._kernel'] = None; "
    "from tests.e2e.script import main; main(*sys.argv[1:])",
)


def played(
    folder: Path, *more: str, run: tuple[str, ...] = SCRIPT, **environment: str
) -> list[str]:
    """The answers of a process of its own that played the script into the folder."""
    return subprocess.run(
        [sys.executable, *run, str(folder), *more],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0", **environment},
        check=True,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S * 2,
    ).stdout.splitlines()


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The log and the answers of the script, played once in one process."""
    folder = tmp_path_factory.mktemp("first")
    return folder, played(folder)


def over_grpc(address: str) -> tuple[grpc.Channel, Target]:
    """A channel, and the script's calls on it."""
    channel = grpc.insecure_channel(address)
    stub = router_pb2_grpc.RouterServiceStub(channel)

    def route(fields: dict[str, Any]) -> str:
        try:
            name: str = stub.Route(
                router_pb2.RouteRequest(**fields), timeout=PATIENCE_S
            ).decision_id
        except grpc.RpcError as error:
            return refused(error)
        return name

    def report(fields: dict[str, Any]) -> str:
        kind = f"OUTCOME_KIND_{fields.get('kind', 'REPORT')}"
        request = router_pb2.ReportOutcomeRequest(outcome={**fields, "kind": kind})
        try:
            name: str = stub.ReportOutcome(request, timeout=PATIENCE_S).outcome_id
        except grpc.RpcError as error:
            return refused(error)
        return name

    return channel, Target(route, report)


def refused(error: grpc.RpcError) -> str:
    """The acknowledged refusal; a lost connection is none, and is raised."""
    call: Any = error
    if call.code() is grpc.StatusCode.UNAVAILABLE:
        raise error
    packed = dict(call.trailing_metadata())["grpc-status-details-bin"]
    info = error_details_pb2.ErrorInfo()
    status_pb2.Status.FromString(packed).details[0].Unpack(info)
    return f"!{info.reason}"


class Killed(Exception):
    """The daemon was killed between two calls."""


def test_the_script_meets_everything(first: tuple[Path, list[str]]) -> None:
    """The script is worth playing: it has all kinds of events, refusals and closings."""
    folder, answers = first
    refusals = {answer for answer in answers if len(answer) > 1 and answer[0] == "!"}
    assert refusals == {
        "!EMPTY_POOL",
        "!MISSING_CAPABILITY",
        "!NO_ELIGIBLE_AGENT",
        "!DECISION_EXPIRED",
    }
    found = verified(folder)
    assert found.mismatches == ()
    assert found.laws_exact == found.decisions > 1_500
    assert found.events > 2.5 * found.decisions


def test_the_same_calls_give_the_same_bytes(first: tuple[Path, list[str]], tmp_path: Path) -> None:
    """Another process with another PYTHONHASHSEED writes the same log, byte for byte."""
    folder, answers = first
    assert played(tmp_path, PYTHONHASHSEED="4242") == answers
    assert rows(tmp_path) == rows(folder)
    assert verified(tmp_path).state_hashes == verified(folder).state_hashes


def test_a_restart_changes_no_byte(first: tuple[Path, list[str]], tmp_path: Path) -> None:
    """Stopping and starting anew in the middle leaves no trace in the log."""
    folder, answers = first
    assert played(tmp_path, str(len(answers) // 2)) == answers
    assert rows(tmp_path) == rows(folder)


def test_the_number_of_threads_changes_no_byte(tmp_path: Path) -> None:
    """However many cores BLAS uses, a wide model learns and decides the same, bit for bit."""
    logs = [tmp_path / threads for threads in ("1", "2", "7")]
    for folder in logs:
        played(folder, "wide", OPENBLAS_NUM_THREADS=folder.name)
    first, *others = (rows(folder) for folder in logs)
    assert all(other == first for other in others)
    assert verified(logs[-1]).mismatches == ()


def test_a_log_of_other_kernels_is_verified_here(tmp_path: Path) -> None:
    """Laws that another machine's BLAS made are derived again, bit for bit or within 1e-9."""
    played(tmp_path, OPENBLAS_CORETYPE="Prescott", NPY_DISABLE_CPU_FEATURES="AVX2")
    found = verified(tmp_path)
    assert found.mismatches == ()
    assert found.laws_exact + found.laws_close == found.decisions > 1_500


def test_a_log_of_loops_in_numpy_is_verified_here(tmp_path: Path) -> None:
    """Where no compiler was, the same laws come about, within 1e-9."""
    played(tmp_path, run=IN_NUMPY)
    found = verified(tmp_path)
    assert found.mismatches == ()
    assert found.laws_close + found.laws_exact == found.decisions > 1_500
    assert bool(found.laws_close) == COMPILED


def test_a_log_in_memory_is_the_same_log(first: tuple[Path, list[str]]) -> None:
    """Where the log is kept changes neither answers nor state."""
    folder, answers = first
    with Router.open(CONFIG) as router:
        again: list[str] = []
        for _ in play(in_process(router), steps(), again):
            pass
        assert again == answers
        assert {"default": router.state_hash()} == verified(folder).state_hashes


def test_kill_9_changes_no_byte(first: tuple[Path, list[str]], tmp_path: Path) -> None:
    """A daemon killed four times in mid-call, each unanswered call sent again: the same log."""
    folder, answers = first
    script, rng = steps(), random.Random(3)
    again: list[str] = []
    keyed = [i for i, step in enumerate(script) if step.keyed and answers[i] != "!"]
    killings = set(rng.sample(keyed, 4))
    with Daemon(tmp_path, CONFIG) as daemon:
        while len(again) < len(script):
            channel, target = over_grpc(daemon.address)
            try:
                go_on(daemon, target, script, again, killings, rng)
            except (grpc.RpcError, Killed):
                daemon.process.wait(PATIENCE_S)
                daemon.kill()
                daemon.start()
            finally:
                channel.close()
        assert not killings
        assert daemon.end() == 0
    assert again == answers
    assert rows(daemon.data) == rows(folder)
    assert verified(daemon.data).state_hashes == verified(folder).state_hashes


def go_on(
    daemon: Daemon,
    target: Target,
    script: list[Step],
    answers: list[str],
    killings: set[int],
    rng: random.Random,
) -> None:
    """Play on; when a step's turn to be killed in comes, kill while its call is under way."""
    killer: threading.Timer | None = None
    for _ in play(target, script, answers):
        if killer:  # the call was faster; the next one may have no key
            killer.join()
            raise Killed
        if len(answers) in killings:
            killings.remove(len(answers))
            killer = threading.Timer(rng.uniform(0.0, 0.003), daemon.process.kill)
            killer.start()
