"""The REST API that a call names, to read or to change, or AWS's 404."""

from collections.abc import Callable

from velvetrope.apigateway.errors import NotFoundException
from velvetrope.operations import Call
from velvetrope.store.tables.apigateway import ApiGatewayStore, RestApi

__all__ = ["AuthoredApis", "no_such_api"]


class AuthoredApis:
    """REST APIs of the caller's account."""

    def __init__(self, store: ApiGatewayStore) -> None:
        self._store = store

    async def load(self, call: Call, rest_api_id: str) -> RestApi:
        """The API as it is under work.

        Raises:
            NotFoundException: the account has none of that id.
        """
        api = await self._store.load_rest_api(call.account_id, rest_api_id)
        if api is None:
            raise no_such_api(call, rest_api_id)
        return api

    async def change(self, call: Call, rest_api_id: str, change: Callable[[RestApi], RestApi]) -> RestApi:
        """Save what `change` makes of the API and return it; if it raises, nothing happened.

        Raises:
            NotFoundException: as above.
        """
        changed = await self._store.change_rest_api(call.account_id, rest_api_id, change)
        if changed is None:
            raise no_such_api(call, rest_api_id)
        return changed


def no_such_api(call: Call, rest_api_id: str) -> NotFoundException:
    """AWS's 404 for a REST API."""
    return NotFoundException(f"Invalid API identifier specified {call.account_id}:{rest_api_id}")
