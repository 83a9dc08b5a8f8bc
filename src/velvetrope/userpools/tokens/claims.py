"""What ID and access tokens say: the claims of AWS, about a user, their groups and the session they belong to.

A function of the pool may have changed what is told about groups, roles and scopes, and single claims
(`token_generation`). Times are whole epoch seconds.

Sources: user-pools reference section 4; Cognito Developer Guide, "Using the ID token", "Using the access token",
"App client settings terminology"; OIDC Core sections 3.1.3.6 and 5.1.1.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from velvetrope.identifiers import UuidSource
from velvetrope.store.tables.userpools import AppClient, Group, User
from velvetrope.store.tables.userpools_sign_in import TokenFamily
from velvetrope.userpools.triggers.token_generation import TokenChanges
from velvetrope.userpools.users.attributes import readable
from velvetrope.userpools.users.identities import identities_claim

__all__ = ["ClaimWriter", "Granted", "Told", "epoch_seconds"]

_ATTRIBUTES_OF_SCOPE: Mapping[str, Collection[str]] = {
    "email": ("email", "email_verified"),
    "phone": ("phone_number", "phone_number_verified"),
}
_BOOLEANS = ("email_verified", "phone_number_verified")
_NOTHING_CHANGED = TokenChanges()


@dataclass(frozen=True, slots=True)
class Granted:
    """What a user's groups give them, the group that goes first first."""

    groups: tuple[str, ...]
    roles: tuple[str, ...]
    preferred_role: str | None

    @classmethod
    def by(cls, groups: Sequence[Group]) -> "Granted":
        if not groups:
            return _NOTHING_GRANTED
        ranked = _by_precedence(groups)
        return cls(
            tuple(group.group_name for group in ranked),
            tuple(dict.fromkeys(group.role_arn for group in ranked if group.role_arn is not None)),
            _preferred_role(ranked),
        )


_NOTHING_GRANTED = Granted((), (), None)


class Told(msgspec.Struct, frozen=True):
    """Groups, roles and scopes that tokens tell, and what a trigger changes about their claims."""

    groups: tuple[str, ...]
    roles: tuple[str, ...]
    preferred_role: str | None
    scopes: tuple[str, ...]
    changes: TokenChanges

    @classmethod
    def of(cls, granted: Granted, scopes: tuple[str, ...], changes: TokenChanges = _NOTHING_CHANGED) -> "Told":
        return cls(
            groups=granted.groups if changes.groups is None else changes.groups,
            roles=granted.roles if changes.roles is None else changes.roles,
            preferred_role=changes.preferred_role or (granted.preferred_role if changes.roles is None else None),
            scopes=changes.scopes(scopes),
            changes=changes,
        )


class ClaimWriter:
    """Writes the claims of one issue of tokens; both tokens share their `event_id`."""

    def __init__(
        self,
        issuer: str,
        client: AppClient,
        user: User,
        family: TokenFamily,
        told: Told,
        *,
        now: datetime,
        ids: UuidSource,
    ) -> None:
        self._client = client
        self._user = user
        self._family = family
        self._told = told
        self._ids = ids
        self._issued_at = epoch_seconds(now)
        self._shared: dict[str, object] = {
            "sub": user.sub,
            "iss": issuer,
            "event_id": ids.next(),
            "auth_time": epoch_seconds(family.authenticated_at),
            "iat": self._issued_at,
        }
        if told.groups:
            self._shared["cognito:groups"] = list(told.groups)
        if client.enable_token_revocation:
            self._shared["origin_jti"] = family.origin_jti

    def access_claims(self) -> dict[str, object]:
        """What the access token says."""
        client, family = self._client, self._family
        claims: dict[str, object] = {
            **self._shared,
            "client_id": client.client_id,
            "token_use": "access",
            "scope": " ".join(self._told.scopes),
            "exp": self._issued_at + client.access_token_validity_seconds,
            "jti": self._ids.next(),
            "username": self._user.username,
        }
        if family.resource is not None:
            claims["aud"] = family.resource
        if family.device_key is not None:
            claims["device_key"] = family.device_key
        if family.hosted:
            claims["version"] = 2  # seen on tokens of the OAuth endpoints only
        return self._told.changes.access_token.applied(claims)

    def id_claims(self, *, nonce: str | None, at_hash: str | None) -> dict[str, object]:
        """What the ID token says; `at_hash` where it was issued along with an access token of the hosted pages."""
        client, user, told = self._client, self._user, self._told
        claims: dict[str, object] = {
            **self._shared,
            "aud": client.client_id,
            "token_use": "id",
            "exp": self._issued_at + client.id_token_validity_seconds,
            "cognito:username": user.username,
        }
        for name, value in user.attributes.items():
            if value and readable(client, name) and _in_scope(name, self._family.scopes):
                claims[name] = _claim_of(name, value)
        if user.identities and readable(client, "identities"):
            claims["identities"] = identities_claim(user)
        if client.enable_token_revocation:
            claims["jti"] = self._ids.next()
        if nonce is not None:
            claims["nonce"] = nonce
        if told.roles:
            claims["cognito:roles"] = list(told.roles)
        if told.preferred_role is not None:
            claims["cognito:preferred_role"] = told.preferred_role
        claims = told.changes.id_token.applied(claims)
        if at_hash is not None:
            claims["at_hash"] = at_hash
        return claims


def epoch_seconds(moment: datetime) -> int:
    """Whole seconds since 1970-01-01 UTC."""
    return int(moment.timestamp())


def _preferred_role(groups: Sequence[Group]) -> str | None:
    """The only role there is, or else that of the group that goes first, if it is clear which that is.

    Lower precedence goes first; groups without one go last and give no preferred role among several. Where several
    groups share the lowest precedence they must agree on the role (Developer Guide, "Role-based access control", "Using
    tokens to assign roles to users", and "Adding groups to a user pool").
    """
    allowed = {group.role_arn for group in groups if group.role_arn is not None}
    if len(allowed) == 1:
        return allowed.pop()
    ranked = [(group.precedence, group.role_arn) for group in groups if group.precedence is not None]
    if not ranked:
        return None
    lowest = min(precedence for precedence, _ in ranked)
    roles = {role for precedence, role in ranked if precedence == lowest}
    return roles.pop() if len(roles) == 1 else None


def _by_precedence(groups: Sequence[Group]) -> list[Group]:
    return sorted(groups, key=lambda group: (group.precedence is None, group.precedence or 0, group.group_name))


def _in_scope(attribute: str, scopes: Collection[str]) -> bool:
    """Whether the scopes let the ID token carry the attribute.

    `profile` gives everything readable, and so does asking for none of email, phone and profile: tokens of
    InitiateAuth, and `openid` alone (Developer Guide, "App client settings terminology").
    """
    asked = {"email", "phone", "profile"}.intersection(scopes)
    if not asked or "profile" in asked:
        return True
    return any(attribute in _ATTRIBUTES_OF_SCOPE[scope] for scope in asked)


def _claim_of(name: str, value: str) -> object:
    """An attribute as the ID token has it: a text, but for three.

    What somebody wrote as their address is its `formatted` form (OIDC Core section 5.1.1; seen on AWS in
    https://github.com/aws-amplify/amplify-js/issues/4935).
    """
    if name == "address":
        return {"formatted": value}
    return value == "true" if name in _BOOLEANS else value
