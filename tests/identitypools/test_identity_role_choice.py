"""Which role an identity gets: one row per sentence of "Using role-based access control"."""

from datetime import UTC, datetime
from typing import Any, Literal

import pytest

from support.identitypools import CLIENT, OTHER_CLIENT, PROVIDER, role_arn
from velvetrope.identitypools.errors import NotAuthorizedException
from velvetrope.identitypools.logins import VerifiedLogin
from velvetrope.identitypools.role_choice import choose_role, rule_matches
from velvetrope.store.tables.identitypools import IdentityPool, MappingRule, RoleMapping, RulesConfiguration

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MEMBER, GUEST, ADMIN, EDITOR = (role_arn(name) for name in ("Member", "Guest", "Admin", "Editor"))


def rule(claim: str, match_type: Any, value: str, arn: str = ADMIN) -> MappingRule:
    return MappingRule(claim=claim, match_type=match_type, value=value, role_arn=arn)


def pool(mapping: RoleMapping | None = None, *, client: str = CLIENT) -> IdentityPool:
    return IdentityPool(
        id="us-west-2:pool",
        account_id="123456789012",
        region="us-west-2",
        name="demo",
        allow_unauthenticated_identities=True,
        created_at=NOW,
        modified_at=NOW,
        roles={"authenticated": MEMBER, "unauthenticated": GUEST},
        role_mappings={} if mapping is None else {f"{PROVIDER}:{client}": mapping},
    )


def by_token(resolution: Literal["AuthenticatedRole", "Deny"]) -> RoleMapping:
    return RoleMapping(type="Token", ambiguous_role_resolution=resolution)


def by_rules(resolution: Literal["AuthenticatedRole", "Deny"], *rules: MappingRule) -> RoleMapping:
    return RoleMapping(
        type="Rules", ambiguous_role_resolution=resolution, rules_configuration=RulesConfiguration(rules=rules)
    )


def chosen(mapping: RoleMapping | None, *, custom: str | None = None, client: str = CLIENT, **claims: Any) -> str:
    login = VerifiedLogin(PROVIDER, "alice", CLIENT, {"sub": "alice", "aud": CLIENT, **claims})
    return choose_role(pool(mapping, client=client), [login], custom_role_arn=custom)


BOTH: dict[str, Any] = {"cognito:roles": [ADMIN, EDITOR]}
STAFF_CLAIMS: dict[str, Any] = {"custom:kind": "staff"}
PREFERRED: dict[str, Any] = {**BOTH, "cognito:preferred_role": EDITOR}
ADMINS = rule("cognito:groups", "Contains", "admin")
STAFF = rule("custom:kind", "Equals", "staff", EDITOR)


def test_without_logins_it_is_the_guest_role() -> None:
    assert choose_role(pool(), [], custom_role_arn=None) == GUEST


def test_without_a_mapping_it_is_the_member_role() -> None:
    assert chosen(None, **PREFERRED) == MEMBER


def test_a_mapping_of_another_client_does_not_count() -> None:
    assert chosen(by_token("Deny"), client=OTHER_CLIENT, **PREFERRED) == MEMBER


def test_the_token_s_preferred_role_is_taken() -> None:
    assert chosen(by_token("Deny"), **PREFERRED) == EDITOR


def test_a_custom_role_that_the_token_lists_goes_before_the_preferred_one() -> None:
    assert chosen(by_token("Deny"), custom=ADMIN, **PREFERRED) == ADMIN


@pytest.mark.parametrize("resolution", ["AuthenticatedRole", "Deny"])
def test_a_custom_role_that_the_token_does_not_list_is_refused(
    resolution: Literal["AuthenticatedRole", "Deny"],
) -> None:
    with pytest.raises(NotAuthorizedException):
        chosen(by_token(resolution), custom=GUEST, **PREFERRED)


@pytest.mark.parametrize("claims", [BOTH, {"cognito:roles": [ADMIN]}, {}])
def test_a_token_without_a_preferred_role_is_ambiguous(claims: dict[str, Any]) -> None:
    assert chosen(by_token("AuthenticatedRole"), **claims) == MEMBER
    with pytest.raises(NotAuthorizedException):
        chosen(by_token("Deny"), **claims)


def test_a_mapping_that_does_not_say_what_is_ambiguous_denies() -> None:
    with pytest.raises(NotAuthorizedException):
        chosen(RoleMapping(type="Token"))


def test_the_first_rule_that_matches_decides() -> None:
    claims: dict[str, Any] = {"cognito:groups": ["admins"], "custom:kind": "staff"}

    assert chosen(by_rules("Deny", ADMINS, STAFF), **claims) == ADMIN
    assert chosen(by_rules("Deny", STAFF, ADMINS), **claims) == EDITOR


def test_a_custom_role_of_a_matching_rule_goes_before_the_order() -> None:
    claims: dict[str, Any] = {"cognito:groups": ["admins"], "custom:kind": "staff"}

    assert chosen(by_rules("Deny", ADMINS, STAFF), custom=EDITOR, **claims) == EDITOR


def test_a_custom_role_of_a_rule_that_does_not_match_is_refused() -> None:
    with pytest.raises(NotAuthorizedException):
        chosen(by_rules("AuthenticatedRole", ADMINS, STAFF), custom=ADMIN, **STAFF_CLAIMS)


def test_where_no_rule_matches_it_is_ambiguous() -> None:
    assert chosen(by_rules("AuthenticatedRole", ADMINS, STAFF)) == MEMBER
    with pytest.raises(NotAuthorizedException):
        chosen(by_rules("Deny", ADMINS, STAFF))


def test_rules_do_not_look_at_what_the_token_prefers() -> None:
    assert chosen(by_rules("AuthenticatedRole", STAFF), **PREFERRED) == MEMBER


@pytest.mark.parametrize(
    ("match_type", "value", "claim", "matches"),
    [
        ("Equals", "a", "a", True),
        ("Equals", "a", "A", False),
        ("Equals", "a*", "ab", False),
        ("Equals", "true", True, True),
        ("Equals", "7", 7, True),
        ("Equals", "a", ["b", "a"], True),
        ("Equals", "a", None, False),
        ("Equals", "a", {"a": "a"}, False),
        ("Contains", "b", "abc", True),
        ("Contains", "b", "ac", False),
        ("StartsWith", "ab", "abc", True),
        ("StartsWith", "bc", "abc", False),
        ("NotEqual", "a", "b", True),
        ("NotEqual", "a", "a", False),
        ("NotEqual", "a", ["b", "a"], False),
        ("NotEqual", "a", None, False),
    ],
)
def test_a_rule_compares_as_its_match_type_says(match_type: str, value: str, claim: object, matches: bool) -> None:
    claims = {} if claim is None else {"claim": claim}

    assert rule_matches(rule("claim", match_type, value), claims) is matches
