"""Table B: a caller of another account needs both policies. And conditions on the caller's address.

Table A and the other authorization types: `test_lane_customised_responses.py`, `test_lane_function_authorizers.py`,
`test_lane_pool_authorizers.py`.

Source: API Gateway Developer Guide, "How API Gateway resource policies affect authorization workflow".
"""

from dataclasses import replace
from typing import Any

import pytest

from support.gateway import Gateway, allow, header
from velvetrope.apigateway import NotSupported
from velvetrope.apigateway.rest_apis import EndpointConfiguration
from velvetrope.execute_api import GatewayResponse
from velvetrope.store import Database

OTHER = "222222222222"
ELSEWHERE = {"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}
HERE = {"Condition": {"IpAddress": {"aws:SourceIp": "127.0.0.1/32"}}}
MOCK = {
    "type": "mock",
    "requestTemplates": {"application/json": '{"statusCode": 200}'},
    "responses": {"default": {"statusCode": "200"}},
}


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    scheme = {"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "awsSigv4"}
    return {
        "components": {"securitySchemes": {"iam": scheme}},
        "paths": {
            "/iam": {"get": {"x-amazon-apigateway-integration": MOCK, "security": [{"iam": []}]}},
            "/open": {"get": {"x-amazon-apigateway-integration": MOCK}},
        },
        "x-amazon-apigateway-policy": {
            "Version": "2012-10-17",
            "Statement": [
                {"Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*", **one}
                for one in statements
            ],
        },
    }


async def call_as_stranger(gateway: Gateway, identity: str | None) -> GatewayResponse:
    """Signed by a user of another account, whose own policy says `identity`."""
    credentials = gateway.user()
    known = gateway.callers.users[credentials.access_key_id]
    arn = f"arn:aws:iam::{OTHER}:user/alice"
    stranger = replace(known.principal, account_id=OTHER, arn=arn, policy_arn=arn)
    gateway.callers.users[credentials.access_key_id] = replace(known, principal=stranger)
    if identity is not None:
        gateway.callers.policies[arn] = allow("*", effect=identity)
    return await gateway.call(gateway.signed(gateway.request("GET", "/iam"), credentials))


@pytest.mark.parametrize("effect", ["Allow", "Deny", None], ids=lambda effect: f"policy says {effect}")
@pytest.mark.parametrize("identity", ["Allow", "Deny", None], ids=lambda effect: f"identity says {effect}")
async def test_a_caller_of_another_account_is_let_in_if_both_sides_allow_it(
    database: Database, identity: str | None, effect: str | None
) -> None:
    gateway = Gateway(database)
    await gateway.deploy(document({"Effect": effect} if effect else {"Effect": "Allow", **ELSEWHERE}))

    response = await call_as_stranger(gateway, identity)

    if (identity, effect) == ("Allow", "Allow"):
        assert response.status == 200
        return
    assert (response.status, header(response, "x-amzn-ErrorType")) == (403, "AccessDeniedException")
    assert (b"explicit deny" in response.body) == ("Deny" in (identity, effect))


async def test_without_a_resource_policy_a_caller_of_another_account_stays_outside(database: Database) -> None:
    gateway = Gateway(database)
    without = document()
    del without["x-amazon-apigateway-policy"]
    await gateway.deploy(without)

    assert (await call_as_stranger(gateway, "Allow")).status == 403


async def test_the_address_that_a_policy_asks_about_is_that_of_the_connection(database: Database) -> None:
    """What a caller writes into a header about where it comes from is no proof of it."""
    gateway = Gateway(database)
    await gateway.deploy(document({"Effect": "Allow", **ELSEWHERE}))
    names = ("X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Client-IP", "CF-Connecting-IP")

    forged = await gateway.get("/open", headers=dict.fromkeys(names, "10.0.0.1"))
    await gateway.deploy(document({"Effect": "Allow", **HERE}))
    honest = await gateway.get("/open", headers={"X-Forwarded-For": "10.0.0.1"})

    assert (forged.status, honest.status) == (403, 200)


@pytest.mark.parametrize("key", ["aws:SourceVpc", "aws:SourceVpce", "aws:VpcSourceIp"])
async def test_a_condition_on_a_vpc_never_lets_anybody_in(database: Database, key: str) -> None:
    """There is none here: an Allow that asks for one does not speak of a caller, a Deny of all but one does."""
    gateway = Gateway(database)
    asked = {"StringEquals": {key: "vpc-1"}}
    await gateway.deploy(document({"Effect": "Allow", "Condition": asked}))
    wanted = await gateway.get("/open")
    unless = {"StringNotEquals": {key: "vpc-1"}}
    await gateway.deploy(document({"Effect": "Allow"}, {"Effect": "Deny", "Condition": unless}))

    assert (wanted.status, (await gateway.get("/open")).status) == (403, 403)


async def test_a_private_api_is_refused_by_name(database: Database) -> None:
    with pytest.raises(NotSupported, match="PRIVATE"):
        await Gateway(database).plane.create_rest_api(
            name="private", endpoint_configuration=EndpointConfiguration(types=("PRIVATE",))
        )
