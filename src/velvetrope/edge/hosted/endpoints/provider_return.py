"""/oauth2/idpresponse: the browser is back from an OpenID Connect or OAuth 2.0 provider.

By GET, or by POST from the provider's page (Apple). That the answer is this browser's is not a form's token but the
cookie that it left with.
"""

from velvetrope.edge.hosted import cookies
from velvetrope.edge.hosted.context import HostedContext
from velvetrope.edge.hosted.departures import OIDC_RETURN
from velvetrope.edge.hosted.responses import HostedResponse
from velvetrope.edge.hosted.table import Arrived, Endpoint
from velvetrope.oauth import InvalidRequest, Parameters

__all__ = ["ProviderReturnEndpoint"]


class ProviderReturnEndpoint:
    """Takes providers' answers."""

    def __init__(self, context: HostedContext) -> None:
        self._context = context

    def rows(self) -> dict[str, Endpoint]:
        return {OIDC_RETURN: Endpoint("page", {"GET": self._from_query, "POST": self._from_form})}

    async def _from_query(self, arrived: Arrived) -> HostedResponse:
        return await self._come_back(arrived, Parameters.parse(arrived.request.query))

    async def _from_form(self, arrived: Arrived) -> HostedResponse:
        if not arrived.request.is_form:
            return HostedResponse(415)
        return await self._come_back(arrived, Parameters.parse(arrived.request.body))

    async def _come_back(self, arrived: Arrived, answer: Parameters) -> HostedResponse:
        flow = self._context.flows.provider_sign_in
        if flow is None:
            raise InvalidRequest("Sign-in with identity providers is not served here")
        signed_in = await flow.come_back(
            arrived.pool,
            answer,
            browser=cookies.FEDERATION.of(arrived.request, arrived.domain),
            return_uri=self._context.own_uri(arrived, OIDC_RETURN),
            earlier_session=self._context.session_of(arrived),
            now=arrived.request.now,
        )
        response = self._context.finish(arrived, signed_in)
        response.headers.append(("set-cookie", cookies.FEDERATION.expired(arrived.request, arrived.domain)))
        return response
