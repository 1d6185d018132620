"""Every violation of a request in one pass, before anything is decided.

The in-process router and the server refuse the same input with the same words; field paths are
those of the contract's messages.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from routerd.core.base import HOUR_MS
from routerd.core.errors import Violation, invalid
from routerd.core.settings import Limits, Signal
from routerd.core.state import State
from routerd.core.values import (
    Claim,
    FollowCause,
    Follows,
    Heartbeat,
    Listing,
    Outcome,
    OutcomeKind,
    Request,
    Task,
)

MAX_AMOUNT = 1e12
MAX_TIME_MS = 2**53
MAX_CAPABILITIES = 64
MADE_ID = "@"
NAME_CHARS = 128
"""As many as a configuration admits in a name."""
PAGE_SIZE = 100
MAX_PAGE_SIZE = 1_000
LEASE_MS = 30_000
MIN_LEASE_MS = 100
MAX_LEASE_MS = 24 * HOUR_MS


Fields = Request | Task | Outcome | Listing


class Check:
    """Collects the violations of one request.

    name_chars: how long ids made here may be, and what a configuration names: however short its
    callers' own ids are to be, they can tell those again.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.name_chars = max(limits.id_chars, NAME_CHARS)
        self.found: list[Violation] = []

    def add(self, field: str, description: str) -> None:
        self.found.append(Violation(field, description))

    def text(self, field: str, value: str, most: int) -> None:
        """At most `most` characters, none of them NUL."""
        if len(value) > most:
            self.add(field, f"has {len(value)} characters; the limit is {most}")
        if "\0" in value:
            self.add(field, "contains a NUL character; remove it")

    def texts(self, prefix: str, value: Fields, names: Iterable[str], most: int) -> None:
        """Several short texts of one message."""
        for name in names:
            text = getattr(value, name)
            if text and not is_plain(text, most):
                self.text(prefix + name, text, most)

    def between(self, field: str, value: float | None, low: float, high: float) -> None:
        """Unset, or a finite number in [low, high]."""
        if value is None or low <= value <= high:
            return
        if not math.isfinite(value):
            self.add(field, f"is {value}; give a finite number")
        else:
            self.add(field, f"is {value:.9g}; it must lie in [{low:.9g}, {high:.9g}]")

    def raise_if_any(self) -> None:
        if self.found:
            raise invalid(self.found)


def is_plain(text: str, most: int) -> bool:
    """Whether Check.text finds nothing wrong with it."""
    return len(text) <= most and "\0" not in text


def check_request(state: State, request: Request) -> None:
    """Raise FIELD_VIOLATIONS with everything that is wrong in a request."""
    check = Check(state.config.limits)
    check.texts("", request, ("request_id",), check.limits.id_chars)
    check.texts("", request, ("agent_id", "pool"), check.name_chars)
    if request.request_id.startswith(MADE_ID):
        check.add("request_id", f"starts with {MADE_ID!r}, which is kept for ids made here")
    if request.required_capabilities:
        check_capabilities(check, request.required_capabilities)
    preference = request.preference
    check.between("preference.quality", preference.quality, 0, MAX_AMOUNT)
    check.between("preference.cost", preference.cost, 0, MAX_AMOUNT)
    check.between("preference.latency", preference.latency, 0, MAX_AMOUNT)
    check.between("max_cost_usd", request.max_cost_usd, 0, MAX_AMOUNT)
    check.between("max_latency_ms", request.max_latency_ms, 0, MAX_AMOUNT)
    check.between("event_time_ms", request.event_time_ms, 0, MAX_TIME_MS)
    if request.event_time_ms and state.config.clock != "caller":
        check.add("event_time_ms", "is honoured only with `clock: caller`; leave it unset")
    if request.follows is not None:
        check_follows(check, request.follows)
        if state.config.cascade is not None:
            check_escalation(check, request.follows, state.config.thresholds.cascade)
    check_task(check, request.task, state.encoder.embedding_dimension)
    check.raise_if_any()


def check_task(check: Check, task: Task, dimension: int) -> None:
    ids = ("task_id", "group_id", "work_type", "domain", "session_id")
    check.texts("task.", task, ids, check.limits.id_chars)
    check.between("task.complexity", task.complexity, 0, 1)
    if task.description:
        check.text("task.description", task.description, check.limits.text_chars)
    if task.labels:
        check_labels(check, "task.labels", task.labels)
    if task.features:
        check_features(check, task.features)
    if task.embedding:
        check_embedding(check, task.embedding, dimension)


def check_follows(check: Check, follows: Follows) -> None:
    if not follows.decision_id:
        check.add("follows.decision_id", "is empty; give the decision that failed to deliver")
    check.text("follows.decision_id", follows.decision_id, check.name_chars)
    if follows.cause is None:
        check.add("follows.cause", f"is missing; give one of {', '.join(FollowCause)}")
    evidence, prefix = follows.evidence, "follows.evidence."
    check.between(f"{prefix}reported_confidence", evidence.reported_confidence, 0, 1)
    check.between(f"{prefix}competence", evidence.competence, 0, 1)
    check.text(f"{prefix}explanation", evidence.explanation, check.limits.text_chars)
    if follows.cause is FollowCause.LOW_CONFIDENCE and evidence.reported_confidence is None:
        text = "is missing; LOW_CONFIDENCE needs the confidence that was reported"
        check.add(f"{prefix}reported_confidence", text)


def check_escalation(check: Check, follows: Follows, tau: float) -> None:
    sure = follows.evidence.reported_confidence
    if follows.cause is FollowCause.LOW_CONFIDENCE and sure is not None and sure >= tau:
        text = f"is {sure:g}; thresholds.cascade is {tau:g}, so that is sure enough"
        check.add("follows.evidence.reported_confidence", text)


def check_capabilities(check: Check, names: tuple[str, ...]) -> None:
    field = "required_capabilities"
    if len(names) > MAX_CAPABILITIES:
        check.add(field, f"has {len(names)} entries; the limit is {MAX_CAPABILITIES}")
    for i, name in enumerate(names[:MAX_CAPABILITIES]):
        if not name:
            check.add(f"{field}[{i}]", "is empty; name a capability or leave the entry out")
        check.text(f"{field}[{i}]", name, check.name_chars)


def check_labels(check: Check, field: str, labels: Mapping[str, str]) -> None:
    most = check.limits.labels
    if len(labels) > most:
        check.add(field, f"has {len(labels)} entries; limits.labels is {most}")
        return
    chars = check.limits.id_chars
    for key, value in labels.items():
        if key and is_plain(key, chars) and is_plain(value, chars):
            continue  # the names of fields are made for what is wrong only
        if not key:
            check.add(field, "has an empty key; name it")
        check.text(f"{field}[{key[:64]!r}]", key, chars)
        check.text(f"{field}[{key[:64]!r}]", value, chars)


def check_features(check: Check, features: dict[str, float]) -> None:
    most = check.limits.features
    if len(features) > most:
        check.add("task.features", f"has {len(features)} entries; limits.features is {most}")
        return
    chars = check.limits.id_chars
    for key, value in features.items():
        if key and is_plain(key, chars) and -MAX_AMOUNT <= value <= MAX_AMOUNT:
            continue
        if not key:
            check.add("task.features", "has an empty key; name it")
        check.text(f"task.features[{key[:64]!r}]", key, chars)
        check.between(f"task.features[{key[:64]!r}]", value, -MAX_AMOUNT, MAX_AMOUNT)


def check_embedding(check: Check, embedding: tuple[float, ...], dimension: int) -> None:
    if not dimension:
        check.add("task.embedding", "is given, but `features` declares no embedding")
    elif len(embedding) != dimension:
        text = f"has {len(embedding)} numbers; `features` declares {dimension}"
        check.add("task.embedding", text)
    elif not all(-MAX_AMOUNT <= value <= MAX_AMOUNT for value in embedding):
        for i, value in enumerate(embedding):
            check.between(f"task.embedding[{i}]", value, -MAX_AMOUNT, MAX_AMOUNT)


def check_outcome(state: State, outcome: Outcome) -> None:
    """Raise FIELD_VIOLATIONS with everything that is wrong in an outcome."""
    check = Check(state.config.limits)
    check.texts("outcome.", outcome, ("outcome_id", "group_id"), check.limits.id_chars)
    names = ("decision_id", "source", "executed_agent_id", "signal")
    check.texts("outcome.", outcome, names, check.name_chars)
    if outcome.outcome_id.startswith(MADE_ID):
        check.add("outcome.outcome_id", f"starts with {MADE_ID!r}, which is kept for ids made here")
    check.text("outcome.explanation", outcome.explanation, check.limits.text_chars)
    if outcome.group_id:
        check_group_outcome(check, outcome)
    elif not outcome.decision_id:
        check.add("outcome.decision_id", "is empty; give the decision_id that Route answered")
    if outcome.signal:
        check_signal(check, outcome, state.config.outcomes.signals)
    check.between("outcome.quality", outcome.quality, 0, 1)
    check_cost(check, outcome.cost_usd, state.config.outcomes.max_cost_usd)
    check.between("outcome.latency_ms", outcome.latency_ms, 0, MAX_AMOUNT)
    check.between("outcome.reported_confidence", outcome.reported_confidence, 0, 1)
    check.between("outcome.event_time_ms", outcome.event_time_ms, 0, MAX_TIME_MS)
    told = (outcome.success, outcome.quality, outcome.cost_usd, outcome.latency_ms)
    named = outcome.executed_agent_id or outcome.signal or outcome.reported_confidence is not None
    named = named or outcome.cancelled
    if outcome.cancelled and (outcome.success is not None or outcome.quality is not None):
        check.add("outcome.cancelled", "says that it has no result; leave success and quality out")
    says = named or any(metric is not None for metric in told)
    if outcome.kind is OutcomeKind.RETRACT and says:
        check.add("outcome.kind", "is RETRACT, which takes no metrics; send a REPORT beside it")
    elif outcome.kind is not OutcomeKind.RETRACT and not says:
        text = (
            "says nothing; give success, quality, cost_usd, latency_ms, reported_confidence, "
            "signal, cancelled or executed_agent_id"
        )
        check.add("outcome", text)
    check.raise_if_any()


def check_cost(check: Check, cost_usd: float | None, most_usd: float) -> None:
    """One cost that is absurd moves an agent's mean, and a budget, by more than all others."""
    if cost_usd is None or 0 <= cost_usd <= most_usd:
        return
    check.between("outcome.cost_usd", cost_usd, 0, MAX_AMOUNT)
    if most_usd < cost_usd <= MAX_AMOUNT:
        text = f"is {cost_usd:.9g}; outcomes.max_cost_usd is {most_usd:.9g}: tell US dollars"
        check.add("outcome.cost_usd", text)


def check_claim(state: State, claim: Claim) -> None:
    """Raise FIELD_VIOLATIONS with everything that is wrong in a claim."""
    check = Check(state.config.limits)
    check.text("decision_id", claim.decision_id, check.name_chars)
    if not claim.decision_id:
        check.add("decision_id", "is empty; give the decision_id that Route answered")
    check.between("competence", claim.competence, 0, 1)
    check.raise_if_any()


def check_agent_id(state: State, agent_id: str) -> None:
    """Raise FIELD_VIOLATIONS for what cannot be the id of an agent."""
    check = Check(state.config.limits)
    check_named(check, agent_id)
    check.raise_if_any()


def check_ids(state: State, **named: str) -> None:
    """Raise FIELD_VIOLATIONS for what cannot be the id of a rule, by the names of the fields."""
    check = Check(state.config.limits)
    for field, name in named.items():
        if not name:
            check.add(field, "is empty; name one")
        check.text(field, name, check.name_chars)
    check.raise_if_any()


def page_of(state: State, page_size: int, page_token: str) -> Check:
    """A check of a question for a page."""
    check = Check(state.config.limits)
    check.between("page_size", page_size, 0, MAX_PAGE_SIZE)
    # At most the id of a budget, a space, and a value with a star (see routerd.core.budgets).
    check.text("page_token", page_token, NAME_CHARS + 2 + check.limits.id_chars)
    return check


def check_page(state: State, page_size: int, page_token: str) -> None:
    """Raise FIELD_VIOLATIONS for a page that there cannot be."""
    page_of(state, page_size, page_token).raise_if_any()


def check_override_listing(
    state: State, when: Mapping[str, str], page_size: int, page_token: str
) -> None:
    """Raise FIELD_VIOLATIONS with everything that is wrong in a question for overrides."""
    check = page_of(state, page_size, page_token)
    if when:
        check_labels(check, "when", when)
    check.raise_if_any()


def check_named(check: Check, agent_id: str) -> None:
    if not agent_id:
        check.add("agent_id", "is empty; name an agent")
    check.text("agent_id", agent_id, check.name_chars)


def check_heartbeat(state: State, beat: Heartbeat) -> None:
    """Raise FIELD_VIOLATIONS with everything that is wrong in a heartbeat."""
    check = Check(state.config.limits)
    check_named(check, beat.agent_id)
    if beat.lease_ms:
        check.between("lease_ms", beat.lease_ms, MIN_LEASE_MS, MAX_LEASE_MS)
    check.raise_if_any()


def check_listing(state: State, listing: Listing) -> None:
    """Raise FIELD_VIOLATIONS with everything that is wrong in a question for agents."""
    check = Check(state.config.limits)
    check.texts("", listing, ("work_type",), check.limits.id_chars)
    check.texts("", listing, ("pool", "type", "capability", "page_token"), check.name_chars)
    check.between("page_size", listing.page_size, 0, MAX_PAGE_SIZE)
    check.raise_if_any()


def check_group_outcome(check: Check, outcome: Outcome) -> None:
    """A group is rated as a whole; what one task cost, or who did it, belongs to its decision."""
    if outcome.decision_id:
        check.add("outcome.group_id", "stands beside a decision_id; give one of the two")
    of_one = (
        *(outcome.cost_usd, outcome.latency_ms, outcome.reported_confidence),
        *(outcome.executed_agent_id or None, outcome.cancelled or None),
    )
    if any(value is not None for value in of_one):
        text = "takes success and quality only; report all else for each decision"
        check.add("outcome.group_id", text)


def check_signal(check: Check, outcome: Outcome, declared: Mapping[str, Signal]) -> None:
    """A signal is declared, of one decision, and alone in what it says of the result."""
    if outcome.signal not in declared:
        known = ", ".join(sorted(declared)) or "it has none"
        check.add("outcome.signal", f"is not declared in outcomes.signals: {known}")
    if outcome.group_id:
        check.add("outcome.signal", "is of one decision; give its decision_id instead of a group")
    if outcome.quality is not None or outcome.success is not None:
        check.add("outcome.signal", "means a quality itself; give quality and success without it")
