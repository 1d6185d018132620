"""routerd.v1.PolicyService: convert, rules, await durable, convert."""

from __future__ import annotations

from routerd.core.rules import Override
from routerd.server import convert_policy, convert_trials
from routerd.server import convert_rules as convert
from routerd.server.convert_agents import fitting
from routerd.server.interceptors import Partition
from routerd.server.refusals import besides
from routerd.v1 import policy_pb2

SERVICE = policy_pb2.DESCRIPTOR.services_by_name["PolicyService"]


class PolicyService:
    """Keeps the rules around the policy. Its changes are on the platter when they are answered."""

    async def CreateOverride(
        self, wire: policy_pb2.CreateOverrideRequest, partition: Partition, deadline_s: float
    ) -> policy_pb2.CreateOverrideResponse:
        wanted = override_of(wire, partition)
        told = await partition.change(deadline_s, partition.rules.create, wanted)
        return policy_pb2.CreateOverrideResponse(
            rule=convert.override(told), position=told.position
        )

    async def UpdateOverride(
        self, wire: policy_pb2.UpdateOverrideRequest, partition: Partition, deadline_s: float
    ) -> policy_pb2.UpdateOverrideResponse:
        wanted = override_of(wire, partition)
        told = await partition.change(deadline_s, partition.rules.update, wanted)
        return policy_pb2.UpdateOverrideResponse(
            rule=convert.override(told), position=told.position
        )

    async def DeleteOverride(
        self, wire: policy_pb2.DeleteOverrideRequest, partition: Partition, deadline_s: float
    ) -> policy_pb2.DeleteOverrideResponse:
        done = await partition.change(deadline_s, partition.rules.delete, wire.override_id)
        return policy_pb2.DeleteOverrideResponse(**done._asdict())

    async def ListBudgets(
        self, wire: policy_pb2.ListBudgetsRequest, partition: Partition, deadline_s: float
    ) -> policy_pb2.ListBudgetsResponse:
        page = partition.rules.budgets(wire.page_size, wire.page_token)
        await partition.committer.durable(page.position, platter=False)
        return policy_pb2.ListBudgetsResponse(
            budgets=map(convert.budget, page.budgets),
            next_page_token=page.next,
            position=page.position,
        )

    async def GetOverride(
        self, wire: policy_pb2.GetOverrideRequest, partition: Partition, deadline_s: float
    ) -> policy_pb2.GetOverrideResponse:
        told = partition.rules.get(wire.override_id)
        await partition.committer.durable(told.position, platter=False)
        return policy_pb2.GetOverrideResponse(rule=convert.override(told), position=told.position)

    async def ListOverrides(
        self, wire: policy_pb2.ListOverridesRequest, partition: Partition, deadline_s: float
    ) -> policy_pb2.ListOverridesResponse:
        when = {key: wire.when[key] for key in wire.when}
        page = partition.rules.page(when, wire.page_size, wire.page_token)
        rules = fitting(map(convert.override, page.overrides))
        cut = len(rules) < len(page.overrides)
        await partition.committer.durable(page.position, platter=False)
        return policy_pb2.ListOverridesResponse(
            rules=rules,
            next_page_token=rules[-1].override_id if cut else page.next,
            position=page.position,
        )

    async def GetPolicyState(
        self, wire: policy_pb2.GetPolicyStateRequest, partition: Partition, deadline_s: float
    ) -> policy_pb2.GetPolicyStateResponse:
        look = convert_policy.decisions(wire)
        told = convert_policy.policy_state(partition.sequencer.state, look)
        position = partition.sequencer.position
        await partition.committer.durable(position, platter=False)
        return policy_pb2.GetPolicyStateResponse(state=told, position=position)

    async def CreateExperiment(
        self, wire: policy_pb2.CreateExperimentRequest, partition: Partition, deadline_s: float
    ) -> policy_pb2.CreateExperimentResponse:
        wanted = convert_trials.experiment_of(wire)
        told = await partition.change(deadline_s, partition.trials.create, wanted)
        return policy_pb2.CreateExperimentResponse(
            experiment=convert_trials.experiment(told), position=told.position
        )

    async def StopExperiment(
        self, wire: policy_pb2.StopExperimentRequest, partition: Partition, deadline_s: float
    ) -> policy_pb2.StopExperimentResponse:
        told = await partition.change(deadline_s, partition.trials.stop, wire.experiment_id)
        return policy_pb2.StopExperimentResponse(
            experiment=convert_trials.experiment(told), position=told.position
        )

    async def PromoteExperiment(
        self, wire: policy_pb2.PromoteExperimentRequest, partition: Partition, deadline_s: float
    ) -> policy_pb2.PromoteExperimentResponse:
        told = await partition.change(
            deadline_s, partition.trials.promote, wire.experiment_id, wire.arm_id
        )
        return policy_pb2.PromoteExperimentResponse(
            experiment=convert_trials.experiment(told), position=told.position
        )

    async def DeleteExperiment(
        self, wire: policy_pb2.DeleteExperimentRequest, partition: Partition, deadline_s: float
    ) -> policy_pb2.DeleteExperimentResponse:
        done = await partition.change(deadline_s, partition.trials.delete, wire.experiment_id)
        return policy_pb2.DeleteExperimentResponse(**done._asdict())

    async def GetExperiment(
        self, wire: policy_pb2.GetExperimentRequest, partition: Partition, deadline_s: float
    ) -> policy_pb2.GetExperimentResponse:
        told = partition.trials.get(wire.experiment_id)
        experiment = convert_trials.experiment(told)
        await partition.committer.durable(told.position, platter=False)
        return policy_pb2.GetExperimentResponse(experiment=experiment, position=told.position)

    async def ListExperiments(
        self, wire: policy_pb2.ListExperimentsRequest, partition: Partition, deadline_s: float
    ) -> policy_pb2.ListExperimentsResponse:
        page = partition.trials.page(wire.page_size, wire.page_token)
        found = fitting(map(convert_trials.experiment, page.experiments))
        cut = len(found) < len(page.experiments)
        await partition.committer.durable(page.position, platter=False)
        return policy_pb2.ListExperimentsResponse(
            experiments=found,
            next_page_token=found[-1].experiment_id if cut else page.next,
            position=page.position,
        )


def override_of(
    wire: policy_pb2.CreateOverrideRequest | policy_pb2.UpdateOverrideRequest, partition: Partition
) -> Override:
    """The override that a request defines. Raises all that is wrong with it."""
    with besides(lambda: partition.rules.check_expiry(wire.definition.expires_time_ms)):
        return convert.override_of(wire)
