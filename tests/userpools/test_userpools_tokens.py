"""Tokens: what they say, how they are renewed, and how they end."""

import asyncio
import base64
import hashlib
import json
import re

import jwt as pyjwt
import pytest

from support.userpools import (
    PASSWORD,
    REGION,
    World,
    attribute_list,
    claims_of,
    refused,
    secret_hash,
)
from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import AppClient, RefreshTokenRotation, SchemaAttribute, User, UserPool
from velvetrope.tokens import (
    AudienceMismatch,
    IssuerMismatch,
    NotAToken,
    TokenExpired,
    TokenRevoked,
    WrongTokenUse,
)
from velvetrope.userpools.turns import NextChallenge

ROTATING = RefreshTokenRotation(feature="ENABLED", retry_grace_period_seconds=0)
FORGIVING = RefreshTokenRotation(feature="ENABLED", retry_grace_period_seconds=60)


async def _parts(
    world: World, pool_id: str, client_id: str, username: str = "anna"
) -> tuple[UserPool, AppClient, User]:
    pool = await world.pools.sign_in.find_pool(pool_id)
    client = await world.pools.sign_in.find_client(pool_id, client_id)
    stored = await world.store.load_user(pool_id, "anna")
    assert pool is not None
    assert client is not None
    assert stored is not None
    return pool, client, stored.user


async def test_id_token_says_what_aws_says(world: World) -> None:
    pool_id, client_id = await world.some_user()

    claims = claims_of((await world.sign_in(client_id))["id_token"])

    now = int(world.now.timestamp())
    assert claims.keys() == {
        "sub", "iss", "aud", "token_use", "auth_time", "iat", "exp", "cognito:username", "event_id", "jti",
        "origin_jti", "email", "email_verified",
    }  # fmt: skip
    assert claims["iss"] == f"https://cognito-idp.{REGION}.amazonaws.com/{pool_id}"
    assert (claims["aud"], claims["token_use"], claims["email_verified"]) == (client_id, "id", True)
    assert (claims["auth_time"], claims["iat"], claims["exp"]) == (now, now, now + 3600)


async def test_addresses_of_people_are_told_as_openid_connect_has_them(world: World) -> None:
    pool_id = await world.pool()
    client_id = await world.client(pool_id)
    await world.user(pool_id, address="Main Street 1", phone_number="+15555550100", updated_at="1", zoneinfo="true")

    claims = claims_of((await world.sign_in(client_id))["id_token"])

    assert claims["address"] == {"formatted": "Main Street 1"}
    assert (claims["phone_number"], claims["phone_number_verified"]) == ("+15555550100", False)
    assert (claims["updated_at"], claims["zoneinfo"]) == ("1", "true")


async def test_access_token_says_what_aws_says(world: World) -> None:
    _, client_id = await world.some_user()

    claims = claims_of((await world.sign_in(client_id))["access_token"])

    assert claims.keys() == {
        "sub", "iss", "client_id", "token_use", "scope", "auth_time", "iat", "exp", "username", "event_id", "jti",
        "origin_jti",
    }  # fmt: skip
    assert (claims["scope"], claims["token_use"]) == ("aws.cognito.signin.user.admin", "access")


async def test_two_keys_sign_and_another_library_accepts_them_from_the_key_set(world: World) -> None:
    pool_id, client_id = await world.some_user()
    tokens = await world.sign_in(client_id)
    pool, _, _ = await _parts(world, pool_id, client_id)

    jwks = pyjwt.PyJWKSet.from_dict(await world.pools.sign_in.jwks(pool))

    kids = [pyjwt.get_unverified_header(tokens[name])["kid"] for name in ("id_token", "access_token")]
    assert [key.key_id for key in jwks.keys] == kids
    for name, kid in zip(("id_token", "access_token"), kids, strict=True):
        pyjwt.decode(
            tokens[name],
            jwks[kid].key,
            algorithms=["RS256"],
            options={"verify_aud": False, "verify_exp": False, "verify_iat": False},
        )


async def test_refresh_token_looks_like_awss_and_is_kept_as_a_hash_only(world: World) -> None:
    _, client_id = await world.some_user()

    token = (await world.sign_in(client_id))["refresh_token"]

    parts = token.split(".")
    assert len(parts) == 5
    assert re.fullmatch(r"[A-Za-z0-9-_=.]+", token)
    header = json.loads(base64.urlsafe_b64decode(parts[0] + "=="))
    assert header == {"cty": "JWT", "enc": "A256GCM", "alg": "RSA-OAEP"}
    async with world.database.read() as connection:
        from velvetrope.store.tables.userpools_families import refresh_tokens

        kept = (await connection.execute(refresh_tokens.select())).one()
    assert kept.token_hash == hashlib.sha256(token.encode()).hexdigest()


async def test_groups_roles_and_the_preferred_role(world: World) -> None:
    pool_id, client_id = await world.some_user()
    role = "arn:aws:iam::123456789012:role/"
    for name, precedence, arn in (("b", 5, role + "B"), ("a", None, role + "A"), ("c", 1, role + "C")):
        await world.create_group(user_pool_id=pool_id, group_name=name, precedence=precedence, role_arn=arn)
        await world.admin_add_user_to_group(user_pool_id=pool_id, username="anna", group_name=name)

    tokens = await world.sign_in(client_id)

    claims = claims_of(tokens["id_token"])
    assert claims["cognito:groups"] == ["c", "b", "a"] == claims_of(tokens["access_token"])["cognito:groups"]
    assert claims["cognito:roles"] == [role + "C", role + "B", role + "A"]
    assert claims["cognito:preferred_role"] == role + "C"

    await world.create_group(user_pool_id=pool_id, group_name="d", precedence=1, role_arn=role + "D")
    await world.admin_add_user_to_group(user_pool_id=pool_id, username="anna", group_name="d")
    refreshed = await world.refresh(client_id, tokens["refresh_token"])
    assert "cognito:preferred_role" not in claims_of(refreshed["id_token"]), "two roles share the lowest precedence"


@pytest.mark.parametrize(
    ("groups", "roles", "preferred"),
    [
        ([(None, "A")], ["A"], "A"),
        ([(None, "A"), (None, "A")], ["A"], "A"),
        ([(0, None), (3, "A")], ["A"], "A"),
        ([(None, "A"), (None, "B")], ["A", "B"], None),
        ([(0, None), (3, "A"), (4, "B")], ["A", "B"], None),
        ([(3, None)], [], None),
    ],
    ids=["the only group", "two groups with one role", "the first has none", "two roles", "two after none", "no role"],
)
async def test_the_only_role_is_the_preferred_one_whatever_its_precedence(
    world: World, groups: list[tuple[int | None, str | None]], roles: list[str], preferred: str | None
) -> None:
    pool_id, client_id = await world.some_user()
    prefix = "arn:aws:iam::123456789012:role/"
    for number, (precedence, role) in enumerate(groups):
        arn = None if role is None else prefix + role
        await world.create_group(user_pool_id=pool_id, group_name=f"g{number}", precedence=precedence, role_arn=arn)
        await world.admin_add_user_to_group(user_pool_id=pool_id, username="anna", group_name=f"g{number}")

    claims = claims_of((await world.sign_in(client_id))["id_token"])

    assert claims.get("cognito:roles", []) == [prefix + role for role in roles]
    assert claims.get("cognito:preferred_role") == (None if preferred is None else prefix + preferred)


async def test_client_sees_only_the_attributes_it_may_read(world: World) -> None:
    pool_id = await world.pool(schema=(SchemaAttribute(name="team"),))
    await world.user(pool_id, email="anna@example.com", given_name="Anna", custom__team="red")
    usual = await world.client(pool_id)
    chosen = await world.client(pool_id, read_attributes=("custom:team", "email"))

    assert {"email", "given_name"} <= claims_of((await world.sign_in(usual))["id_token"]).keys()
    assert "custom:team" not in claims_of((await world.sign_in(usual))["id_token"])
    seen = claims_of((await world.sign_in(chosen))["id_token"])
    assert (seen["custom:team"], seen["email"]) == ("red", "anna@example.com")
    assert "given_name" not in seen


async def test_lifetimes_are_the_clients(world: World) -> None:
    from velvetrope.store.tables.userpools import TokenValidityUnits

    _, client_id = await world.some_user(
        access_token_validity=10,
        id_token_validity=300,
        token_validity_units=TokenValidityUnits(access_token="minutes", id_token="seconds"),
    )

    tokens = await world.sign_in(client_id)

    now = int(world.now.timestamp())
    assert tokens["expires_in"] == 600
    assert claims_of(tokens["access_token"])["exp"] == now + 600
    assert claims_of(tokens["id_token"])["exp"] == now + 300


async def test_refresh_renews_and_keeps_what_stays(world: World) -> None:
    _, client_id = await world.some_user()
    first = await world.sign_in(client_id)
    world.later(hours=5)

    second = await world.refresh(client_id, first["refresh_token"])

    before, after = claims_of(first["id_token"]), claims_of(second["id_token"])
    assert (after["auth_time"], after["origin_jti"]) == (before["auth_time"], before["origin_jti"])
    assert after["jti"] != before["jti"]
    assert after["iat"] == before["iat"] + 5 * 3600
    assert second["refresh_token"] is None
    await world.refresh(client_id, first["refresh_token"])


async def test_refresh_token_dies_at_its_end_however_often_it_was_used(world: World) -> None:
    _, client_id = await world.some_user()
    token = (await world.sign_in(client_id))["refresh_token"]
    world.later(days=29)
    await world.refresh(client_id, token)
    world.later(days=1, microseconds=-1)
    await world.refresh(client_id, token)
    world.later(microseconds=1)

    async with refused("NotAuthorizedException", "Refresh Token has expired"):
        await world.refresh(client_id, token)


async def test_refresh_token_of_another_client_or_of_nobody_is_refused(world: World) -> None:
    pool_id, client_id = await world.some_user()
    other_client = await world.client(pool_id)
    token = (await world.sign_in(client_id))["refresh_token"]

    for client, given in ((other_client, token), (client_id, token + "x"), (client_id, "x"), (client_id, "x" * 9999)):
        async with refused("NotAuthorizedException", "Invalid Refresh Token"):
            await world.refresh(client, given)
    await world.refresh(client_id, token)


async def test_owner_is_told_why_a_refresh_token_is_none(world: World) -> None:
    pool_id, client_id = await world.some_user()
    other_client = await world.client(pool_id)
    token, revoked = [(await world.sign_in(client_id))["refresh_token"] for _ in range(2)]
    await world.revoke_token(token=revoked, client_id=client_id)
    ended_at = world.clock.now()
    world.later(days=1)

    told = []
    for client, given in ((other_client, token), (client_id, "x"), (client_id, revoked)):
        async with refused("NotAuthorizedException") as refusal:
            await world.refresh(client, given)
        told.append(refusal.value.detail)

    assert told == [
        "it was issued to another app client",
        "there is no such token, or not any more",
        f"the session was ended at {ended_at:%Y-%m-%d %H:%M:%S} UTC",
    ]


async def test_refresh_is_refused_for_users_who_may_not_sign_in(world: World) -> None:
    pool_id, client_id = await world.some_user()
    token = (await world.sign_in(client_id))["refresh_token"]

    await world.admin_disable_user(user_pool_id=pool_id, username="anna")
    async with refused("NotAuthorizedException", "Refresh Token has been revoked"):
        await world.refresh(client_id, token)
    await world.admin_enable_user(user_pool_id=pool_id, username="anna")
    async with refused("NotAuthorizedException", "Refresh Token has been revoked"):
        await world.refresh(client_id, token)
    world.later(seconds=1)
    token = (await world.sign_in(client_id))["refresh_token"]
    await world.admin_delete_user(user_pool_id=pool_id, username="anna")
    async with refused("NotAuthorizedException", "Invalid Refresh Token"):
        await world.refresh(client_id, token)


async def test_user_of_the_same_name_does_not_inherit_tokens(world: World) -> None:
    pool_id, client_id = await world.some_user()
    tokens = await world.sign_in(client_id)
    await world.admin_delete_user(user_pool_id=pool_id, username="anna")
    await world.user(pool_id)

    async with refused("NotAuthorizedException", "Access Token has been revoked"):
        await world.get_user(access_token=tokens["access_token"])


async def test_rotation_replaces_the_refresh_token(world: World) -> None:
    _, client_id = await world.some_user(refresh_token_rotation=ROTATING)
    first = (await world.sign_in(client_id))["refresh_token"]

    answer = await world.get_tokens_from_refresh_token(refresh_token=first, client_id=client_id)

    second = answer["authentication_result"]["refresh_token"]
    assert second not in {None, first}
    await world.get_tokens_from_refresh_token(refresh_token=second, client_id=client_id)
    async with refused("InvalidParameterException", "Auth flow not enabled for this client"):
        await world.refresh(client_id, second)


async def test_replaced_token_ends_the_whole_family(world: World) -> None:
    """RFC 9700 section 4.14.2: whoever stole it, one of the two is a thief."""
    _, client_id = await world.some_user(refresh_token_rotation=ROTATING)
    first = (await world.sign_in(client_id))["refresh_token"]
    answer = await world.get_tokens_from_refresh_token(refresh_token=first, client_id=client_id)
    second = answer["authentication_result"]

    async with refused("RefreshTokenReuseException"):
        await world.get_tokens_from_refresh_token(refresh_token=first, client_id=client_id)

    async with refused("NotAuthorizedException", "Refresh Token has been revoked"):
        await world.get_tokens_from_refresh_token(refresh_token=second["refresh_token"], client_id=client_id)
    async with refused("NotAuthorizedException", "Access Token has been revoked"):
        await world.get_user(access_token=second["access_token"])


async def test_grace_period_lets_a_client_try_again(world: World) -> None:
    _, client_id = await world.some_user(refresh_token_rotation=FORGIVING)
    first = (await world.sign_in(client_id))["refresh_token"]
    await world.get_tokens_from_refresh_token(refresh_token=first, client_id=client_id)

    world.later(seconds=59, milliseconds=999)
    await world.get_tokens_from_refresh_token(refresh_token=first, client_id=client_id)
    world.later(milliseconds=1)
    async with refused("RefreshTokenReuseException"):
        await world.get_tokens_from_refresh_token(refresh_token=first, client_id=client_id)


async def test_of_racing_refreshes_one_wins_and_the_family_ends(world: World) -> None:
    _, client_id = await world.some_user(refresh_token_rotation=ROTATING)
    token = (await world.sign_in(client_id))["refresh_token"]

    answers = await asyncio.gather(
        *(world.get_tokens_from_refresh_token(refresh_token=token, client_id=client_id) for _ in range(6)),
        return_exceptions=True,
    )

    won = [answer for answer in answers if isinstance(answer, dict)]
    assert len(won) == 1
    async with refused("NotAuthorizedException", "Refresh Token has been revoked"):
        await world.get_tokens_from_refresh_token(
            refresh_token=won[0]["authentication_result"]["refresh_token"], client_id=client_id
        )


async def test_rotated_tokens_end_with_the_first_ones_time(world: World) -> None:
    _, client_id = await world.some_user(refresh_token_rotation=ROTATING)
    token = (await world.sign_in(client_id))["refresh_token"]
    world.later(days=29, hours=23)
    answer = await world.get_tokens_from_refresh_token(refresh_token=token, client_id=client_id)
    world.later(hours=1)

    async with refused("NotAuthorizedException", "Refresh Token has expired"):
        await world.get_tokens_from_refresh_token(
            refresh_token=answer["authentication_result"]["refresh_token"], client_id=client_id
        )


async def test_get_tokens_works_without_rotation_and_asks_for_the_clients_secret(world: World) -> None:
    _, client_id = await world.some_user(client_secret="s" * 24)
    signed_in = await world.sign_in(client_id, SECRET_HASH=secret_hash("anna", client_id, "s" * 24))
    token = signed_in["refresh_token"]

    answer = await world.get_tokens_from_refresh_token(refresh_token=token, client_id=client_id, client_secret="s" * 24)
    assert answer["authentication_result"]["refresh_token"] is None
    for wrong in ({}, {"client_secret": "t" * 24}):
        async with refused("NotAuthorizedException"):
            await world.get_tokens_from_refresh_token(refresh_token=token, client_id=client_id, **wrong)


async def test_revoked_token_takes_its_session_with_it_and_no_other(world: World) -> None:
    _, client_id = await world.some_user()
    one, other = await world.sign_in(client_id), await world.sign_in(client_id)

    await world.revoke_token(token=one["refresh_token"], client_id=client_id)

    async with refused("NotAuthorizedException", "Refresh Token has been revoked"):
        await world.refresh(client_id, one["refresh_token"])
    async with refused("NotAuthorizedException", "Access Token has been revoked"):
        await world.get_user(access_token=one["access_token"])
    await world.refresh(client_id, other["refresh_token"])
    await world.get_user(access_token=other["access_token"])
    await world.revoke_token(token=one["refresh_token"], client_id=client_id)


async def test_only_refresh_tokens_are_revoked(world: World) -> None:
    pool_id, client_id = await world.some_user()
    other_client = await world.client(pool_id)
    tokens = await world.sign_in(client_id)

    for token in (tokens["access_token"], tokens["id_token"]):
        async with refused("UnsupportedTokenTypeException"):
            await world.revoke_token(token=token, client_id=client_id)
    world.later(hours=2)
    async with refused("UnsupportedTokenTypeException"):
        await world.revoke_token(token=tokens["id_token"], client_id=client_id)
    await world.revoke_token(token="a.b.c", client_id=client_id)
    await world.revoke_token(token=tokens["refresh_token"], client_id=other_client)
    await world.refresh(client_id, tokens["refresh_token"])


async def test_revocation_needs_the_clients_secret_and_its_permission(world: World) -> None:
    pool_id, client_id = await world.some_user(enable_token_revocation=False)
    confidential = await world.client(pool_id, generate_secret=True)
    tokens = await world.sign_in(client_id)

    assert not {"origin_jti", "jti"} & claims_of(tokens["id_token"]).keys()
    async with refused("UnsupportedOperationException"):
        await world.revoke_token(token=tokens["refresh_token"], client_id=client_id)
    async with refused("UnauthorizedException"):
        await world.revoke_token(token="x", client_id=confidential)
    async with refused("UnauthorizedException"):
        await world.revoke_token(token="x", client_id=confidential, client_secret="x" * 51)


async def test_global_sign_out_ends_all_sessions_of_the_user_and_of_nobody_else(world: World) -> None:
    pool_id, client_id = await world.some_user()
    await world.user(pool_id, "berta")
    one, two = await world.sign_in(client_id), await world.sign_in(client_id)
    berta = await world.sign_in(client_id, username="berta")

    await world.global_sign_out(access_token=one["access_token"])

    for tokens in (one, two):
        async with refused("NotAuthorizedException", "Access Token has been revoked"):
            await world.get_user(access_token=tokens["access_token"])
        async with refused("NotAuthorizedException", "Refresh Token has been revoked"):
            await world.refresh(client_id, tokens["refresh_token"])
    await world.get_user(access_token=berta["access_token"])
    await world.admin_user_global_sign_out(user_pool_id=pool_id, username="berta")
    async with refused("NotAuthorizedException", "Access Token has been revoked"):
        await world.get_user(access_token=berta["access_token"])


async def test_what_begins_in_the_very_instant_of_a_sign_out_has_ended_with_it(world: World) -> None:
    pool_id, client_id = await world.some_user()
    await world.admin_user_global_sign_out(user_pool_id=pool_id, username="anna")

    async with refused("NotAuthorizedException", "Invalid session for the user."):
        await world.sign_in(client_id)
    world.later(microseconds=1)

    await world.get_user(access_token=(await world.sign_in(client_id))["access_token"])


async def test_sign_out_reaches_tokens_that_name_no_session(world: World) -> None:
    pool_id, client_id = await world.some_user(enable_token_revocation=False)
    before = await world.sign_in(client_id)
    world.later(seconds=1)
    await world.admin_user_global_sign_out(user_pool_id=pool_id, username="anna")
    world.later(seconds=1)

    async with refused("NotAuthorizedException", "Access Token has been revoked"):
        await world.get_user(access_token=before["access_token"])
    await world.get_user(access_token=(await world.sign_in(client_id))["access_token"])


async def test_access_token_is_dead_at_exp(world: World) -> None:
    _, client_id = await world.some_user()
    token = (await world.sign_in(client_id))["access_token"]

    world.later(hours=1, microseconds=-1)
    await world.get_user(access_token=token)
    world.later(microseconds=1)
    async with refused("NotAuthorizedException", "Access Token has expired"):
        await world.get_user(access_token=token)


async def test_other_tokens_are_no_access_tokens(world: World) -> None:
    pool_id, client_id = await world.some_user()
    tokens = await world.sign_in(client_id)
    good = tokens["access_token"]
    other_pool = await world.pool()
    foreign = good.split(".")
    claims = {**claims_of(good), "iss": claims_of(good)["iss"].replace(pool_id, other_pool)}
    foreign[1] = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()

    for token in (tokens["id_token"], tokens["refresh_token"], "x", "a.b.c", good[:-2] + "AA", ".".join(foreign)):
        async with refused("NotAuthorizedException", "Invalid Access Token"):
            await world.get_user(access_token=token)


async def test_self_service_needs_its_scope(world: World) -> None:
    pool_id, client_id = await world.some_user()
    pool, client, user = await _parts(world, pool_id, client_id)
    issued = await world.pools.sign_in.issue_tokens(
        pool, client, user, scopes=("openid", "email"), authenticated_at=world.now, now=world.now
    )

    async with refused("NotAuthorizedException", "Access Token does not have required scopes"):
        await world.get_user(access_token=issued.access_token)


# What the hosted pages are handed


async def test_hosted_tokens_carry_nonce_scopes_version_and_at_hash(world: World) -> None:
    pool_id, client_id = await world.some_user()
    pool, client, user = await _parts(world, pool_id, client_id)

    issued = await world.pools.sign_in.issue_tokens(
        pool, client, user, scopes=("openid", "email"), authenticated_at=world.now, now=world.now, nonce="n"
    )

    assert issued.id_token is not None
    identity, access = claims_of(issued.id_token), claims_of(issued.access_token)
    half = hashlib.sha256(issued.access_token.encode()).digest()[:16]
    assert identity["at_hash"] == base64.urlsafe_b64encode(half).rstrip(b"=").decode()
    assert (identity["nonce"], access["scope"], access["version"]) == ("n", "openid email", 2)
    assert access["origin_jti"] == issued.origin_jti
    assert issued.access_token not in repr(issued)


@pytest.mark.parametrize(
    ("scopes", "seen"),
    [
        (("openid",), {"email", "email_verified", "given_name", "phone_number", "phone_number_verified"}),
        (("openid", "email"), {"email", "email_verified"}),
        (("openid", "phone"), {"phone_number", "phone_number_verified"}),
        (("openid", "profile"), {"email", "email_verified", "given_name", "phone_number", "phone_number_verified"}),
    ],
)
async def test_scopes_choose_the_attributes(world: World, scopes: tuple[str, ...], seen: set[str]) -> None:
    pool_id = await world.pool()
    client_id = await world.client(pool_id)
    await world.user(
        pool_id, email="anna@example.com", email_verified="true", given_name="Anna", phone_number="+15550100"
    )
    pool, client, user = await _parts(world, pool_id, client_id)

    issued = await world.pools.sign_in.issue_tokens(
        pool, client, user, scopes=scopes, authenticated_at=world.now, now=world.now
    )

    everything = {"email", "email_verified", "given_name", "phone_number", "phone_number_verified"}
    assert issued.id_token is not None
    assert everything & claims_of(issued.id_token).keys() == seen


async def test_hosted_session_without_id_and_refresh_tokens(world: World) -> None:
    pool_id, client_id = await world.some_user()
    pool, client, user = await _parts(world, pool_id, client_id)
    service = world.pools.sign_in

    issued = await service.issue_tokens(
        pool,
        client,
        user,
        scopes=("email",),
        authenticated_at=world.now,
        now=world.now,
        include_id_token=False,
        include_refresh_token=False,
    )

    assert (issued.id_token, issued.refresh_token) == (None, None)
    verified = await service.verify_access_token(pool, issued.access_token, now=world.now)
    assert verified.claims["scope"] == "email"
    await service.revoke_family(issued.origin_jti, world.now)
    with pytest.raises(TokenRevoked):
        await service.verify_access_token(pool, issued.access_token, now=world.now)


async def test_hosted_refresh_gives_an_id_token_only_where_openid_was_asked_for(world: World) -> None:
    pool_id, client_id = await world.some_user()
    pool, client, user = await _parts(world, pool_id, client_id)
    service = world.pools.sign_in

    for scopes, has_id_token in ((("openid",), True), (("email",), False)):
        issued = await service.issue_tokens(
            pool, client, user, scopes=scopes, authenticated_at=world.now, now=world.now
        )
        assert issued.refresh_token is not None
        refreshed = await service.refresh(pool, client, issued.refresh_token, now=world.now)
        assert (refreshed.id_token is not None) is has_id_token
        assert claims_of(refreshed.access_token)["scope"] == " ".join(scopes)


async def test_hosted_refresh_needs_the_clients_permission(world: World) -> None:
    pool_id, client_id = await world.some_user(explicit_auth_flows=("ALLOW_USER_SRP_AUTH",))
    pool, client, user = await _parts(world, pool_id, client_id)
    issued = await world.pools.sign_in.issue_tokens(
        pool, client, user, scopes=("openid",), authenticated_at=world.now, now=world.now
    )
    assert issued.refresh_token is not None

    async with refused("NotAuthorizedException", "Auth flow not enabled for this client"):
        await world.pools.sign_in.refresh(pool, client, issued.refresh_token, now=world.now)


async def test_hosted_revocation(world: World) -> None:
    pool_id, client_id = await world.some_user()
    pool, client, user = await _parts(world, pool_id, client_id)
    service = world.pools.sign_in
    issued = await service.issue_tokens(
        pool, client, user, scopes=("openid",), authenticated_at=world.now, now=world.now
    )
    assert issued.refresh_token is not None

    await service.revoke_refresh_token(pool, client, issued.refresh_token, now=world.now)

    with pytest.raises(TokenRevoked):
        await service.verify_access_token(pool, issued.access_token, now=world.now)
    async with refused("UnsupportedTokenTypeException"):
        await service.revoke_refresh_token(pool, client, issued.access_token, now=world.now)


async def test_hosted_password_check(world: World) -> None:
    pool_id, client_id = await world.some_user()
    pool, client, _ = await _parts(world, pool_id, client_id)
    service = world.pools.sign_in

    async def begin(username: str, password: str) -> User | NextChallenge:
        return await service.begin_sign_in(pool, client, username=username, password=Secret(password), now=world.now)

    right = await begin("anna", PASSWORD)
    assert isinstance(right, User)
    assert right.username == "anna"
    for username, password in (("anna", "wrong"), ("nobody", PASSWORD)):
        async with refused("NotAuthorizedException", "Incorrect username or password."):
            await begin(username, password)
    await world.admin_set_user_password(user_pool_id=pool_id, username="anna", password="Temporary-1")
    asked = await begin("anna", "Temporary-1")
    assert isinstance(asked, NextChallenge)
    assert asked.name == "NEW_PASSWORD_REQUIRED"


async def test_hosted_lookups(world: World) -> None:
    service = world.pools.sign_in
    pool_id, client_id = await world.some_user()
    assert await service.find_only_domain() is None
    await world.create_user_pool_domain(user_pool_id=pool_id, domain="people")
    only = await service.find_only_domain()
    by_name = await service.find_pool_by_domain("people")
    assert only is not None
    assert only == by_name
    other_pool = await world.pool()
    assert await service.find_client(other_pool, client_id) is None
    assert await service.find_pool("us-west-2_nobody") is None
    assert await service.find_user(pool_id, "nobody") is None
    assert await service.find_pool_by_domain("nobody") is None
    await world.create_user_pool_domain(user_pool_id=other_pool, domain="others")
    assert await service.find_only_domain() is None


async def test_client_secret_is_compared_whole(world: World) -> None:
    pool_id, public = await world.some_user()
    confidential = await world.client(pool_id, client_secret="s" * 24)
    service = world.pools.sign_in
    _, client, _ = await _parts(world, pool_id, confidential)
    _, open_client, _ = await _parts(world, pool_id, public)

    assert service.client_secret_matches(client, "s" * 24)
    assert not any(service.client_secret_matches(client, wrong) for wrong in (None, "", "s" * 23, "s" * 25))
    assert service.client_secret_matches(open_client, None)
    assert not service.client_secret_matches(open_client, "")


# What identity pools are handed


async def test_id_tokens_for_identity_pools(world: World) -> None:
    pool_id, client_id = await world.some_user()
    tokens = await world.sign_in(client_id)
    verifier = world.pools.token_verifier

    async def verify(token: str, *, pool: str = pool_id, audience: str = client_id, check_user: bool = True) -> str:
        verified = await verifier.verify_id_token(
            token, user_pool_id=pool, audiences=[audience], now=world.now, check_user=check_user
        )
        return verified.sub

    assert await verify(tokens["id_token"])
    with pytest.raises(WrongTokenUse):
        await verify(tokens["access_token"])
    with pytest.raises(AudienceMismatch):
        await verify(tokens["id_token"], audience="another")
    with pytest.raises(IssuerMismatch):
        await verify(tokens["id_token"], pool=await world.pool())
    with pytest.raises(IssuerMismatch):
        await verify(tokens["id_token"], pool="us-west-2_nobody")
    with pytest.raises(NotAToken):
        await verify("x")
    await world.admin_user_global_sign_out(user_pool_id=pool_id, username="anna")
    with pytest.raises(TokenRevoked):
        await verify(tokens["id_token"])
    assert await verify(tokens["id_token"], check_user=False)
    world.later(hours=1)
    with pytest.raises(TokenExpired):
        await verify(tokens["id_token"], check_user=False)


async def test_disabled_and_deleted_users_tokens_are_revoked_for_identity_pools(world: World) -> None:
    pool_id, client_id = await world.some_user()
    token = (await world.sign_in(client_id))["id_token"]

    async def verify() -> None:
        await world.pools.token_verifier.verify_id_token(
            token, user_pool_id=pool_id, audiences=[client_id], now=world.now, check_user=True
        )

    await verify()
    await world.admin_disable_user(user_pool_id=pool_id, username="anna")
    with pytest.raises(TokenRevoked):
        await verify()
    await world.admin_delete_user(user_pool_id=pool_id, username="anna")
    with pytest.raises(TokenRevoked):
        await verify()


async def test_public_url_is_the_issuer_and_both_names_are_accepted(world: World, world_with_url: World) -> None:
    pool_id, client_id = await world_with_url.some_user()
    named = await world_with_url.sign_in(client_id)
    assert claims_of(named["id_token"])["iss"] == f"https://auth.example.com/{pool_id}"
    # The same state under a server without a name of its own: tokens with AWS's issuer.
    unnamed = await world.sign_in(client_id)

    for tokens in (named, unnamed):
        await world_with_url.pools.token_verifier.verify_id_token(
            tokens["id_token"], user_pool_id=pool_id, audiences=[client_id], now=world.now, check_user=True
        )
        await world_with_url.get_user(access_token=tokens["access_token"])
    with pytest.raises(IssuerMismatch):
        await world.pools.token_verifier.verify_id_token(
            named["id_token"], user_pool_id=pool_id, audiences=[client_id], now=world.now, check_user=True
        )


async def test_removed_attribute_is_not_in_the_token(world: World) -> None:
    pool_id, client_id = await world.some_user()
    await world.admin_update_user_attributes(
        user_pool_id=pool_id, username="anna", user_attributes=attribute_list(email="")
    )

    assert not {"email", "email_verified"} & claims_of((await world.sign_in(client_id))["id_token"]).keys()
