"""Many requests in order, each seeing the earlier ones; only what they share is computed together.

As many requests as can be foreseen are scored at once. A decision teaches the models nothing, so
the next one is still as foreseen, unless the log moved on by more than it, it goes on from another,
or it moved the price of a budget: then the rest is scored anew.
"""

from __future__ import annotations

from collections.abc import Sequence

from routerd.core.answers import Answer
from routerd.core.budgets import price
from routerd.core.errors import ErrorReason, RouterError
from routerd.core.values import Query, Request
from routerd.core.view import AT_ONCE, views
from routerd.engine.sequencer import Sequencer

Asked = tuple[Request, bool]
"""A request, and whether to explain the answer."""

Told = Answer | RouterError


def route_many(sequencer: Sequencer, asked: Sequence[Asked]) -> list[Told]:
    """Each request's answer or refusal, in order. Raises READ_ONLY as a whole."""
    told: list[Told] = []
    while len(told) < len(asked):
        told += next_ones(sequencer, asked[len(told) : len(told) + AT_ONCE])
    return told


def next_ones(sequencer: Sequencer, asked: Sequence[Asked]) -> list[Told]:
    """The answers to the first requests, one at least."""
    state = sequencer.state
    foreseen = foresee(sequencer, asked)
    queries = [item for item in foreseen if isinstance(item, Query)]
    made = iter(views(state, queries) if queries else ())
    epoch = state.epoch(state.time_ms)
    told: list[Told] = []
    for (request, explain), item in zip(asked, foreseen, strict=False):
        if not isinstance(item, Query):
            told.append(item)
            continue
        position, view = state.position, next(made)
        if state.config.budgets and view.price != price(state, item):
            break  # not the first: that was just made
        try:
            told.append(sequencer.settle(view, request, explain=explain))
        except RouterError as error:
            told.append(error)
        if sequencer.position != position + 1 or state.epoch(state.time_ms) != epoch:
            break
    return told


def foresee(sequencer: Sequencer, asked: Sequence[Asked]) -> list[Query | Told]:
    """Of the first requests: what was answered, why it is refused, or what is to be decided.

    Ends before a request that repeats one of them, or goes on from a decision, whose window may end
    with theirs; and behind one that teaches the encoder, or what it is worth that others may follow
    (see routerd.core.paths).
    """
    foreseen: list[Query | Told] = []
    ids: set[str] = set()
    position = sequencer.position
    for request, _ in asked:
        if request.request_id in ids or (foreseen and request.follows is not None):
            break
        try:
            known = sequencer.known(request)
        except RouterError as error:
            if error.reason is ErrorReason.READ_ONLY:
                raise
            foreseen.append(error)
            continue
        if known is not None:
            foreseen.append(known)
            continue
        position += 1
        query = sequencer.query(request, position)
        foreseen.append(query)
        ids.add(query.request_id)
        if query.new_slots or query.follows is not None:
            break
    return foreseen
