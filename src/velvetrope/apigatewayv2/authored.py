"""What every operation on an HTTP API does around its own change: find the API, keep the change, deploy where followed.

changed = await self._authored.change(call, api_id, lambda api: without_route(api, route_id))
"""

from collections.abc import Callable

from velvetrope.apigatewayv2.errors import NotFoundException
from velvetrope.clock import Entropy
from velvetrope.identifiers import new_alphanumeric
from velvetrope.operations import Call
from velvetrope.store.tables.apigatewayv2 import HttpApi, HttpApiStore, HttpDeployment

__all__ = ["AuthoredApis"]


class AuthoredApis:
    """HTTP APIs of the caller's account."""

    def __init__(self, store: HttpApiStore, entropy: Entropy) -> None:
        self.store = store
        self._entropy = entropy

    def new_id(self, length: int = 7) -> str:
        """An id of a part of an API, as long as AWS's."""
        return new_alphanumeric(self._entropy, length)

    def freeze(self, call: Call, *, description: str | None = None) -> Callable[[HttpApi], HttpDeployment]:
        """What makes deployments: by hand where there is a `description`, even an empty one."""

        def frozen(api: HttpApi) -> HttpDeployment:
            by_itself = description is None
            return HttpDeployment(
                id=self.new_id(6),
                api_id=api.id,
                created_at=call.now,
                api=api,
                description="Automatic deployment triggered by changes to the Api configuration"
                if by_itself
                else description,
                auto_deployed=by_itself,
            )

        return frozen

    async def load(self, call: Call, api_id: str) -> HttpApi:
        """The API, or AWS's 404."""
        found = await self.store.load_api(call.account_id, api_id)
        if found is None:
            raise _no_such_api(call, api_id)
        return found

    async def change(self, call: Call, api_id: str, change: Callable[[HttpApi], HttpApi]) -> HttpApi:
        """The API as it is after `change`, or AWS's 404."""
        changed = await self.store.change_api(call.account_id, api_id, change, self.freeze(call))
        if changed is None:
            raise _no_such_api(call, api_id)
        return changed


def _no_such_api(call: Call, api_id: str) -> NotFoundException:
    return NotFoundException(f"Invalid API identifier specified {call.account_id}:{api_id}")
