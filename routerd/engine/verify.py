"""Re-derive every decision of a log: its chain, its draw and its law."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from learners.law import draw
from routerd import __version__
from routerd.core.claims import judged
from routerd.core.decide import decide
from routerd.core.draw import AGENT, uniform
from routerd.core.errors import RouterError
from routerd.core.events import ClaimMade, Decision
from routerd.core.fingerprint import fingerprint
from routerd.core.state import State
from routerd.engine.fold import UNFIT, apply_stored
from routerd.log.base import Log, LogCorrupt
from routerd.log.check import look_through
from routerd.log.codec import records
from routerd.log.reach import require_all_reached
from routerd.log.snapshot import Snapshots, Unusable, load, position_of, start_of

CLOSE = 1e-9


class Mismatch(NamedTuple):
    """A decision that could not be re-derived as it was logged, or an event that does not fit."""

    partition: str
    position: int
    what: str


class Verified(NamedTuple):
    """laws_exact: re-derived bit for bit. laws_close: on other numeric kernels, within 1e-9.

    laws_skipped: made by another engine version, whose chain and draw were checked. The decisions
    that are none of these are among the mismatches. starts: the first position of each partition
    that was derived again. snapshots: how many are the state at their position, bit for bit.
    """

    decisions: int
    events: int
    mismatches: tuple[Mismatch, ...]
    laws_exact: int
    laws_close: int
    laws_skipped: int
    state_hashes: dict[str, str]
    starts: dict[str, int]
    snapshots: int


class Counts:
    """What was found so far; see Verified."""

    def __init__(self) -> None:
        self.decisions = self.events = self.snapshots = 0
        self.laws = dict.fromkeys(("exact", "close", "skipped"), 0)
        self.mismatches: list[Mismatch] = []

    def note(self, partition: str, position: int, wrong: Iterable[str]) -> None:
        self.mismatches += [Mismatch(partition, position, what) for what in wrong]


def verify(log: Log, snapshots: Snapshots | None = None) -> Verified:
    """Check every partition, and that each snapshot is the state at its position.

    A log that was compacted is derived again from its oldest snapshot on; of what stands before,
    the chain is checked. Raises LogCorrupt where the chain itself, or the table, is broken, and
    where the log ends before a snapshot of it.
    """
    found, hashes, starts = Counts(), {}, {}
    if snapshots is not None:
        require_all_reached(log, snapshots)
    for partition in log.partitions():
        paths = snapshots.paths(partition) if snapshots else []
        base = log.base(partition).position
        state = start_of(log, partition, paths[::-1] if base else [])
        starts[partition] = state.position + 1
        look_through(log, partition, base, state.position)
        if derived_again(log, state, {position_of(path): path for path in paths}, found):
            hashes[partition] = state.hash()
    log.require_order()
    return Verified(
        decisions=found.decisions,
        events=found.events,
        mismatches=tuple(found.mismatches),
        laws_exact=found.laws["exact"],
        laws_close=found.laws["close"],
        laws_skipped=found.laws["skipped"],
        state_hashes=hashes,
        starts=starts,
        snapshots=found.snapshots,
    )


def derived_again(log: Log, state: State, made: Mapping[int, Path], found: Counts) -> bool:
    """Fold what stands behind a state and hold it to what was logged; whether all could be folded.

    made: the snapshots by their positions.
    """
    partition = state.partition
    for record in records(log, partition, state.position):
        position, event = record.position, record.event
        found.events += 1
        if isinstance(event, Decision):
            found.decisions += 1
            how, wrong = rederive(state, event)
            found.laws[how] += how == "skipped" or not wrong
            found.note(partition, position, wrong)
        if isinstance(event, ClaimMade) and differs_claim(state, event):
            found.note(partition, position, ["claim differs"])
        try:
            apply_stored(state, record)
        except LogCorrupt as error:  # the chain is whole: somebody wrote this
            found.note(partition, position, [error.what])
            return False
        if position in made:
            fits, wrong = compare(made[position], state)
            found.snapshots += fits
            found.note(partition, position, wrong)
    return True


def compare(path: Path, state: State) -> tuple[bool, list[str]]:
    """Whether a snapshot is the state at its position, bit for bit, and what is wrong with it.

    One that another version or machine made is neither.
    """
    try:
        head, snapshot = load(path)
    except (Unusable, OSError) as error:
        return False, [str(error)]
    if not head.is_ours:
        return False, []
    same = snapshot.hash() == state.hash()
    return same, [] if same else [f"{path} is not the state there"]


def differs_claim(state: State, logged: ClaimMade) -> bool:
    """Whether this engine would have answered a claim otherwise."""
    if state.engine_version != __version__ or logged.decision_id not in state.decisions:
        return False
    made = judged(state, logged.decision_id, logged.competence, logged.time_ms)
    close = abs((made.expected or 0.0) - (logged.expected or 0.0)) <= CLOSE
    return made.accepted != logged.accepted or not close


def rederive(state: State, logged: Decision) -> tuple[str, list[str]]:
    """How far a decision can be checked on its basis, and what is wrong with it."""
    wrong = wrong_draw(state, logged)
    if state.engine_version != __version__:
        return "skipped", wrong
    how = "exact" if state.fingerprint == fingerprint() else "close"
    try:
        made, _ = decide(state, logged.query, logged.time_ms)
    except (RouterError, *UNFIT) as error:
        return how, [*wrong, f"no law: {error}"]
    if how == "exact":
        fields = Decision.__struct_fields__
        differ = [name for name in fields if getattr(made, name) != getattr(logged, name)]
        return how, wrong + [f"{name} differs" for name in differ]
    if made.agents != logged.agents or len(made.law) != len(logged.law):
        return how, [*wrong, "agents differ"]
    apart = float(np.abs(np.frombuffer(made.law) - np.frombuffer(logged.law)).max())
    return how, [*wrong, f"law differs by {apart:.3g}"] if apart > CLOSE else wrong


def wrong_draw(state: State, logged: Decision) -> list[str]:
    """What is wrong with the draw from the logged law."""
    if not is_law(logged):
        return ["law is none over the agents"]
    if logged.u != uniform(state.config.seed, state.partition, logged.query.request_id, AGENT):
        return ["u is not the hash of the request"]
    law = np.frombuffer(logged.law)
    drawn = draw(law, logged.u)
    if logged.agents[drawn] != logged.agent_id:
        return ["agent is not the one that u draws"]
    return [] if float(law[drawn]) == logged.propensity else ["propensity is not the law's"]


def is_law(logged: Decision) -> bool:
    """Whether the logged law gives each agent a probability."""
    if not logged.agents or len(logged.law) != 8 * len(logged.agents):
        return False
    law = np.frombuffer(logged.law)
    return bool(law.min() >= 0.0 and abs(law.sum() - 1.0) <= CLOSE)
