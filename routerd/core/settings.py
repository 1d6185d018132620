"""The typed configuration. Its JSON Schema, defaults and checks all come from these structs.

EngineConfig is what decisions depend on: it is logged (ConfigApplied). What only the process around
the engine needs is in routerd.settings.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from routerd.core.chain_settings import Cascade, Cooldown, Thresholds
from routerd.core.rules import Budget, ColdStart, ExplorationCap, Fallback, Override
from routerd.core.sections import (
    Count,
    Floor,
    Hours,
    Id,
    Metadata,
    Minutes,
    Name,
    Names,
    NonNegative,
    Positive,
    Section,
    Share,
    Word,
)


class Prices(Section, frozen=True):
    """USD per million tokens. Before any cost is reported, an agent's cost is guessed from them."""

    input_usd_per_mtok: NonNegative = 0.0
    output_usd_per_mtok: NonNegative = 0.0


class Agent(Section, frozen=True):
    """One agent that can be chosen.

    head_start: by how much its quality is expected to exceed the others', until its outcomes tell.
    max_concurrency: how many of its decisions may be in flight.
    """

    # Logged as it stands here when it came over RPC: fields are only added, with a default.

    id: Id
    version: Name = "1"
    type: Word = ""
    pool: Name = "default"
    model: Word = ""
    capabilities: Names = ()
    specializations: Names = ()
    head_start: Annotated[float, Meta(ge=-1.0, le=1.0)] = 0.0
    prices: Prices | None = None
    max_concurrency: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    metadata: Metadata = {}


class StaticRoute(Section, frozen=True):
    """`agent` for tasks whose work_type, domain or labels equal all of `when`; {} is every task."""

    agent: Id
    when: dict[str, str] = {}
    reason: str = ""


class NumberFeature(Section, frozen=True, tag_field="kind", tag="number"):
    """(value - centre) / scale, clipped to [-5, 5]; `complexity` or an entry of task.features."""

    name: Name
    centre: float = 0.0
    scale: Positive = 1.0


class CategoryFeature(Section, frozen=True, tag_field="kind", tag="category"):
    """One-hot of `work_type`, `domain` or a label.

    With `values` those are the categories; without, the first `slots` values seen get one each.
    """

    name: Name
    values: tuple[str, ...] = ()
    slots: Annotated[int, Meta(ge=1, le=64)] = 16


class TextFeature(Section, frozen=True, tag_field="kind", tag="text"):
    """Signed hashing of the description's word 1- and 2-grams into `size` unit-norm columns."""

    name: Literal["description"] = "description"
    size: Annotated[int, Meta(ge=1, le=64)] = 16


class EmbeddingFeature(Section, frozen=True, kw_only=True, tag_field="kind", tag="embedding"):
    """task.embedding of `dimension` numbers, brought down to `size` by a seeded projection."""

    name: Literal["embedding"] = "embedding"
    dimension: Annotated[int, Meta(ge=1, le=4096)]
    size: Annotated[int, Meta(ge=1, le=64)] = 16


Feature = NumberFeature | CategoryFeature | TextFeature | EmbeddingFeature


class Utility(Section, frozen=True):
    """utility = quality * q - cost * usd / cost_scale_usd - latency * ms / latency_scale_ms."""

    quality: NonNegative = 1.0
    cost: NonNegative = 0.0
    latency: NonNegative = 0.0
    cost_scale_usd: Positive = 0.01
    latency_scale_ms: Positive = 10_000.0


class Learner(Section, frozen=True):
    """The model of quality.

    half_life_days: after so long an outcome weighs half; null never forgets. Weights change in
    steps of epoch_hours.
    """

    kind: Literal["pooled", "linear", "logistic", "beta"] = "pooled"
    half_life_days: Positive | None = None
    epoch_hours: Annotated[float, Meta(ge=1e-5, le=1e6)] = 24.0


class ValuePolicy(Section, frozen=True, tag_field="kind", tag="value"):
    """Thompson sampling tilted by the value of information; it needs no schedule.

    spread: sd of a score in posterior sds. patience: decisions still to come, per agent, at start.
    """

    id: Name = "value"
    learner: Learner = Learner()
    spread: Positive = 0.15
    patience: Positive = 25.0
    floor: Floor = 0.002


class ThompsonPolicy(Section, frozen=True, tag_field="kind", tag="thompson"):
    """Thompson sampling, sd times max(v_min, v_0 / sqrt(1 + n / tau)) after n outcomes."""

    id: Name = "thompson"
    learner: Learner = Learner()
    v_0: Positive = 1.0
    v_min: NonNegative = 0.2
    tau: Positive = 200.0
    floor: Floor = 0.05
    floor_min: Floor = 0.005


class SquareCBPolicy(Section, frozen=True, tag_field="kind", tag="squarecb"):
    """Inverse-gap weighting with gamma = gamma_scale * (1 + n) ** gamma_exponent."""

    id: Name = "squarecb"
    learner: Learner = Learner()
    gamma_scale: Positive = 10.0
    gamma_exponent: Share = 0.5


class PointPolicy(Section, frozen=True):
    """Base of policies that name one agent; `floor` is the share that explores at random.

    They learn as well, so that they can be compared and replaced.
    """

    learner: Learner = Learner()
    floor: Floor = 0.0


class UcbPolicy(PointPolicy, frozen=True, tag_field="kind", tag="ucb"):
    """The highest mean + alpha sd."""

    id: Name = "ucb"
    alpha: NonNegative = 1.0


class GreedyPolicy(PointPolicy, frozen=True, tag_field="kind", tag="greedy"):
    """The best known agent; with a `floor` it is epsilon-greedy."""

    id: Name = "greedy"


class StaticPolicy(PointPolicy, frozen=True, tag_field="kind", tag="static"):
    """The table of static_routes."""

    id: Name = "static"


class RotationPolicy(PointPolicy, frozen=True, tag_field="kind", tag="rotation"):
    """The agent that has waited longest."""

    id: Name = "rotation"


class CheapestPolicy(PointPolicy, frozen=True, tag_field="kind", tag="cheapest"):
    """The agent of lowest predicted cost."""

    id: Name = "cheapest"


class WeightedScorePolicy(PointPolicy, frozen=True, tag_field="kind", tag="weighted_score"):
    """Points for success rate (40), a warm context (30), specialisation (20) and idleness (10)."""

    id: Name = "weighted_score"


class RandomPolicy(Section, frozen=True, tag_field="kind", tag="random"):
    """Every eligible agent alike."""

    id: Name = "random"
    learner: Learner = Learner()


Policy = (
    ValuePolicy
    | ThompsonPolicy
    | SquareCBPolicy
    | UcbPolicy
    | GreedyPolicy
    | RandomPolicy
    | StaticPolicy
    | RotationPolicy
    | CheapestPolicy
    | WeightedScorePolicy
)


class Signal(Section, frozen=True):
    """What something that a user did says about the result, for example that it was edited.

    within_minutes: of the decision; later it says nothing. null: it says so at any time.
    """

    quality: Share
    within_minutes: Minutes | None = None


class Outcomes(Section, frozen=True):
    """window_hours: how long a decision accepts outcomes. sources: ranked, the most trusted first.

    missing_quality: the quality of a decision whose window ended without one; null ignores it.
    signals: the implicit signals that an outcome may name, each with what it means.
    max_cost_usd: an outcome that says more is refused, for a slip of the unit.
    """

    window_hours: Hours = 24.0
    missing_quality: Share | None = None
    sources: tuple[Name, ...] = ()
    signals: dict[Name, Signal] = {}
    max_cost_usd: Annotated[float, Meta(gt=0, le=1e12)] = 10_000.0


class Drift(Section, frozen=True):
    """What happens to what was learnt of an agent when the agent changes.

    enabled: whether its outcomes are tested for a change. outcomes_per_false_alarm: how many come
    between two false alarms, at least. kept_outcomes: how much of what was learnt before a detected
    change is kept, in outcomes; inherited_outcomes: the same of what a new version of an agent
    takes over from the one before.
    """

    enabled: bool = True
    outcomes_per_false_alarm: Annotated[float, Meta(ge=10, le=1e12)] = 30_000.0
    kept_outcomes: NonNegative = 5.0
    inherited_outcomes: NonNegative = 30.0


class Limits(Section, frozen=True):
    """Bounds on everything that a caller can make large.

    agents: how many may be known before registering more is refused, those that were removed and
    whose learning is kept included. overrides, experiments: those that came over RPC.
    budget_values: values of a budget's `per` with a budget of their own; the others share one,
    until one of those had no task for a whole window.
    in_flight_minutes: after so long without any outcome a decision no longer counts against its
    agent's max_concurrency.
    group_decisions: the open decisions of a group that one outcome may be of. decision_outcomes:
    those that one decision accepts, of several sources, revised and retracted ones included.
    sessions: how many are remembered with the agent that served them, those that were used last.
    """

    open_decisions: Count = 200_000
    agents: Annotated[int, Meta(ge=1, le=10_000)] = 1_000
    overrides: Annotated[int, Meta(ge=0, le=100_000)] = 1_000
    experiments: Annotated[int, Meta(ge=0, le=10_000)] = 100
    budget_values: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    in_flight_minutes: Annotated[float, Meta(ge=1e-4, le=1e6)] = 60.0
    group_decisions: Count = 1_000
    decision_outcomes: Count = 100
    sessions: Count = 100_000
    id_chars: Annotated[int, Meta(ge=8, le=1024)] = 128
    text_chars: Count = 20_000
    labels: Annotated[int, Meta(ge=1, le=256)] = 32
    features: Annotated[int, Meta(ge=1, le=256)] = 64
    batch: Annotated[int, Meta(ge=1, le=4096)] = 256


class EngineConfig(Section, frozen=True):
    """What decisions depend on."""

    agents: Annotated[tuple[Agent, ...], Meta(min_length=1, max_length=1000)]
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    clock: Literal["wall", "caller", "logical"] = "wall"
    static_routes: tuple[StaticRoute, ...] = ()
    features: tuple[Feature, ...] = (CategoryFeature(name="work_type"),)
    utility: Utility = Utility()
    policy: Policy = ValuePolicy()
    outcomes: Outcomes = Outcomes()
    thresholds: Thresholds = Thresholds()
    cooldown: Cooldown | None = None
    drift: Drift = Drift()
    cascade: Cascade | None = None
    limits: Limits = Limits()
    cold_start: ColdStart = ColdStart()
    fallback: Fallback = Fallback()
    budgets: Annotated[tuple[Budget, ...], Meta(max_length=100)] = ()
    exploration_cap: ExplorationCap = ExplorationCap()
    overrides: Annotated[tuple[Override, ...], Meta(max_length=1000)] = ()


def engine_part(config: EngineConfig) -> EngineConfig:
    """The engine's part of a configuration, without what only the process needs."""
    return EngineConfig(**{f: getattr(config, f) for f in EngineConfig.__struct_fields__})
