"""A state made anew from what State.hash() covers. Nothing that was learnt is computed again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from sys import intern

from msgspec.structs import force_setattr

from routerd.core.apply import take_overrides
from routerd.core.encode import Encoder
from routerd.core.events import Decision
from routerd.core.experiment import in_force
from routerd.core.models import take_fresh_models
from routerd.core.open_decisions import take_in
from routerd.core.registry import agents_of
from routerd.core.state import MODELS, Arrays, Marks, OpenDecision, Roster, State
from routerd.core.trials import configured, take_running
from routerd.core.values import AgentStatus, Preference

ANY = Preference()


def restored(
    marks: Marks, decisions: Iterable[tuple[str, OpenDecision]], models: Mapping[str, Arrays]
) -> State:
    """The state of which these are the marks, the open decisions in order, and the models.

    It takes over the marks and the decisions, and copies the arrays.
    """
    state = State(marks.partition)
    for name in Marks.__struct_fields__:
        setattr(state, name, getattr(marks, name))
    take_roles(state)
    take_fresh_models(state, [None] * len(state.arm_of))
    for name in MODELS:
        getattr(state, name).restore(models[name])
    for decision_id, entry in decisions:
        intern_texts(entry.decision, state.roster)
        take_in(state, decision_id, entry)
    return state


def take_roles(state: State) -> None:
    """Make what follows from the marks: the configuration, and who can be chosen."""
    state.config = in_force(configured(state), state.promoted)
    take_running(state)
    state.encoder = Encoder(state.config.features, state.config.seed)
    state.roster = Roster(tuple(agents_of(state).values()), state.arm_of)
    take_overrides(state)
    state.sessions = OrderedDict(sorted(state.sessions.items(), key=lambda item: item[1][1]))
    online = AgentStatus.ONLINE
    state.away = {name: s for name, s in state.standings.items() if s.status is not online}


def intern_texts(decision: Decision, roster: Roster) -> None:
    """Let a decision that was read hold the texts that many have in common, not copies of them.

    Otherwise each would take a third more memory than one that was made here.
    """
    all_of_them = decision.agents == roster.ids
    agents = roster.ids if all_of_them else tuple(map(intern, decision.agents))
    force_setattr(decision, "agents", agents)
    force_setattr(decision, "agent_id", intern(decision.agent_id))
    force_setattr(decision, "policy_id", intern(decision.policy_id))
    force_setattr(decision, "fallback", intern(decision.fallback))
    force_setattr(decision, "alternatives", tuple(map(intern, decision.alternatives)))
    force_setattr(decision, "stages", tuple(map(intern, decision.stages)))
    query = decision.query
    force_setattr(query, "work_type", intern(query.work_type))
    if query.preference == ANY:
        force_setattr(query, "preference", ANY)
