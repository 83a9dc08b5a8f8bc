"""What is deployed of HTTP APIs, in memory: made anew by the first request after topic `apigatewayv2` was published.

A stage that did not change keeps its compiled form. A stage that this version does not understand is closed, and no
reason to close others; so is an API whose own address is disabled.
"""

import asyncio
from collections.abc import Mapping

from velvetrope.errors import ReasonError
from velvetrope.execute_api.http_apis.compiling import CompiledHttpStage, compile_http_stage
from velvetrope.execute_api.meters import Meters
from velvetrope.store import ChangeFeed
from velvetrope.store.tables.apigatewayv2 import HttpApiStore, HttpStage

__all__ = ["DeployedHttpApis"]


class DeployedHttpApis:
    """The stages of one account and region, as of the last `reload`."""

    def __init__(self, store: HttpApiStore, changes: ChangeFeed, meters: Meters, *, region: str) -> None:
        self._store = store
        self._meters = meters
        self._region = region
        self.api_ids: frozenset[str] = frozenset()
        """Every HTTP API that there is, served or not."""
        self.stages: Mapping[tuple[str, str], CompiledHttpStage] = {}
        """By API id and stage name."""
        self.is_outdated = True
        self._compiled: dict[tuple[str, str], tuple[HttpStage, CompiledHttpStage]] = {}
        self._why_closed: Mapping[tuple[str, str], str] = {}
        self._published = 1
        self._reloading = asyncio.Lock()
        changes.subscribe("apigatewayv2", self.forget)

    def forget(self) -> None:
        """Have the next request read everything anew."""
        self._published += 1
        self.is_outdated = True

    def why_closed(self, api_id: str, stage_name: str) -> str:
        """What the owner is told about a stage that is not served."""
        return self._why_closed.get(
            (api_id, stage_name), f"HTTP API {api_id} has no stage {stage_name} and no $default"
        )

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
        state = await self._store.load_state(known)
        deployments = {(one.api_id, one.id): one for one in state.deployments}
        compiled: dict[tuple[str, str], tuple[HttpStage, CompiledHttpStage]] = {}
        closed: dict[tuple[str, str], str] = {}
        for stage in state.stages:
            key = (stage.api_id, stage.stage_name)
            if stage.api_id in state.closed_api_ids:
                closed[key] = f"the execute-api endpoint of HTTP API {stage.api_id} is disabled"
                continue
            if stage.deployment_id is None:
                closed[key] = f"stage {stage.stage_name} of HTTP API {stage.api_id} has no deployment"
                continue
            kept = self._compiled.get(key)
            if kept is not None and kept[0] == stage:
                compiled[key] = kept
                continue
            deployment = deployments.get((stage.api_id, stage.deployment_id)) or await self._store.load_deployment(
                stage.api_id, stage.deployment_id
            )
            if deployment is None:
                continue
            try:
                compiled[key] = stage, compile_http_stage(deployment, stage, region=self._region, meters=self._meters)
            except ReasonError as finding:
                closed[key] = f"stage {stage.stage_name} cannot be served: {finding.message}"
        self._compiled, self._why_closed = compiled, closed
        self.api_ids = state.api_ids
        self.stages = {key: stage for key, (_, stage) in compiled.items()}
