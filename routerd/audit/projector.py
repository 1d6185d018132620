"""The projector: a log folded into the audit file, batch by batch, from where it stopped.

Every batch is one transaction with the mark in it. So a kill at any moment loses nothing and
doubles nothing, and the rows do not depend on where batches begin and end.
"""

from __future__ import annotations

import logging
from itertools import islice
from pathlib import Path

import msgspec

from routerd.audit import rows
from routerd.audit.book import Book, Case
from routerd.audit.roster import AgentRows
from routerd.audit.rows import Row
from routerd.audit.schema import audit_path, files_of, move_aside
from routerd.audit.store import Mark, Store, Unusable
from routerd.audit.tallies import Tallies
from routerd.core.events import (
    AgentCooledDown,
    AgentDeregistered,
    AgentRecovered,
    AgentRegistered,
    AgentStatusChanged,
    AgentUpdated,
    CompetenceDisputed,
    ConfigApplied,
    Decision,
    DecisionsClosed,
    DriftDetected,
    OutcomeReported,
    Record,
)
from routerd.core.outcomes import Reports
from routerd.core.settings import EngineConfig
from routerd.core.values import Outcome
from routerd.log.base import Log
from routerd.log.codec import decision_id, goes_on_from, records
from routerd.log.repair import next_aside

BATCH = 1_000

INSERTED = (
    *("labels", "candidates", "outcomes", "group_outcomes", "configs", "closings"),
    "agent_events",
)

logger = logging.getLogger(__name__)


class Projector:
    """Keeps the audit file of one partition up with the log. One at a time may work on a file."""

    def __init__(
        self,
        log: Log,
        partition: str,
        directory: Path,
        *,
        batch: int = BATCH,
        rebuild: bool = False,
        keep: int | None = None,
    ) -> None:
        """keep: of so many of the latest events decisions stay in the file; None: of all."""
        self._log = log
        self._keep = keep
        self._partition = partition
        self._batch = batch
        self._path = audit_path(directory, partition)
        if rebuild:
            self._make_way()
        try:
            self._take_up()
        except Unusable as error:
            self._begin_anew(error)

    @property
    def position(self) -> int:
        return self._mark.position

    def advance(self) -> int:
        """Project the next batch; how many events it had, 0 when the log has no more.

        A file that turns out to be damaged, or the audit of another log, is begun anew. Raises
        LogCorrupt, LogUnavailable, sqlite3.OperationalError, OSError.
        """
        if not self._continues():
            end, _ = self._log.last(self._partition)
            self._store.close()
            self._begin_anew(
                f"{self._path} tells of positions up to {self._mark.position}, and does not "
                f"continue this log, which ends at {end}"
            )
        try:
            return self._advance()
        except Unusable as error:
            if not self._mark.position:
                raise
            self._store.close()
            self._begin_anew(error)
            return self._advance()

    def close(self) -> None:
        self._store.close()

    def _begin_anew(self, why: object) -> None:
        """Put an empty file in the place of one that is closed."""
        logger.warning("%s: building it anew", why)
        self._make_way()
        self._take_up()

    def _make_way(self) -> None:
        """Delete the file, or keep it elsewhere if the log does not tell of all that it may hold.

        Who has it open keeps it as it was.
        """
        if self._log.base(self._partition).position and self._path.exists():
            folder = next_aside(self._path.parent)
            move_aside(self._path, folder)
            what = "%s is kept in %s: it may tell of what the log has let go of"
            logger.warning(what, self._path, folder)
        for file in files_of(self._path):
            file.unlink(missing_ok=True)

    def _take_up(self) -> None:
        """Open the file, and go on from what it holds."""
        self._store = Store(self._path, self._partition)
        self._config, self._config_position = None, 0
        try:
            self._mark = self._store.mark()
            held = self._store.last_config()
            if held is not None:
                self._config = msgspec.json.decode(held["config"], type=EngineConfig)
                self._config_position = held["position"]
        except Unusable:
            self._store.close()
            raise
        except (TypeError, ValueError) as error:  # SQLite does not see what a text should be
            self._store.close()
            raise Unusable(f"{self._path} is damaged: {error}") from error

    def _continues(self) -> bool:
        """Whether the log still has the entry that the mark names.

        A log that was restored from a copy, or lost its end to a failing disk, has not.
        """
        position, entry_hash = self._mark
        return not position or goes_on_from(self._log, self._partition, position, entry_hash)

    def _advance(self) -> int:
        after = self._mark.position or None
        found = list(islice(records(self._log, self._partition, after), self._batch))
        if not found:
            return 0
        batch = Batch(self._store, self._config, self._config_position)
        for record in found:
            batch.add(record)
        base = self._log.base(self._partition)
        mark = max(Mark(found[-1].position, found[-1].hash), Mark(*base[:2]))
        with self._store.transaction():
            batch.write()
            if found[0].position == 1:
                self._store.insert("meta", [{"key": "origin", "value": found[0].hash.hex()}])
            row = {"id": 1, "position": mark.position, "hash": mark.hash.hex()}
            self._store.replace("mark", [{**row, "time_ms": found[-1].event.time_ms}])
            if self._keep is not None and mark.position > self._keep:
                self._store.forget(mark.position - self._keep)
        self._mark = mark
        self._config, self._config_position = batch.book.config, batch.config_position
        return len(found)


class Batch:
    """The rows of some events in a row; a shelf for the book, with the file behind it."""

    def __init__(self, store: Store, config: EngineConfig | None, config_position: int) -> None:
        self.book = Book(self, config)
        self.config_position = config_position
        self._store = store
        self._cases: dict[str, Case] = {}
        self._requests: dict[str, Case] = {}
        self._outcomes: dict[str, Case] = {}
        self._made: dict[str, tuple[Decision, int]] = {}
        self._tallies = Tallies(store)
        self._inserted: dict[str, list[Row]] = {name: [] for name in INSERTED}
        self._agents: AgentRows | None = None

    def add(self, record: Record) -> None:
        """Fold one event."""
        position, event = record.position, record.event
        name = decision_id(position, record.hash)
        changes = self.book.fold(position, name, event)
        match event:
            case ConfigApplied():
                self._configured(position, event)
            case Decision() if changes:
                self._made[name] = event, self.config_position
                self._inserted["candidates"] += rows.candidate_rows(position, event)
                self._inserted["labels"] += rows.label_rows(position, event)
            case OutcomeReported() if changes:
                row = rows.outcome_row(position, event.time_ms, event.outcome)
                self._inserted["outcomes"].append(row)
                heard = event.decision_ids and [change.case.decision_id for change in changes]
                self._inserted["group_outcomes"] += [
                    {"decision_id": name, "position": position} for name in heard
                ]
            case DecisionsClosed():
                row = {"position": position, "time_ms": event.time_ms, "decisions": len(changes)}
                self._inserted["closings"].append(row)
            case AgentRegistered() | AgentUpdated() | AgentDeregistered() | AgentStatusChanged():
                self._inserted["agent_events"].append(rows.agent_event_row(position, event))
                self._roster().fold(position, event)
            case AgentCooledDown() | AgentRecovered() | DriftDetected() | CompetenceDisputed():
                self._inserted["agent_events"].append(rows.agent_event_row(position, event))
        for change in changes:
            self._tallies.add(change, event)

    def write(self) -> None:
        """Everything, into the transaction that is open."""
        store = self._store
        new, old = [], []
        for name, case in self._cases.items():
            if name in self._made:
                new.append(rows.decision_row(case, *self._made[name]))
            else:
                old.append({"position": case.position, **rows.result_row(case)})
        store.insert("decisions", new)
        store.update_decisions(old)
        for table, inserted in self._inserted.items():
            store.insert(table, inserted)
        if self._agents is not None:
            store.replace("agents", self._agents.changed())
        for table, sums in self._tallies.rows():
            store.replace(table, sums)

    # The shelf, see routerd.audit.book.Shelf: what this batch touched, else what the file has.

    def find(self, decision_id: str) -> Case | None:
        case = self._cases.get(decision_id)
        if case is None:
            case = self._store.case(decision_id)
            if case is not None:
                self._cases[decision_id] = case
        return case if case is not None and case.closed is None else None

    def reports(self, case: Case) -> Reports:
        return self._store.reports(case)

    def is_asked(self, request_id: str) -> bool:
        case = self._requests.get(request_id)
        name = case.decision_id if case else self._store.asked(request_id)
        return name is not None and self.find(name) is not None

    def is_told(self, outcome_id: str) -> bool:
        case = self._outcomes.get(outcome_id)
        name = case.decision_id if case else self._store.told(outcome_id)
        return name is not None and self.find(name) is not None

    def put(self, case: Case) -> None:
        self._cases[case.decision_id] = case
        self._requests[case.request_id] = case

    def tell(self, case: Case, outcome: Outcome) -> None:
        self._outcomes[outcome.outcome_id] = case

    def _configured(self, position: int, event: ConfigApplied) -> None:
        configs = self._inserted["configs"]
        before = configs[-1] if configs else self._store.last_config()
        configs.append(rows.config_row(position, event, before))
        self.config_position = position
        assert self.book.config is not None
        agents = {agent.id: agent for agent in self.book.config.agents}
        self._roster().configured(position, agents)

    def _roster(self) -> AgentRows:
        if self._agents is None:
            self._agents = AgentRows(self._store.agents())
        return self._agents
