"""POST /oauth2/token."""

from velvetrope.edge.hosted.context import HostedContext
from velvetrope.edge.hosted.responses import HostedResponse, json_response
from velvetrope.edge.hosted.table import Arrived, Endpoint
from velvetrope.oauth import Parameters

__all__ = ["TokenEndpoint"]


class TokenEndpoint:
    """Grants become tokens."""

    def __init__(self, context: HostedContext) -> None:
        self._context = context

    def rows(self) -> dict[str, Endpoint]:
        return {"/oauth2/token": Endpoint("api", {"POST": self._exchange})}

    async def _exchange(self, arrived: Arrived) -> HostedResponse:
        if not arrived.request.is_form:
            return self._context.not_a_form(arrived)
        tokens = await self._context.flows.tokens.exchange(
            arrived.pool,
            Parameters.parse(arrived.request.body),
            authorization=arrived.request.header("authorization"),
            now=arrived.request.now,
        )
        members = {
            "id_token": tokens.id_token,
            "access_token": tokens.access_token,
            "refresh_token": tokens.refresh_token,
            "expires_in": tokens.expires_in_seconds,
            "token_type": "Bearer",
        }
        return json_response(200, {name: value for name, value in members.items() if value is not None})
