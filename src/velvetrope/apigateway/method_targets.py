"""The REST API of an operation about one method; in its 404 AWS names the resource also when there is no such API."""

from collections.abc import Callable

from velvetrope.apigateway.errors import NotFoundException
from velvetrope.operations import Call
from velvetrope.store.tables.apigateway import ApiGatewayStore, RestApi

__all__ = ["MethodTargets"]


class MethodTargets:
    """As `AuthoredApis`, with the other 404."""

    def __init__(self, store: ApiGatewayStore) -> None:
        self._store = store

    async def load(self, call: Call, rest_api_id: str) -> RestApi:
        """The API as it is under work."""
        api = await self._store.load_rest_api(call.account_id, rest_api_id)
        if api is None:
            raise NotFoundException("Invalid Resource identifier specified")
        return api

    async def change(self, call: Call, rest_api_id: str, change: Callable[[RestApi], RestApi]) -> RestApi:
        """Save what `change` makes of the API and return it; if it raises, nothing happened."""
        changed = await self._store.change_rest_api(call.account_id, rest_api_id, change)
        if changed is None:
            raise NotFoundException("Invalid Resource identifier specified")
        return changed
