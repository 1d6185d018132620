"""Re-derive every decision of a log: its chain, its draw and its law."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from learners.law import draw
from routerd import __version__
from routerd.core.apply import apply
from routerd.core.decide import decide
from routerd.core.draw import AGENT, uniform
from routerd.core.errors import RouterError
from routerd.core.fingerprint import fingerprint
from routerd.core.state import State
from routerd.core.values import Decision
from routerd.log.base import Log
from routerd.log.codec import decision_id, records

CLOSE = 1e-9


class Mismatch(NamedTuple):
    """One decision that could not be re-derived as it was logged."""

    partition: str
    position: int
    what: str


class Verified(NamedTuple):
    """laws_exact: re-derived bit for bit. laws_close: on other numeric kernels, within 1e-9.

    laws_skipped: made by another engine version, whose chain and draw were checked.
    """

    decisions: int
    events: int
    mismatches: tuple[Mismatch, ...]
    laws_exact: int
    laws_close: int
    laws_skipped: int
    state_hashes: dict[str, str]


def verify(log: Log) -> Verified:
    """Check every partition. Raises LogCorrupt where the chain itself is broken."""
    counts = {"decisions": 0, "events": 0, "exact": 0, "close": 0, "skipped": 0}
    mismatches: list[Mismatch] = []
    hashes = {}
    for partition in log.partitions():
        state = State(partition)
        for record in records(log, partition):
            event = record.event
            counts["events"] += 1
            if isinstance(event, Decision):
                counts["decisions"] += 1
                how, wrong = rederive(state, event)
                counts[how] += 1
                mismatches += [Mismatch(partition, record.position, what) for what in wrong]
            apply(state, record, decision_id(record.position, record.hash))
        hashes[partition] = state.hash()
    return Verified(
        decisions=counts["decisions"],
        events=counts["events"],
        mismatches=tuple(mismatches),
        laws_exact=counts["exact"],
        laws_close=counts["close"],
        laws_skipped=counts["skipped"],
        state_hashes=hashes,
    )


def rederive(state: State, logged: Decision) -> tuple[str, list[str]]:
    """How far a decision can be checked on its basis, and what is wrong with it."""
    wrong = wrong_draw(state, logged)
    if state.engine_version != __version__:
        return "skipped", wrong
    try:
        made, _ = decide(state, logged.query, logged.time_ms)
    except RouterError as error:
        return "exact", [*wrong, f"no law: {error.message}"]
    if state.fingerprint == fingerprint():
        fields = [name for name in Decision.__struct_fields__ if differs(name, made, logged)]
        return "exact", wrong + [f"{name} differs" for name in fields]
    if made.agents != logged.agents:
        return "close", [*wrong, "agents differ"]
    apart = float(np.abs(np.frombuffer(made.law) - np.frombuffer(logged.law)).max())
    return "close", [*wrong, f"law differs by {apart:.3g}"] if apart > CLOSE else wrong


def wrong_draw(state: State, logged: Decision) -> list[str]:
    """What is wrong with the draw from the logged law."""
    law = np.frombuffer(logged.law)
    u = uniform(state.config.seed, state.partition, logged.query.request_id, AGENT)
    drawn = draw(law, logged.u)
    wrong = []
    if u != logged.u:
        wrong.append("u is not the hash of the request")
    if len(law) != len(logged.agents) or logged.agents[drawn] != logged.agent_id:
        wrong.append("agent is not the one that u draws")
    elif float(law[drawn]) != logged.propensity:
        wrong.append("propensity is not the law's")
    return wrong


def differs(name: str, made: Decision, logged: Decision) -> bool:
    return bool(getattr(made, name) != getattr(logged, name))
