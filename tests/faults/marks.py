"""The reference for what follows the order of the log: rules, experiments, cooldowns, budgets.

It reads the records of a log one by one, keeps the little that matters in its own way, and holds
each decision, finding and answer to it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from routerd.core.events import (
    AgentDeregistered,
    AgentRegistered,
    AgentStatusChanged,
    AgentUpdated,
    ConfigApplied,
    Decision,
    DecisionsClosed,
    DriftDetected,
    OutcomeReported,
    Record,
)
from routerd.core.experiment import (
    ExperimentDeleted,
    ExperimentPromoted,
    ExperimentStarted,
    ExperimentStopped,
)
from routerd.core.health import AgentCooledDown, AgentRecovered
from routerd.core.rule_events import OverrideRemoved, OverrideSet
from routerd.core.rules import Override
from routerd.core.state import State
from routerd.core.values import AgentStatus, Exclusion
from routerd.log.codec import decision_id
from routerd.v1 import agents_pb2, policy_pb2, types_pb2
from tests.faults.model import Model, Violation, final, hold

IN_FLIGHT_MS = 60 * 60_000
HOUR_MS = 3_600_000
CENT = 1e-9

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


class Account:
    """What decisions were charged to one budget and value, each by its latest cost."""

    def __init__(self) -> None:
        self.charged: dict[str, float] = {}
        self.window = -1

    def spent(self, window_of: dict[str, int]) -> float:
        return sum(usd for name, usd in self.charged.items() if window_of[name] == self.window)


class Marks:
    """What the log says so far. told: what clients were told of names, to be held to it."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.history: dict[tuple[str, str], list[tuple[int, Any]]] = defaultdict(list)
        self.rules: dict[str, Override] = {}
        self.config: dict[str, Any] = {}
        self.decisions: dict[str, Decision] = {}
        self.open: set[str] = set()
        self.heard: set[str] = set()
        self.counted: set[str] = set()
        self.said: dict[str, list[tuple[int, types_pb2.Outcome]]] = defaultdict(list)
        self.agents: dict[str, str] = {}
        self.standing: dict[str, AgentStatus] = {}
        self.failures: dict[str, int] = {}
        self.cool: dict[str, Cool] = {}
        self.due: tuple[Any, ...] | None = None
        self.trials: dict[str, list[str]] = {}
        self.running: set[str] = set()
        self.accounts: dict[str, dict[str, Account]] = {}

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
                    self._decided(name, event)
                case OutcomeReported():
                    self._reported(record.position, event)
                case DecisionsClosed():
                    self.open -= set(event.decision_ids)
                case AgentCooledDown() | AgentRecovered():
                    self._found(event)
                case _:
                    self._changed(record.position, event)
        hold(self.due is None, f"{self.due} is missing at the end")

    def hold_answers(self) -> None:
        """What was told of a name at a position is what the log says there."""
        for told in self.model.answered:
            changes = self.history[told.kind, told.key]
            at = bisect_right(changes, told.position, key=lambda change: change[0])
            found = changes[at - 1][1] if at else None
            hold(found == told.value, f"{told}, and the log says {found}")

    def hold_state(self, state: State) -> None:
        """Experiments, ledgers and cooldowns are what their decisions and outcomes come to."""
        hold(state.trials.keys() == self.trials.keys(), "not the experiments that there are")
        for name, members in self.trials.items():
            self._hold_trial(state.trials[name], [self.decisions[m] for m in members], members)
        window_of = {name: decision.time_ms for name, decision in self.decisions.items()}
        hold(state.cooling.keys() == self.cool.keys(), "not those are set aside who failed")
        for budget in self.config.get("budgets", ()):
            for value, account in self.accounts.get(budget["id"], {}).items():
                length = int(budget["window_hours"] * HOUR_MS)
                windows = {name: window_of[name] // length for name in account.charged}
                ledger = state.ledgers[budget["id"]][value]
                gap = abs(ledger.spent_usd - account.spent(windows))
                hold(gap < CENT, f"budget {budget['id']} of {value!r} is off by {gap:.3g} USD")
                made = sum(window == account.window for window in windows.values())
                hold(ledger.decisions == made, f"{ledger.decisions} decisions instead of {made}")

    def _configured(self, position: int, event: ConfigApplied) -> None:
        before, self.config = self.config, msgspec.json.decode(event.config)
        policy, cost = self.config["policy"], self.config["utility"]["cost"]
        told = (policy["kind"], cost, self.config["cooldown"] is not None)
        self.history["configuration", ""].append((position, told))
        if self.config["cooldown"] is None:
            self.failures, self.cool = {}, {}
        same = [
            budget["id"] for budget in self.config["budgets"] if budget in before.get("budgets", ())
        ]
        self.accounts = {name: held for name, held in self.accounts.items() if name in same}

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
        others = any(out.reason is Exclusion.COOLING_DOWN for out in event.excluded)
        hold(bool(query.agent_id) or not (hot and others), f"{hot} are cooling down: {name}")
        if chosen in self.cool and not self._is_tried(self.cool[chosen], event.time_ms):
            self.cool[chosen] = self.cool[chosen]._replace(trial=name)
        if event.trial is not None:
            hold(event.trial.experiment in self.running, f"{event.trial} does not run: {name}")
            self.trials[event.trial.experiment].append(name)
        self._charge(name, event)

    def _charge(self, name: str, event: Decision) -> None:
        budgets = self.config["budgets"]
        hold((event.predicted_usd is None) == (not budgets), f"{name} is charged to nothing")
        for budget in budgets:
            value = event.query.work_type if budget["per"] else ""
            account = self.accounts.setdefault(budget["id"], {}).setdefault(value, Account())
            length = int(budget["window_hours"] * HOUR_MS)
            window = event.time_ms // length
            windows = {one: self.decisions[one].time_ms // length for one in account.charged}
            if budget["usd"] is not None:
                spent = account.spent(windows) if window == account.window else 0.0
                over = spent + (event.predicted_usd or 0.0) - budget["usd"]
                hold(over <= CENT, f"{name} crosses budget {budget['id']} by {over:.3g} USD")
            account.window = window
            account.charged[name] = event.predicted_usd or 0.0

    def _reported(self, position: int, event: OutcomeReported) -> None:
        name = event.outcome.decision_id
        if name not in self.open:
            return
        wire = self.model.outcomes[event.outcome.outcome_id]
        self.said[name].append((position, wire))
        self.heard.add(name)
        decision, values = self.decisions[name], final(self.said[name])
        for budget in self.config["budgets"]:
            value = decision.query.work_type if budget["per"] else ""
            account = self.accounts.get(budget["id"], {}).get(value)
            if account is not None and name in account.charged:
                length = int(budget["window_hours"] * HOUR_MS)
                account.window = max(account.window, event.time_ms // length)
                account.charged[name] = values.get("cost_usd", decision.predicted_usd or 0.0)
        retracted = wire.kind == types_pb2.OUTCOME_KIND_RETRACT
        if retracted or not wire.HasField("quality") or name in self.counted:
            return
        self.counted.add(name)
        if self.config["cooldown"] is not None:
            agent = values.get("executed_agent_id") or decision.agent_id
            configured = {agent["id"] for agent in self.config["agents"]}
            if agent not in self.agents and agent not in configured:
                return  # it is gone: nobody is there to set aside
            self._count(agent, name, wire.quality > 0.0, event.time_ms)

    def _count(self, agent: str, name: str, passed: bool, time_ms: int) -> None:
        """What the result of a decision calls for."""
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
        waiting = cool.trial in self.open and cool.trial not in self.heard
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
                for held in (self.agents, self.standing, self.failures, self.cool):
                    held.pop(event.agent_id, None)
                self.history["agent", event.agent_id].append((position, None))
            case _:
                raise Violation(f"nobody asked for {type(event).__name__}")

    def _stands(self, position: int, agent: str) -> None:
        status = self.standing.get(agent, AgentStatus.ONLINE)
        told = (self.agents.get(agent, ""), STATUS[status])
        self.history["agent", agent].append((position, told))

    def _hold_trial(self, trial: Any, decisions: list[Decision], names: list[str]) -> None:
        """An arm's sums are those of its decisions; a shadow's those of the first arm, weighed."""
        arms = [arm.id for arm in trial.experiment.arms]
        shape = (len(arms), 3)
        made, told, total = np.zeros(len(arms)), np.zeros(shape), np.zeros(shape)
        for name, decision in zip(names, decisions, strict=True):
            assert decision.trial is not None
            shadow = decision.trial.weight
            shares = [(arms.index(decision.trial.arm), 1.0)]
            shares += [(1, shadow)] if shadow is not None else []
            values = final(self.said[name])
            elsewhere = values.get("executed_agent_id", "") not in ("", decision.agent_id)
            for arm, weight in shares:
                made[arm] += 1
                for i, metric in enumerate(("quality", "cost_usd", "latency_ms")):
                    if metric in values and not elsewhere:
                        told[arm, i] += 1
                        total[arm, i] += weight * values[metric]
        for arm, arm_id in enumerate(arms):
            sums = trial.arms[arm_id]
            what = f"arm {arm_id} of {trial.experiment.id}"
            hold(sums.decisions == made[arm], f"{what}: {sums.decisions} decisions")
            found_told = np.reshape(sums.told, (-1, 3)).sum(axis=0)
            found_total = np.reshape(sums.total, (-1, 3)).sum(axis=0)
            hold(bool((found_told == told[arm]).all()), f"{what}: told {found_told} {told[arm]}")
            gap = float(np.abs(found_total - total[arm]).max())
            hold(gap < 1e-9, f"{what}: its totals are off by {gap:.3g}")
