"""Holds the layer diagram: imports point down only, and the pure layers stay pure."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("routerd", "learners", "bench")

# Each room and the rooms that it may import, besides itself. A room is a folder, or the files
# beside the folders whose names begin alike.
CORE = {"learners", "routerd.core"}
SETTINGS = {"routerd.core", "routerd.settings"}
STORES = SETTINGS | {"routerd.log", "routerd.engine", "routerd.audit", "routerd.signals"}
EDGES = STORES | {"routerd.config", "routerd.v1"}
SHELLS = {"routerd", "routerd.clock", "routerd.child", "routerd.server"}
ENTRIES = EDGES | SHELLS | {"learners"}
GROUND = {"bench.stats", "bench.engine", "bench.data"}
PLAYED = GROUND | {"bench.pages", "bench.replay", "routerd.core"}
SUBJECTS = {"bench.studies", "bench.ope", "bench.speed", "bench.prove", "bench.report"}
MAY_IMPORT: dict[str, set[str]] = {
    "learners": set(),
    "routerd.core": {"learners"},
    "routerd.settings": {"routerd.core"},
    "routerd.log": SETTINGS | {"routerd", "routerd.child"},
    "routerd.engine": CORE | {"routerd", "routerd.log"},
    "routerd.audit": SETTINGS | {"routerd", "routerd.log"},
    "routerd.signals": SETTINGS | {"routerd.breaker"},
    "routerd.config": SETTINGS | {"routerd.signals"},
    "routerd.breaker": set(),
    "routerd.child": set(),
    "routerd.v1": set(),
    "routerd.clock": set(),
    "routerd.router": STORES | {"routerd.config", "routerd.clock"},
    "routerd.server": EDGES | {"routerd.child"},
    "routerd.client": {"routerd.v1", "routerd.breaker"},
    "routerd.cli": ENTRIES | PLAYED | SUBJECTS | {"routerd.client"},
    "routerd.__main__": {"routerd.cli"},
    "routerd": {"routerd.router"},
    "bench": set(),
    "bench.stats": {"learners"},
    "bench.engine": CORE | {"routerd"},
    "bench.data": {"routerd.core"},
    "bench.pages": {"bench.stats", "routerd.core"},
    "bench.replay": GROUND | {"routerd.core", "routerd.config"},
    "bench.studies": PLAYED | {"learners"},
    "bench.ope": GROUND | CORE | {"routerd", "routerd.log", "routerd.engine"},
    "bench.speed": GROUND | {"bench.replay"} | (ENTRIES - {"routerd.audit"}),
    "bench.prove": PLAYED,
    "bench.report": PLAYED,
}

# Clocks, chance, threads, disks and networks come in from outside.
IMPURE = {
    "asyncio",
    "concurrent",
    "datetime",
    "logging",
    "multiprocessing",
    "os",
    "pathlib",
    "random",
    "secrets",
    "shutil",
    "socket",
    "sqlite3",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "uuid",
}
PURE: dict[str, set[str]] = {
    "learners": {"numpy", "scipy"},
    "routerd.core": {"learners", "routerd", "numpy", "scipy", "msgspec"},
}


@cache
def modules() -> dict[str, Path]:
    """Return every module of the project and its file."""
    files = (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))
    names = {path: path.relative_to(ROOT).with_suffix("").parts for path in files}
    return {".".join(p[:-1] if p[-1] == "__init__" else p): path for path, p in names.items()}


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(modules()[module].read_text())


@cache
def imports(module: str) -> frozenset[str]:
    """Return what a module imports, at its top or inside a function, as full names of modules."""
    package = module.split(".")
    if modules()[module].name != "__init__.py":
        package.pop()

    def targets(node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            for alias in node.names:
                name = f"{base}.{alias.name}"
                yield name if name in modules() else base

    return frozenset(target for node in ast.walk(tree(module)) for target in targets(node))


def room(module: str) -> str:
    """Return the room of a module of the project.

    >>> room("routerd.core.decide"), room("routerd.config_text"), room("bench.ope.log")
    ('routerd.core', 'routerd.config', 'bench.ope')
    """
    parts = module.split(".")
    if parts[0] == "learners" or len(parts) == 1:
        return parts[0]
    return f"{parts[0]}.{parts[1].partition('_')[0] or parts[1]}"


def own(names: frozenset[str]) -> set[str]:
    """Return the names that belong to the project."""
    return {name for name in names if name.split(".")[0] in PACKAGES}


@pytest.mark.parametrize("module", modules())
def test_imports_point_down_only(module: str) -> None:
    """A module imports only rooms that the layer diagram puts below its own."""
    assert room(module) in MAY_IMPORT, f"{module}: give its room a place in the diagram"
    up = {name for name in own(imports(module)) if room(name) != room(module)}
    up = {name for name in up if room(name) not in MAY_IMPORT[room(module)]}
    assert not up, f"{module} may not import {sorted(up)}"


def test_no_module_imports_itself_through_others() -> None:
    """The imports have no cycle, those inside functions included."""
    # The root package is left out: it offers the facade to programs and the version to everyone.
    graph = {
        name: own(imports(name)) - {name, "routerd"} for name in modules() if name != "routerd"
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


@pytest.mark.parametrize("module", [name for name in modules() if room(name) in PURE])
def test_the_pure_layers_know_no_clock_chance_thread_or_disk(module: str) -> None:
    """Learners and core import a short list of packages and the harmless part of the library."""
    allowed = PURE[room(module)] | {room(module)} | (sys.stdlib_module_names - IMPURE)
    foreign = {name for name in imports(module) if name.split(".")[0] not in allowed}
    assert not foreign, f"{module} may not import {sorted(foreign)}"


@pytest.mark.parametrize("module", [name for name in modules() if room(name) in PURE])
def test_the_pure_layers_share_no_random_state(module: str) -> None:
    """Learners and core never use numpy's global generator: what they draw comes from a seed."""
    shared = [
        f"{module}:{node.lineno} {ast.unparse(node)}"
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Attribute)
        and ast.unparse(node.value) in ("np.random", "numpy.random")
        if node.attr not in ("default_rng", "Generator")
    ]
    assert not shared
