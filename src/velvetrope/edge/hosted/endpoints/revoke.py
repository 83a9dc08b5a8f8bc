"""POST /oauth2/revoke."""

from velvetrope.edge.hosted.context import HostedContext
from velvetrope.edge.hosted.responses import HostedResponse
from velvetrope.edge.hosted.table import Arrived, Endpoint
from velvetrope.oauth import Parameters

__all__ = ["RevokeEndpoint"]


class RevokeEndpoint:
    """Refresh tokens end, with all that came of them."""

    def __init__(self, context: HostedContext) -> None:
        self._context = context

    def rows(self) -> dict[str, Endpoint]:
        return {"/oauth2/revoke": Endpoint("api", {"POST": self._revoke})}

    async def _revoke(self, arrived: Arrived) -> HostedResponse:
        if not arrived.request.is_form:
            return self._context.not_a_form(arrived)
        await self._context.flows.revocation.revoke(
            arrived.pool,
            Parameters.parse(arrived.request.body),
            authorization=arrived.request.header("authorization"),
            now=arrived.request.now,
        )
        return HostedResponse(200)
