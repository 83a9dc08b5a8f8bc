"""GET and POST /oauth2/userInfo."""

from velvetrope.edge.hosted.context import HostedContext
from velvetrope.edge.hosted.responses import HostedResponse, json_response
from velvetrope.edge.hosted.table import Arrived, Endpoint

__all__ = ["UserInfoEndpoint"]


class UserInfoEndpoint:
    """Claims of whom an access token is about."""

    def __init__(self, context: HostedContext) -> None:
        self._context = context

    def rows(self) -> dict[str, Endpoint]:
        return {"/oauth2/userInfo": Endpoint("api", {"GET": self._user_info, "POST": self._user_info})}

    async def _user_info(self, arrived: Arrived) -> HostedResponse:
        info = await self._context.flows.userinfo.user_info(
            arrived.pool, authorization=arrived.request.header("authorization"), now=arrived.request.now
        )
        return json_response(200, info)
