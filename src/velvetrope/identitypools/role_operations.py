"""Which roles a pool hands out, and which claims become session tags.

Whoever gives a pool a role lets everybody in the pool use that role, so the caller needs `iam:PassRole` for it besides
the permission to call the operation; both were judged before we are called. A role lives in the account of its pool.

Source: Cognito Identity API, SetIdentityPoolRoles, SetPrincipalTagAttributeMap; IAM User Guide, "Grant a user
permissions to pass a role to an AWS service".
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from velvetrope.arn import InvalidArn, parse_arn
from velvetrope.identitypools.errors import AccessDeniedException, InvalidParameterException, pool_missing
from velvetrope.identitypools.identities import IdentityResolver
from velvetrope.identitypools.logins import PUBLIC_ISSUERS, USER_POOL_PROVIDER, open_id_login_key
from velvetrope.identitypools.principal_tags import DEFAULT_TAGS
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.identitypools import IdentityPool, IdentityPoolStore, PrincipalTagMap, RoleMapping
from velvetrope.tags import is_reserved

__all__ = ["RoleOperations"]

_ROLE_KINDS: Final = frozenset(("authenticated", "unauthenticated"))


class RoleOperations:
    """Roles, role mappings and principal tags of pools."""

    def __init__(self, store: IdentityPoolStore, resolver: IdentityResolver) -> None:
        self._store = store
        self._resolver = resolver

    @operation
    async def set_identity_pool_roles(
        self,
        call: Call,
        *,
        identity_pool_id: str,
        roles: dict[str, str],
        role_mappings: dict[str, RoleMapping] | None = None,
    ) -> Answer:
        """The pool has these roles and mappings, and no others."""
        mappings = role_mappings or {}
        _check_roles(roles, mappings)
        pool = await self._resolver.find_pool(identity_pool_id, call)
        if any(parse_arn(role_arn).account_id != pool.account_id for role_arn in _roles_in(roles, mappings)):
            raise AccessDeniedException("Cross-account pass role is not allowed.")
        changed = await self._store.change_pool(
            pool.id,
            lambda present: msgspec.structs.replace(present, roles=roles, role_mappings=mappings, modified_at=call.now),
        )
        if changed is None:
            raise pool_missing(identity_pool_id)
        return None

    @operation
    async def get_identity_pool_roles(self, call: Call, *, identity_pool_id: str) -> Answer:
        """The pool's roles and mappings."""
        pool = await self._resolver.find_pool(identity_pool_id, call)
        return {
            "identity_pool_id": pool.id,
            "roles": pool.roles or None,
            "role_mappings": pool.role_mappings or None,
        }

    @operation
    async def set_principal_tag_attribute_map(
        self,
        call: Call,
        *,
        identity_pool_id: str,
        identity_provider_name: str,
        use_defaults: bool = False,
        principal_tags: dict[str, str] | None = None,
    ) -> Answer:
        """Sessions of users of this provider carry these tags. The default map takes the place of `principal_tags`."""
        if not USER_POOL_PROVIDER.fullmatch(identity_provider_name) and not _is_other_provider(identity_provider_name):
            raise InvalidParameterException(
                f"{identity_provider_name} is not a supported provider: it is "
                "cognito-idp.REGION.amazonaws.com/POOL_ID, the ARN of an OpenID Connect or SAML provider, or a public "
                "provider that issues ID tokens."
            )
        tags = principal_tags or {}
        if any(is_reserved(key) for key in tags):
            raise InvalidParameterException("Tag keys that begin with aws: are reserved.")
        if len({key.lower() for key in tags}) != len(tags):
            raise InvalidParameterException("Tag keys must differ by more than their case.")
        await self._resolver.find_pool(identity_pool_id, call)
        mapping = PrincipalTagMap(use_defaults=use_defaults, principal_tags={} if use_defaults else tags)

        def mapped(present: IdentityPool) -> IdentityPool:
            maps = present.principal_tag_maps | {identity_provider_name: mapping}
            return msgspec.structs.replace(present, principal_tag_maps=maps, modified_at=call.now)

        if await self._store.change_pool(identity_pool_id, mapped) is None:
            raise pool_missing(identity_pool_id)
        return _render_map(identity_pool_id, identity_provider_name, mapping)

    @operation
    async def get_principal_tag_attribute_map(
        self, call: Call, *, identity_pool_id: str, identity_provider_name: str
    ) -> Answer:
        """The map of this provider; empty if there is none."""
        pool = await self._resolver.find_pool(identity_pool_id, call)
        mapping = pool.principal_tag_maps.get(identity_provider_name, PrincipalTagMap())
        return _render_map(identity_pool_id, identity_provider_name, mapping)


def _check_roles(roles: Mapping[str, str], mappings: Mapping[str, RoleMapping]) -> None:
    for kind in roles:
        if kind not in _ROLE_KINDS:
            raise InvalidParameterException(
                f"{kind} is not a kind of role; they are authenticated and unauthenticated."
            )
    for role_arn in _roles_in(roles, mappings):
        try:
            arn = parse_arn(role_arn)
        except InvalidArn as error:
            raise InvalidParameterException(error.message) from error
        if arn.service != "iam" or arn.resource.partition("/")[0] != "role":
            raise InvalidParameterException(f"{role_arn} is not a valid role ARN")
    for provider, mapping in mappings.items():
        if mapping.ambiguous_role_resolution is None:
            raise InvalidParameterException(f"AmbiguousRoleResolution is required in the role mapping of {provider}.")
        if (mapping.type == "Rules") != (mapping.rules_configuration is not None):
            raise InvalidParameterException(f"RulesConfiguration goes with a role mapping of type Rules: {provider}.")
        if not USER_POOL_PROVIDER.fullmatch(provider.rpartition(":")[0]) and not _is_other_provider(provider):
            raise InvalidParameterException(
                f"{provider} is not a supported provider: it is cognito-idp.REGION.amazonaws.com/POOL_ID:CLIENT_ID, "
                "the ARN of an OpenID Connect or SAML provider, or a public provider that issues ID tokens."
            )


def _is_other_provider(key: str) -> bool:
    """Whether the key names a provider of logins that is no user pool. A mapping for one the pool lacks is idle."""
    if key in PUBLIC_ISSUERS:
        return True
    return key.startswith("arn:aws:iam::") and (bool(open_id_login_key(key)) or ":saml-provider/" in key)


def _roles_in(roles: Mapping[str, str], mappings: Mapping[str, RoleMapping]) -> list[str]:
    """Every role that is named, each once."""
    ruled = [
        rule.role_arn
        for mapping in mappings.values()
        if mapping.rules_configuration is not None
        for rule in mapping.rules_configuration.rules
    ]
    return list(dict.fromkeys([*roles.values(), *ruled]))


def _render_map(pool_id: str, provider: str, mapping: PrincipalTagMap) -> dict[str, object]:
    return {
        "identity_pool_id": pool_id,
        "identity_provider_name": provider,
        "use_defaults": mapping.use_defaults,
        "principal_tags": DEFAULT_TAGS if mapping.use_defaults else mapping.principal_tags,
    }
