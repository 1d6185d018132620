"""The state of one partition: sums that commute, and marks that follow the order of the log.

Only routerd.core.apply changes it. Everything that decide reads is here and in hash().
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from hashlib import blake2b

import msgspec
import numpy as np

from learners.base import Arms, Array, Learner
from learners.cells import LogNormalCells
from learners.contexts import Contexts
from learners.drift import DriftDetector
from learners.means import ShrunkMeans
from routerd.core.base import HOUR_MS, Value
from routerd.core.encode import Encoder
from routerd.core.events import CooldownCause, Decision, DriftDetected
from routerd.core.experiment import Experiment, Promoted, Trial
from routerd.core.in_flight import InFlight
from routerd.core.ledger import Explored, Ledger
from routerd.core.outlook import Outlook
from routerd.core.overrides import Overrides, Placed
from routerd.core.settings import Agent, EngineConfig
from routerd.core.standing import Standing
from routerd.core.tally import Tally

GENESIS = bytes(16)
"""The hash before position 1."""


_encoder = msgspec.msgpack.Encoder(order="deterministic")


class Credit(msgspec.Struct, frozen=True, gc=False):
    """What the learners currently hold of one decision.

    sure: whether its reported confidence was high enough; None when nobody said, or asks.
    """

    arm: int
    quality: float | None = None
    cost_usd: float | None = None
    latency_ms: float | None = None
    sure: bool | None = None


class Register(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What one source says of one metric, and its place among all that it said of it."""

    time_ms: int
    position: int
    outcome_id: str
    value: float | str | None


class Registers(msgspec.Struct, gc=False, omit_defaults=True):
    """What one source says of each metric (see routerd.core.outcomes); None for nothing yet."""

    cancelled: Register | None = None
    cost_usd: Register | None = None
    executed_agent_id: Register | None = None
    latency_ms: Register | None = None
    quality: Register | None = None
    reported_confidence: Register | None = None
    success: Register | None = None


class Claimed(Value, frozen=True):
    """What became of a claim, for good; expected is None when nothing was claimed.

    position: in the log. disputed: whether the agent's results spoke against it.
    """

    position: int
    accepted: bool
    competence: float | None = None
    expected: float | None = None
    disputed: bool = False


class OpenDecision(msgspec.Struct, gc=False):
    """A decision that still accepts outcomes.

    generation: of the learners that its x was made for; later ones cannot learn from it.
    reports: what each source says; in a register the latest wins, so arrival order does not matter.
    told: how many outcomes it heard, those of its group included. outcome_ids: those that it keeps;
    a group's is kept by the latest of its decisions.
    learnt: whether a quality of it ever was: a context to come, and evidence of drift, once.
    in_flight: whether it counts against its agent's max_concurrency (see routerd.core.in_flight).
    tried: the agents of the decisions that it goes on from (see routerd.core.follow).
    counted: whether its result was counted (see routerd.core.cooldown).
    charged_usd: what its budgets were charged, None where they do not count it; charged_to: the id
    of each, and which value of its `per`; priced: whether it moved their prices (see
    routerd.core.budgets).
    escalated: whether another decision went on from it for low confidence. start: the arm of the
    decision that it went on from for that; -1 for none (see routerd.core.paths).
    companions: the decisions that accompany it (see routerd.core.probe).
    claim: what its agent said of itself, and was answered; None without one.
    """

    position: int
    generation: int
    decision: Decision
    credit: Credit
    reports: dict[str, Registers] = {}
    told: int = 0
    outcome_ids: tuple[str, ...] = ()
    learnt: bool = False
    in_flight: bool = False
    tried: tuple[str, ...] = ()
    counted: bool = False
    charged_usd: float | None = None
    charged_to: tuple[tuple[str, str], ...] = ()
    priced: bool = False
    escalated: bool = False
    start: int = -1
    companions: tuple[str, ...] = ()
    claim: Claimed | None = None

    @property
    def refused(self) -> bool:
        """Whether its agent was not let."""
        return self.claim is not None and not self.claim.accepted


class Health(msgspec.Struct, frozen=True, gc=False):
    """failures: in a row. results: the latest, a byte each, 1 for a success. since: the position at
    which the agent was last set aside or taken back; 0 when it never was. What was decided before
    does not count.
    """

    failures: int = 0
    results: bytes = b""
    since: int = 0


class Cooling(msgspec.Struct, frozen=True, gc=False):
    """An agent that is set aside until a time, and then tried by one decision at a time.

    times: in a row. trial: the decision that tries it. passed: what came of that; None while
    nothing did.
    """

    times: int
    until_ms: int
    cause: CooldownCause
    trial: str = ""
    passed: bool | None = None


class Roster:
    """The agents that can be chosen, in id order, with the index of each one's arm."""

    def __init__(self, agents: tuple[Agent, ...], arm_of: dict[str, int]) -> None:
        self.agents = tuple(sorted(agents, key=lambda agent: agent.id))
        self.ids = tuple(agent.id for agent in self.agents)
        self.index = {agent_id: i for i, agent_id in enumerate(self.ids)}
        self.everyone = tuple(range(len(self.ids)))
        self.uniform = np.full(len(self.ids), 1.0 / len(self.ids))
        limits = ((agent.id, agent.max_concurrency) for agent in self.agents)
        self.limits = {agent_id: limit for agent_id, limit in limits if limit is not None}
        self.all_arms = tuple([arm_of[agent_id] for agent_id in self.ids])
        whole = self.all_arms == tuple(range(len(arm_of)))
        self.arms: Arms = slice(None) if whole else np.array(self.all_arms, dtype=np.intp)

    def picked(self, indices: tuple[int, ...]) -> tuple[int, ...]:
        """The arms of the agents at these roster indices."""
        return self.all_arms if len(indices) == len(self.ids) else tuple(map(self.arm, indices))

    def arm(self, index: int) -> int:
        """The arm of the agent at a roster index."""
        return self.all_arms[index]


class Marks(msgspec.Struct, frozen=True):
    """The attributes of State that follow the log, each under its own name and type.

    This list is what State.hash() covers and what a snapshot holds, beside MODELS and the open
    decisions: a new piece of state is one more line here. What follows from these is no mark but
    is made anew by routerd.core.restore.
    """

    partition: str
    position: int
    chain: bytes
    origin: bytes
    time_ms: int
    engine_version: str
    fingerprint: str
    config_bytes: bytes
    generation: int
    arm_of: dict[str, int]
    registered: dict[str, Agent]
    standings: dict[str, Standing]
    placed: dict[str, Placed]
    failing: dict[str, int]
    ledgers: dict[str, dict[str, Ledger]]
    explored: Explored
    trials: dict[str, Trial]
    promoted: Promoted | None
    slots: dict[str, dict[str, int]]
    outcomes: dict[str, tuple[bytes, int]]
    health: dict[str, Health]
    cooling: dict[str, Cooling]
    heard: str
    versions: dict[str, str]
    discounts: tuple[tuple[int, int, float], ...]
    drifts: dict[str, DriftDetected]
    imports: dict[str, dict[str, int]]
    sessions: dict[str, tuple[str, int]]


MODELS = (
    "claims",
    "contexts",
    "cost",
    "detector",
    "latency",
    "learner",
    "outlook",
    "paths",
    "tally",
)
"""The attributes of State that are made of arrays: each has state() and restore()."""

Arrays = Mapping[str, Array]


class State:
    """Everything that a decision depends on.

    chain: the log's hash at the position; origin: at position 1, by which logs are told apart.
    registered: the agents that came over RPC. standings: of the agents of which anything was said;
    away: those of them that are not online. requests: the open decision of each request_id.
    placed: the overrides that came over RPC; overrides: those and the configured ones;
    overrides_expire_ms: when the first of the placed ones expires, 0 when none will.
    health, cooling: of agents that had results, or are set aside (see routerd.core.cooldown);
    heard: the one that the last event was a result of. sessions: who served each one last, and
    where, the longest ago first.
    versions: of every agent that has an arm. discounts: of arms that changed, see
    routerd.core.drift. drifts: the latest change that was found of an agent. under_way, awaited,
    answered: see routerd.core.awaited.
    imports: by the hash of a file, up to which of its rows each agent has learnt.
    failing: by type of agent how many of its decisions failed in a row. ledgers: of each budget, by
    the values of its `per`. explored: what exploration gave up lately.
    trials: the experiments by id; running: those that run; promoted: the arm in force.
    """

    config: EngineConfig
    encoder: Encoder
    roster: Roster
    learner: Learner
    cost: LogNormalCells
    latency: LogNormalCells
    paths: ShrunkMeans
    claims: ShrunkMeans
    tally: Tally
    detector: DriftDetector
    contexts: Contexts
    outlook: Outlook

    def __init__(self, partition: str) -> None:
        self.partition = partition
        self.position = 0
        self.chain = GENESIS
        self.origin = b""
        self.time_ms = 0
        self.engine_version = ""
        self.fingerprint = ""
        self.config_bytes = b""
        self.generation = 0
        self.arm_of: dict[str, int] = {}
        self.registered: dict[str, Agent] = {}
        self.standings: dict[str, Standing] = {}
        self.away: dict[str, Standing] = {}
        self.in_flight = InFlight()
        self.under_way: dict[int, list[int]] = {}
        self.awaited = 0
        self.answered = 0
        self.placed: dict[str, Placed] = {}
        self.overrides = Overrides(())
        self.overrides_expire_ms = 0
        self.failing: dict[str, int] = {}
        self.ledgers: dict[str, dict[str, Ledger]] = {}
        self.explored = Explored()
        self.trials: dict[str, Trial] = {}
        self.promoted: Promoted | None = None
        self.running: tuple[Experiment, ...] = ()
        self.slots: dict[str, dict[str, int]] = {}
        # The oldest is looked at all the time, and a plain dict steps over all that was deleted.
        self.decisions: OrderedDict[str, OpenDecision] = OrderedDict()
        # Two indices over `decisions`, in the order of the log.
        self.groups: dict[str, dict[str, None]] = {}
        self.requests: dict[str, str] = {}
        self.outcomes: dict[str, tuple[bytes, int]] = {}
        self.health: dict[str, Health] = {}
        self.cooling: dict[str, Cooling] = {}
        self.heard = ""
        self.versions: dict[str, str] = {}
        self.discounts: tuple[tuple[int, int, float], ...] = ()
        self.drifts: dict[str, DriftDetected] = {}
        self.imports: dict[str, dict[str, int]] = {}
        self.sessions: OrderedDict[str, tuple[str, int]] = OrderedDict()

    def epoch(self, time_ms: int) -> int:
        """The forgetting epoch of a time."""
        return int(time_ms // (self.config.policy.learner.epoch_hours * HOUR_MS))

    def in_flight_since_ms(self, time_ms: int) -> int:
        """Decisions made before this are no longer in flight at a time."""
        return time_ms - int(self.config.limits.in_flight_minutes * 60_000)

    def hash(self) -> str:
        """32 hex digits over the whole state: equal states, and only those, have equal hashes."""
        digest = blake2b(digest_size=16)
        digest.update(_encoder.encode((self.marks(), len(self.decisions))))
        for decision_id, entry in self.decisions.items():
            digest.update(_encoder.encode((decision_id, entry)))
        for model_name, arrays in self.models().items():
            for name, array in sorted(arrays.items()):
                digest.update(f"{model_name}.{name}{array.shape}".encode())
                digest.update(np.ascontiguousarray(array, dtype="<f8").tobytes())
        return digest.hexdigest()

    def marks(self) -> Marks:
        """The marks as they are; what they hold is the state's own."""
        return Marks(**{name: getattr(self, name) for name in Marks.__struct_fields__})

    def models(self) -> dict[str, Arrays]:
        """The arrays of each model as they are: the state's own."""
        return {name: getattr(self, name).state() for name in MODELS}
