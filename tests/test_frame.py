"""Holds what the packaging promises: versions that install together, stubs that import."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DEPENDENCIES: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
    "dependencies"
]


def bound(package: str) -> str:
    """Return the lower bound that pyproject.toml gives for a package."""
    return next(s.split(">=")[1] for s in DEPENDENCIES if s.startswith(f"{package}>="))


def test_every_dependency_has_a_lower_bound_only() -> None:
    """A program that uses routerd can hold any newer version of what routerd uses."""
    loose = [s for s in DEPENDENCIES if not re.fullmatch(r"[a-z0-9-]+>=[\d.]+", s)]
    assert not loose


@pytest.mark.parametrize(
    "stub", sorted((ROOT / "routerd/v1").glob("*_pb2.py")), ids=lambda p: p.stem
)
def test_stubs_import_under_the_oldest_protobuf(stub: Path) -> None:
    """The stubs demand no newer protobuf than pyproject.toml does."""
    floor = re.search(r"Protobuf Python Version: ([\d.]+)", stub.read_text())
    assert floor
    assert floor[1] == bound("protobuf")


@pytest.mark.parametrize(
    "stub", sorted((ROOT / "routerd/v1").glob("*_pb2_grpc.py")), ids=lambda p: p.stem
)
def test_stubs_import_under_the_oldest_grpcio(stub: Path) -> None:
    """The stubs demand no newer grpcio than pyproject.toml does."""
    floor = re.search(r"GRPC_GENERATED_VERSION = '([\d.]+)'", stub.read_text())
    assert floor
    assert floor[1] == bound("grpcio")
