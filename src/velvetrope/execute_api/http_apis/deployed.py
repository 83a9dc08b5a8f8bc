"""What is deployed of HTTP APIs, in memory, made anew when `kept_stages` says so.

An API whose own address is disabled is reached by its domain names only.
"""

from collections.abc import Mapping
from functools import partial

from velvetrope.execute_api.http_apis.compiling import CompiledHttpStage, compile_http_stage
from velvetrope.execute_api.kept_stages import KeptStages, StageKey
from velvetrope.execute_api.meters import Meters
from velvetrope.store import ChangeFeed
from velvetrope.store.tables.apigatewayv2 import HttpApiStore, HttpDeployment, HttpStage

__all__ = ["DeployedHttpApis"]


class DeployedHttpApis(KeptStages[HttpStage, HttpDeployment, CompiledHttpStage]):
    """The stages of HTTP APIs; topic `apigatewayv2`."""

    def __init__(self, store: HttpApiStore, changes: ChangeFeed, meters: Meters, *, region: str) -> None:
        super().__init__(
            changes,
            "apigatewayv2",
            load_deployment=store.load_deployment,
            compile_stage=partial(compile_http_stage, region=region, meters=meters),
        )
        self._store = store
        self.api_ids: frozenset[str] = frozenset()
        """Every HTTP API that there is, served or not."""
        self.by_domain_only: frozenset[str] = frozenset()
        """Those whose own address is disabled."""
        self.stages: Mapping[StageKey, CompiledHttpStage] = {}
        self._why_closed: Mapping[StageKey, str] = {}

    def why_closed(self, api_id: str, stage_name: str) -> str:
        """What the owner is told about a stage that is not served."""
        return self._why_closed.get(
            (api_id, stage_name), f"HTTP API {api_id} has no stage {stage_name} and no $default"
        )

    async def _load(self) -> None:
        state = await self._store.load_state(self._known_deployments())
        open_stages: dict[StageKey, HttpStage] = {}
        closed: dict[StageKey, str] = {}
        for stage in state.stages:
            key = (stage.api_id, stage.stage_name)
            if stage.deployment_id is None:
                closed[key] = f"stage {stage.stage_name} of HTTP API {stage.api_id} has no deployment"
            else:
                open_stages[key] = stage
        deployments = {(one.api_id, one.id): one for one in state.deployments}
        stages, broken = await self._compile(open_stages, deployments)
        closed.update((key, f"stage {key[1]} cannot be served: {why}") for key, why in broken.items())
        self.api_ids, self.by_domain_only = state.api_ids, state.closed_api_ids
        self.stages, self._why_closed = stages, closed
