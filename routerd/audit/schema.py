"""The audit file's tables, for people: SQLite keeps the comments, `.schema` shows them.

The file is derived from the log and can be made anew, as far back as that reaches. So its format
has one number, and a file of another number is not migrated but rebuilt. Absent texts are '',
absent numbers NULL.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from routerd.core.base import DEFAULT_PARTITION

VERSION = 9
"""Raise it with every change below; it stands in the file as its user_version."""


def audit_path(directory: Path, partition: str = DEFAULT_PARTITION) -> Path:
    """Where the audit of a partition lives: each has a file of its own.

    >>> audit_path(Path("data")).name, audit_path(Path("data"), "a/b").name
    ('audit.db', 'audit-a%2Fb.db')
    """
    own = "" if partition == DEFAULT_PARTITION else f"-{quote(partition, safe='')}"
    return directory / f"audit{own}.db"


def files_of(path: Path) -> tuple[Path, ...]:
    """An audit's file and what SQLite keeps beside it. Moved in this order, they leave an audit."""
    return tuple(path.with_name(path.name + suffix) for suffix in ("-wal", "-shm", ""))


def move_aside(path: Path, folder: Path) -> None:
    """Move an audit to a folder, made if need be. Nobody may write it meanwhile. Raises OSError."""
    folder.mkdir(exist_ok=True)
    for file in files_of(path):
        with suppress(FileNotFoundError):
            file.rename(folder / file.name)


TABLES = """
CREATE TABLE meta ( -- facts about this file
  key TEXT PRIMARY KEY, -- 'partition' of the log, 'routerd': the version that made the file,
    -- 'origin': the log's hash chain at position 1; missing where the log was compacted before
  value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE mark ( -- one row: everything up to this position of the log is in the tables
  id INTEGER PRIMARY KEY CHECK (id = 1),
  position INTEGER NOT NULL,
  hash TEXT NOT NULL, -- the link of the log's hash chain at that position
  time_ms INTEGER NOT NULL -- of the event there
);

CREATE TABLE configs ( -- every configuration, engine version or machine that decided
  position INTEGER PRIMARY KEY, -- in force for the decisions behind it
  time_ms INTEGER NOT NULL, -- milliseconds since 1970, as everywhere
  time TEXT AS (strftime('%Y-%m-%dT%H:%M:%fZ', time_ms / 1000.0, 'unixepoch')),
  engine_version TEXT NOT NULL,
  fingerprint TEXT NOT NULL, -- of the machine's numeric kernels
  policy_id TEXT NOT NULL,
  changes TEXT NOT NULL, -- JSON: [{"path", "from", "to"}] against the one before; [] for the first
  config TEXT NOT NULL -- JSON, defaults included
);

CREATE TABLE agents ( -- every agent that ever was
  agent_id TEXT PRIMARY KEY,
  version TEXT NOT NULL,
  type TEXT NOT NULL,
  pool TEXT NOT NULL,
  model TEXT NOT NULL,
  capabilities TEXT NOT NULL, -- JSON list, as specializations
  specializations TEXT NOT NULL,
  head_start REAL NOT NULL, -- by how much its quality was expected to exceed the others'
  input_usd_per_mtok REAL,
  output_usd_per_mtok REAL,
  max_concurrency INTEGER,
  metadata TEXT NOT NULL, -- JSON object
  source TEXT NOT NULL, -- who defines it: CONFIG or RPC
  status TEXT NOT NULL, -- ONLINE, BUSY or OFFLINE: the worse of held and told
  held TEXT NOT NULL, -- as it was set
  held_ms INTEGER NOT NULL, -- when; 0 for never
  told TEXT NOT NULL, -- as its heartbeats say, or their absence
  told_cause TEXT NOT NULL, -- HEARTBEAT or LEASE_ENDED; '' for never
  told_ms INTEGER NOT NULL,
  lease_ms INTEGER NOT NULL, -- how long a heartbeat holds; 0 without a lease
  since_position INTEGER NOT NULL, -- where it was first known
  changed_position INTEGER NOT NULL, -- where it last changed
  removed_position INTEGER -- where it left; NULL while it is there
) WITHOUT ROWID;

CREATE TABLE agent_events ( -- what changed of agents: over RPC, by heartbeats, by failures
  position INTEGER PRIMARY KEY,
  time_ms INTEGER NOT NULL,
  time TEXT AS (strftime('%Y-%m-%dT%H:%M:%fZ', time_ms / 1000.0, 'unixepoch')),
  agent_id TEXT NOT NULL,
  event TEXT NOT NULL, -- registered, updated, deregistered, status, cooled_down, recovered,
    -- drifted, disputed
  status TEXT NOT NULL, -- of a status: ONLINE, BUSY or OFFLINE
  cause TEXT NOT NULL, -- of a status: SET, HEARTBEAT or LEASE_ENDED; of cooled_down: why, and
    -- of drifted: BETTER or WORSE; of disputed: what was said, and what was shown
  until_ms INTEGER, -- of cooled_down: until when it is set aside
  version TEXT NOT NULL, -- of a definition
  definition TEXT NOT NULL -- of a definition, as JSON
);
CREATE INDEX agent_events_agent ON agent_events (agent_id);

CREATE TABLE decisions ( -- one row a decision, joined with what came of it
  position INTEGER PRIMARY KEY, -- in the log
  decision_id TEXT NOT NULL UNIQUE,
  request_id TEXT NOT NULL,
  time_ms INTEGER NOT NULL,
  time TEXT AS (strftime('%Y-%m-%dT%H:%M:%fZ', time_ms / 1000.0, 'unixepoch')),
  config_position INTEGER NOT NULL, -- the configuration that decided
  task_id TEXT NOT NULL,
  group_id TEXT NOT NULL,
  session_id TEXT NOT NULL,
  work_type TEXT NOT NULL,
  signal TEXT NOT NULL, -- JSON object: how the work type was found; '' when the request named it
  description TEXT NOT NULL, -- masked; '' unless texts.descriptions keeps it
  domain TEXT NOT NULL,
  labels TEXT NOT NULL, -- JSON object; also in the table labels
  conditions TEXT NOT NULL, -- JSON object of what the request asked for: agent_id, pool, ...
  follows TEXT NOT NULL, -- the decision that it goes on from; why stands in conditions. '' for none
  companion_of TEXT NOT NULL, -- the decision that it accompanies in a probe; '' for none
  inclusion REAL, -- the probability that its agent is among several at once; NULL for one alone
  escalate_below REAL, -- a reported confidence below it calls for another agent; NULL for none
  agent_id TEXT NOT NULL, -- the chosen one
  propensity REAL NOT NULL, -- the probability with which it was drawn
  u REAL NOT NULL, -- the hash in [0, 1) that drew it
  eligible INTEGER NOT NULL, -- how many agents could be chosen
  confidence REAL, -- P(the best beats the fallback); NULL when only one was eligible
  policy_id TEXT NOT NULL,
  reason TEXT NOT NULL, -- a word, such as SAMPLED
  sentence TEXT NOT NULL, -- the reason for people
  fallback_agent_id TEXT NOT NULL,
  alternatives TEXT NOT NULL, -- JSON list of agents
  stages TEXT NOT NULL, -- JSON list: what changed the law
  open INTEGER NOT NULL, -- 1 while it accepts outcomes
  closed_position INTEGER, -- where it was closed
  messages INTEGER NOT NULL, -- outcomes accepted, retractions and those of its group included
  told_ms INTEGER, -- when the last one was
  claimed INTEGER, -- 1 or 0: whether its agent's claim was accepted; NULL without one
  executed_agent_id TEXT NOT NULL, -- who ran, and gets the credit: the chosen one unless told
  quality REAL, -- what counts now, after revisions, retractions and ranks of sources
  cost_usd REAL,
  latency_ms REAL,
  quality_assumed INTEGER NOT NULL -- 1 when the quality is outcomes.missing_quality
);
CREATE INDEX decisions_request ON decisions (request_id);
CREATE INDEX decisions_time ON decisions (time_ms);
CREATE INDEX decisions_agent ON decisions (agent_id);
CREATE INDEX decisions_work_type ON decisions (work_type);
CREATE INDEX decisions_domain ON decisions (domain);
CREATE INDEX decisions_reason ON decisions (reason);
CREATE INDEX decisions_group ON decisions (group_id) WHERE group_id > '';
CREATE INDEX decisions_session ON decisions (session_id) WHERE session_id > '';
CREATE INDEX decisions_task ON decisions (task_id) WHERE task_id > '';
CREATE INDEX decisions_follows ON decisions (follows) WHERE follows > '';
CREATE INDEX decisions_open ON decisions (position) WHERE open = 1;
CREATE INDEX decisions_rare ON decisions (propensity) WHERE propensity < 0.05;
CREATE INDEX decisions_elsewhere ON decisions (position) WHERE executed_agent_id <> agent_id;

CREATE TABLE labels ( -- a task's labels, one row each
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  position INTEGER NOT NULL REFERENCES decisions,
  PRIMARY KEY (key, value, position)
) WITHOUT ROWID;

CREATE TABLE candidates ( -- who was looked at for a decision: the law, and who was out
  position INTEGER NOT NULL REFERENCES decisions,
  agent_id TEXT NOT NULL,
  probability REAL NOT NULL, -- 0 for who was out
  exclusion TEXT NOT NULL, -- a word, such as MISSING_CAPABILITY; '' for who could be chosen
  detail TEXT NOT NULL, -- the exclusion for people
  PRIMARY KEY (position, agent_id)
) WITHOUT ROWID;

CREATE TABLE outcomes ( -- every message that was accepted, as it came
  position INTEGER PRIMARY KEY, -- in the log
  outcome_id TEXT NOT NULL,
  decision_id TEXT NOT NULL, -- '' for a group's outcome: group_outcomes has its decisions
  group_id TEXT NOT NULL, -- '' for a decision's outcome
  time_ms INTEGER NOT NULL, -- when it was accepted
  time TEXT AS (strftime('%Y-%m-%dT%H:%M:%fZ', time_ms / 1000.0, 'unixepoch')),
  event_time_ms INTEGER, -- when it happened, if the caller said so
  kind TEXT NOT NULL, -- REPORT, REVISE or RETRACT
  source TEXT NOT NULL,
  success INTEGER, -- 1 or 0
  signal TEXT NOT NULL, -- what a user did; quality is then what the configuration made of it
  quality REAL,
  cost_usd REAL,
  latency_ms REAL,
  reported_confidence REAL,
  executed_agent_id TEXT NOT NULL, -- '' unless told
  cancelled INTEGER NOT NULL, -- 1: its agent was stopped, since another's result was taken
  explanation TEXT NOT NULL
);
CREATE INDEX outcomes_decision ON outcomes (decision_id);
CREATE INDEX outcomes_id ON outcomes (outcome_id);
CREATE INDEX outcomes_group ON outcomes (group_id) WHERE group_id > '';

CREATE TABLE group_outcomes ( -- the decisions that heard an outcome of their group
  decision_id TEXT NOT NULL REFERENCES decisions (decision_id),
  position INTEGER NOT NULL REFERENCES outcomes,
  PRIMARY KEY (decision_id, position)
) WITHOUT ROWID;
CREATE INDEX group_outcomes_position ON group_outcomes (position);

CREATE TABLE performance ( -- of an agent at a kind of work, over all time
  agent_id TEXT NOT NULL,
  work_type TEXT NOT NULL,
  decisions INTEGER NOT NULL, -- that chose it
  open INTEGER NOT NULL, -- of those, still open
  explored INTEGER NOT NULL, -- of those, with the reason SAMPLED
  quality_count INTEGER NOT NULL, -- decisions that it ran and whose quality is known
  quality_sum REAL NOT NULL,
  cost_count INTEGER NOT NULL,
  cost_usd_sum REAL NOT NULL,
  latency_count INTEGER NOT NULL,
  latency_ms_sum REAL NOT NULL,
  mean_quality REAL AS (quality_sum / quality_count),
  mean_cost_usd REAL AS (cost_usd_sum / cost_count),
  mean_latency_ms REAL AS (latency_ms_sum / latency_count),
  PRIMARY KEY (agent_id, work_type)
) WITHOUT ROWID;

CREATE TABLE groups ( -- plans: the tasks that share a group_id
  group_id TEXT PRIMARY KEY,
  decisions INTEGER NOT NULL,
  open INTEGER NOT NULL, -- of those, still open
  explored INTEGER NOT NULL, -- of those, with the reason SAMPLED
  first_ms INTEGER NOT NULL, -- when the first decision was made, and the last
  last_ms INTEGER NOT NULL,
  quality_count INTEGER NOT NULL, -- as in performance
  quality_sum REAL NOT NULL,
  cost_count INTEGER NOT NULL,
  cost_usd_sum REAL NOT NULL,
  latency_count INTEGER NOT NULL,
  latency_ms_sum REAL NOT NULL,
  mean_quality REAL AS (quality_sum / quality_count),
  mean_cost_usd REAL AS (cost_usd_sum / cost_count),
  mean_latency_ms REAL AS (latency_ms_sum / latency_count)
) WITHOUT ROWID;

CREATE TABLE closings ( -- when decisions stopped to accept outcomes
  position INTEGER PRIMARY KEY,
  time_ms INTEGER NOT NULL,
  decisions INTEGER NOT NULL -- how many
);

CREATE VIEW events AS -- in the order of the log, but for overrides, experiments, claims and imports
  SELECT position, time_ms, 'config' AS event, '' AS decision_id, '' AS agent_id FROM configs
  UNION ALL SELECT position, time_ms, 'decision', decision_id, agent_id FROM decisions
  UNION ALL SELECT position, time_ms, 'outcome', decision_id, executed_agent_id FROM outcomes
  UNION ALL SELECT position, time_ms, 'closing', '', '' FROM closings
  UNION ALL SELECT position, time_ms, 'agent', '', agent_id FROM agent_events;
"""


def statements() -> list[str]:
    """The statements that make the tables, one by one."""
    return [part.strip() for part in TABLES.split(";\n") if part.strip()]
