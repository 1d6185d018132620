"""The reference for what follows the order of the log: rules, experiments, cooldowns, silence.

It reads the records of a log one by one, keeps the little that matters in its own way, and holds
each decision, finding and answer to it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from routerd.core.events import (
    AgentCooledDown,
    AgentDeregistered,
    AgentRecovered,
    AgentRegistered,
    AgentStatusChanged,
    AgentUpdated,
    ClaimMade,
    CompetenceDisputed,
    ConfigApplied,
    Decision,
    DecisionsClosed,
    DriftDetected,
    ExperimentDeleted,
    ExperimentPromoted,
    ExperimentStarted,
    ExperimentStopped,
    OutcomeReported,
    OverrideRemoved,
    OverrideSet,
    Record,
)
from routerd.core.rules import Override
from routerd.core.state import State
from routerd.core.values import AgentStatus, Exclusion, FollowCause, Follows
from routerd.log.codec import decision_id
from routerd.v1 import agents_pb2, policy_pb2, types_pb2
from tests.faults.configs import OUTCOMES
from tests.faults.model import WINDOW_MS, Claim, Model, Violation, final, hold, hold_trial
from tests.faults.money import Money
from tests.faults.ties import Ties

IN_FLIGHT_MS = 60 * 60_000

ACTIONS = {
    "force": policy_pb2.OVERRIDE_ACTION_FORCE,
    "forbid": policy_pb2.OVERRIDE_ACTION_FORBID,
}
STATUS = {
    AgentStatus.ONLINE: agents_pb2.AGENT_STATUS_ONLINE,
    AgentStatus.BUSY: agents_pb2.AGENT_STATUS_BUSY,
    AgentStatus.OFFLINE: agents_pb2.AGENT_STATUS_OFFLINE,
}


class Cool(NamedTuple):
    """An agent that is set aside, and the decision that tries it."""

    times: int
    until_ms: int
    trial: str = ""


class Marks:
    """What the log says so far. told: what clients were told of names, to be held to it."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.history: dict[tuple[str, str], list[tuple[int, Any]]] = defaultdict(list)
        self.rules: dict[str, Override] = {}
        self.config: dict[str, Any] = {}
        self.decisions: dict[str, Decision] = {}
        self.open: set[str] = set()
        self.done: set[str] = set()
        self.assumed: dict[str, float] = {}
        self.ties = Ties(self.values_of)
        self.counted: set[str] = set()
        self.said: dict[str, list[tuple[int, types_pb2.Outcome]]] = defaultdict(list)
        self.agents: dict[str, str] = {}
        self.standing: dict[str, AgentStatus] = {}
        self.failures: dict[str, int] = {}
        self.bygone: dict[str, set[str]] = {}
        self.cool: dict[str, Cool] = {}
        self.due: tuple[Any, ...] | None = None
        self.trials: dict[str, list[str]] = {}
        self.running: set[str] = set()
        self.money = Money()

    def read(self, records: Sequence[Record]) -> None:
        for record in records:
            event = record.event
            if not isinstance(event, DecisionsClosed | DriftDetected | OverrideRemoved):
                found = isinstance(event, AgentCooledDown | AgentRecovered)
                hold(found or self.due is None, f"{self.due} is missing at {record.position}")
            match event:
                case ConfigApplied():
                    self._configured(record.position, event)
                case Decision():
                    name = decision_id(record.position, record.hash)
                    self.ties.decided(record.position, name, event, self.open)
                    self._decided(name, event)
                case OutcomeReported():
                    self._reported(record.position, event)
                case DecisionsClosed():
                    self._closed(event)
                case ClaimMade():
                    self._claimed(record.position, event)
                case CompetenceDisputed():
                    self.ties.disputes(event)
                case AgentCooledDown() | AgentRecovered():
                    self._found(event)
                case _:
                    self._changed(record.position, event)
        hold(self.due is None, f"{self.due} is missing at the end")

    def values_of(self, name: str) -> Mapping[str, Any]:
        """What counts of a decision, its silence included."""
        assumed = self.assumed.get(name)
        told = final(self.said[name])
        return told if assumed is None else {**told, "quality": assumed}

    def hold_answers(self) -> None:
        """What was told of a name at a position is what the log says there."""
        for told in self.model.answered:
            changes = self.history[told.kind, told.key]
            at = bisect_right(changes, told.position, key=lambda change: change[0])
            found = changes[at - 1][1] if at else None
            hold(found == told.value, f"{told}, and the log says {found}")
        for name, answer in self.model.claims.items():
            event, position = self.ties.claims[name]
            said = Claim(True, event.expected or 0.0, name in self.ties.disputed, position)
            if not event.accepted:
                said = Claim(False, 0.0, False, position)
            hold(answer == said, f"the claim on {name} was answered {answer}, the log says {said}")

    def hold_state(self, state: State) -> None:
        """Experiments, ledgers and cooldowns are what their decisions and outcomes come to."""
        self.ties.hold_state(state)
        self.money.hold_state(state)
        hold(state.trials.keys() == self.trials.keys(), "not the experiments that there are")
        for name, members in self.trials.items():
            of = {member: self.decisions[member] for member in members}
            hold_trial(state.trials[name], of, self.values_of)
        hold(state.cooling.keys() == self.cool.keys(), "not those are set aside who failed")

    def _configured(self, position: int, event: ConfigApplied) -> None:
        self.config = msgspec.json.decode(event.config)
        policy, cost = self.config["policy"], self.config["utility"]["cost"]
        told = (policy["kind"], cost, self.config["cooldown"] is not None)
        self.history["configuration", ""].append((position, told))
        if self.config["cooldown"] is None:
            self.failures, self.bygone, self.cool = {}, {}, {}
        self.money.configured(self.config["budgets"])

    def _decided(self, name: str, event: Decision) -> None:
        self.decisions[name] = event
        self.open.add(name)
        query, chosen = event.query, event.agent_id
        live = set()
        for rule in self.rules.values():
            expired = 0 < rule.expires_time_ms <= event.time_ms
            applies = all(getattr(query, key) == value for key, value in rule.when.items())
            if query.agent_id or expired or not applies:
                continue
            live.add(rule.id)
            if rule.action == "forbid":
                hold(rule.agent not in event.agents, f"{rule.id} forbids {rule.agent}: {name}")
            else:
                only = event.agents == (rule.agent,) or rule.agent not in event.agents
                hold(only, f"{rule.id} forces {rule.agent}: {name} might be {event.agents}")
        for out in event.excluded:
            if out.reason is Exclusion.OVERRIDDEN:
                hold(
                    out.detail.rsplit(maxsplit=1)[1] in live, f"{out}, but only {live} are in force"
                )
        asleep = {who for who in event.agents if self.standing.get(who) is AgentStatus.OFFLINE}
        hold(not asleep, f"{asleep} are offline: {name}")
        hot = {who for who in event.agents if self._is_hot(who, event.time_ms)}
        others = not query.companion_of and any(
            out.reason is Exclusion.COOLING_DOWN for out in event.excluded
        )
        hold(bool(query.agent_id) or not (hot and others), f"{hot} are cooling down: {name}")
        if query.follows is not None:
            self._gone_on(query.follows, event.time_ms)
        if chosen in self.cool and not self._is_tried(self.cool[chosen], event.time_ms):
            self.cool[chosen] = self.cool[chosen]._replace(trial=name)
        if event.trial is not None:
            hold(event.trial.experiment in self.running, f"{event.trial} does not run: {name}")
            self.trials[event.trial.experiment].append(name)
        self.money.decided(name, event)

    def _gone_on(self, follows: Follows, time_ms: int) -> None:
        """A decision goes on from another, whose agent is done, and perhaps failed."""
        before = follows.decision_id
        steps, most = len(self.ties.chains[before]) + 1, self.config["thresholds"]["max_steps"]
        hold(steps < most, f"a task has more than {most} decisions: {before}")
        self.done.add(before)
        if follows.cause is FollowCause.FAILED:
            self._result(before, False, time_ms)

    def _claimed(self, position: int, event: ClaimMade) -> None:
        """An agent that is not let has its hands free and costs nothing, unless it tells a cost."""
        name = event.decision_id
        hold(name in self.open, f"{name} is claimed, and closed")
        self.ties.claimed(position, event, self.config["thresholds"]["claim"])
        if event.accepted:
            return
        self.done.add(name)
        self._charge(name, event.time_ms)

    def _closed(self, event: DecisionsClosed) -> None:
        """Silence until its window ends has a quality, but not that of who had nothing to tell."""
        missing, ids = self.config["outcomes"]["missing_quality"], event.decision_ids
        hold(self.open >= set(ids), f"{ids} are closed again")
        self.open -= set(ids)
        for name in ids[: len(ids) - event.censored]:
            values = self.values_of(name)
            silent = not values.keys() & {"quality", "cancelled"}
            if missing is not None and silent and not self.ties.refused(name):
                self.assumed[name] = missing

    def _reported(self, position: int, event: OutcomeReported) -> None:
        wire = self.model.outcomes[event.outcome.outcome_id]
        since_ms = event.time_ms - WINDOW_MS
        alive = [n for n, d in self.decisions.items() if n in self.open and d.time_ms >= since_ms]
        if wire.group_id:
            of = [n for n in alive if self.decisions[n].query.group_id == wire.group_id]
            hold(tuple(of) == event.decision_ids, f"{wire.group_id} is {of}: {event.decision_ids}")
        else:
            of = [wire.decision_id]
            hold(wire.decision_id in alive, f"{wire.outcome_id} is of a closed decision")
        for name in of:
            self._told(name, position, wire, event.time_ms)
        if not wire.group_id and wire.HasField("quality"):
            self._result(wire.decision_id, wire.quality > 0.0, event.time_ms)

    def _told(self, name: str, position: int, wire: types_pb2.Outcome, time_ms: int) -> None:
        """What an outcome says of one decision."""
        self.said[name].append((position, wire))
        hold(len(self.said[name]) <= OUTCOMES, f"{name} heard more than {OUTCOMES} outcomes")
        self.done.add(name)
        self._charge(name, time_ms)

    def _charge(self, name: str, time_ms: int) -> None:
        """A decision costs what is told, else what is expected of who was let."""
        expected = None if self.ties.refused(name) else self.decisions[name].predicted_usd
        self.money.told(name, self.values_of(name).get("cost_usd", expected), time_ms)

    def _result(self, name: str, passed: bool, time_ms: int) -> None:
        """The first result of a decision counts for the agent that ran it."""
        if name in self.counted:
            return
        self.counted.add(name)
        agent = self.ties.ran(name)
        configured = {agent["id"] for agent in self.config["agents"]}
        if self.config["cooldown"] is not None and (agent in self.agents or agent in configured):
            self._count(agent, name, passed, time_ms)  # one that is gone is not set aside

    def _count(self, agent: str, name: str, passed: bool, time_ms: int) -> None:
        """What the result of a decision calls for, unless it was made before the agent last was
        set aside or taken back."""
        if name in self.bygone.get(agent, ()):
            return
        self.failures[agent] = 0 if passed else self.failures.get(agent, 0) + 1
        cool, settings = self.cool.get(agent), self.config["cooldown"]
        times = 0
        if cool is None:
            times = int(self.failures[agent] >= settings["failures"])
        elif cool.trial == name and passed:
            self.due = (agent,)
        elif cool.trial == name:
            times = cool.times + 1
        if times:
            seconds = min(settings["base_seconds"] * 2 ** (times - 1), settings["max_seconds"])
            self.due = (agent, times, time_ms + int(1000 * seconds))

    def _found(self, event: AgentCooledDown | AgentRecovered) -> None:
        self.failures.pop(event.agent_id, None)
        self.bygone[event.agent_id] = set(self.decisions)
        if isinstance(event, AgentRecovered):
            found: tuple[Any, ...] = (event.agent_id,)
            self.cool.pop(event.agent_id, None)
        else:
            found = (event.agent_id, event.times, event.until_ms)
            self.cool[event.agent_id] = Cool(event.times, event.until_ms)
        hold(found == self.due, f"{event}, and {self.due} was due")
        self.due = None

    def _is_hot(self, agent: str, time_ms: int) -> bool:
        cool = self.cool.get(agent)
        return cool is not None and (time_ms < cool.until_ms or self._is_tried(cool, time_ms))

    def _is_tried(self, cool: Cool, time_ms: int) -> bool:
        waiting = cool.trial in self.open and cool.trial not in self.done
        return waiting and self.decisions[cool.trial].time_ms >= time_ms - IN_FLIGHT_MS

    def _changed(self, position: int, event: Any) -> None:
        """A name that stands otherwise than before."""
        told: tuple[Any, ...]
        match event:
            case OverrideSet(override=rule):
                self.rules[rule.id] = rule
                told = (ACTIONS[rule.action], rule.agent, rule.when, rule.expires_time_ms)
                self.history["override", rule.id].append((position, told))
            case OverrideRemoved():
                del self.rules[event.override_id]
                self.history["override", event.override_id].append((position, None))
            case ExperimentStarted(experiment=experiment):
                self.trials[experiment.id] = []
                self.running.add(experiment.id)
                told = (policy_pb2.EXPERIMENT_STATUS_RUNNING, "")
                self.history["experiment", experiment.id].append((position, told))
            case ExperimentStopped() | ExperimentPromoted():
                self.running.discard(event.experiment_id)
                arm = event.arm_id if isinstance(event, ExperimentPromoted) else ""
                word = "PROMOTED" if arm else "STOPPED"
                told = (policy_pb2.ExperimentStatus.Value(f"EXPERIMENT_STATUS_{word}"), arm)
                self.history["experiment", event.experiment_id].append((position, told))
            case ExperimentDeleted():
                del self.trials[event.experiment_id]
                self.history["experiment", event.experiment_id].append((position, None))
            case AgentRegistered() | AgentUpdated():
                self.agents[event.agent.id] = event.agent.version
                self._stands(position, event.agent.id)
            case AgentStatusChanged():
                self.standing[event.agent_id] = event.status
                self._stands(position, event.agent_id)
            case AgentDeregistered():
                self.bygone.pop(event.agent_id, None)
                for held in (self.agents, self.standing, self.failures, self.cool):
                    held.pop(event.agent_id, None)
                self.history["agent", event.agent_id].append((position, None))
            case DriftDetected():
                pass  # of an agent that changed, see Model.hold_sums
            case _:
                raise Violation(f"nobody asked for {type(event).__name__}")

    def _stands(self, position: int, agent: str) -> None:
        status = self.standing.get(agent, AgentStatus.ONLINE)
        told = (self.agents.get(agent, ""), STATUS[status])
        self.history["agent", agent].append((position, told))
