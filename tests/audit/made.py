"""Logs to project, and what is in an audit file."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from routerd.audit.projector import Projector
from routerd.audit.schema import audit_path
from routerd.core.errors import RouterError
from routerd.core.settings import Agent
from routerd.core.values import AgentStatus, Heartbeat, Outcome, Request
from routerd.engine.registry import Registry
from routerd.engine.sequencer import Sequencer
from routerd.log.base import Log
from tests.core.engine import Engine
from tests.e2e.script import CONFIG, steps

# Decisions are closed after 180 events: a short log has all that there is.
OUTCOMES = {"window_hours": 5e-5, "signals": {"edited": {"quality": 0.4}}}
BUSY = {**CONFIG, "outcomes": {**CONFIG["outcomes"], **OUTCOMES}}

Rows = dict[str, list[tuple[Any, ...]]]


def busy_engine() -> Engine:
    """An engine that met everything: conditions, revisions, retractions, bounds, closings."""
    engine = Engine(**BUSY)
    play(engine.sequencer, 300)
    engine.sequencer.commit()
    return engine


def play(sequencer: Sequencer, requests: int, seed: int = 7) -> None:
    """Route and report as tests.e2e.script says, in groups and sessions; nothing is committed."""
    answers: list[str] = []
    for number, step in enumerate(steps(requests, seed)):
        name = ""
        for key in {"request_id", "outcome_id"} & step.fields.keys():
            step.fields[key] = f"{seed}-{step.fields[key]}"
        try:
            if step.of < 0:
                request = msgspec.convert(step.fields, Request)
                more = {"group_id": f"plan-{number // 40}", "session_id": f"s{number % 5}"}
                task = msgspec.structs.replace(request.task, **more, domain=f"d{number % 3}")
                request = msgspec.structs.replace(request, task=task)
                name = sequencer.route(request).decision_id
            elif answers[step.of]:
                fields = {**step.fields, "decision_id": answers[step.of]}
                sequencer.report(msgspec.convert(fields, Outcome))
            if number % 11 == 0:
                say_more(sequencer, f"{seed}-{number}", f"plan-{number // 40}", name)
        except RouterError:
            pass
        answers.append(name)


def say_more(sequencer: Sequencer, name: str, group_id: str, decision_id: str) -> None:
    """A rating of a group, a signal, and an agent that comes, beats or goes; some are refused."""
    rng, registry = random.Random(name), Registry(sequencer)
    agent_id = f"guest-{rng.randrange(3)}"
    match rng.randrange(5):
        case 0:
            outcome = Outcome(outcome_id=name, group_id=group_id, quality=rng.randrange(9) / 8)
            sequencer.report(outcome)
        case 1:
            sequencer.report(Outcome(outcome_id=name, decision_id=decision_id, signal="edited"))
        case 2:
            registry.register(Agent(agent_id))
        case 3:
            status = rng.choice(list(AgentStatus))
            registry.beat(Heartbeat(agent_id, status, lease_ms=1_000))
        case 4:
            registry.deregister(agent_id)


def projected(log: Log, folder: Path, batch: int = 1_000, *, restarts: bool = False) -> Path:
    """The audit file of a log, up to its end; with restarts, each batch by a projector of its own.

    The folder is made if need be. The tests' process opens the file with sqlite3 only, as the
    projector's does.
    """
    folder.mkdir(exist_ok=True)
    while True:
        with closing(Projector(log, "default", folder, batch=batch)) as projector:
            while count := projector.advance():
                if restarts:
                    break
        if not count:
            return audit_path(folder)


def query(path: Path, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """What a question to the file is answered."""
    with closing(sqlite3.connect(path)) as db:
        return db.execute(sql, values).fetchall()


def column(path: Path, sql: str, *values: object) -> list[Any]:
    """The first column of the answer."""
    return [row[0] for row in query(path, sql, *values)]


def contents(path: Path) -> Rows:
    """Every row of every table."""
    names = column(path, "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')")
    return {name: sorted(query(path, f"SELECT * FROM {name}"), key=repr) for name in names}
