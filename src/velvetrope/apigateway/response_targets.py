"""The responses below methods, of a method or of its integration: to find, change and take away one of them.

    responses = ResponseTargets(methods, find=…, keep=…, discard=…, patched=…, render=…)
    await responses.update(call, ResponsePlace(rest_api_id, resource_id, http_method, "200"), patch_operations)

What a response may hold is its kind's own rule, which `keep` and `patched` bring along.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from velvetrope.apigateway.method_targets import MethodTargets
from velvetrope.apigateway.patches import PatchOperation
from velvetrope.operations import Answer, Call
from velvetrope.store.tables.apigateway import IntegrationResponse, MethodResponse, RestApi

__all__ = ["ResponsePlace", "ResponseTargets"]

R = TypeVar("R", MethodResponse, IntegrationResponse)


class ResponsePlace(NamedTuple):
    """Where a response is."""

    rest_api_id: str
    resource_id: str
    http_method: str
    status_code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseTargets(Generic[R]):
    """Responses of one kind.

    `find` takes resource id, method and status; `keep` adds a response or puts it in the place of one of its status;
    `discard` takes one away. All raise what AWS answers when there is no such thing.
    """

    methods: MethodTargets
    find: Callable[[RestApi, str, str, str], R]
    keep: Callable[[RestApi, str, str, R], RestApi]
    discard: Callable[[RestApi, str, str, str], RestApi]
    patched: Callable[[R, PatchOperation], R]
    render: Callable[[R], dict[str, object]]

    async def put(
        self, call: Call, place: ResponsePlace, response: R, *, check: Callable[[RestApi], None] | None = None
    ) -> Answer:
        """Keep `response`, unless `check` refuses the API as it is."""

        def change(api: RestApi) -> RestApi:
            if check is not None:
                check(api)
            return self.keep(api, place.resource_id, place.http_method, response)

        await self.methods.change(call, place.rest_api_id, change)
        return self.render(response)

    async def get(self, call: Call, place: ResponsePlace) -> Answer:
        """The response as it is kept."""
        return self.render(self._find(await self.methods.load(call, place.rest_api_id), place))

    async def update(self, call: Call, place: ResponsePlace, patches: Sequence[PatchOperation]) -> Answer:
        """Apply all patches, or, if one is refused, none."""

        def change(api: RestApi) -> RestApi:
            response = self._find(api, place)
            for patch in patches:
                response = self.patched(response, patch)
            return self.keep(api, place.resource_id, place.http_method, response)

        return self.render(self._find(await self.methods.change(call, place.rest_api_id, change), place))

    async def delete(self, call: Call, place: ResponsePlace) -> None:
        """Take the response away."""
        _, *below = place
        await self.methods.change(call, place.rest_api_id, lambda api: self.discard(api, *below))

    def _find(self, api: RestApi, place: ResponsePlace) -> R:
        return self.find(api, place.resource_id, place.http_method, place.status_code)
