"""routerd's own log as rows for off-policy evaluation: the fold, under the policy that is judged.

The log is folded once more, as if the judged configuration had been in force: for every decision
its law is computed from the state before it, then the *logged* agent and the logged outcomes are
learnt from, in the order in which they were logged. So the judged policy knows at each decision
what the log knew, no more and no less; a configuration equal to the logged one gets the logged
laws. Its value is that of following these laws on this traffic. It is not the value of a policy
that explores by itself from nothing: what that one would have seen, no log can tell.

The judged configuration also says what counts: utility weights (a request's preference goes
first), ranks of sources, the rule for missing outcomes. Categories are encoded anew from the logged
work type, domain and labels. Numbers, texts and embeddings were never logged but as columns of x:
they can be used only as the log's own configuration encoded them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import msgspec
import numpy as np

from bench.data.recorded import DataError
from bench.ope.agents import AboutAgent, concerns, follow_file, forget
from bench.ope.estimators import Sample
from bench.ope.fixed import Settings, follows_others, is_fixed, settings_of
from bench.ope.refusal import outcomes_missing
from bench.ope.rules import rule_law
from learners.base import Array
from routerd import __version__
from routerd.core.apply import apply
from routerd.core.decide import decide
from routerd.core.encode import Encoder, width
from routerd.core.errors import RouterError
from routerd.core.events import (
    AgentDeregistered,
    ConfigApplied,
    Decision,
    ExperimentDeleted,
    ExperimentPromoted,
    ExperimentStarted,
    ExperimentStopped,
    Record,
)
from routerd.core.fingerprint import fingerprint
from routerd.core.outcomes import current
from routerd.core.reasons import law_of
from routerd.core.settings import CategoryFeature, EngineConfig, Feature, engine_part
from routerd.core.state import Credit, OpenDecision, State
from routerd.core.values import Query, Reason, Task
from routerd.core.worth import weights_of, worth
from routerd.log.base import Log
from routerd.log.codec import decision_id, records

TELL_EVERY = 256
EXPERIMENTS = (ExperimentStarted, ExperimentStopped, ExperimentPromoted, ExperimentDeleted)


class Traffic(NamedTuple):
    """A log as a sample. independent: neither its laws nor the judged ones follow from its rows.

    agents name the actions. decision_ids (n,) name the rows. sample is None when no row is left, or
    `unfit` says why none can be judged.
    """

    sample: Sample | None
    agents: tuple[str, ...]
    decision_ids: tuple[str, ...]
    left_out: Mapping[str, int]
    independent: bool
    unfit: str | None = None


class Row(NamedTuple):
    """A decision that can be judged. entry's credit is the current outcome once all is folded.

    law: the judged one over all agents in id order; empty when a rule will give it.
    """

    name: str
    decision: Decision
    entry: OpenDecision
    x: Array
    law: Array


def read_log(
    log: Log,
    partition: str,
    policy: EngineConfig | str,
    *,
    burn_in: float = 0.0,
    bounds: tuple[float, float] | None = None,
    told: Callable[[int, int, str], None] | None = None,
) -> Traffic:
    """Judge a configuration, or a rule of bench.ope.rules, on one partition of a log.

    burn_in: the share of decisions, from the start, that teach and are not scored. bounds of the
    utility are known by themselves only where cost and latency weigh nothing. told(done, total,
    what) hears how far the fold is. Raises DataError, LogCorrupt, LogUnavailable.
    """
    logged = settings_from_the_first(log, partition)
    rule = policy if isinstance(policy, str) else None
    config = logged.configs[-1] if isinstance(policy, str) else engine_part(policy)
    left_out: Counter[str] = Counter()
    fold = Fold(partition, config, logged, decides=rule is None)
    total, _ = log.last(partition)
    rows = []
    for row in fold.rows(log, left_out):
        rows.append(row)
        if told and len(rows) % TELL_EVERY == 0:
            told(fold.state.position, total, "deciding anew")
    early = int(burn_in * len(rows))
    if early:
        left_out["burn_in"] = early
    scored, unfit = fold.scored(rows[early:], left_out)
    fixed = logged.fixed and (rule is not None or is_fixed(config)) and not fold.dependent
    agents = tuple(sorted(fold.state.arm_of))
    sample = None
    if scored and unfit is None:
        found = bounds or fold.bounds([row for row, _ in scored])
        sample = as_sample(scored, agents, rule, found)
    names = tuple(row.name for row, _ in scored)
    return Traffic(sample, agents, names, dict(left_out), fixed, unfit)


def settings_from_the_first(log: Log, partition: str) -> Settings:
    """The settings of a partition whose log has its first event still. Raises DataError."""
    logged = settings_of(record.event for record in records(log, partition))
    if not logged.configs:
        known = ", ".join(log.partitions()) or "none"
        raise DataError(f"the log has no partition {partition!r}; there are: {known}")
    if base := log.base(partition).position:
        raise DataError(
            f"the log was compacted up to position {base}, and a policy is judged from the first "
            "event on: use a copy that was made before, and `log.keep_events: null` from now on"
        )
    return logged


class Fold:
    """The state that the judged configuration would be in, led along the log."""

    def __init__(
        self, partition: str, config: EngineConfig, logged: Settings, *, decides: bool
    ) -> None:
        self.config = config
        self.decides = decides
        self.dependent = False
        self.drawn: set[str] = set()
        self.state = State(partition)
        self.file: frozenset[str] = frozenset()
        self.logged_columns: dict[Feature, slice] = {}
        # Arms of every agent that the log ever had come first: their outcomes teach, even where
        # the judged configuration no longer has them.
        every = {agent.id: agent for agent in logged.registered}
        for earlier in (*logged.configs, config):
            every |= {agent.id: agent for agent in earlier.agents}
        self.configs = (
            msgspec.structs.replace(config, agents=tuple(every.values())),
            config,
        )

    def rows(self, log: Log, left_out: Counter[str]) -> Iterator[Row]:
        """Fold the whole log; every decision that can be judged, before its outcome is known."""
        for record in records(log, self.state.partition):
            event, name = record.event, decision_id(record.position, record.hash)
            if isinstance(event, ConfigApplied):
                self.configured(event)
                continue
            if isinstance(event, EXPERIMENTS):
                continue  # the judged configuration answers in place of every arm
            if isinstance(event, AgentDeregistered):
                forget(self.state, (event.agent_id,))
            if isinstance(event, AboutAgent) and not concerns(self.state, event):
                continue
            if isinstance(event, Decision):
                query = self.encoded(event.query)
                law = self.law(query, event, left_out)
                event = msgspec.structs.replace(event, query=query, trial=None)
            apply(self.state, Record(record.position + 1, record.hash, event), name)
            entry = self.state.decisions.get(name)
            if isinstance(event, Decision) and law is not None and entry is not None:
                yield Row(name, event, entry, np.frombuffer(event.query.x), law)

    def configured(self, event: ConfigApplied) -> None:
        """The log's own configuration says how x was encoded; the judged one stays in force."""
        logged = msgspec.json.decode(event.config, type=EngineConfig)
        self.logged_columns = {
            feature: slice(start, start + width(feature))
            for feature, start in Encoder(logged.features, logged.seed).columns
        }
        before, self.file = self.file, frozenset(agent.id for agent in logged.agents)
        follow_file(self.state, before, self.file)
        missing = [
            f.name
            for f in self.config.features
            if not isinstance(f, CategoryFeature) and f not in self.logged_columns
        ]
        if missing:
            raise DataError(
                f"features: {missing[0]!r} cannot be judged on this log, which did not encode it "
                "so: texts and numbers are not logged, only the columns made of them"
            )
        if self.state.position == 0:
            for position, config in enumerate(self.configs, 1):
                encoded = msgspec.json.encode(config, order="deterministic")
                now = ConfigApplied(
                    event.time_ms, self.state.partition, encoded, __version__, fingerprint()
                )
                apply(self.state, Record(position, bytes(16), now), "")

    def encoded(self, query: Query) -> Query:
        """The query with x, cell and slots as the judged configuration encodes them."""
        state = self.state
        task = Task(work_type=query.work_type, domain=query.domain, labels=query.labels)
        x, cell, new_slots = state.encoder.encode(task, state.slots)
        logged = np.frombuffer(query.x)
        for feature, start in state.encoder.columns:
            if not isinstance(feature, CategoryFeature):
                x[start : start + width(feature)] = logged[self.logged_columns[feature]]
        return msgspec.structs.replace(query, x=x.tobytes(), cell=cell, new_slots=new_slots)

    def law(self, query: Query, event: Decision, left_out: Counter[str]) -> Array | None:
        """The judged law over all agents in id order; None where the row cannot be judged."""
        if query.companion_of:
            left_out["companion"] += 1
            return None
        if query.agent_id:
            left_out["explicit"] += 1
            return None
        if event.reason is Reason.SIGNAL_ROUTE:
            left_out["signal_route"] += 1
            return None
        if "sticky" in event.stages:
            # The first draw of a session moved all that follow, which their weights do not show.
            left_out["session_goes_on"] += 1
            return None
        if query.request_id in self.drawn:
            # Its first decision was drawn by the same number: this one chose nothing anew.
            left_out["request_id_again"] += 1
            return None
        self.drawn.add(query.request_id)
        self.dependent = self.dependent or follows_others(query)
        if not self.decides:
            return np.empty(0)
        try:
            made, _ = decide(self.state, query, event.time_ms)
        except RouterError:
            left_out["policy_refuses"] += 1
            return None
        whole = np.zeros(len(self.state.arm_of))
        # All agents became known at once, so arms are in id order.
        whole[[self.state.arm_of[agent_id] for agent_id in made.agents]] = np.frombuffer(made.law)
        return whole

    def weights(self, query: Query) -> tuple[float, float, float]:
        """What quality, USD and ms weigh in this request's utility."""
        return weights_of(self.config.utility, query.preference)

    def scored(
        self, rows: list[Row], left_out: Counter[str]
    ) -> tuple[list[tuple[Row, float]], str | None]:
        """The rows with their utilities, and why those that have none make the others unfit."""
        scored, lost = [], []
        for row in rows:
            why, reward = self.reward(row)
            if why:
                left_out[why] += 1
                lost.append((row.decision.agent_id, law_of(row.decision)))
            else:
                scored.append((row, reward))
        return scored, outcomes_missing(lost)

    def reward(self, row: Row) -> tuple[str, float]:
        """Why the row cannot be scored, or "", and its utility by the outcome that is current."""
        if current(row.entry.reports, self.config.outcomes.sources).executed_agent_id:
            # Even if it is the drawn one: kept only when they agree, rows would favour that agent.
            return "executed_agent_named", 0.0
        credit: Credit = row.entry.credit
        held = (credit.quality, credit.cost_usd, credit.latency_ms)
        total = worth(self.weights(row.decision.query), *held)
        return ("without_outcome", 0.0) if total is None else ("", total)

    def bounds(self, rows: list[Row]) -> tuple[float, float] | None:
        """Least and largest utility; None when cost or latency weigh, which have no bound."""
        weights = [self.weights(row.decision.query) for row in rows]
        if any(cost or latency for _, cost, latency in weights):
            return None
        most = max(quality for quality, _, _ in weights)
        return (0.0, most) if most > 0 else None


def as_sample(
    scored: list[tuple[Row, float]],
    agents: tuple[str, ...],
    rule: str | None,
    bounds: tuple[float, float] | None,
) -> Sample:
    """Rows and their utilities as arrays; actions are indices into `agents`."""
    index = {agent_id: k for k, agent_id in enumerate(agents)}
    shape = (len(scored), len(agents))
    law, eligible = np.zeros(shape), np.zeros(shape, np.bool_)
    action = np.array([index[row.decision.agent_id] for row, _ in scored], np.intp)
    for i, (row, _) in enumerate(scored):
        at = [index[agent_id] for agent_id in row.decision.agents]
        law[i, at] = np.frombuffer(row.decision.law)
        eligible[i, at] = True
    if rule is None:
        policy = np.stack([row.law for row, _ in scored])
    else:
        found = rule_law(rule, agents, eligible, law)
        assert found is not None, "the laws of a log are known"
        policy = found
    here = np.arange(len(scored))
    return Sample(
        action=action,
        reward=np.array([reward for _, reward in scored]),
        propensity=np.array([row.decision.propensity for row, _ in scored]),
        policy_propensity=policy[here, action],
        policy=policy,
        law=law,
        x=np.stack([row.x for row, _ in scored]),
        bounds=bounds,
    )
