"""GET /logout: the browser forgets its session, which is over, and goes on."""

from velvetrope.edge.hosted import cookies, pages
from velvetrope.edge.hosted.context import PAGE_ERROR_TEXT, HostedContext
from velvetrope.edge.hosted.responses import HostedResponse, redirect_response
from velvetrope.edge.hosted.table import Arrived, Endpoint
from velvetrope.hosted_ui import SignedOutHere
from velvetrope.oauth import Parameters

__all__ = ["LogoutEndpoint"]


class LogoutEndpoint:
    """Log-out."""

    def __init__(self, context: HostedContext) -> None:
        self._context = context

    def rows(self) -> dict[str, Endpoint]:
        return {"/logout": Endpoint("page", {"GET": self._log_out})}

    async def _log_out(self, arrived: Arrived) -> HostedResponse:
        holds = self._context.holds(arrived)
        forget = ("set-cookie", cookies.expired_session_cookie(arrived.request, arrived.domain))
        try:
            destination = await self._context.flows.logout.log_out(
                arrived.pool, Parameters.parse(arrived.request.query), session=holds.session, step=holds.step
            )
        except SignedOutHere as refusal:
            dress = await self._context.dressing.dress(arrived.request, arrived.pool)
            response = pages.signed_out_page(status=400, text=refusal.description or PAGE_ERROR_TEXT, dress=dress)
        else:
            to_login = arrived.link("/login", destination.target)
            response = redirect_response(destination.target if destination.kind == "app" else to_login)
        response.headers.append(forget)
        if holds.step is not None:
            step = cookies.expired_step_cookie(arrived.request, arrived.domain)
            response.headers.append(("set-cookie", step))
        return response
