"""GET /oauth2/authorize: straight back to the app, or to the sign-in page."""

from velvetrope.edge.hosted.context import HostedContext
from velvetrope.edge.hosted.responses import HostedResponse, redirect_response
from velvetrope.edge.hosted.table import Arrived, Endpoint
from velvetrope.hosted_ui import RedirectTo
from velvetrope.oauth import Parameters

__all__ = ["AuthorizeEndpoint"]


class AuthorizeEndpoint:
    """The front door."""

    def __init__(self, context: HostedContext) -> None:
        self._context = context

    def rows(self) -> dict[str, Endpoint]:
        return {"/oauth2/authorize": Endpoint("page", {"GET": self._authorize})}

    async def _authorize(self, arrived: Arrived) -> HostedResponse:
        outcome = await self._context.flows.authorization.authorize(
            arrived.pool,
            Parameters.parse(arrived.request.query),
            session=self._context.session_of(arrived),
            now=arrived.request.now,
        )
        if isinstance(outcome, RedirectTo):
            return redirect_response(outcome.uri)
        return redirect_response(arrived.link("/login", outcome.query))
