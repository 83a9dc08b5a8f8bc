"""The classic flow: a token of the pool's, taken to STS, for a role of the holder's choice."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest

from support.identitypools import ACCOUNT, COGNITO, PROVIDER, REGION, ROOT, World, role_arn, trusting_pool
from velvetrope.clock import CountingEntropy
from velvetrope.errors import ServiceError
from velvetrope.identitypools import PoolOpenIdTokens
from velvetrope.identitypools.errors import InvalidParameterException
from velvetrope.operations import Call
from velvetrope.principals import ANONYMOUS, SigningCredentials
from velvetrope.sealing import MasterKeys
from velvetrope.sts import StsOperations
from velvetrope.sts.errors import AccessDenied, ExpiredTokenException, InvalidIdentityToken
from velvetrope.tokens import AudienceMismatch, NotAToken, TokenRevoked, TokenSignatureMismatch

NO_KEY = (
    "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity "
    "documentation for requirements"
)


class NoKeys:
    async def find_access_key(self, access_key_id: str, now: object) -> SigningCredentials | None:
        return None


async def token_of(world: World, pool_id: str, *, guest: bool = False) -> str:
    if guest:
        identity_id, logins = (await world.call("get_id", identity_pool_id=pool_id))["identity_id"], {}
    else:
        identity_id, logins = await world.sign_in(pool_id), world.logins()
    answer = await world.call("get_open_id_token", identity_id=identity_id, logins=logins)
    assert answer["identity_id"] == identity_id
    token: str = answer["token"]
    return token


async def at_sts(world: World, token: str, role: str = "Member") -> Any:
    sts = StsOperations(world.assumption, world.sessions, access_keys=NoKeys(), web_identity_tokens=world.tokens)
    return await sts.assume_role_with_web_identity(
        Call(ANONYMOUS, ACCOUNT, REGION, "request-1", world.clock.now()),
        role_arn=role_arn(role),
        role_session_name="app",
        web_identity_token=token,
    )


async def refused_at_sts(world: World, kind: type[ServiceError], token: str, role: str = "Member") -> str:
    with pytest.raises(kind) as refusal:
        await at_sts(world, token, role)
    return refusal.value.message


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, payload = (
        json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in token.split(".")[:2]
    )
    return header, payload


async def test_the_classic_flow_is_off_unless_the_pool_says_otherwise(world: World) -> None:
    pool_id = await world.make_pool()
    identity_id = await world.sign_in(pool_id)

    with pytest.raises(InvalidParameterException) as refusal:
        await world.call("get_open_id_token", identity_id=identity_id, logins=world.logins())

    assert refusal.value.message == "Basic (classic) flow is not enabled, please use enhanced flow."


async def test_a_token_says_who_where_and_how(world: World) -> None:
    pool_id = await world.make_pool(classic=True)
    identity_id = await world.sign_in(pool_id)
    now = int(world.clock.now().timestamp())

    header, claims = parts(await token_of(world, pool_id))

    assert list(header.items()) == [("kid", "us-west-2-1"), ("typ", "JWS"), ("alg", "RS512")]
    assert list(claims.items()) == [
        ("sub", identity_id),
        ("aud", pool_id),
        ("amr", ["authenticated", PROVIDER, f"{PROVIDER}:CognitoSignIn:alice"]),
        ("iss", "https://cognito-identity.amazonaws.com"),
        (
            "https://cognito-identity.amazonaws.com/identity-pool-arn",
            f"arn:aws:cognito-identity:us-west-2:{ACCOUNT}:identitypool/{pool_id}",
        ),
        ("exp", now + 600),
        ("iat", now),
    ]
    _, guest_claims = parts(await token_of(world, pool_id, guest=True))
    assert guest_claims["amr"] == ["unauthenticated"]
    assert "https://cognito-identity.amazonaws.com/identity-pool-arn" not in guest_claims


async def test_other_people_s_libraries_verify_the_token_by_the_published_keys(world: World) -> None:
    import jwt

    pool_id = await world.make_pool(classic=True)
    token = await token_of(world, pool_id)
    published: Any = await world.tokens.jwks()

    key = jwt.PyJWK(published["keys"][0])

    assert [set(jwk) for jwk in published["keys"]] == [{"kty", "alg", "use", "kid", "n", "e"}]
    claims = jwt.decode(token, key, algorithms=["RS512"], audience=pool_id, options={"verify_exp": False})
    assert claims["aud"] == pool_id


async def test_the_token_gets_the_role_that_trusts_its_pool(world: World) -> None:
    pool_id = await world.make_pool(classic=True)

    answer = await at_sts(world, await token_of(world, pool_id))

    identity_id = await world.sign_in(pool_id)
    assert answer["subject_from_web_identity_token"] == identity_id
    assert answer["audience"] == pool_id
    assert answer["provider"] == COGNITO
    assert answer["assumed_role_user"]["arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/Member/app"
    given = answer["credentials"]
    holder = world.sessions.open(given["access_key_id"], given["session_token"], world.clock.now()).principal
    assert holder.session is not None
    assert holder.session.policies is None
    assert holder.session.claims[f"{COGNITO}:sub"] == (identity_id,)


async def test_a_guest_s_token_gets_the_guest_role_and_no_other(world: World) -> None:
    pool_id = await world.make_pool(classic=True)
    token = await token_of(world, pool_id, guest=True)

    await at_sts(world, token, "Guest")
    message = await refused_at_sts(world, AccessDenied, token, "Member")

    assert message == "Not authorized to perform sts:AssumeRoleWithWebIdentity"


async def test_a_token_of_another_pool_does_not_get_the_role(world: World) -> None:
    other = await world.make_pool(classic=True)
    token = await token_of(world, other)
    await world.make_pool(classic=True)

    await refused_at_sts(world, AccessDenied, token)


async def test_principal_tags_come_along_when_the_role_lets_them(world: World) -> None:
    pool_id = await world.make_pool(classic=True)
    await world.call(
        "set_principal_tag_attribute_map",
        by=ROOT,
        identity_pool_id=pool_id,
        identity_provider_name=PROVIDER,
        use_defaults=True,
    )
    token = await token_of(world, pool_id)

    await refused_at_sts(world, AccessDenied, token)
    world.roles.documents["Member"] = trusting_pool(pool_id, "authenticated", tagging=True)
    given = (await at_sts(world, token))["credentials"]

    holder = world.sessions.open(given["access_key_id"], given["session_token"], world.clock.now()).principal
    assert holder.session is not None
    assert holder.session.tags == {"username": "alice", "client": "client1"}


async def test_a_token_is_dead_at_ten_minutes(world: World) -> None:
    pool_id = await world.make_pool(classic=True)
    token = await token_of(world, pool_id)

    world.clock.advance(timedelta(seconds=599))
    await at_sts(world, token)
    world.clock.advance(timedelta(seconds=1))
    now = int(world.clock.now().timestamp())

    message = await refused_at_sts(world, ExpiredTokenException, token)
    assert message == f"Token expired: current date/time {now} must be before the expiration date/time {now}"


async def test_a_token_that_is_not_ours_is_refused(world: World) -> None:
    pool_id = await world.make_pool(classic=True)
    token = await token_of(world, pool_id)
    header, payload, signature = token.split(".")
    not_a_jwt = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none","kid":"us-west-2-1"}').rstrip(b"=").decode()
    symmetric = base64.urlsafe_b64encode(b'{"alg":"HS512","kid":"us-west-2-1"}').rstrip(b"=").decode()
    altered = base64.urlsafe_b64encode(json.dumps({**parts(token)[1], "sub": "us-west-2:x"}).encode()).decode()

    for no_token in (
        "garbage",
        "a.b.c",
        "e30.W10.AAAA",
        f"{unsigned}.{payload}.",
        f"e30.{payload}.{signature}",
        f"{header}.{payload}.{signature}==",
        f"{header}.{payload}\n.{signature}",
    ):
        assert await refused_at_sts(world, InvalidIdentityToken, no_token) == not_a_jwt
    for forged in (
        f"{unsigned}.{payload}.{signature}",
        f"{symmetric}.{payload}.{signature}",
        f"{header}.{altered.rstrip('=')}.{signature}",
        f"{header}.{payload}.{'A' * len(signature)}",
    ):
        assert await refused_at_sts(world, InvalidIdentityToken, forged) == NO_KEY


async def test_a_token_of_another_issuer_is_refused_by_its_name(world: World) -> None:
    await world.make_pool(classic=True)

    message = await refused_at_sts(world, InvalidIdentityToken, world.id_token())

    assert message == f"No OpenIDConnect provider found in your account for https://{PROVIDER}"


async def test_a_token_dies_with_its_identity_and_with_its_pool(world: World) -> None:
    pool_id = await world.make_pool(classic=True)
    token = await token_of(world, pool_id)
    identity_id = await world.sign_in(pool_id)

    await world.call("delete_identities", by=ROOT, identity_ids_to_delete=(identity_id,))
    with pytest.raises(TokenRevoked):
        await world.tokens.verify_web_identity_token(token, now=world.clock.now())
    await world.call("delete_identity_pool", by=ROOT, identity_pool_id=pool_id)
    with pytest.raises(AudienceMismatch):
        await world.tokens.verify_web_identity_token(token, now=world.clock.now())
    assert await refused_at_sts(world, InvalidIdentityToken, token) == "Incorrect token audience"


async def test_a_guest_s_token_dies_when_the_guest_is_merged_away(world: World) -> None:
    pool_id = await world.make_pool(classic=True)
    await world.sign_in(pool_id)
    token = await token_of(world, pool_id, guest=True)

    await world.call("get_open_id_token", identity_id=parts(token)[1]["sub"], logins=world.logins())

    with pytest.raises(TokenRevoked):
        await world.tokens.verify_web_identity_token(token, now=world.clock.now())


async def test_a_guest_s_token_dies_when_the_pool_lets_no_guests_in_any_more(world: World) -> None:
    pool_id = await world.make_pool(classic=True)
    guest, member = await token_of(world, pool_id, guest=True), await token_of(world, pool_id)
    assert await at_sts(world, guest, "Guest")

    await world.forbid_guests(pool_id)

    with pytest.raises(TokenRevoked):
        await world.tokens.verify_web_identity_token(guest, now=world.clock.now())
    assert await refused_at_sts(world, InvalidIdentityToken, guest, "Guest") == NO_KEY
    assert await at_sts(world, member)


async def test_another_node_verifies_with_the_same_key_after_a_restart(world: World) -> None:
    pool_id = await world.make_pool(classic=True)
    token = await token_of(world, pool_id)
    same_keys = MasterKeys.generate(CountingEntropy())

    restarted = PoolOpenIdTokens(world.store, same_keys, CountingEntropy(), region=REGION)

    assert (await restarted.verify_web_identity_token(token, now=world.clock.now())).audience == pool_id
    assert await restarted.jwks() == await world.tokens.jwks()


async def test_before_the_first_token_there_is_no_key(world: World) -> None:
    pool_id = await world.make_pool(classic=True)

    assert await world.tokens.jwks() == {"keys": []}
    with pytest.raises(NotAToken):
        await world.tokens.verify_web_identity_token("a" * 40_000 + ".b.c", now=world.clock.now())
    header = base64.urlsafe_b64encode(b'{"alg":"RS512","kid":"us-west-2-1"}').decode()
    claims = base64.urlsafe_b64encode(json.dumps({"iss": f"https://{COGNITO}", "aud": pool_id}).encode()).decode()
    with pytest.raises(TokenSignatureMismatch):
        await world.tokens.verify_web_identity_token(
            f"{header.rstrip('=')}.{claims.rstrip('=')}.AAAA", now=world.clock.now()
        )
