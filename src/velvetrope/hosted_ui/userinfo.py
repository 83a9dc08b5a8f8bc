"""`/oauth2/userInfo`: the user's attributes, as far as the access token's scopes and the client reach.

    step                              a refusal
    parse the bearer token            400 invalid_request
    verify the access token           401 invalid_token
    check the openid scope            401 invalid_token
    find the user and the client      401 invalid_token
    choose the attributes

Every value is a string, also `email_verified` ("true") and `identities` (JSON, observed), unlike in the ID token.

Source: OpenID Connect Core section 5.3, RFC 6750 section 3; Cognito Developer Guide, "UserInfo endpoint".
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from velvetrope.errors import VelvetropeError
from velvetrope.hosted_ui.directory import UserDirectory
from velvetrope.oauth import InsufficientScope, InvalidBearerToken, parse_bearer_token
from velvetrope.store.tables.userpools import AppClient, User, UserPool

__all__ = ["UserInfoFlow", "unreadable_attributes", "user_info"]

_ATTRIBUTES_OF_SCOPE = {
    "email": frozenset({"email", "email_verified"}),
    "phone": frozenset({"phone_number", "phone_number_verified"}),
}
_ALL_ATTRIBUTES_SCOPE = "profile"


class UserInfoFlow:
    """Answers what an access token may know."""

    def __init__(self, directory: UserDirectory) -> None:
        self._directory = directory

    async def user_info(self, pool: UserPool, *, authorization: str | None, now: datetime) -> dict[str, str]:
        """GET or POST /oauth2/userInfo. `authorization` is the header, if there was one.

        Raises:
            BadBearerRequest, InvalidBearerToken, InsufficientScope: told in `WWW-Authenticate`.
        """
        token = parse_bearer_token(authorization)
        try:
            verified = await self._directory.verify_access_token(pool, token.reveal(), now=now)
        except VelvetropeError as refusal:
            raise InvalidBearerToken(detail=f"{type(refusal).__name__}: {refusal.detail or refusal.message}") from None
        scopes = frozenset(str(verified.claims.get("scope", "")).split())
        if "openid" not in scopes:
            raise InsufficientScope
        user = await self._directory.find_user(pool.id, str(verified.claims["sub"]))
        client = await self._directory.find_client(pool.id, str(verified.claims["client_id"]))
        if user is None or not user.enabled or client is None:
            raise InvalidBearerToken(detail="the user or the client is gone")
        return user_info(user, self._directory.shown_attributes(user), client, scopes)


def user_info(user: User, attributes: Mapping[str, str], client: AppClient, scopes: frozenset[str]) -> dict[str, str]:
    """`sub`, `username`, and the attributes that both the scopes and the client's read list reach.

    `profile` reaches all attributes; so does openid alone, without email or phone beside it.
    """
    reached = _reached(scopes)
    shown = {
        name: value
        for name, value in attributes.items()
        if (reached is None or name in reached) and _client_may_read(client, name)
    }
    return {
        "sub": user.sub,
        **{name: value for name, value in shown.items() if name != "sub"},
        "username": user.username,
    }


def unreadable_attributes(client: AppClient, scopes: Iterable[str]) -> list[str]:
    """Attributes that the scopes promise by name and that the client may not read."""
    promised = sorted(name for scope in scopes for name in _ATTRIBUTES_OF_SCOPE.get(scope, ()))
    return [name for name in promised if not _client_may_read(client, name)]


def _reached(scopes: frozenset[str]) -> frozenset[str] | None:
    """The attributes that the scopes reach; None for all."""
    narrowing = [_ATTRIBUTES_OF_SCOPE[scope] for scope in sorted(scopes & _ATTRIBUTES_OF_SCOPE.keys())]
    if _ALL_ATTRIBUTES_SCOPE in scopes or not narrowing:
        return None
    return frozenset().union(*narrowing)


def _client_may_read(client: AppClient, name: str) -> bool:
    """ReadAttributes; a client that was given none may read the standard attributes."""
    if client.read_attributes is None:
        return ":" not in name  # custom attributes are custom:… and dev:custom:…
    return name in client.read_attributes
