"""Where a browser goes after it was signed out.

    logout_uri, registered                  back to the app
    redirect_uri, registered, and the rest  to our sign-in page, so that somebody else can sign in
    neither                                 nowhere: AWS then answers as if the second form was meant

OpenID's `post_logout_redirect_uri` and `id_token_hint` are not read, as on AWS.

Source: Cognito Developer Guide, "Logout endpoint".
"""

from dataclasses import dataclass
from typing import Literal

from velvetrope.oauth.authorization import verify_return_address
from velvetrope.oauth.clients import ClientRules
from velvetrope.oauth.errors import RequiredParameterMissing
from velvetrope.oauth.parameters import Parameters
from velvetrope.oauth.redirects import is_redirect_uri

__all__ = ["LogoutDestination", "parse_logout_destination"]


@dataclass(frozen=True, slots=True)
class LogoutDestination:
    """The app's own page (a URI), or our sign-in page (its query string)."""

    kind: Literal["app", "login"]
    target: str


def parse_logout_destination(parameters: Parameters, client: ClientRules) -> LogoutDestination:
    """Where to go next.

    Raises:
        StaysOnDomain: nowhere that is registered for the client.
    """
    logout_uri = parameters.get("logout_uri")
    if logout_uri is not None and logout_uri in client.logout_uris and is_redirect_uri(logout_uri):
        return LogoutDestination("app", logout_uri)
    verify_return_address(parameters, client)
    if parameters.get("response_type") is None:
        raise RequiredParameterMissing("response_type")
    # Without a scope AWS adds all of the client's; the sign-in page reads a missing scope the same way.
    pairs = parameters.pairs
    if parameters.get("scope") is None and client.scopes:
        pairs = (*(pair for pair in pairs if pair[0] != "scope"), ("scope", " ".join(client.scopes)))
    return LogoutDestination("login", Parameters(pairs).render())
