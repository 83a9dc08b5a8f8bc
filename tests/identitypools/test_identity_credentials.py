"""Identities and their credentials: every door of the journey, open to whom it should be and shut to all others."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest

from support.identitypools import (
    ACCOUNT,
    CLIENT,
    COGNITO,
    FORGED_KEY,
    OTHER_CLIENT,
    PROVIDER,
    PUBLIC_URL,
    ROOT,
    USER_POOL,
    World,
    role_arn,
    trusting_pool,
)
from velvetrope.errors import ServiceError
from velvetrope.identitypools import GUEST_SESSION_POLICIES
from velvetrope.identitypools.errors import (
    InvalidIdentityPoolConfigurationException,
    InvalidParameterException,
    NotAuthorizedException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from velvetrope.policy import AuthorizationRequest, PrincipalPolicies, evaluate, parse_policy, request_context
from velvetrope.store.tables.identitypools import CognitoIdentityProvider

NO_POOL = "us-west-2:00000000-0000-4000-8000-000000000000"
NO_GUESTS = "Unauthenticated access is not supported for this identity pool."
BAD_CONFIGURATION = "Invalid identity pool configuration. Check assigned IAM roles for this pool."
NOT_MATCHING = "Logins don't match. Please include at least one valid login for this identity or identity pool."


async def refused(world: World, kind: type[ServiceError], operation: str, **members: Any) -> str:
    """The sentence that the call is refused with."""
    with pytest.raises(kind) as refusal:
        await world.call(operation, **members)
    assert type(refusal.value) is kind
    return refusal.value.message


async def credentials(world: World, identity_id: str, **members: Any) -> Any:
    return await world.call("get_credentials_for_identity", identity_id=identity_id, **members)


async def guest_of(world: World, pool_id: str) -> str:
    answer = await world.call("get_id", identity_pool_id=pool_id)
    identity_id: str = answer["identity_id"]
    return identity_id


# --- guests -----------------------------------------------------------------------------------------------------------


async def test_every_guest_is_a_new_identity(world: World) -> None:
    pool_id = await world.make_pool()

    first, second = await guest_of(world, pool_id), await guest_of(world, pool_id)

    assert first != second
    assert first.startswith("us-west-2:")


async def test_where_there_are_no_guests_get_id_wants_a_login(world: World) -> None:
    pool_id = await world.make_pool(guests=False)

    assert await refused(world, NotAuthorizedException, "get_id", identity_pool_id=pool_id) == NO_GUESTS
    assert await refused(world, NotAuthorizedException, "get_id", identity_pool_id=pool_id, logins={}) == NO_GUESTS
    assert await world.sign_in(pool_id)


async def test_a_guest_of_earlier_days_gets_nothing_once_guests_are_forbidden(world: World) -> None:
    pool_id = await world.make_pool(classic=True)
    guest = await guest_of(world, pool_id)
    await world.forbid_guests(pool_id)

    for operation in ("get_credentials_for_identity", "get_open_id_token"):
        assert await refused(world, NotAuthorizedException, operation, identity_id=guest) == NO_GUESTS


async def test_a_guest_gets_the_guest_role_for_an_hour(world: World) -> None:
    pool_id = await world.make_pool()
    guest = await guest_of(world, pool_id)

    answer = await credentials(world, guest)

    assert answer["identity_id"] == guest
    assert answer["credentials"]["expiration"] == world.clock.now() + timedelta(hours=1)
    holder = world.holder(answer)
    assert holder.arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/Guest/CognitoIdentityCredentials"
    assert holder.unique_id == "AROAGUEST:CognitoIdentityCredentials"
    assert holder.session is not None
    assert holder.session.claims == {
        f"{COGNITO}:aud": (pool_id,),
        f"{COGNITO}:sub": (guest,),
        f"{COGNITO}:amr": ("unauthenticated",),
    }
    assert holder.session.federated_provider == COGNITO


@pytest.mark.parametrize(
    ("action", "allowed"),
    [
        ("execute-api:Invoke", True),
        ("s3:GetObject", True),
        ("rum:PutRumEvents", True),
        ("kms:Decrypt", True),
        ("kms:CreateKey", False),
        ("sts:AssumeRole", False),
        ("iam:CreateUser", False),
        ("kinesis:PutRecord", False),
        ("secretsmanager:GetSecretValue", False),
        ("rum:DeleteAppMonitor", False),
    ],
)
async def test_a_guest_uses_only_the_services_that_guests_may_whatever_the_role_says(
    world: World, action: str, allowed: bool
) -> None:
    pool_id = await world.make_pool()
    guest = world.holder(await credentials(world, await guest_of(world, pool_id)))
    member = world.holder(await credentials(world, await world.sign_in(pool_id), logins=world.logins()))
    everything = parse_policy(
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}', kind="identity"
    )

    assert guest.session is not None
    assert guest.session.policies == GUEST_SESSION_POLICIES
    assert member.session is not None
    assert member.session.policies is None
    for holder, expected in ((guest, allowed), (member, True)):
        session = None
        if holder.session is not None and holder.session.policies is not None:
            session = tuple(parse_policy(text, kind="session") for text in holder.session.policies)
        decision = evaluate(
            AuthorizationRequest(
                principal=holder,
                action=action,
                resource="*",
                resource_account_id=ACCOUNT,
                context=request_context(holder, now=world.clock.now(), source_ip="192.0.2.1"),
                policies=PrincipalPolicies(identity=(everything,), session=session),
            )
        )
        assert decision.allowed is expected


# --- what does not exist ----------------------------------------------------------------------------------------------


async def test_a_pool_that_does_not_exist_has_no_identities(world: World) -> None:
    message = await refused(world, ResourceNotFoundException, "get_id", identity_pool_id=NO_POOL)

    assert message == f"IdentityPool '{NO_POOL}' not found."


async def test_a_pool_is_not_found_from_another_region_or_account(world: World) -> None:
    pool_id = await world.make_pool()

    await refused(world, ResourceNotFoundException, "get_id", identity_pool_id=pool_id, region="eu-west-1")
    await refused(world, ResourceNotFoundException, "get_id", identity_pool_id=pool_id, account_id="999999999999")
    assert await world.call("get_id", identity_pool_id=pool_id, account_id=ACCOUNT)


@pytest.mark.parametrize("operation", ["get_credentials_for_identity", "get_open_id_token"])
async def test_an_invented_identity_gets_nothing(world: World, operation: str) -> None:
    await world.make_pool(classic=True)

    for logins in (None, world.logins()):
        message = await refused(world, ResourceNotFoundException, operation, identity_id=NO_POOL, logins=logins)
        assert message == f"Identity '{NO_POOL}' not found."


async def test_two_identities_never_get_the_same_key(world: World) -> None:
    pool_id = await world.make_pool()

    answers = [await credentials(world, await guest_of(world, pool_id)) for _ in range(3)]

    assert len({answer["credentials"]["access_key_id"] for answer in answers}) == 3
    assert len({answer["credentials"]["secret_key"] for answer in answers}) == 3


# --- logins -----------------------------------------------------------------------------------------------------------


async def test_a_login_always_leads_to_the_same_identity(world: World) -> None:
    pool_id = await world.make_pool()

    alice, again, bob = [await world.sign_in(pool_id, sub) for sub in ("alice", "alice", "bob")]

    assert alice == again != bob


async def test_a_member_gets_the_member_role_and_carries_who_it_is(world: World) -> None:
    pool_id = await world.make_pool()
    identity_id = await world.sign_in(pool_id)

    answer = await credentials(world, identity_id, logins=world.logins())

    holder = world.holder(answer)
    assert holder.arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/Member/CognitoIdentityCredentials"
    context = request_context(holder, now=world.clock.now(), source_ip="")
    assert context[f"{COGNITO}:sub"] == (identity_id,)
    assert context[f"{COGNITO}:aud"] == (pool_id,)
    assert context[f"{COGNITO}:amr"] == ("authenticated", PROVIDER, f"{PROVIDER}:CognitoSignIn:alice")


async def test_a_condition_on_the_identity_s_sub_matches_that_identity_alone(world: World) -> None:
    pool_id = await world.make_pool()
    policy = parse_policy(
        json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": {
                    "Effect": "Allow",
                    "Action": "s3:GetObject",
                    "Resource": f"arn:aws:s3:::files/${{{COGNITO}:sub}}/*",
                },
            }
        ),
        kind="identity",
    )
    mine = await world.sign_in(pool_id)
    holder = world.holder(await credentials(world, mine, logins=world.logins()))

    for identity_id, allowed in ((mine, True), ("us-west-2:somebody-else", False)):
        decision = evaluate(
            AuthorizationRequest(
                principal=holder,
                action="s3:GetObject",
                resource=f"arn:aws:s3:::files/{identity_id}/photo",
                resource_account_id=ACCOUNT,
                context=request_context(holder, now=world.clock.now(), source_ip=""),
                policies=PrincipalPolicies(identity=(policy,)),
            )
        )
        assert decision.allowed is allowed


async def bad_token(world: World, kind: str) -> tuple[str, str]:
    """A token that must not be taken, and what is said about it."""
    now = int(world.clock.now().timestamp())
    good = world.id_token()
    header, payload, signature = good.split(".")
    not_a_token = "Invalid login token. Not a valid OpenId Connect identity token."
    unverified = "Invalid login token. Couldn't verify signed token."
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none","kid":"x"}').rstrip(b"=").decode()
    altered = base64.urlsafe_b64encode(
        base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).replace(b"alice", b"mallo")
    )
    tokens = {
        "garbage": ("garbage", not_a_token),
        "garbage in three parts": ("not.a.token", not_a_token),
        "unsigned": (f"{unsigned}.{payload}.", unverified),
        "unsigned with a signature": (f"{unsigned}.{payload}.{signature}", unverified),
        "signed by somebody else": (world.id_token(key=FORGED_KEY), unverified),
        "altered": (f"{header}.{altered.rstrip(b'=').decode()}.{signature}", unverified),
        "another pool's": (
            world.id_token(iss="https://cognito-idp.us-west-2.amazonaws.com/us-west-2_Other"),
            "Invalid login token. Issuer doesn't match providerName",
        ),
        "another site's": (
            world.id_token(iss="https://accounts.google.com"),
            "Invalid login token. Issuer doesn't match providerName",
        ),
        "another client's": (
            world.id_token(aud=OTHER_CLIENT),
            "Token is not from a supported provider of this identity pool.",
        ),
        "an access token": (world.id_token(token_use="access", client_id=CLIENT), not_a_token),
        "ten seconds expired": (
            world.id_token(exp=now - 10),
            f"Invalid login token. Token expired: {now} >= {now - 10}",
        ),
        "expired this second": (world.id_token(exp=now), f"Invalid login token. Token expired: {now} >= {now}"),
    }
    return tokens[kind]


BAD_TOKENS = [
    "garbage",
    "garbage in three parts",
    "unsigned",
    "unsigned with a signature",
    "signed by somebody else",
    "altered",
    "another pool's",
    "another site's",
    "another client's",
    "an access token",
    "ten seconds expired",
    "expired this second",
]


@pytest.mark.parametrize("kind", BAD_TOKENS)
async def test_a_token_that_is_not_good_opens_no_door(world: World, kind: str) -> None:
    pool_id = await world.make_pool(classic=True)
    identity_id = await world.sign_in(pool_id)
    token, message = await bad_token(world, kind)

    for operation, members in (
        ("get_id", {"identity_pool_id": pool_id}),
        ("get_credentials_for_identity", {"identity_id": identity_id}),
        ("get_open_id_token", {"identity_id": identity_id}),
        ("unlink_identity", {"identity_id": identity_id, "logins_to_remove": (PROVIDER,)}),
    ):
        said = await refused(world, NotAuthorizedException, operation, logins={PROVIDER: token}, **members)
        assert said == message
    listed = await world.call("list_identities", by=ROOT, identity_pool_id=pool_id, max_results=60)
    assert [identity["identity_id"] for identity in listed["identities"]] == [identity_id]


async def test_a_token_is_good_until_the_second_before_it_expires(world: World) -> None:
    pool_id = await world.make_pool()

    await world.sign_in(pool_id, exp=int(world.clock.now().timestamp()) + 1)


async def test_one_bad_login_spoils_the_good_one_beside_it(world: World) -> None:
    pool_id = await world.make_pool()

    await refused(
        world,
        NotAuthorizedException,
        "get_id",
        identity_pool_id=pool_id,
        logins={**world.logins(), "cognito-idp.us-west-2.amazonaws.com/us-west-2_Other": "garbage"},
    )


@pytest.mark.parametrize(
    "key",
    [
        "accounts.google.com",
        "graph.facebook.com",
        "my-developer-provider",
        f"arn:aws:iam::{ACCOUNT}:saml-provider/x",
        f"https://{PROVIDER}",
        "cognito-idp.eu-west-1.amazonaws.com/us-west-2_AbCdEfGhI",
        f"evil.example/{USER_POOL}",
    ],
)
async def test_a_key_that_names_no_user_pool_is_no_public_provider(world: World, key: str) -> None:
    pool_id = await world.make_pool()

    message = await refused(
        world, InvalidParameterException, "get_id", identity_pool_id=pool_id, logins={key: world.id_token()}
    )

    assert message == "Please provide a valid public provider."


async def test_a_user_pool_that_the_pool_does_not_know_is_not_supported(world: World) -> None:
    pool_id = await world.make_pool()
    other = "cognito-idp.us-west-2.amazonaws.com/us-west-2_Other"

    message = await refused(
        world,
        NotAuthorizedException,
        "get_id",
        identity_pool_id=pool_id,
        logins={other: world.id_token(iss=f"https://{other}")},
    )

    assert message == "Token is not from a supported provider of this identity pool."


async def test_a_pool_token_is_no_login(world: World) -> None:
    pool_id = await world.make_pool()

    message = await refused(
        world, NotAuthorizedException, "get_id", identity_pool_id=pool_id, logins={COGNITO: world.id_token()}
    )

    assert message == "Invalid login token. Can't pass in a Cognito token."


async def test_the_public_name_of_a_user_pool_is_another_name_of_the_same_login(world: World) -> None:
    pool_id = await world.make_pool()
    issuer = f"{PUBLIC_URL}/{USER_POOL}"
    public = {issuer.removeprefix("https://"): world.id_token(iss=issuer)}

    identity_id = await world.sign_in(pool_id)
    answer = await world.call("get_id", identity_pool_id=pool_id, logins=public)

    assert answer["identity_id"] == identity_id
    holder = world.holder(await credentials(world, identity_id, logins=public))
    assert holder.session is not None
    assert holder.session.claims[f"{COGNITO}:amr"][1] == PROVIDER
    await refused(world, InvalidParameterException, "get_id", identity_pool_id=pool_id, logins=public | world.logins())


async def test_a_user_who_is_gone_is_inactive_where_the_pool_looks(world: World) -> None:
    world.user_pools.gone.add("alice")

    looking = await world.make_pool(check_users=True)
    message = await refused(world, NotAuthorizedException, "get_id", identity_pool_id=looking, logins=world.logins())
    assert message == "Token is inactive"

    not_looking = await world.make_pool(check_users=False)
    assert await world.sign_in(not_looking)


async def test_each_client_of_a_user_pool_has_its_own_say_about_looking(world: World) -> None:
    world.user_pools.gone.add("alice")
    made = await world.call(
        "create_identity_pool",
        by=ROOT,
        identity_pool_name="both",
        allow_unauthenticated_identities=False,
        cognito_identity_providers=(
            CognitoIdentityProvider(provider_name=PROVIDER, client_id=CLIENT, server_side_token_check=True),
            CognitoIdentityProvider(provider_name=PROVIDER, client_id=OTHER_CLIENT),
        ),
    )
    pool_id = made["identity_pool_id"]

    assert await world.sign_in(pool_id, aud=OTHER_CLIENT)
    assert await world.sign_in(pool_id, "bob")
    await refused(world, NotAuthorizedException, "get_id", identity_pool_id=pool_id, logins=world.logins())


# --- linking and merging ----------------------------------------------------------------------------------------------


async def test_a_cached_guest_becomes_the_member_on_sign_in(world: World) -> None:
    pool_id = await world.make_pool()
    guest = await guest_of(world, pool_id)

    answer = await credentials(world, guest, logins=world.logins())

    assert answer["identity_id"] == guest
    assert world.holder(answer).name == "Member"
    assert await world.sign_in(pool_id) == guest


async def test_a_cached_guest_whose_owner_has_an_identity_already_is_merged_into_it(world: World) -> None:
    pool_id = await world.make_pool()
    known = await world.sign_in(pool_id)
    guest = await guest_of(world, pool_id)

    answer = await credentials(world, guest, logins=world.logins())

    assert answer["identity_id"] == known
    again = await credentials(world, guest, logins=world.logins())
    assert again["identity_id"] == known
    forbidden = f"Access to Identity '{guest}' is forbidden."
    assert await refused(world, NotAuthorizedException, "get_credentials_for_identity", identity_id=guest) == forbidden
    assert (
        await refused(
            world,
            NotAuthorizedException,
            "get_credentials_for_identity",
            identity_id=guest,
            logins=world.logins("mallory"),
        )
        == forbidden
    )


@pytest.mark.parametrize("operation", ["get_credentials_for_identity", "get_open_id_token"])
async def test_a_member_s_identity_is_forbidden_to_guests_and_to_others(world: World, operation: str) -> None:
    pool_id = await world.make_pool(classic=True)
    alice = await world.sign_in(pool_id)
    await world.sign_in(pool_id, "bob")

    assert (
        await refused(world, NotAuthorizedException, operation, identity_id=alice)
        == f"Access to Identity '{alice}' is forbidden."
    )
    for other in ("bob", "never-seen"):
        message = await refused(world, NotAuthorizedException, operation, identity_id=alice, logins=world.logins(other))
        assert message == NOT_MATCHING


async def test_an_identity_has_one_login_of_a_user_pool(world: World) -> None:
    pool_id = await world.make_pool()
    other = "cognito-idp.us-west-2.amazonaws.com/us-west-2_Other"
    await world.call(
        "update_identity_pool",
        by=ROOT,
        identity_pool_id=pool_id,
        identity_pool_name="demo",
        allow_unauthenticated_identities=True,
        cognito_identity_providers=tuple(
            CognitoIdentityProvider(provider_name=name, client_id=CLIENT) for name in (PROVIDER, other)
        ),
    )
    elsewhere = {other: world.id_token("alice", iss=f"https://{other}")}
    alice = await world.sign_in(pool_id)
    await world.call("get_id", identity_pool_id=pool_id, logins={**world.logins("bob"), **elsewhere})

    await refused(
        world,
        ResourceConflictException,
        "get_credentials_for_identity",
        identity_id=alice,
        logins={**world.logins(), **elsewhere},
    )


async def test_an_unlinked_login_is_nobody_s_and_its_identity_inaccessible(world: World) -> None:
    pool_id = await world.make_pool()
    alice = await world.sign_in(pool_id)

    await world.call("unlink_identity", identity_id=alice, logins=world.logins(), logins_to_remove=(PROVIDER,))

    await refused(world, NotAuthorizedException, "get_credentials_for_identity", identity_id=alice)
    message = await refused(
        world, NotAuthorizedException, "get_credentials_for_identity", identity_id=alice, logins=world.logins()
    )
    assert message == NOT_MATCHING
    assert await world.sign_in(pool_id) != alice


async def test_nobody_unlinks_somebody_else_s_login(world: World) -> None:
    pool_id = await world.make_pool()
    alice = await world.sign_in(pool_id)

    message = await refused(
        world,
        NotAuthorizedException,
        "unlink_identity",
        identity_id=alice,
        logins=world.logins("mallory"),
        logins_to_remove=(PROVIDER,),
    )

    assert message == NOT_MATCHING
    assert await world.sign_in(pool_id) == alice


# --- roles and their trust --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(None, id="there is no such role"),
        pytest.param(trusting_pool("us-west-2:other", "authenticated"), id="it trusts another pool"),
        pytest.param("POOL/unauthenticated", id="it trusts this pool's guests"),
        pytest.param(
            json.dumps(
                {
                    "Version": "2012-10-17",
                    "Statement": {
                        "Effect": "Allow",
                        "Principal": {"Service": "lambda.amazonaws.com"},
                        "Action": "sts:AssumeRole",
                    },
                }
            ),
            id="it trusts a service",
        ),
        pytest.param(
            json.dumps(
                {
                    "Version": "2012-10-17",
                    "Statement": {
                        "Effect": "Allow",
                        "Principal": {"Federated": "accounts.google.com"},
                        "Action": "sts:AssumeRoleWithWebIdentity",
                    },
                }
            ),
            id="it trusts another provider",
        ),
        pytest.param(
            json.dumps(
                {
                    "Version": "2012-10-17",
                    "Statement": {
                        "Effect": "Allow",
                        "Principal": {"AWS": ACCOUNT},
                        "Action": ["sts:AssumeRole", "sts:AssumeRoleWithWebIdentity"],
                    },
                }
            ),
            id="it trusts the account",
        ),
        pytest.param("not a policy", id="its trust policy cannot be read"),
    ],
)
async def test_a_role_that_does_not_trust_this_identity_is_a_wrong_configuration(
    world: World, document: str | None
) -> None:
    pool_id = await world.make_pool()
    identity_id = await world.sign_in(pool_id)
    assert await credentials(world, identity_id, logins=world.logins())
    if document is None:
        del world.roles.documents["Member"]
    elif document == "POOL/unauthenticated":
        world.roles.documents["Member"] = trusting_pool(pool_id, "unauthenticated")
    else:
        world.roles.documents["Member"] = document

    message = await refused(
        world,
        InvalidIdentityPoolConfigurationException,
        "get_credentials_for_identity",
        identity_id=identity_id,
        logins=world.logins(),
    )

    assert message == BAD_CONFIGURATION


async def test_a_guest_does_not_get_a_role_that_trusts_members_only(world: World) -> None:
    pool_id = await world.make_pool()
    guest = await guest_of(world, pool_id)
    world.roles.documents["Guest"] = trusting_pool(pool_id, "authenticated")

    await refused(world, InvalidIdentityPoolConfigurationException, "get_credentials_for_identity", identity_id=guest)


async def test_a_pool_without_roles_gives_no_credentials(world: World) -> None:
    pool_id = await world.make_pool()
    guest, member = await guest_of(world, pool_id), await world.sign_in(pool_id)
    await world.call("set_identity_pool_roles", by=ROOT, identity_pool_id=pool_id, roles={})

    for members in ({"identity_id": guest}, {"identity_id": member, "logins": world.logins()}):
        message = await refused(
            world, InvalidIdentityPoolConfigurationException, "get_credentials_for_identity", **members
        )
        assert message == BAD_CONFIGURATION


async def test_a_guest_cannot_choose_a_role(world: World) -> None:
    pool_id = await world.make_pool()

    await refused(
        world,
        NotAuthorizedException,
        "get_credentials_for_identity",
        identity_id=await guest_of(world, pool_id),
        custom_role_arn=role_arn("Member"),
    )


async def test_a_member_cannot_choose_a_role_that_no_mapping_offers(world: World) -> None:
    pool_id = await world.make_pool()

    await refused(
        world,
        NotAuthorizedException,
        "get_credentials_for_identity",
        identity_id=await world.sign_in(pool_id),
        logins=world.logins(),
        custom_role_arn=role_arn("Guest"),
    )


# --- principal tags ---------------------------------------------------------------------------------------------------


async def tagged_pool(world: World, **members: Any) -> str:
    pool_id = await world.make_pool()
    await world.call(
        "set_principal_tag_attribute_map",
        by=ROOT,
        identity_pool_id=pool_id,
        identity_provider_name=PROVIDER,
        **members,
    )
    return pool_id


async def test_claims_become_session_tags_when_the_role_lets_them(world: World) -> None:
    pool_id = await tagged_pool(world, principal_tags={"team": "custom:team", "none": "custom:absent"})
    world.roles.documents["Member"] = trusting_pool(pool_id, "authenticated", tagging=True)
    logins = world.logins(**{"custom:team": "blue"})
    identity_id = await world.sign_in(pool_id)

    holder = world.holder(await credentials(world, identity_id, logins=logins))

    assert holder.session is not None
    assert holder.session.tags == {"team": "blue"}
    assert request_context(holder, now=world.clock.now(), source_ip="")["aws:principaltag/team"] == ("blue",)


async def test_claims_become_session_tags_only_when_the_role_lets_them(world: World) -> None:
    pool_id = await tagged_pool(world, use_defaults=True)
    identity_id = await world.sign_in(pool_id)

    await refused(
        world,
        InvalidIdentityPoolConfigurationException,
        "get_credentials_for_identity",
        identity_id=identity_id,
        logins=world.logins(),
    )
    world.roles.documents["Member"] = trusting_pool(pool_id, "authenticated", tagging=True)
    holder = world.holder(await credentials(world, identity_id, logins=world.logins()))
    assert holder.session is not None
    assert holder.session.tags == {"username": "alice", "client": CLIENT}


async def test_a_role_without_tagging_serves_a_user_who_has_none_of_the_claims(world: World) -> None:
    pool_id = await tagged_pool(world, principal_tags={"team": "custom:team"})

    await credentials(world, await world.sign_in(pool_id), logins=world.logins())


@pytest.mark.parametrize(("length", "good"), [(456, False), (256, True), (257, False)])
async def test_tags_that_are_too_large_are_a_wrong_configuration(world: World, length: int, good: bool) -> None:
    pool_id = await tagged_pool(world, principal_tags={"team": "custom:team"})
    world.roles.documents["Member"] = trusting_pool(pool_id, "authenticated", tagging=True)
    identity_id = await world.sign_in(pool_id)
    logins = world.logins(**{"custom:team": "x" * length})

    if good:
        await credentials(world, identity_id, logins=logins)
    else:
        await refused(
            world,
            InvalidIdentityPoolConfigurationException,
            "get_credentials_for_identity",
            identity_id=identity_id,
            logins=logins,
        )
