"""decide(state, query) -> Decision: a list of laws, then one draw. Pure."""

from __future__ import annotations

from hashlib import blake2b

import msgspec

from learners.law import draw
from routerd.core.confidence import by_mean, confidence
from routerd.core.draw import AGENT, uniform
from routerd.core.events import Decision
from routerd.core.experiment import Trialled
from routerd.core.law import Law
from routerd.core.probe import together
from routerd.core.stages import STAGES
from routerd.core.stages.budget import predicted_usd
from routerd.core.stages.fallback import fallback_index
from routerd.core.stages.probe import companion
from routerd.core.state import State
from routerd.core.values import Query, Reason, Request
from routerd.core.view import View

ALTERNATIVES = 4

_encoder = msgspec.msgpack.Encoder(order="deterministic")


def digest_of(value: msgspec.Struct) -> bytes:
    """8 bytes that stand for the body of a request or an outcome."""
    return blake2b(_encoder.encode(value), digest_size=8).digest()


def digest_of_request(request: Request) -> bytes:
    """Of what the caller asked: how the work type was found may change until it asks again."""
    if request.signal is not None:
        request = msgspec.structs.replace(request, signal=None)
    return digest_of(request)


def encode_request(state: State, request: Request, request_id: str) -> Query:
    """The request as the law sees it; texts and raw features end here."""
    task, signal = request.task, request.signal
    if signal is not None and signal.work_type:
        task = msgspec.structs.replace(task, work_type=signal.work_type)
    x, cell, new_slots = state.encoder.encode(task, state.slots)
    # The first ones by place, here and below: of more than 15 names Python makes a dictionary.
    return Query(
        request_id,
        digest_of_request(request) if request.request_id else b"",
        x.tobytes(),
        cell,
        new_slots,
        task.task_id,
        task.group_id,
        task.work_type,
        task.domain,
        task.labels,
        task.session_id,
        request.agent_id,
        required_capabilities=request.required_capabilities,
        pool=request.pool,
        preference=request.preference,
        max_cost_usd=request.max_cost_usd,
        max_latency_ms=request.max_latency_ms,
        follows=request.follows,
        probe=probed(state, request),
        signal=signal,
    )


def decide(state: State, query: Query, time_ms: int) -> tuple[Decision, View]:
    """One draw from the law that the stages make; the view holds what it was made from."""
    view = View(state, query, time_ms)
    return decided(view), view


def decided(view: View) -> Decision:
    """decide, with a view that perhaps knows some of its estimates already."""
    state, query = view.state, view.query
    ids = state.roster.ids
    law = Law(state.roster.everyone, state.roster.uniform)
    if query.companion_of:
        law = companion(view)
    else:
        for stage in STAGES:
            law = stage(law, view)
    u = uniform(state.config.seed, state.partition, query.request_id, AGENT)
    drawn = draw(law.p, u)
    mean, variance = view.utility_of(law.eligible)
    order = by_mean(mean)
    others = [i for i in order[: ALTERNATIVES + 1] if i != drawn][:ALTERNATIVES]
    routed = fallback_index(law, view)
    fallback = others[:1] if routed in (-1, drawn) else [routed]
    return Decision(
        view.time_ms,
        query,
        ids[law.eligible[drawn]],
        law.p.item(drawn),
        u,
        tuple([ids[i] for i in law.eligible]) if law.excluded else ids,
        law.p.tobytes(),
        law.policy_id,
        reason_of(law, view, drawn=drawn, best=order[0] == drawn),
        law.detail,
        confidence(mean, variance, order, routed),
        ids[law.eligible[fallback[0]]] if fallback else "",
        alternatives=tuple([ids[law.eligible[i]] for i in others]),
        stages=law.stages,
        excluded=law.excluded,
        predicted_usd=predicted_usd(view, law.eligible[drawn]) if state.config.budgets else None,
        given_up=law.given_up,
        escalate_below=view.escalate_below(law.eligible, drawn),
        inclusion=inclusion(law, view, drawn) if query.probe else None,
        trial=law.trial if law.shadow is None else shadowed(law, drawn, u, ids),
        at_once=law.at_once,
    )


def shadowed(law: Law, drawn: int, u: float, ids: tuple[str, ...]) -> Trialled:
    """What the arm in the shadow would have done: the same u, drawn from its own law."""
    assert law.trial is not None
    assert law.shadow is not None
    other = ids[law.eligible[draw(law.shadow, u)]]
    weight = float(law.shadow[drawn] / law.p[drawn])
    drawable = law.p > 0.0
    return msgspec.structs.replace(
        law.trial,
        shadow_agent=other,
        weight=weight,
        square=float((law.shadow[drawable] ** 2 / law.p[drawable]).sum()),
        uncovered=float(law.shadow[~drawable].sum()),
    )


def inclusion(law: Law, view: View, drawn: int) -> float | None:
    """The probability that this agent is tried, alone or among several at once."""
    query = view.query
    if query.companion_of:
        first = view.state.decisions[query.companion_of].decision
        return together(first)[query.companion - 1][1]
    return min(1.0, law.at_once * law.p.item(drawn)) if law.at_once > 1 else None


def probed(state: State, request: Request) -> int:
    """How many agents are to be tried at once; 0 for one."""
    least, complexity = state.config.thresholds.probe_complexity, request.task.complexity
    if least is None or complexity is None or complexity <= least:
        return 0
    if request.agent_id or request.follows is not None:
        return 0
    return state.config.thresholds.probe_agents


def reason_of(law: Law, view: View, *, drawn: int, best: bool) -> Reason:
    if law.reason is not Reason.SAMPLED and law.about in (-1, drawn):
        return law.reason
    if view.state.learner.count <= 0:
        return Reason.COLD_START
    return Reason.BEST_KNOWN if best else Reason.SAMPLED
