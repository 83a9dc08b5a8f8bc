"""Which role an identity gets in the enhanced flow.

    1  no logins: the `unauthenticated` role; a custom role cannot be asked for
    2  a role mapping for the login (of a user pool, its `provider:client id`): what the token says, or the first rule
       that matches
    3  no mapping: the `authenticated` role
    4  nothing decided: the mapping's AmbiguousRoleResolution, the `authenticated` role or nobody's

With several logins the first that has a mapping decides. A custom role must be one that the token lists or that some
matching rule gives; then it goes before the token's preferred role and before the order of the rules.

A rule compares one claim with one value. Of a claim that is a list each member is compared; NotEqual wants none of them
equal, and does not match an absent claim. Wildcards are not a thing here. (How AWS compares lists is UNVERIFIED.)

Source: Cognito Developer Guide, "Using role-based access control".
"""

from collections.abc import Mapping, Sequence
from typing import Any

from velvetrope.identitypools.errors import NotAuthorizedException, bad_configuration
from velvetrope.identitypools.logins import VerifiedLogin
from velvetrope.store.tables.identitypools import IdentityPool, MappingRule, RoleMapping

__all__ = ["choose_role", "claim_texts", "rule_matches"]


def choose_role(pool: IdentityPool, logins: Sequence[VerifiedLogin], *, custom_role_arn: str | None) -> str:
    """The ARN of the role. Whether it may be assumed is its trust policy's word.

    Raises:
        InvalidIdentityPoolConfigurationException: the pool has no role of the kind that is wanted.
        NotAuthorizedException: a custom role that is not offered, or an ambiguous choice that the pool denies.
    """
    if not logins:
        if custom_role_arn is not None:
            raise _refused("a guest cannot choose a role")
        return _default_role(pool, "unauthenticated")
    for login in logins:
        mapping = pool.role_mappings.get(login.role_mapping_key)
        if mapping is not None:
            return _mapped_role(pool, mapping, login.claims, custom_role_arn)
    if custom_role_arn is not None:
        raise _refused("there is no role mapping that could offer a custom role")
    return _default_role(pool, "authenticated")


def _mapped_role(
    pool: IdentityPool, mapping: RoleMapping, claims: Mapping[str, Any], custom_role_arn: str | None
) -> str:
    if mapping.type == "Token":
        offered = claim_texts(claims.get("cognito:roles"))
        preferred = claim_texts(claims.get("cognito:preferred_role"))
    else:
        rules = () if mapping.rules_configuration is None else mapping.rules_configuration.rules
        offered = preferred = tuple(rule.role_arn for rule in rules if rule_matches(rule, claims))
    if custom_role_arn is not None:
        if custom_role_arn not in offered:
            raise _refused(f"{custom_role_arn} is not among the roles that this login offers")
        return custom_role_arn
    if preferred:
        return preferred[0]
    if mapping.ambiguous_role_resolution != "AuthenticatedRole":
        raise _refused("no role could be chosen, and the pool says Deny in that case")
    return _default_role(pool, "authenticated")


def rule_matches(rule: MappingRule, claims: Mapping[str, Any]) -> bool:
    """Whether the claim is there and compares as the rule says."""
    values = claim_texts(claims.get(rule.claim))
    if not values:
        return False
    if rule.match_type == "Equals":
        return rule.value in values
    if rule.match_type == "NotEqual":
        return rule.value not in values
    if rule.match_type == "StartsWith":
        return any(value.startswith(rule.value) for value in values)
    return any(rule.value in value for value in values)


def claim_texts(value: object) -> tuple[str, ...]:
    """A claim as texts: none if absent, each member of a list; what is no text, number or boolean is left out."""
    if isinstance(value, list):
        return tuple(text for member in value for text in claim_texts(member))
    if isinstance(value, bool):
        return ("true" if value else "false",)
    if isinstance(value, str | int):
        return (str(value),)
    return ()


def _default_role(pool: IdentityPool, kind: str) -> str:
    role_arn = pool.roles.get(kind)
    if role_arn is None:
        raise bad_configuration(f"the pool has no {kind} role")
    return role_arn


def _refused(detail: str) -> NotAuthorizedException:
    # UNVERIFIED: the code is AWS's, the sentence is not known.
    return NotAuthorizedException("The requested role is not available to this identity.", detail=detail)
