"""Resource indicators: the URI of whom an access token is for, which becomes its `aud`.

One at a time, as on AWS. AWS takes any URL that begins with `https://`, `http://localhost` or an app's own scheme; that
is the form of a redirect_uri, and RFC 8707 asks for the same: absolute, without a fragment.

Source: RFC 8707 section 2; Cognito Developer Guide, "Authorize endpoint" and "Token endpoint", resource.
"""

from velvetrope.oauth.errors import InvalidTarget
from velvetrope.oauth.redirects import is_redirect_uri

__all__ = ["check_granted_resource", "check_resource_indicator"]


def check_resource_indicator(resource: str) -> None:
    """
    Raises:
        InvalidTarget: not a URI of such a form.
    """
    if not is_redirect_uri(resource):
        raise InvalidTarget("resource must be an absolute URI that begins with https://, http://localhost or a scheme")


def check_granted_resource(asked: str | None, *, granted: str | None) -> None:
    """A token request names the resource of its grant, or none: it cannot have the token made for somebody else.

    UNVERIFIED: whether AWS reads `resource` with a code or a refresh token. This is the reading of RFC 8707 section 2.2
    that gives nothing away.

    Raises:
        InvalidTarget: another one.
    """
    if asked is not None and asked != granted:
        raise InvalidTarget(detail="the resource is not the one of the authorization request")
