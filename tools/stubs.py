"""Generates routerd/v1 from proto/, or with --check finds out whether it is current.

Generated code refuses to run under a grpcio or protobuf older than its generator. So the generator
is the oldest grpcio that pyproject.toml supports, kept in an environment of its own.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"
PACKAGE = Path("routerd/v1")
INIT = '"""The wire contract: code generated from proto/routerd/v1 by `make proto`."""\n'


def oldest_grpcio() -> str:
    """Return the lower bound of grpcio in pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    bounds = (re.fullmatch(r"grpcio>=([\d.]+)", spec) for spec in project["dependencies"])
    return next(bound[1] for bound in bounds if bound)


def generator() -> Path:
    """Return the Python that can run the generator, made ready when it is missing."""
    version = oldest_grpcio()
    home = ROOT / ".venv" / f"stubs-{version}"
    python = home / "bin" / "python"
    if not (home / "ready").exists():
        print(f"installing grpcio-tools {version} into {home.relative_to(ROOT)}", flush=True)
        venv.create(home, clear=True, with_pip=True)
        options = ["--disable-pip-version-check", "--quiet", "--only-binary=grpcio-tools"]
        run(python, "-m", "pip", "install", *options, f"grpcio-tools=={version}")
        (home / "ready").touch()
    return python


def generate(out: Path) -> None:
    """Write the package routerd/v1 under `out`."""
    protos = sorted((PROTO / PACKAGE).glob("*.proto"))
    services = [path for path in protos if re.search(r"^service ", path.read_text(), re.MULTILINE)]
    protoc = (generator(), "-m", "grpc_tools.protoc", f"-I{PROTO}")
    run(*protoc, f"--python_out={out}", f"--pyi_out={out}", *protos)
    run(*protoc, f"--grpc_python_out={out}", *services)
    (out / PACKAGE / "__init__.py").write_text(INIT)


def run(*command: str | Path) -> None:
    """Run a command; its failure ends this program."""
    subprocess.run(command, check=True)


def sources(root: Path) -> dict[str, str]:
    """Return the text of each file of the package routerd/v1 under `root`, by name."""
    return {path.name: path.read_text() for path in sorted((root / PACKAGE).glob("*.py*"))}


def main() -> int:
    """Return 0 when the package is current, or was made so."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="change nothing, fail when not current"
    )
    check = parser.parse_args().check
    if check and sys.version_info >= (3, 15):
        print("skip: generated code is current (the generator has no wheel for this Python)")
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        generate(Path(scratch))
        old, new = sources(ROOT), sources(Path(scratch))
    if not check:
        for name in old.keys() - new.keys():
            (ROOT / PACKAGE / name).unlink()
        for name, text in new.items():
            (ROOT / PACKAGE / name).write_text(text)
        return 0
    stale = [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]
    for name in stale:
        print(f"{PACKAGE / name} is stale: run `make proto`")
    print(f"generated code is current: {'failed' if stale else 'passed'}")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
