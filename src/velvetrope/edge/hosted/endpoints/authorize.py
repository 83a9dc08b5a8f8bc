"""GET /oauth2/authorize: straight back to the app, off to an identity provider, or to the sign-in page."""

import logging

from velvetrope.edge.hosted.context import HostedContext
from velvetrope.edge.hosted.departures import leave_for_provider
from velvetrope.edge.hosted.responses import HostedResponse, redirect_response
from velvetrope.edge.hosted.table import Arrived, Endpoint
from velvetrope.hosted_ui import GoToProvider, RedirectTo
from velvetrope.oauth import OAuthError, Parameters, ServerError

__all__ = ["AuthorizeEndpoint"]

_log = logging.getLogger("velvetrope.hosted")


class AuthorizeEndpoint:
    """The front door."""

    def __init__(self, context: HostedContext) -> None:
        self._context = context

    def rows(self) -> dict[str, Endpoint]:
        return {"/oauth2/authorize": Endpoint("page", {"GET": self._authorize})}

    async def _authorize(self, arrived: Arrived) -> HostedResponse:
        parameters = Parameters.parse(arrived.request.query)
        try:
            outcome = await self._context.flows.authorization.authorize(
                arrived.pool,
                parameters,
                session=self._context.session_of(arrived),
                now=arrived.request.now,
            )
        except OAuthError:
            raise
        except Exception as fault:  # noqa: BLE001  it is logged here, under the request id
            # The app may be waiting in a frame that nobody sees (`prompt=none`): it is told, where that is safe.
            _log.exception("authorize failed (request %s)", arrived.request.request_id)
            refusal = ServerError(detail=f"a fault of ours: {type(fault).__name__}")
            refusal.return_address = await self._context.flows.requests.return_address(arrived.pool, parameters)
            raise refusal from None
        if isinstance(outcome, RedirectTo):
            return redirect_response(outcome.uri)
        if isinstance(outcome, GoToProvider):
            return await leave_for_provider(self._context, arrived, outcome)
        return redirect_response(arrived.link("/login", outcome.query))
