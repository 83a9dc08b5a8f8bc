"""The pre token generation trigger: what a pool's function changes about tokens before they are signed.

Version 1 changes the ID token's claims and the groups that both tokens tell; version 2 changes the access token too,
with values of any JSON type, and its scopes; version 3 is version 2 for machines as well. Which version a function is
asked in is the pool's setting (LambdaConfig).

Claims that identify the token or its user cannot be changed: what a function says about them is not obeyed, as on AWS.
Groups that a function names take the place of the user's in this token and in no policy of ours.

Source: Cognito Developer Guide, "Pre token generation Lambda trigger"; user-pools reference section 8.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from velvetrope.store.tables.userpools import User, UserPool
from velvetrope.userpools.errors import InvalidLambdaResponseException
from velvetrope.userpools.triggers.invocations import Occasion, Triggers, function_of, user_attributes

__all__ = ["ClaimChanges", "TokenChanges", "TokenGeneration"]

_RESERVED = frozenset(
    {
        *("acr", "amr", "at_hash", "auth_time", "azp", "event_id", "exp", "iat", "identities", "iss", "jti", "nbf"),
        *("nonce", "origin_jti", "sub", "token_use"),
        # Besides those that AWS lists: who the token is for, and which user and device it stands for.
        *("aud", "client_id", "device_key", "scope", "username", "version"),
    }
)
_RESERVED_PREFIXES = ("cognito:", "dev:")
_RESERVED_SCOPES = "aws.cognito"
_FOR_MACHINES_TOO = "3"


class _Groups(msgspec.Struct, frozen=True, rename="camel"):
    groups_to_override: list[str] | None = None
    iam_roles_to_override: list[str] | None = None
    preferred_role: str | None = None


class _ClaimsOverride(msgspec.Struct, frozen=True, rename="camel"):
    claims_to_add_or_override: dict[str, str] | None = None
    claims_to_suppress: list[str] | None = None
    group_override_details: _Groups | None = None


class _Version1(msgspec.Struct, frozen=True, rename="camel"):
    claims_override_details: _ClaimsOverride | None = None


class _IdToken(msgspec.Struct, frozen=True, rename="camel"):
    claims_to_add_or_override: dict[str, object] | None = None
    claims_to_suppress: list[str] | None = None


class _AccessToken(_IdToken, frozen=True, rename="camel"):
    scopes_to_add: list[str] | None = None
    scopes_to_suppress: list[str] | None = None


class _ClaimsAndScopes(msgspec.Struct, frozen=True, rename="camel"):
    id_token_generation: _IdToken | None = None
    access_token_generation: _AccessToken | None = None
    group_override_details: _Groups | None = None


class _Version2(msgspec.Struct, frozen=True, rename="camel"):
    claims_and_scope_override_details: _ClaimsAndScopes | None = None


@dataclass(frozen=True, slots=True)
class ClaimChanges:
    """What becomes of one token's claims."""

    added: Mapping[str, object] = field(default_factory=dict)
    suppressed: frozenset[str] = frozenset()

    def applied(self, claims: dict[str, object]) -> dict[str, object]:
        """`claims` with the changes, those that may not be changed as they were."""
        if not self.suppressed and not self.added:
            return claims
        kept = {name: value for name, value in claims.items() if _is_reserved(name) or name not in self.suppressed}
        added = {
            name: value
            for name, value in self.added.items()
            if not _is_reserved(name) and name not in self.suppressed and value is not None
        }
        return {**kept, **added}


@dataclass(frozen=True, slots=True)
class TokenChanges:
    """What a function said about the tokens of one user; nothing by default."""

    id_token: ClaimChanges = ClaimChanges()
    access_token: ClaimChanges = ClaimChanges()
    scopes_added: tuple[str, ...] = ()
    scopes_suppressed: frozenset[str] = frozenset()
    groups: tuple[str, ...] | None = None
    """In the place of the user's groups, where not None; likewise the two below."""
    roles: tuple[str, ...] | None = None
    preferred_role: str | None = None

    def scopes(self, scopes: Sequence[str]) -> tuple[str, ...]:
        """The access token's scopes. Scopes of AWS's own cannot be added."""
        if not self.scopes_added and not self.scopes_suppressed:
            return tuple(dict.fromkeys(scopes))
        added = (scope for scope in self.scopes_added if not scope.startswith(_RESERVED_SCOPES))
        return tuple(scope for scope in dict.fromkeys((*scopes, *added)) if scope not in self.scopes_suppressed)


_UNCHANGED = TokenChanges()


class TokenGeneration:
    """Asks the trigger."""

    def __init__(self, triggers: Triggers) -> None:
        self._triggers = triggers

    @staticmethod
    def is_silent(pool: UserPool) -> bool:
        """Whether the pool has no function that changes anything."""
        return function_of(pool, "PreTokenGeneration") is None

    async def changes(
        self,
        occasion: Occasion,
        source: str,
        user: User,
        *,
        groups: Sequence[str],
        roles: Sequence[str],
        preferred_role: str | None,
        scopes: Sequence[str],
    ) -> TokenChanges:
        """What is to be changed; nothing where the pool has no such trigger.

        Raises:
            UserLambdaValidationException, UnexpectedLambdaException, InvalidLambdaResponseException: see `Triggers`.
        """
        if self.is_silent(occasion.pool):
            return _UNCHANGED
        request: dict[str, object] = {
            "userAttributes": user_attributes(user),
            "groupConfiguration": {
                "groupsToOverride": list(groups),
                "iamRolesToOverride": list(roles),
                "preferredRole": preferred_role,
            },
        }
        version = _version(occasion.pool)
        if version == "1":
            response: dict[str, object] = {"claimsOverrideDetails": None}
            first = await self._triggers.ask("PreTokenGeneration", source, occasion, request, response, _Version1)
            return TokenChanges() if first is None else _changes_of_version_1(first)
        return await self._ask_version_2(occasion, source, {**request, "scopes": list(scopes)}, version)

    async def machine_changes(self, occasion: Occasion, *, scopes: Sequence[str]) -> TokenChanges:
        """What is to be changed about the token of a client that stands for itself: asked in version 3 only.

        Raises:
            UserLambdaValidationException, UnexpectedLambdaException, InvalidLambdaResponseException: see `Triggers`.
        """
        version = _version(occasion.pool)
        if version != _FOR_MACHINES_TOO:
            return TokenChanges()
        request = {
            "userAttributes": user_attributes(None),
            "groupConfiguration": {"groupsToOverride": [], "iamRolesToOverride": [], "preferredRole": None},
            "scopes": list(scopes),
        }
        return await self._ask_version_2(occasion, "TokenGeneration_ClientCredentials", request, version)

    async def _ask_version_2(
        self, occasion: Occasion, source: str, request: Mapping[str, object], version: str
    ) -> TokenChanges:
        response: dict[str, object] = {"claimsAndScopeOverrideDetails": None}
        answer = await self._triggers.ask(
            "PreTokenGeneration", source, occasion, request, response, _Version2, version=version
        )
        return TokenChanges() if answer is None else _changes_of_version_2(answer)


def _version(pool: UserPool) -> str:
    versioned = pool.lambda_config.pre_token_generation_config
    return "1" if versioned is None else versioned.lambda_version.removeprefix("V").partition("_")[0]


def _changes_of_version_1(response: _Version1) -> TokenChanges:
    details = response.claims_override_details
    if details is None:
        return TokenChanges()
    changes = ClaimChanges(
        added=dict(details.claims_to_add_or_override or {}),
        suppressed=frozenset(details.claims_to_suppress or ()),
    )
    return _with_groups(TokenChanges(id_token=changes), details.group_override_details)


def _changes_of_version_2(response: _Version2) -> TokenChanges:
    details = response.claims_and_scope_override_details
    if details is None:
        return TokenChanges()
    access = details.access_token_generation
    added = tuple(() if access is None else access.scopes_to_add or ())
    if any(not scope or any(c.isspace() for c in scope) for scope in added):
        raise InvalidLambdaResponseException("Unrecognizable lambda output", detail="a scope holds a space")
    changes = TokenChanges(
        id_token=_claim_changes(details.id_token_generation),
        access_token=_claim_changes(access),
        scopes_added=added,
        scopes_suppressed=frozenset(() if access is None else access.scopes_to_suppress or ()),
    )
    return _with_groups(changes, details.group_override_details)


def _claim_changes(generation: _IdToken | None) -> ClaimChanges:
    if generation is None:
        return ClaimChanges()
    return ClaimChanges(
        added=dict(generation.claims_to_add_or_override or {}),
        suppressed=frozenset(generation.claims_to_suppress or ()),
    )


def _with_groups(changes: TokenChanges, groups: _Groups | None) -> TokenChanges:
    if groups is None:
        return changes
    return TokenChanges(
        id_token=changes.id_token,
        access_token=changes.access_token,
        scopes_added=changes.scopes_added,
        scopes_suppressed=changes.scopes_suppressed,
        groups=None if groups.groups_to_override is None else tuple(groups.groups_to_override),
        roles=None if groups.iam_roles_to_override is None else tuple(groups.iam_roles_to_override),
        preferred_role=groups.preferred_role,
    )


def _is_reserved(name: str) -> bool:
    return name in _RESERVED or name.startswith(_RESERVED_PREFIXES)
