"""POST /saml2/logout: a SAML provider answers our log-out, or asks for one itself."""

from velvetrope.edge.hosted import pages
from velvetrope.edge.hosted.context import HostedContext
from velvetrope.edge.hosted.departures import SAML_LOGOUT
from velvetrope.edge.hosted.requests import MAX_SAML_BODY_BYTES
from velvetrope.edge.hosted.responses import HostedResponse, redirect_response
from velvetrope.edge.hosted.table import Arrived, Endpoint
from velvetrope.hosted_ui import SamlLogoutFlow, SignedOutHere
from velvetrope.oauth import InvalidRequest, Parameters

__all__ = ["SamlLogoutEndpoint"]


class SamlLogoutEndpoint:
    """The single logout service."""

    def __init__(self, context: HostedContext) -> None:
        self._context = context

    def rows(self) -> dict[str, Endpoint]:
        return {SAML_LOGOUT: Endpoint("page", {"POST": self._hear}, max_body_bytes=MAX_SAML_BODY_BYTES)}

    async def _hear(self, arrived: Arrived) -> HostedResponse:
        flow = self._context.flows.saml_logout
        if flow is None:
            raise InvalidRequest("Log-out with SAML providers is not served here")
        if not arrived.request.is_form:
            return HostedResponse(415)
        form = Parameters.parse(arrived.request.body)
        if form.get("SAMLRequest") is not None:
            return await self._answer(arrived, flow, form)
        here = self._context.own_addresses(arrived, SAML_LOGOUT)
        try:
            destination = await flow.come_back(arrived.pool, form, logout_urls=here, now=arrived.request.now)
        except SignedOutHere as refusal:
            self._context.record(arrived.request, arrived.address, 400, "SignedOutHere", refusal.detail)
            return await self._signed_out(arrived, status=400, note=refusal.description)
        to_login = arrived.link("/login", destination.target)
        return redirect_response(destination.target if destination.kind == "app" else to_login)

    async def _answer(self, arrived: Arrived, flow: SamlLogoutFlow, form: Parameters) -> HostedResponse:
        here = self._context.own_addresses(arrived, SAML_LOGOUT)
        onward = await flow.take_request(arrived.pool, form, logout_urls=here, now=arrived.request.now)
        if onward is None:
            return await self._signed_out(arrived, status=200)
        return redirect_response(onward)

    async def _signed_out(self, arrived: Arrived, *, status: int, note: str = "") -> HostedResponse:
        dress = await self._context.dressing.dress(arrived.request, arrived.pool)
        return pages.signed_out_page(status=status, note=note, dress=dress)
