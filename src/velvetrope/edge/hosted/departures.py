"""The browser leaves for an identity provider, and keeps what it needs to come back."""

from velvetrope.edge.hosted import cookies
from velvetrope.edge.hosted.context import HostedContext
from velvetrope.edge.hosted.responses import HostedResponse, redirect_response
from velvetrope.edge.hosted.table import Arrived
from velvetrope.hosted_ui import FEDERATED_SIGN_IN_LIFETIME, GoToProvider
from velvetrope.oauth import InvalidRequest
from velvetrope.secret import Secret

__all__ = ["OIDC_RETURN", "SAML_LOGOUT", "SAML_RETURN", "leave_for_provider", "redirect_away"]

OIDC_RETURN = "/oauth2/idpresponse"
"""Where OpenID Connect and OAuth 2.0 providers send the browser back to, as on AWS."""
SAML_RETURN = "/saml2/idpresponse"
"""Where SAML providers have it post their responses, as on AWS: the assertion consumer service."""
SAML_LOGOUT = "/saml2/logout"
"""Where they have it post log-out messages, as on AWS: the single logout service."""


async def leave_for_provider(context: HostedContext, arrived: Arrived, going: GoToProvider) -> HostedResponse:
    """Off to the provider that was chosen.

    Raises:
        OAuthError: told to the app.
    """
    flow, saml_flow = context.flows.provider_sign_in, context.flows.saml_sign_in
    if saml_flow is not None and going.provider.provider_type == "SAML":
        departed = await saml_flow.depart(
            arrived.pool,
            going.asked,
            going.provider,
            consumer_url=context.own_uri(arrived, SAML_RETURN),
            session=context.session_of(arrived),
            now=arrived.request.now,
        )
        return redirect_away(arrived, departed.uri, departed.browser)
    if flow is None or going.provider.provider_type == "SAML":
        raise going.asked.refusing(
            InvalidRequest(f"Sign-in with {going.provider.provider_type} providers is not supported by velvetrope")
        )
    departed = await flow.depart(
        arrived.pool,
        going.asked,
        going.provider,
        return_uri=context.own_uri(arrived, OIDC_RETURN),
        now=arrived.request.now,
    )
    return redirect_away(arrived, departed.uri, departed.browser)


def redirect_away(arrived: Arrived, uri: str, browser: Secret[str]) -> HostedResponse:
    """The redirect, with the cookie that the way back is bound to."""
    response = redirect_response(uri)
    lifetime = int(FEDERATED_SIGN_IN_LIFETIME.total_seconds())
    cookie = cookies.FEDERATION.render(arrived.request, arrived.domain, browser, max_age_seconds=lifetime)
    response.headers.append(("set-cookie", cookie))
    return response
