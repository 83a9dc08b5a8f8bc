"""The provider's token endpoint: our code becomes its tokens.

The code is sent once, with the PKCE verifier, and never to another provider than the one that the sign-in left for.
Apple takes no secret but a JWT of five minutes that our key of it has signed.

Source: RFC 6749 sections 2.3.1 and 4.1.3; OpenID Connect Core section 3.1.3; Sign in with Apple REST API, "Creating a
client secret"; hosted-ui reference section 3.1 for the sentence.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

from velvetrope.errors import ReasonError
from velvetrope.hosted_ui.relying_party.connections import Connection
from velvetrope.hosted_ui.relying_party.outside import Outside
from velvetrope.hosted_ui.relying_party.refusals import ProviderRefused
from velvetrope.secret import Secret

__all__ = ["ProviderGrant", "parse_object", "redeem"]

_APPLE = "https://appleid.apple.com"
_APPLE_SECRET_SECONDS = 300


@dataclass(frozen=True, slots=True)
class ProviderGrant:
    """What the token endpoint answered."""

    access_token: Secret[str] | None
    id_token: Secret[str] | None
    answer: Mapping[str, Any] = field(repr=False)
    """All of it, for the pool's own function alone."""


async def redeem(
    outside: Outside,
    connection: Connection,
    code: str,
    *,
    code_verifier: Secret[str],
    return_uri: str,
    now: datetime,
) -> ProviderGrant:
    """The provider's tokens for `code`. Nothing about them is proven yet.

    Raises:
        ProviderRefused: it cannot be reached, refuses, or answers something else.
    """
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": return_uri}
    if connection.uses_pkce:
        form["code_verifier"] = code_verifier.reveal()
    headers = _authenticate(connection, form, now)
    try:
        status, body = await outside.http.ask(connection.token_url, headers=headers, form=form)
    except ReasonError as reason:
        raise ProviderRefused(
            f"{connection.name} Error - the token endpoint could not be reached", detail=reason.message
        ) from reason
    if status != 200:
        raise ProviderRefused(
            f"{connection.name} Error - {status} error getting token", detail=body[:300].decode(errors="replace")
        )
    answer = parse_object(connection, body)
    return ProviderGrant(_secret(answer, "access_token"), _secret(answer, "id_token"), answer)


def parse_object(connection: Connection, body: bytes) -> dict[str, Any]:
    """A JSON object that the provider answered.

    Raises:
        ProviderRefused: it is none.
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ProviderRefused(f"{connection.name} Error - the answer is not a JSON object")
    return found


def _authenticate(connection: Connection, form: dict[str, str], now: datetime) -> Mapping[str, str]:
    """Put our credentials into the form, or answer the header that has them."""
    secret = connection.client_secret
    if connection.client_authentication == "basic" and secret is not None:
        # RFC 6749 section 2.3.1: both are form-encoded first.
        pair = f"{quote(connection.client_id, safe='')}:{quote(secret.reveal(), safe='')}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    form["client_id"] = connection.client_id
    if connection.client_authentication == "apple":
        form["client_secret"] = _apple_secret(connection, now)
    elif secret is not None:
        form["client_secret"] = secret.reveal()
    return {}


def _apple_secret(connection: Connection, now: datetime) -> str:
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import ECKey

    details, issued_at = connection.details, int(now.timestamp())
    claims = {
        "iss": details["team_id"],
        "iat": issued_at,
        "exp": issued_at + _APPLE_SECRET_SECONDS,
        "aud": _APPLE,
        "sub": connection.client_id,
    }
    try:
        key = ECKey.import_key(_as_pem(details["private_key"]))
        return jwt.encode({"alg": "ES256", "kid": details["key_id"]}, claims, key, algorithms=["ES256"])
    except (JoseError, ValueError) as unusable:
        raise ProviderRefused(
            "SignInWithApple Error - the private key cannot be used", detail=type(unusable).__name__
        ) from None


def _as_pem(private_key: str) -> str:
    """AWS takes the text of Apple's file with or without its first and last line."""
    text = private_key.strip()
    if text.startswith("-----BEGIN"):
        return text
    return f"-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----"


def _secret(answer: Mapping[str, Any], name: str) -> Secret[str] | None:
    value = answer.get(name)
    return Secret(value) if isinstance(value, str) and value else None
