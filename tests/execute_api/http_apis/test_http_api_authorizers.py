"""Who may call an HTTP API: signatures and policies, tokens of issuers, and functions that decide."""

import base64
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from support.gateway import ACCOUNT, Invocation, allow, header
from support.http_apis import AUTHORIZER_FUNCTION, HttpGateway, told
from support.token_tricks import issuers_mint, issuers_tricks
from velvetrope.apigatewayv2 import NotFoundException
from velvetrope.apigatewayv2.authorizers import JwtConfiguration
from velvetrope.policy import PrincipalPolicies

UNAUTHORIZED = (401, b'{"message":"Unauthorized"}')
FORBIDDEN = (403, b'{"message":"Forbidden"}')
BROKEN = (500, b'{"message":"Internal Server Error"}')
ISSUER = "https://issuer.example"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/authenticated"


# AWS_IAM


async def signed_route(gateway: HttpGateway, route_key: str = "GET /pets/{id}") -> None:
    await gateway.deploy()
    await gateway.plane.new_route(gateway.api_id, route_key, authorization_type="AWS_IAM")


async def test_a_signed_call_that_a_policy_allows_reaches_the_function_with_its_caller(gateway: HttpGateway) -> None:
    await signed_route(gateway)
    gateway.callers.policies[ROLE] = allow(gateway.arn("GET/pets/*"))
    claims = {
        "cognito-identity.amazonaws.com:sub": ("us-west-2:1",),
        "cognito-identity.amazonaws.com:aud": ("us-west-2:2",),
        "cognito-identity.amazonaws.com:amr": ("authenticated", "pool", "pool:CognitoSignIn:s"),
    }

    response = await gateway.signed_call("GET", "/pets/1", gateway.rest.role_session(claims=claims))

    assert response.status == 200
    iam = gateway.event()["requestContext"]["authorizer"]["iam"]
    assert iam["userArn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/authenticated/CognitoIdentityCredentials"
    assert iam["cognitoIdentity"]["amr"] == ["authenticated", "pool", "pool:CognitoSignIn:s"]
    assert "authorization" not in gateway.event()["headers"]


async def test_under_a_domain_name_the_path_that_was_called_is_signed_and_the_route_is_judged(
    gateway: HttpGateway,
) -> None:
    await signed_route(gateway)
    gateway.callers.policies[ROLE] = allow(gateway.arn("GET/pets/1"))
    credentials = gateway.rest.role_session()

    signed = gateway.rest.signed(gateway.by_domain("/$default/pets/1", "/v1/pets/1"), credentials)
    moved = msgspec.structs.replace(signed, raw_path=b"/v2/pets/1")
    other = gateway.rest.signed(gateway.by_domain("/$default/pets/2", "/v1/pets/2"), credentials)

    assert (await gateway.lane.answer(signed)).status == 200
    for refused in (moved, other, gateway.by_domain("/$default/pets/1", "/v1/pets/1")):
        assert told(await gateway.lane.answer(refused)) == FORBIDDEN


@pytest.mark.parametrize(
    "policies",
    [
        PrincipalPolicies(),
        allow("arn:aws:execute-api:us-west-2:111111111111:other/*"),
        allow("*", effect="Deny"),
    ],
)
async def test_a_signed_call_that_no_policy_allows_is_forbidden(
    gateway: HttpGateway, policies: PrincipalPolicies
) -> None:
    await signed_route(gateway)
    gateway.callers.policies[ROLE] = policies

    response = await gateway.signed_call("GET", "/pets/1", gateway.rest.role_session())

    assert told(response) == FORBIDDEN
    assert gateway.functions.calls == []
    record = gateway.log.find(header(response, "Apigw-Requestid") or "")
    assert record is not None
    assert "may not execute-api:Invoke" in record.steps[-1].reason


async def test_the_path_that_was_called_is_asked_about_and_its_decoded_form_too(gateway: HttpGateway) -> None:
    await signed_route(gateway)
    gateway.callers.policies[ROLE] = allow(gateway.arn("GET/pets/public*"))

    assert (await gateway.signed_call("GET", "/pets/public1", gateway.rest.role_session())).status == 200
    assert told(await gateway.signed_call("GET", "/pets/secret", gateway.rest.role_session())) == FORBIDDEN
    assert told(await gateway.signed_call("GET", "/pets/%70ublic1", gateway.rest.role_session())) == FORBIDDEN


async def test_a_call_that_is_not_signed_well_is_forbidden(gateway: HttpGateway) -> None:
    await signed_route(gateway)
    gateway.callers.policies[ROLE] = allow("*")
    session = gateway.rest.role_session()
    request = gateway.request("GET", "/pets/1")

    bad = [
        request,
        gateway.request("GET", "/pets/1", headers={"Authorization": "Bearer x"}),
        gateway.rest.signed(request, session, secret="another"),
        gateway.rest.signed(request, session, service="s3"),
        gateway.rest.signed(request, session, region="eu-west-1"),
    ]

    for refused in bad:
        assert told(await gateway.lane.answer(refused)) == FORBIDDEN
    good = gateway.rest.signed(request, session)
    assert (await gateway.lane.answer(good)).status == 200


async def test_permissions_are_remembered_until_policies_change(gateway: HttpGateway) -> None:
    await signed_route(gateway)
    gateway.callers.policies[ROLE] = allow("*")
    session = gateway.rest.role_session()

    assert (await gateway.signed_call("GET", "/pets/1", session)).status == 200
    assert (await gateway.signed_call("GET", "/pets/1", session)).status == 200
    gateway.callers.policies[ROLE] = PrincipalPolicies()
    assert told(await gateway.signed_call("GET", "/pets/1", session)) == FORBIDDEN


# JWT


async def token_route(
    gateway: HttpGateway, *, issuer: str, scopes: tuple[str, ...] = (), source: str = "$request.header.Authorization"
) -> None:
    await gateway.deploy()
    authorizer = await gateway.plane.create_authorizer(
        api_id=gateway.api_id,
        name="people",
        authorizer_type="JWT",
        identity_source=(source,),
        jwt_configuration=JwtConfiguration(issuer=issuer, audience=("client", "other")),
    )
    await gateway.plane.new_route(
        gateway.api_id,
        "GET /me",
        authorization_type="JWT",
        authorizer_id=authorizer["authorizer_id"],
        authorization_scopes=scopes,
    )


def foreign_token(gateway: HttpGateway, key: Any, *, algorithm: str = "RS256", **claims: Any) -> str:
    now = int(gateway.clock.now().timestamp())
    known = {"iss": ISSUER, "aud": "client", "sub": "s", "iat": now, "exp": now + 60} | claims
    return jwt.encode(
        {"alg": algorithm, "kid": "k"}, {name: value for name, value in known.items() if value is not None}, key
    )


async def bearer(gateway: HttpGateway, token: str) -> Any:
    return await gateway.call("GET", "/me", headers={"Authorization": f"Bearer {token}"})


@pytest.mark.parametrize("token_use", ["id", "access"])
@pytest.mark.parametrize("prefix", ["Bearer ", "bearer ", ""])
async def test_a_token_of_a_pool_of_ours_is_proven_without_asking_anybody(
    gateway: HttpGateway, token_use: str, prefix: str
) -> None:
    await token_route(gateway, issuer=gateway.pools.issuer("us-west-2_one"))
    claims: dict[str, Any] = {"email_verified": True, "cognito:groups": ["a", "b"]}
    token = gateway.pools.token(token_use=token_use, **claims)

    response = await gateway.call("GET", "/me", headers={"Authorization": prefix + token})

    assert response.status == 200
    authorizer = gateway.event()["requestContext"]["authorizer"]["jwt"]
    assert authorizer["claims"]["cognito:groups"] == "[a b]"
    assert authorizer["claims"]["email_verified"] == "true"
    assert authorizer["scopes"] is None
    assert gateway.issuers.asked == []


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [("RS256", RSAKey.generate_key(2048)), ("ES256", ECKey.generate_key("P-256"))],
)
async def test_a_token_of_another_issuer_is_proven_with_the_issuers_key(
    gateway: HttpGateway, algorithm: str, key: Any
) -> None:
    await token_route(gateway, issuer=ISSUER)
    gateway.issuers.keys[ISSUER, "k"] = key

    assert (await bearer(gateway, foreign_token(gateway, key, algorithm=algorithm))).status == 200
    assert (await bearer(gateway, foreign_token(gateway, key, algorithm=algorithm, aud=["x", "other"]))).status == 200
    assert (
        await bearer(gateway, foreign_token(gateway, key, algorithm=algorithm, aud=None, client_id="client"))
    ).status == 200


async def test_what_forgers_try_is_unauthorized_and_the_good_token_beside_it_is_not(gateway: HttpGateway) -> None:
    await token_route(gateway, issuer=ISSUER)
    gateway.issuers.keys[ISSUER, "rsa"] = RSA
    good = issuers_mint(RSA, ISSUER, gateway.clock.now())
    mint = replace(good, claims={**good.claims, "aud": "client"})
    tricks = issuers_tricks(mint, gateway.clock.now())
    # An API hears of a token's bearer without a subject; machines have none of a person's.
    subjects = {name for name in tricks if "subject" in name}

    for name in tricks.keys() - subjects:
        assert told(await bearer(gateway, tricks[name])) == UNAUTHORIZED, name
    for claims in ({}, {"exp": mint.claims["exp"] + 0.5}, {"aud": ["another", "client"]}):
        assert (await bearer(gateway, mint.token(claims=claims))).status == 200


async def test_a_missing_token_is_challenged(gateway: HttpGateway) -> None:
    await token_route(gateway, issuer=ISSUER)

    response = await gateway.call("GET", "/me")

    assert told(response) == UNAUTHORIZED
    assert header(response, "WWW-Authenticate") == "Bearer"
    assert gateway.functions.calls == []


RSA, EC, OCT = RSAKey.generate_key(2048), ECKey.generate_key("P-256"), OctKey.generate_key(256)


@pytest.mark.parametrize(
    ("claims", "description"),
    [
        ({"iss": "https://other.example"}, None),
        ({"iss": ISSUER + "/"}, None),
        ({"aud": "nobody"}, "the token does not have a valid audience"),
        ({"aud": None}, "the token does not have a valid audience"),
        ({"aud": "nobody", "client_id": "client"}, "the token does not have a valid audience"),
        ({"exp": None}, None),
        ({"exp": "later"}, None),
        ({"exp": 0}, "the token has expired"),
        ({"nbf": 4_000_000_000}, None),
        ({"iat": 4_000_000_000}, None),
    ],
)
async def test_a_token_with_a_wrong_claim_is_unauthorized(
    gateway: HttpGateway, claims: dict[str, Any], description: str | None
) -> None:
    await token_route(gateway, issuer=ISSUER)
    gateway.issuers.keys[ISSUER, "k"] = RSA

    response = await bearer(gateway, foreign_token(gateway, RSA, **claims))

    told_so = "" if description is None else f' error_description="{description}"'
    assert told(response) == UNAUTHORIZED
    assert header(response, "WWW-Authenticate") == f'Bearer scope="" error="invalid_token"{told_so}'
    assert gateway.functions.calls == []


async def test_a_token_is_dead_at_exp_and_alive_the_second_before(gateway: HttpGateway) -> None:
    await token_route(gateway, issuer=ISSUER)
    gateway.issuers.keys[ISSUER, "k"] = RSA
    token = foreign_token(gateway, RSA)

    gateway.clock.advance(timedelta(seconds=59))
    assert (await bearer(gateway, token)).status == 200
    gateway.clock.advance(timedelta(seconds=1))
    assert told(await bearer(gateway, token)) == UNAUTHORIZED


async def test_a_token_that_the_issuers_key_did_not_sign_is_unauthorized(gateway: HttpGateway) -> None:
    await token_route(gateway, issuer=ISSUER)
    gateway.issuers.keys[ISSUER, "k"] = RSA
    head, claims, signature = foreign_token(gateway, RSA).split(".")
    unsigned_head = base64.urlsafe_b64encode(b'{"alg":"none","kid":"k"}').rstrip(b"=").decode()

    for token in (
        foreign_token(gateway, RSAKey.generate_key(2048)),
        foreign_token(gateway, OCT, algorithm="HS256"),
        foreign_token(gateway, EC, algorithm="ES256"),
        f"{head}.{claims}.{signature[:-4]}AAAA",
        f"{head}.{claims}.",
        f"{unsigned_head}.{claims}.",
        f"{unsigned_head}.{claims}.{signature}",
        "x",
        "",
    ):
        assert told(await bearer(gateway, token)) == UNAUTHORIZED
    assert gateway.functions.calls == []


async def test_a_token_of_another_pool_or_a_pool_that_is_gone_is_unauthorized(gateway: HttpGateway) -> None:
    await token_route(gateway, issuer=gateway.pools.issuer("us-west-2_one"))

    assert told(await bearer(gateway, gateway.pools.token("us-west-2_two"))) == UNAUTHORIZED
    assert told(await bearer(gateway, gateway.pools.token(aud="nobody"))) == UNAUTHORIZED
    assert gateway.issuers.asked == []
    await token_route(gateway, issuer=gateway.pools.issuer("us-west-2_gone"))
    token = gateway.pools.token(iss=gateway.pools.issuer("us-west-2_gone"))
    assert told(await bearer(gateway, token)) == UNAUTHORIZED


async def test_a_route_with_scopes_wants_one_of_them(gateway: HttpGateway) -> None:
    await token_route(gateway, issuer=ISSUER, scopes=("read", "write"))
    gateway.issuers.keys[ISSUER, "k"] = RSA

    allowed = await bearer(gateway, foreign_token(gateway, RSA, scope="email write"))
    listed = await bearer(gateway, foreign_token(gateway, RSA, scp=["read"]))
    lacking = await bearer(gateway, foreign_token(gateway, RSA, scope="email reader"))
    without = await bearer(gateway, foreign_token(gateway, RSA))

    assert (allowed.status, listed.status) == (200, 200)
    assert gateway.event(0)["requestContext"]["authorizer"]["jwt"]["scopes"] == ["email", "write"]
    assert told(lacking) == told(without) == FORBIDDEN
    assert header(lacking, "WWW-Authenticate") == 'Bearer scope="read write" error="insufficient_scope"'


async def test_a_token_may_stand_in_the_query(gateway: HttpGateway) -> None:
    await token_route(gateway, issuer=gateway.pools.issuer("us-west-2_one"), source="$request.querystring.token")

    assert (await gateway.call("GET", f"/me?token={gateway.pools.token()}")).status == 200
    assert told(await bearer(gateway, gateway.pools.token())) == UNAUTHORIZED


async def test_the_record_does_not_hold_the_token(gateway: HttpGateway) -> None:
    await token_route(gateway, issuer=ISSUER)
    token = foreign_token(gateway, RSA)

    response = await bearer(gateway, token)

    record = gateway.log.find(header(response, "Apigw-Requestid") or "")
    assert record is not None
    assert token not in repr(record)
    assert token.split(".")[2] not in repr(record)


# CUSTOM


async def asked_route(gateway: HttpGateway, **parameters: Any) -> str:
    """A route that a function decides about; the authorizer's id."""
    await gateway.deploy()
    authorizer = await gateway.plane.create_authorizer(
        **{
            "api_id": gateway.api_id,
            "name": "asked",
            "authorizer_type": "REQUEST",
            "authorizer_uri": AUTHORIZER_FUNCTION,
            "authorizer_payload_format_version": "2.0",
            "enable_simple_responses": True,
            "identity_source": ("$request.header.X-Token",),
        }
        | parameters
    )
    for key in ("GET /a", "GET /b/{id}"):
        await gateway.plane.new_route(
            gateway.api_id, key, authorization_type="CUSTOM", authorizer_id=authorizer["authorizer_id"]
        )
    return str(authorizer["authorizer_id"])


def decided(gateway: HttpGateway, answer: object, *, error: str | None = None) -> None:
    """The authorizer's function answers with `answer`, the integration's as ever."""
    payload = answer if isinstance(answer, bytes) else json.dumps(answer).encode()

    async def invoke() -> Invocation:
        asked = gateway.functions.calls[-1]["function_arn"] == AUTHORIZER_FUNCTION
        return Invocation(payload, error) if asked else Invocation(b'{"hello": "there"}')

    gateway.functions.answer = invoke


def policy(resource: str, *, effect: str = "Allow", **members: object) -> dict[str, object]:
    statement = {"Effect": effect, "Action": "execute-api:Invoke", "Resource": resource}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    return {"principalId": "someone", "policyDocument": document, **members}


TOKEN = {"X-Token": "secret"}


async def test_a_simple_yes_lets_the_caller_in_with_its_context(gateway: HttpGateway) -> None:
    authorizer_id = await asked_route(gateway)
    decided(gateway, {"isAuthorized": True, "context": {"tier": "gold", "list": [1], "n": 3}})

    response = await gateway.call("GET", "/b/1?x=y", headers=TOKEN, body=b"not shown")

    asked, event = gateway.event(0), gateway.event(1)
    assert response.status == 200
    assert gateway.functions.calls[0]["source_arn"] == (
        f"arn:aws:execute-api:us-west-2:{ACCOUNT}:{gateway.api_id}/authorizers/{authorizer_id}"
    )
    assert (asked["version"], asked["type"], asked["identitySource"]) == ("2.0", "REQUEST", ["secret"])
    assert asked["routeArn"] == gateway.arn("GET/b/1")
    assert (asked["pathParameters"], asked["queryStringParameters"]) == ({"id": "1"}, {"x": "y"})
    assert "body" not in asked
    assert event["requestContext"]["authorizer"] == {"lambda": {"tier": "gold", "list": [1], "n": 3}}


@pytest.mark.parametrize("answer", [{"isAuthorized": False}, {"isAuthorized": False, "context": {"a": 1}}])
async def test_a_simple_no_is_forbidden(gateway: HttpGateway, answer: object) -> None:
    await asked_route(gateway)
    decided(gateway, answer)

    assert told(await gateway.call("GET", "/a", headers=TOKEN)) == FORBIDDEN
    assert len(gateway.functions.calls) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"null",
        b'"yes"',
        {},
        {"isAuthorized": "true"},
        {"isAuthorized": 1},
        {"isAuthorized": True, "context": []},
        policy("*"),
    ],
)
async def test_an_answer_that_is_no_simple_response_lets_nobody_in(gateway: HttpGateway, answer: object) -> None:
    await asked_route(gateway)
    decided(gateway, answer)

    assert told(await gateway.call("GET", "/a", headers=TOKEN)) == BROKEN
    assert len(gateway.functions.calls) == 1


@pytest.mark.parametrize("version", ["1.0", "2.0"])
async def test_a_policy_is_weighed_for_the_route_that_is_called(gateway: HttpGateway, version: str) -> None:
    await asked_route(gateway, authorizer_payload_format_version=version, enable_simple_responses=False)
    decided(gateway, policy(gateway.arn("GET/b/1"), context={"tier": "gold"}))

    assert (await gateway.call("GET", "/b/1", headers=TOKEN)).status == 200
    assert gateway.event(1)["requestContext"]["authorizer"] == {"lambda": {"tier": "gold"}}
    assert told(await gateway.call("GET", "/b/2", headers=TOKEN)) == FORBIDDEN
    assert told(await gateway.call("GET", "/a", headers=TOKEN)) == FORBIDDEN
    if version == "1.0":
        asked = gateway.event(0)
        assert (asked["version"], asked["methodArn"]) == ("1.0", gateway.arn("GET/b/1"))
        assert (asked["identitySource"], asked["authorizationToken"]) == ("secret", "secret")
    decided(gateway, policy("*", effect="Deny"))
    assert told(await gateway.call("GET", "/b/1", headers=TOKEN)) == FORBIDDEN


@pytest.mark.parametrize(
    "answer",
    [
        {"isAuthorized": True},
        {"principalId": "x"},
        {**policy("*"), "principalId": ""},
        {**policy("*"), "policyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Perhaps"}]}},
        policy("*", context={"a": []}),
    ],
)
async def test_an_answer_that_is_no_policy_lets_nobody_in(gateway: HttpGateway, answer: object) -> None:
    await asked_route(gateway, enable_simple_responses=False)
    decided(gateway, answer)

    assert told(await gateway.call("GET", "/a", headers=TOKEN)) == BROKEN


@pytest.mark.parametrize("headers", [{}, {"X-Token": ""}])
async def test_without_its_identity_the_function_is_not_asked(gateway: HttpGateway, headers: dict[str, str]) -> None:
    await asked_route(gateway)
    decided(gateway, {"isAuthorized": True})

    assert told(await gateway.call("GET", "/a", headers=headers)) == UNAUTHORIZED
    assert gateway.functions.calls == []


async def test_every_identity_source_must_be_there(gateway: HttpGateway) -> None:
    sources = ("$request.header.X-Token", "$request.querystring.q", "$context.routeKey", "$stageVariables.color")
    await asked_route(gateway, identity_source=sources)
    decided(gateway, {"isAuthorized": True})

    assert told(await gateway.call("GET", "/a?q=1", headers=TOKEN)) == UNAUTHORIZED
    await gateway.plane.update_stage(api_id=gateway.api_id, stage_name="$default", stage_variables={"color": "blue"})
    assert told(await gateway.call("GET", "/a", headers=TOKEN)) == UNAUTHORIZED
    assert (await gateway.call("GET", "/a?q=1", headers=TOKEN)).status == 200
    assert gateway.event(0)["identitySource"] == ["secret", "1", "GET /a", "blue"]


@pytest.mark.parametrize(
    ("payload", "expected"),
    [({"errorMessage": "Unauthorized"}, UNAUTHORIZED), ({"errorMessage": "unauthorized"}, BROKEN), (b"x", BROKEN)],
)
async def test_a_function_that_fails_lets_nobody_in(
    gateway: HttpGateway, payload: object, expected: tuple[int, bytes]
) -> None:
    await asked_route(gateway)
    decided(gateway, payload, error="Unhandled")

    assert told(await gateway.call("GET", "/a", headers=TOKEN)) == expected


async def test_a_function_that_cannot_be_invoked_lets_nobody_in(gateway: HttpGateway) -> None:
    await asked_route(gateway)
    gateway.functions.answer = NotFoundException("there is no such function")

    assert told(await gateway.call("GET", "/a", headers=TOKEN)) == BROKEN


async def test_what_was_said_counts_for_its_ttl_and_for_one_identity(gateway: HttpGateway) -> None:
    await asked_route(gateway, authorizer_result_ttl_in_seconds=60)
    decided(gateway, {"isAuthorized": True})

    async def asked_by(path: str, token: str) -> bool:
        before = len(gateway.functions.calls)
        assert (await gateway.call("GET", path, headers={"X-Token": token})).status == 200
        return len(gateway.functions.calls) - before == 2

    assert await asked_by("/a", "one")
    assert not await asked_by("/b/1", "one")
    assert await asked_by("/a", "two")
    gateway.clock.advance(timedelta(seconds=59))
    assert not await asked_by("/a", "one")
    gateway.clock.advance(timedelta(seconds=1))
    assert await asked_by("/a", "one")


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("source", ["$request.header.X-Token", "$request.querystring.token"])
async def test_what_was_said_of_several_values_counts_for_none_of_them_alone(
    gateway: HttpGateway, version: str, source: str
) -> None:
    """A function of payload format 1.0 sees the last value: its yes to that one must not be kept for the first."""
    await asked_route(
        gateway,
        authorizer_result_ttl_in_seconds=60,
        identity_source=(source,),
        authorizer_payload_format_version=version,
        enable_simple_responses=False,
    )
    decided(gateway, policy("*"))
    pair = msgspec.structs.replace(
        gateway.request("GET", "/a?token=first&token=last"),
        headers=((b"Host", b"localhost:4800"), (b"X-Token", b"first"), (b"X-Token", b"last")),
    )
    assert (await gateway.lane.answer(pair)).status == 200
    decided(gateway, policy("*", effect="Deny"))

    for value in ("first", "last"):
        alone = gateway.request("GET", f"/a?token={value}", headers={"X-Token": value})
        assert told(await gateway.lane.answer(alone)) == FORBIDDEN
    assert (await gateway.lane.answer(pair)).status == 200


async def test_a_kept_refusal_still_refuses_and_a_deployment_asks_anew(gateway: HttpGateway) -> None:
    await asked_route(gateway, authorizer_result_ttl_in_seconds=60)
    decided(gateway, {"isAuthorized": False})
    assert told(await gateway.call("GET", "/a", headers=TOKEN)) == FORBIDDEN
    decided(gateway, {"isAuthorized": True})

    assert told(await gateway.call("GET", "/a", headers=TOKEN)) == FORBIDDEN
    await gateway.plane.new_route(gateway.api_id, "GET /more")
    assert (await gateway.call("GET", "/a", headers=TOKEN)).status == 200


async def test_an_authorization_type_that_is_not_known_lets_nobody_in(gateway: HttpGateway) -> None:
    """As written by a later version than this one."""
    import msgspec

    await gateway.deploy("GET /a")

    def change(api: Any) -> Any:
        routes = {key: msgspec.structs.replace(one, authorization_type="LATER") for key, one in api.routes.items()}
        return msgspec.structs.replace(api, routes=routes)

    from velvetrope.apigatewayv2.authored import AuthoredApis
    from velvetrope.clock import CountingEntropy
    from velvetrope.operations import Call
    from velvetrope.principals import ANONYMOUS

    call = Call(principal=ANONYMOUS, account_id=ACCOUNT, region="us-west-2", request_id="r", now=gateway.plane.now)
    entropy = CountingEntropy()
    entropy.token_bytes(4096)
    await AuthoredApis(gateway.plane.store, entropy).change(call, gateway.api_id, change)

    assert told(await gateway.call("GET", "/a")) == BROKEN
    assert gateway.functions.calls == []
