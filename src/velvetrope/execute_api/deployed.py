"""What is deployed, in memory: the snapshot that requests are served from, and when it is made anew.

    deployed = DeployedStages(store, changes, meters, clock, region="us-west-2")
    if deployed.is_outdated:
        await deployed.reload()
    deployed.snapshot

Stages and plans, and the deployments and API keys that are new or changed, are read in one transaction; when, and what
becomes of stages that did not change or cannot be understood, is `kept_stages`' to say.
"""

from collections.abc import Mapping
from functools import partial

from velvetrope.clock import Clock
from velvetrope.execute_api.compilation import compile_stage
from velvetrope.execute_api.kept_stages import KeptStages, StageKey
from velvetrope.execute_api.meters import Meters
from velvetrope.execute_api.served_keys import ServedKeys
from velvetrope.execute_api.snapshot import CompiledStage, Snapshot
from velvetrope.store import ChangeFeed
from velvetrope.store.tables.apigateway import ApiGatewayStore, Deployment, Stage

__all__ = ["DeployedStages"]


class DeployedStages(KeptStages[Stage, Deployment, CompiledStage]):
    """The stages of REST APIs; topic `apigateway`."""

    def __init__(
        self, store: ApiGatewayStore, changes: ChangeFeed, meters: Meters, clock: Clock, *, region: str
    ) -> None:
        super().__init__(
            changes,
            "apigateway",
            load_deployment=store.load_deployment,
            compile_stage=partial(compile_stage, region=region, meters=meters),
        )
        self._store = store
        self._meters = meters
        self._clock = clock
        self._keys = ServedKeys()
        self.snapshot = Snapshot({}, frozenset(), self._keys, {}, meters)
        self._broken: Mapping[StageKey, str] = {}

    def why_closed(self, api_id: str, stage_name: str) -> str:
        """What the owner is told about a stage that is not in the snapshot."""
        broken = self._broken.get((api_id, stage_name))
        if broken is not None:
            return f"stage {stage_name} cannot be served: {broken}"
        if api_id in self.snapshot.api_ids:
            return f"API {api_id} has no stage {stage_name}"
        return f"no deployed API {api_id}"

    async def _load(self) -> None:
        state = await self._store.load_state(self._known_deployments(), keys_since=self._keys.version)
        stages, self._broken = await self._compile(
            {(stage.rest_api_id, stage.stage_name): stage for stage in state.stages},
            {(one.rest_api_id, one.id): one for one in state.deployments},
        )
        self._keys.apply(state.keys)
        self.snapshot = Snapshot(
            stages,
            frozenset(api_id for api_id, _ in stages),
            self._keys,
            {plan.id: plan for plan in state.usage_plans},
            self._meters,
        )
        await self._meters.retire_quotas(self.snapshot.counts_against, self._clock.now())
