"""POST /saml2/idpresponse: the browser is back from a SAML provider, or comes from one unasked.

That the response is this browser's is not a form's token but the cookie that it left with.
"""

from velvetrope.edge.hosted import cookies
from velvetrope.edge.hosted.context import HostedContext
from velvetrope.edge.hosted.departures import SAML_RETURN
from velvetrope.edge.hosted.requests import MAX_SAML_BODY_BYTES
from velvetrope.edge.hosted.responses import HostedResponse
from velvetrope.edge.hosted.table import Arrived, Endpoint
from velvetrope.oauth import InvalidRequest, Parameters

__all__ = ["SamlResponseEndpoint"]


class SamlResponseEndpoint:
    """The assertion consumer service."""

    def __init__(self, context: HostedContext) -> None:
        self._context = context

    def rows(self) -> dict[str, Endpoint]:
        return {SAML_RETURN: Endpoint("page", {"POST": self._come_back}, max_body_bytes=MAX_SAML_BODY_BYTES)}

    async def _come_back(self, arrived: Arrived) -> HostedResponse:
        flow = self._context.flows.saml_sign_in
        if flow is None:
            raise InvalidRequest("Sign-in with SAML providers is not served here")
        if not arrived.request.is_form:
            return HostedResponse(415)
        signed_in = await flow.come_back(
            arrived.pool,
            Parameters.parse(arrived.request.body),
            browser=cookies.FEDERATION.of(arrived.request, arrived.domain),
            consumer_urls=self._context.own_addresses(arrived, SAML_RETURN),
            now=arrived.request.now,
        )
        response = self._context.finish(arrived, signed_in)
        response.headers.append(("set-cookie", cookies.FEDERATION.expired(arrived.request, arrived.domain)))
        return response
