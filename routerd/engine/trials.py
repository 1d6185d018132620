"""The calls that run experiments, on the sequencer that orders them."""

from __future__ import annotations

from routerd.core.answers import ExperimentPage, ListedExperiment, Removal
from routerd.core.errors import ErrorReason, RouterError, Violation, invalid, not_registered
from routerd.core.events import (
    ExperimentDeleted,
    ExperimentPromoted,
    ExperimentStarted,
    ExperimentStopped,
)
from routerd.core.experiment import Experiment, Trial, promoted_of
from routerd.core.lift import lifts
from routerd.core.state import State
from routerd.core.validate import PAGE_SIZE, check_ids, check_page
from routerd.engine.sequencer import Sequencer


class Trials:
    """The experiments of a partition. Every method is synchronous, like the sequencer's."""

    def __init__(self, sequencer: Sequencer) -> None:
        self._sequencer = sequencer

    @property
    def state(self) -> State:
        return self._sequencer.state

    def create(self, experiment: Experiment) -> ListedExperiment:
        """Start an experiment; the same again changes nothing.

        Raises EXPERIMENT_EXISTS, AGENT_NOT_FOUND, TOO_MANY_EXPERIMENTS, READ_ONLY.
        """
        known = self.state.trials.get(experiment.id)
        if known is None:
            self._require_agents(experiment)
            self._require_room()
            self._sequencer.change(ExperimentStarted, experiment)
        elif known.experiment != experiment:
            text = f"experiment {experiment.id!r} is there with another definition; take a new id"
            facts = {"experiment_id": experiment.id}
            raise RouterError(ErrorReason.EXPERIMENT_EXISTS, text, metadata=facts)
        return self.get(experiment.id)

    def stop(self, experiment_id: str) -> ListedExperiment:
        """Let it take no more decisions; again, it changes nothing. Raises EXPERIMENT_NOT_FOUND."""
        if not self._trial(experiment_id).stopped_ms:
            self._sequencer.change(ExperimentStopped, experiment_id)
        return self.get(experiment_id)

    def promote(self, experiment_id: str, arm_id: str) -> ListedExperiment:
        """Put an arm in force for every task, and end its experiment; one that is, stays.

        An arm that another one took the place of since, or the file, is put in force again.
        Raises EXPERIMENT_NOT_FOUND, FIELD_VIOLATIONS.
        """
        check_ids(self.state, experiment_id=experiment_id, arm_id=arm_id)
        trial = self._trial(experiment_id)
        arms = {arm.id: arm for arm in trial.experiment.arms}
        if arm_id not in arms:
            raise invalid([Violation("arm_id", f"is {arm_id!r}; the arms are {', '.join(arms)}")])
        if trial.promoted != arm_id or self.state.promoted != promoted_of(arms[arm_id]):
            self._sequencer.change(ExperimentPromoted, experiment_id, arm_id)
        return self.get(experiment_id)

    def delete(self, experiment_id: str) -> Removal:
        """Forget an experiment that has ended, if there is one. Raises EXPERIMENT_RUNS."""
        check_ids(self.state, experiment_id=experiment_id)
        trial = self.state.trials.get(experiment_id)
        if trial is None:
            return Removal(removed=False, position=self.state.position)
        if not trial.stopped_ms:
            text = f"experiment {experiment_id!r} runs: stop it or promote an arm before"
            facts = {"experiment_id": experiment_id}
            raise RouterError(ErrorReason.EXPERIMENT_RUNS, text, metadata=facts)
        self._sequencer.change(ExperimentDeleted, experiment_id)
        return Removal(removed=True, position=self.state.position)

    def get(self, experiment_id: str) -> ListedExperiment:
        """An experiment as it stands. Raises FIELD_VIOLATIONS, EXPERIMENT_NOT_FOUND."""
        trial = self._trial(experiment_id)
        return ListedExperiment(trial, tuple(lifts(trial)), self.state.position)

    def page(self, page_size: int = 0, page_token: str = "") -> ExperimentPage:
        """The experiments in id order. Raises FIELD_VIOLATIONS."""
        check_page(self.state, page_size, page_token)
        size = page_size or PAGE_SIZE
        ids = sorted(name for name in self.state.trials if name > page_token)
        told = tuple(self.get(name) for name in ids[:size])
        return ExperimentPage(told, ids[size - 1] if len(ids) > size else "", self.state.position)

    def _trial(self, experiment_id: str) -> Trial:
        check_ids(self.state, experiment_id=experiment_id)
        trial = self.state.trials.get(experiment_id)
        if trial is None:
            text = (
                f"no experiment has the id {experiment_id!r}; `routerd experiments` tells them all"
            )
            facts = {"experiment_id": experiment_id}
            raise RouterError(ErrorReason.EXPERIMENT_NOT_FOUND, text, metadata=facts)
        return trial

    def _require_agents(self, experiment: Experiment) -> None:
        for arm in experiment.arms:
            for route in arm.static_routes or ():
                if route.agent not in self.state.roster.index:
                    raise not_registered(route.agent)

    def _require_room(self) -> None:
        known, limit = len(self.state.trials), self.state.config.limits.experiments
        if known >= limit:
            text = (
                f"{known} experiments are there; limits.experiments is {limit}: delete one that "
                "has ended, or raise it"
            )
            facts = {"limit": str(limit)}
            raise RouterError(ErrorReason.TOO_MANY_EXPERIMENTS, text, metadata=facts)
