"""The daemon's other processes are its own, wherever it was started."""

from __future__ import annotations

from pathlib import Path

import grpc

from routerd.v1 import audit_pb2, audit_pb2_grpc, router_pb2, router_pb2_grpc
from tests.server.harness import Daemon

PATIENCE_S = 30.0


def test_no_child_takes_modules_from_the_working_directory(tmp_path: Path) -> None:
    """A package `learners` of somebody else's, where the daemon is started, is not the daemon's."""
    (tmp_path / "learners").mkdir()
    (tmp_path / "learners" / "__init__.py").write_text("raise SystemExit('not the daemon's')")
    with (
        Daemon(tmp_path, audit={"enabled": True}) as daemon,
        grpc.insecure_channel(daemon.address) as channel,
    ):
        made = router_pb2_grpc.RouterServiceStub(channel).Route(router_pb2.RouteRequest())
        told = audit_pb2_grpc.AuditServiceStub(channel).GetSummary(
            audit_pb2.GetSummaryRequest(at_least_position=made.position), timeout=PATIENCE_S
        )
    assert told.total.decisions == 1
