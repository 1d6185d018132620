"""Makes tests/golden: small logs, as this version writes them, that every later one must read.

python -m tools.golden            those of this version, made anew
python -m tools.golden --check    finds out whether they are current

A folder for each version holds data directories: a log, a snapshot from its middle, and in
expected.json what it comes to. Those of this version change with its behaviour, in the same commit;
those of released versions never change.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from routerd import __version__
from routerd.core.events import Decision
from routerd.core.fingerprint import fingerprint
from routerd.log.codec import records
from routerd.log.snapshot import Snapshots
from routerd.log.sqlite import SqliteLog
from tests.core.engine import HOUR_MS, Engine

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden"

FEATURES = [
    {"kind": "category", "name": "work_type"},
    {"kind": "category", "name": "customer", "values": ["acme", "initech"]},
    {"kind": "number", "name": "complexity"},
    {"kind": "text", "size": 4},
    {"kind": "embedding", "dimension": 3, "size": 2},
]
ROUTES = [{"agent": "small", "when": {"work_type": "text"}}, {"agent": "large"}]
SCENES: dict[str, dict[str, Any]] = {
    "default": {},
    "everything": {
        "features": FEATURES,
        "static_routes": ROUTES,
        "utility": {"cost": 0.3, "latency": 0.1},
        "outcomes": {
            "window_hours": 50.0,
            "missing_quality": 0.2,
            "sources": ["reviewer", "ci"],
            "signals": {"edited": {"quality": 0.3, "within_minutes": 90.0}},
        },
        "thresholds": {"confidence": 0.2},
        "cooldown": {"failures": 2, "base_seconds": 600.0},
        "cold_start": {"static_until": 3},
        "limits": {"open_decisions": 60, "agents": 20},
        "overrides": [{"id": "pinned", "agent": "small", "when": {"customer": "initech"}}],
    },
    "linear": {"features": FEATURES, "policy": {"kind": "thompson", "learner": {"kind": "linear"}}},
    "squarecb": {"policy": {"kind": "squarecb"}, "seed": 7},
    "rotation": {"policy": {"kind": "rotation", "floor": 0.1}, "clock": "logical"},
}


def live(engine: Engine, count: int, name: str) -> None:
    """Traffic of every kind, the same in every scene and every run."""
    open_ones: list[str] = []
    for i in range(count):
        engine.wall.now_ms += HOUR_MS // (4 if i % 9 else 1)
        told = engine.route(
            request_id=f"{name}-{i}",
            work_type=("code", "text", "plan")[i % 3],
            labels={"customer": ("acme", "initech", "else")[i % 5 % 3]},
            complexity=i % 10 / 10,
            group_id="sprint" if i % 8 == 0 else "",
            session_id=f"s{i % 4}" if i % 6 == 0 else "",
        )
        open_ones.append(told.decision_id)
        report(engine, told.decision_id, told.decision, i, f"{name}-{i}")
        if i % 11 == 10:
            follows = {"decision_id": told.decision_id, "cause": "FAILED"}
            engine.route(request_id=f"{name}-{i}-again", follows=follows)
        if i % 13 == 12:  # late, and told anew
            engine.report(open_ones[-5], outcome_id=f"{name}-late-{i}", quality=0.9, kind="REVISE")
        if i % 17 == 16:
            engine.report(open_ones[-3], outcome_id=f"{name}-gone-{i}", kind="RETRACT")
    engine.report(group_id="sprint", outcome_id=f"{name}-sprint", quality=0.5)


def report(engine: Engine, decision_id: str, decision: Decision, i: int, name: str) -> None:
    """What came of one decision: from several sources, in part, or nothing."""
    good = (i * 7 + len(decision.agent_id)) % 3 > 0
    match i % 5:
        case 0 | 1:
            engine.report(decision_id, outcome_id=name, success=good, cost_usd=0.001 * (i % 7 + 1))
        case 2:
            engine.report(decision_id, outcome_id=name, quality=i % 4 / 3, latency_ms=100.0 * i + 1)
            engine.report(decision_id, outcome_id=f"{name}-ci", success=not good, source="ci")
        case 3:
            engine.report(decision_id, outcome_id=name, success=good, executed_agent_id="large")


def agents(engine: Engine) -> None:
    """Agents come, change, fall silent and go."""
    engine.register("guest", max_concurrency=9, pool="free", specializations=["text"])
    engine.beat("guest", lease_ms=60_000)
    engine.set_status("medium", "BUSY")
    engine.end_lease("guest")
    engine.update("guest", version="2", pool="free", head_start=0.1)
    engine.beat("guest")
    engine.register("passing")
    engine.deregister("passing")
    engine.overrule("no-guests", when={"work_type": "plan"}, action="forbid", agent="guest")
    soon_ms = engine.wall.now_ms + HOUR_MS
    engine.overrule("brief", agent="large", expires_time_ms=soon_ms, otherwise="policy")
    engine.lift("no-guests")


def make(directory: Path, config: dict[str, Any]) -> None:
    """One data directory, its log some hundred events long."""
    engine = Engine(**config)
    with closing(SqliteLog.open(directory)) as log:
        live(engine, 20, "first")
        agents(engine)
        live(engine, 18, "second")
        Snapshots(directory).write(engine.state, keep=2)
        engine.open(**{**config, "utility": {"cost": 0.5}})
        live(engine, 14, "third")
        log.append("default", list(engine.log.read("default")), 0)
        log.forget("default", 20, most=20 if config.get("seed") else 0)
    (directory / "lock").unlink()
    expected = {
        "engine_version": __version__,
        "fingerprint": fingerprint(),
        "position": engine.state.position,
        "chain": engine.state.chain.hex(),
        "decisions": len(engine.events(Decision)),
        "state_hash": engine.state.hash(),
    }
    (directory / "expected.json").write_text(json.dumps(expected, indent=2) + "\n")


def make_all(target: Path) -> None:
    for name, config in SCENES.items():
        (target / name).mkdir(parents=True)
        make(target / name, config)


def content(folder: Path) -> dict[str, tuple[str, list[bytes]]]:
    """What must be equal: what is expected of each, and each entry."""
    found = {}
    for path in sorted(folder.glob("*/expected.json")):
        # SQLite leaves files beside a log that it reads: so a copy is read.
        with tempfile.TemporaryDirectory() as copy:
            read = shutil.copytree(path.parent, Path(copy) / "log")
            with closing(SqliteLog.open(read)) as log:
                entries = [record.hash for record in records(log, "default")]
        found[path.parent.name] = (path.read_text(), entries)
    return found


def main(check: bool) -> int:
    mine = GOLDEN / __version__
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "made"
        make_all(made)
        if check:
            same = content(made) == content(mine)
            print(f"{mine} is {'current' if same else 'not what this version writes'}")
            return 0 if same else 1
        shutil.rmtree(mine, ignore_errors=True)
        shutil.copytree(made, mine)
    print(f"{mine}: {', '.join(SCENES)}")
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    sys.exit(main(parser.parse_args().check))
