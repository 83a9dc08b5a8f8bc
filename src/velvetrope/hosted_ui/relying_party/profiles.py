"""What a provider tells of a person besides the ID token: the userinfo endpoint, Graph's `me`, Amazon's profile.

It is asked where there is no ID token, and where a claim that the pool maps is not in it. Of an OpenID Connect provider
it has to be about the same `sub` (a mix-up of access tokens would otherwise dress one person in another's attributes),
and what the ID token says goes before it. Facebook is asked for the fields that are mapped, with a proof that our
secret is behind the request.

Source: OpenID Connect Core section 5.3; RFC 6750 section 2.1; Meta for Developers, "Secure Graph API calls".
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from velvetrope.errors import ReasonError
from velvetrope.hosted_ui.relying_party.connections import Connection
from velvetrope.hosted_ui.relying_party.grants import ProviderGrant, parse_object
from velvetrope.hosted_ui.relying_party.outside import Outside
from velvetrope.hosted_ui.relying_party.refusals import ProviderRefused
from velvetrope.oauth import put_on_uri

__all__ = ["Profile", "load_profile"]

_MAX_SUBJECT_CHARACTERS = 255


@dataclass(frozen=True, slots=True)
class Profile:
    """Who somebody is at the provider, and what it told of them besides the ID token."""

    subject: str
    attributes: Mapping[str, Any] = field(repr=False)


async def load_profile(
    outside: Outside, connection: Connection, grant: ProviderGrant, claims: Mapping[str, Any]
) -> Profile:
    """Who signs in, and what is told of them; `claims` are those of the verified ID token, if there is one.

    Raises:
        ProviderRefused: the profile cannot be had, has no subject, or is about somebody else.
    """
    wanted = set(connection.provider.attribute_mapping.values())
    if connection.issuer is not None and (wanted <= claims.keys() or connection.profile_url is None):
        return Profile(str(claims["sub"]), {})
    if connection.profile_url is None or grant.access_token is None:
        raise ProviderRefused(f"{connection.name} Error - there is no access token for the user's attributes")
    profile = await _ask(outside, connection, connection.profile_url, grant.access_token.reveal(), wanted)
    subject = profile.get(connection.subject_claim)
    if not isinstance(subject, str) or not 1 <= len(subject) <= _MAX_SUBJECT_CHARACTERS:
        raise ProviderRefused(f"{connection.name} Error - the user's attributes have no {connection.subject_claim}")
    if connection.issuer is not None and subject != claims["sub"]:
        raise ProviderRefused(f"{connection.name} Error - the user's attributes are another user's")
    return Profile(subject, profile)


async def _ask(
    outside: Outside, connection: Connection, address: str, access_token: str, wanted: set[str]
) -> dict[str, Any]:
    if connection.provider.provider_type == "Facebook":
        address = put_on_uri(address, _graph_parameters(connection, access_token, wanted), in_fragment=False)
    by_post = connection.details.get("attributes_request_method") == "POST"
    try:
        status, body = await outside.http.ask(
            address, headers={"Authorization": f"Bearer {access_token}"}, form={} if by_post else None
        )
    except ReasonError as reason:
        raise ProviderRefused(
            f"{connection.name} Error - the user's attributes could not be had", detail=reason.message
        ) from reason
    if status != 200:
        raise ProviderRefused(
            f"{connection.name} Error - {status} error getting user attributes",
            detail=body[:300].decode(errors="replace"),
        )
    return parse_object(connection, body)


def _graph_parameters(connection: Connection, access_token: str, wanted: set[str]) -> dict[str, str]:
    parameters = {"fields": ",".join(sorted({"id", *wanted}))}
    if connection.client_secret is not None:
        proof = hmac.digest(connection.client_secret.reveal().encode(), access_token.encode(), hashlib.sha256)
        parameters["appsecret_proof"] = proof.hex()
    return parameters
