"""What is deployed, in memory: the snapshot that requests are served from, and when it is made anew.

    deployed = DeployedStages(store, changes, meters, clock, region="us-west-2")
    if deployed.is_outdated:
        await deployed.reload()
    deployed.snapshot

A commit of the control plane publishes topic `apigateway`; the first request after it reads what is deployed in one
transaction: stages and plans, and the deployments and API keys that are new or changed. So whoever has deployed, and
then calls, meets what was deployed. A stage that did not change keeps its compiled form. A stage that this version does
not understand is closed, and no reason to close others.
"""

import asyncio
from collections.abc import Mapping

from velvetrope.clock import Clock
from velvetrope.errors import ReasonError
from velvetrope.execute_api.compilation import compile_stage
from velvetrope.execute_api.meters import Meters
from velvetrope.execute_api.served_keys import ServedKeys
from velvetrope.execute_api.snapshot import CompiledStage, Snapshot
from velvetrope.store import ChangeFeed
from velvetrope.store.tables.apigateway import ApiGatewayStore, Stage

__all__ = ["DeployedStages"]


class DeployedStages:
    """The stages of one account and region, as of the last `reload`."""

    def __init__(
        self, store: ApiGatewayStore, changes: ChangeFeed, meters: Meters, clock: Clock, *, region: str
    ) -> None:
        self._store = store
        self._meters = meters
        self._clock = clock
        self._region = region
        self._keys = ServedKeys()
        self.snapshot = Snapshot({}, frozenset(), self._keys, {}, meters)
        self._compiled: dict[tuple[str, str], tuple[Stage, CompiledStage]] = {}
        self._broken: Mapping[tuple[str, str], str] = {}
        self.is_outdated = True
        """Whether something was published since the snapshot was read."""
        self._published = 1
        self._reloading = asyncio.Lock()
        changes.subscribe("apigateway", self.forget)

    def forget(self) -> None:
        """Have the next request read everything anew."""
        self._published += 1
        self.is_outdated = True

    def why_closed(self, api_id: str, stage_name: str) -> str:
        """What the owner is told about a stage that is not in the snapshot."""
        broken = self._broken.get((api_id, stage_name))
        if broken is not None:
            return f"stage {stage_name} cannot be served: {broken}"
        if api_id in self.snapshot.api_ids:
            return f"API {api_id} has no stage {stage_name}"
        return f"no deployed API {api_id}"

    async def reload(self) -> None:
        """Read what is deployed, if that has not been done since the last change."""
        async with self._reloading:
            if not self.is_outdated:
                return
            # Noted before the read: what is committed while we read is one more change.
            published = self._published
            await self._load()
            self.is_outdated = self._published != published

    async def _load(self) -> None:
        known = {(api_id, kept.deployment_id) for (api_id, _), (_, kept) in self._compiled.items()}
        state = await self._store.load_state(known, keys_since=self._keys.version)
        deployments = {(one.rest_api_id, one.id): one for one in state.deployments}
        compiled: dict[tuple[str, str], tuple[Stage, CompiledStage]] = {}
        broken: dict[tuple[str, str], str] = {}
        for stage in state.stages:
            key = (stage.rest_api_id, stage.stage_name)
            kept = self._compiled.get(key)
            if kept is not None and kept[0] == stage:
                compiled[key] = kept
                continue
            deployment = deployments.get((stage.rest_api_id, stage.deployment_id)) or await self._store.load_deployment(
                stage.rest_api_id, stage.deployment_id
            )
            if deployment is None:
                continue
            try:
                compiled[key] = stage, compile_stage(deployment, stage, region=self._region, meters=self._meters)
            except ReasonError as finding:
                broken[key] = finding.message
        self._compiled, self._broken = compiled, broken
        stages = {key: stage for key, (_, stage) in compiled.items()}
        self._keys.apply(state.keys)
        self.snapshot = Snapshot(
            stages,
            frozenset(api_id for api_id, _ in stages),
            self._keys,
            {plan.id: plan for plan in state.usage_plans},
            self._meters,
        )
        await self._meters.retire_quotas(self.snapshot.counts_against, self._clock.now())
