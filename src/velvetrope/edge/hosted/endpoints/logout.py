"""GET /logout: the browser forgets its session, which is over, and goes on, by way of a SAML provider if need be."""

from velvetrope.edge.hosted import cookies, pages
from velvetrope.edge.hosted.context import PAGE_ERROR_TEXT, HostedContext
from velvetrope.edge.hosted.responses import HostedResponse, redirect_response
from velvetrope.edge.hosted.table import Arrived, Endpoint
from velvetrope.hosted_ui import SignedOutHere
from velvetrope.oauth import LogoutDestination, Parameters
from velvetrope.secret import Secret

__all__ = ["LogoutEndpoint"]


class LogoutEndpoint:
    """Log-out."""

    def __init__(self, context: HostedContext) -> None:
        self._context = context

    def rows(self) -> dict[str, Endpoint]:
        return {"/logout": Endpoint("page", {"GET": self._log_out})}

    async def _log_out(self, arrived: Arrived) -> HostedResponse:
        holds = self._context.holds(arrived)
        forget = ("set-cookie", cookies.SESSION.expired(arrived.request, arrived.domain))
        try:
            destination = await self._context.flows.logout.log_out(
                arrived.pool, Parameters.parse(arrived.request.query), session=holds.session, step=holds.step
            )
        except SignedOutHere as refusal:
            dress = await self._context.dressing.dress(arrived.request, arrived.pool)
            response = pages.signed_out_page(status=400, text=refusal.description or PAGE_ERROR_TEXT, dress=dress)
        else:
            onward = await self._sign_out_at_provider(arrived, holds.session, destination)
            to_login = arrived.link("/login", destination.target)
            response = redirect_response(onward or (destination.target if destination.kind == "app" else to_login))
        response.headers.append(forget)
        if holds.step is not None:
            step = cookies.STEP.expired(arrived.request, arrived.domain)
            response.headers.append(("set-cookie", step))
        return response

    async def _sign_out_at_provider(
        self, arrived: Arrived, session: Secret[str] | None, destination: LogoutDestination
    ) -> str | None:
        """Where a SAML provider signs the person out, if one vouched for them and is to hear of it."""
        flow = self._context.flows.saml_logout
        if flow is None:
            return None
        return await flow.depart(arrived.pool, session, destination, now=arrived.request.now)
