"""COGNITO_USER_POOLS: which tokens let their bearer in, and what the function hears of them."""

import base64
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from support.gateway import ACCOUNT, FUNCTION_URI, REGION, Gateway, header
from velvetrope.execute_api import GatewayResponse
from velvetrope.store import Database
from velvetrope.store.tables.apigateway import Authorizer, Integration, Method
from velvetrope.store.tables.apigateway import GatewayResponse as GatewayResponseSetting

UNAUTHORIZED = b'{"message":"Unauthorized"}'
POOLS = tuple(f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/{pool}" for pool in ("us-west-2_one", "us-west-2_two"))
AUTHORIZER = Authorizer(
    id="auth1",
    name="pools",
    type="COGNITO_USER_POOLS",
    provider_arns=POOLS[:1],
    identity_source="method.request.header.Authorization",
)


async def deploy(
    database: Database, *, scopes: Sequence[str] = (), authorizer: dict[str, Any] | None = None, **members: Any
) -> Gateway:
    gateway = Gateway(database)
    method = Method(
        http_method="GET",
        authorization_type="COGNITO_USER_POOLS",
        authorizer_id="auth1",
        authorization_scopes=tuple(scopes),
        integration=Integration(type="AWS_PROXY", http_method="POST", uri=FUNCTION_URI),
    )
    await gateway.deploy_record(
        {"GET /me": method},
        authorizers=[msgspec.structs.replace(AUTHORIZER, **(authorizer or {}))],
        **members,
    )
    return gateway


async def call(gateway: Gateway, token: str | None, **headers: str) -> GatewayResponse:
    sent = headers if token is None else {"Authorization": token, **headers}
    return await gateway.get("/me", headers=sent)


def assert_unauthorized(response: GatewayResponse, body: bytes = UNAUTHORIZED) -> None:
    assert (response.status, header(response, "x-amzn-ErrorType")) == (401, "UnauthorizedException")
    assert response.body == body


@pytest.mark.parametrize("prefix", ["", "Bearer ", "bearer "])
async def test_an_id_token_opens_a_method_without_scopes(database: Database, prefix: str) -> None:
    gateway = await deploy(database)

    response = await call(gateway, prefix + gateway.pools.token())

    assert response.status == 200


async def test_no_token_is_unauthorized_and_nobody_is_asked(database: Database) -> None:
    gateway = await deploy(database)

    assert_unauthorized(await call(gateway, None))
    assert gateway.pools.verified == 0
    assert gateway.functions.calls == []


async def test_an_access_token_does_not_open_a_method_without_scopes(database: Database) -> None:
    gateway = await deploy(database)

    assert_unauthorized(await call(gateway, gateway.pools.token(token_use="access", scope="read")))


async def test_an_access_token_with_one_of_the_scopes_opens_a_method_with_scopes(database: Database) -> None:
    gateway = await deploy(database, scopes=["read", "write"])

    assert (await call(gateway, gateway.pools.token(token_use="access", scope="other write"))).status == 200


@pytest.mark.parametrize("claims", [{"scope": "other"}, {"scope": "readx"}, {}])
async def test_a_token_with_none_of_the_scopes_is_unauthorized(database: Database, claims: dict[str, str]) -> None:
    gateway = await deploy(database, scopes=["read"])

    assert_unauthorized(await call(gateway, gateway.pools.token(token_use="access", **claims)))


async def test_an_id_token_does_not_open_a_method_with_scopes(database: Database) -> None:
    gateway = await deploy(database, scopes=["read"])

    assert_unauthorized(await call(gateway, gateway.pools.token(scope="read")))


async def test_a_token_of_another_pool_is_unauthorized_unless_the_authorizer_has_that_pool_too(
    database: Database,
) -> None:
    gateway = await deploy(database)
    foreign = gateway.pools.token("us-west-2_two")

    assert_unauthorized(await call(gateway, foreign))
    await gateway.deploy_record(
        {
            "GET /me": Method(
                http_method="GET",
                authorization_type="COGNITO_USER_POOLS",
                authorizer_id="auth1",
                integration=Integration(type="AWS_PROXY", http_method="POST", uri=FUNCTION_URI),
            )
        },
        authorizers=[msgspec.structs.replace(AUTHORIZER, provider_arns=POOLS)],
    )
    assert (await call(gateway, foreign)).status == 200
    assert (await call(gateway, gateway.pools.token("us-west-2_one"))).status == 200


async def test_a_token_that_names_a_pool_and_is_signed_by_another_is_unauthorized(database: Database) -> None:
    gateway = await deploy(database, authorizer={"provider_arns": POOLS})
    forged = gateway.pools.token("us-west-2_two", iss=gateway.pools.issuer("us-west-2_one"))

    assert_unauthorized(await call(gateway, forged))


async def test_a_token_without_a_signature_is_unauthorized(database: Database) -> None:
    gateway = await deploy(database)
    header_, claims, _ = gateway.pools.token().split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","kid":"x"}').rstrip(b"=").decode()

    assert_unauthorized(await call(gateway, f"{none}.{claims}."))
    assert_unauthorized(await call(gateway, f"{header_}.{claims}.AAAA"))
    assert_unauthorized(await call(gateway, "abc"))
    assert_unauthorized(await call(gateway, "Bearer "))


async def test_a_good_token_is_dead_at_exp_and_says_so_even_if_it_was_let_in_before(database: Database) -> None:
    gateway = await deploy(database, authorizer={"result_ttl_in_seconds": 3600})
    token = gateway.pools.token()

    gateway.clock.advance(timedelta(seconds=3599))
    assert (await call(gateway, token)).status == 200
    gateway.clock.advance(timedelta(seconds=1))

    assert_unauthorized(await call(gateway, token), b'{"message":"The incoming token has expired"}')


async def test_the_validation_expression_is_for_the_audience(database: Database) -> None:
    gateway = await deploy(database, authorizer={"identity_validation_expression": "cli.nt"})

    assert (await call(gateway, gateway.pools.token())).status == 200
    assert_unauthorized(await call(gateway, gateway.pools.token(aud="client-two")))


async def test_an_access_token_has_no_audience_to_validate(database: Database) -> None:
    gateway = await deploy(database, scopes=["s"], authorizer={"identity_validation_expression": ".*"})

    assert_unauthorized(await call(gateway, gateway.pools.token(token_use="access", scope="s")))


async def test_another_header_may_hold_the_token(database: Database) -> None:
    gateway = await deploy(database, authorizer={"identity_source": "method.request.header.X-Token"})

    assert (await call(gateway, None, **{"x-token": gateway.pools.token()})).status == 200
    assert_unauthorized(await call(gateway, gateway.pools.token()))


async def test_a_token_is_verified_once_for_the_time_to_live(database: Database) -> None:
    gateway = await deploy(database, authorizer={"result_ttl_in_seconds": 60})
    token = gateway.pools.token()

    await call(gateway, token)
    gateway.clock.advance(timedelta(seconds=59))
    await call(gateway, token)
    assert gateway.pools.verified == 1
    gateway.clock.advance(timedelta(seconds=1))
    await call(gateway, token)

    assert gateway.pools.verified == 2


async def test_the_function_hears_all_claims_as_texts(database: Database) -> None:
    gateway = await deploy(database)
    claims_: dict[str, Any] = {"cognito:groups": ["admins", "staff"], "custom:n": "1"}
    token = gateway.pools.token(
        exp=int(gateway.clock.now().timestamp()) + 60,
        iat=1463572291,
        auth_time=1463572291,
        email_verified=True,
        **claims_,
    )

    await call(gateway, token)

    context = json.loads(gateway.functions.calls[-1]["payload"])["requestContext"]
    claims = context["authorizer"]["claims"]
    assert list(context["authorizer"]) == ["claims"]
    assert claims["iat"] == "Wed May 18 11:51:31 UTC 2016"
    assert claims["auth_time"] == "1463572291"
    assert claims["email_verified"] == "true"
    assert claims["cognito:groups"] == "admins,staff"
    assert (claims["sub"], claims["token_use"], claims["custom:n"]) == ("s-1", "id", "1")
    assert all(isinstance(value, str) for value in claims.values())
    assert context["identity"]["userArn"] is None


def _policy(effect: str) -> str:
    statement = {"Effect": effect, "Principal": "*", "Action": "execute-api:Invoke", "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


async def test_a_resource_policy_has_to_allow_too(database: Database) -> None:
    allowed = await deploy(database, policy=_policy("Allow"))

    assert (await call(allowed, allowed.pools.token())).status == 200
    assert_unauthorized(await call(allowed, None))


async def test_a_resource_policy_that_is_silent_or_denies_refuses_good_tokens(database: Database) -> None:
    gateway = await deploy(database, policy=_policy("Deny"))

    response = await call(gateway, gateway.pools.token())

    masked = f"arn:aws:execute-api:us-west-2:********1111:{gateway.api_id}/latest/GET/me"
    text = f"User: anonymous is not authorized to perform: execute-api:Invoke on resource: {masked}"
    assert response.status == 403
    assert response.body == f'{{"Message":"{text} with an explicit deny in a resource-based policy"}}'.encode()


async def test_the_author_may_say_unauthorized_in_other_words(database: Database) -> None:
    setting = GatewayResponseSetting(
        response_type="UNAUTHORIZED",
        status_code="403",
        response_templates={"application/json": '{"why":$context.error.messageString}'},
    )
    gateway = await deploy(database, gateway_responses={"UNAUTHORIZED": setting})

    response = await call(gateway, None)

    assert (response.status, response.body) == (403, b'{"why":"Unauthorized"}')


@pytest.mark.parametrize(
    "authorizer",
    [
        {"type": "JWT"},
        {"provider_arns": ("arn:aws:iam::111111111111:role/x",)},
        {"identity_source": "method.request.nowhere.X"},
        {"identity_validation_expression": "("},
        {"type": "TOKEN", "authorizer_uri": FUNCTION_URI},
    ],
)
async def test_an_authorizer_that_is_not_understood_lets_nobody_in(
    database: Database, authorizer: dict[str, Any]
) -> None:
    gateway = await deploy(database, authorizer=authorizer)

    response = await call(gateway, gateway.pools.token())

    assert (response.status, response.body) == (500, b'{"message":null}')
    assert header(response, "x-amzn-ErrorType") == "AuthorizerConfigurationException"
    assert gateway.functions.calls == []


async def test_no_record_holds_the_token(database: Database) -> None:
    gateway = await deploy(database)
    token = gateway.pools.token()

    await call(gateway, token)
    await call(gateway, token[:-4] + "AAAA")

    assert token.split(".")[1] not in repr(gateway.log.recent(10))
