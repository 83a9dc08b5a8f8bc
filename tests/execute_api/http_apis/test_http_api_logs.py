"""Access logs of HTTP APIs: a line in the stage's format for every request, and no secret in any."""

import asyncio
import json

from support.gateway import ACCOUNT, REGION
from support.http_apis import HttpGateway
from velvetrope.apigatewayv2.authorizers import JwtConfiguration
from velvetrope.apigatewayv2.stages import AccessLogSettingsInput

ARN = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:calls"
FORMAT = (
    '{"id":"$context.requestId","route":"$context.routeKey","status":"$context.status","why":"$context.error.message",'
    '"sub":"$context.authorizer.claims.sub","agent":"$context.identity.userAgent","nope":"$context.authorizer.tier"}'
)


async def deploy(gateway: HttpGateway) -> None:
    await gateway.deploy("GET /open")
    authorizer = await gateway.plane.create_authorizer(
        api_id=gateway.api_id,
        name="people",
        authorizer_type="JWT",
        identity_source=("$request.header.X-Token",),
        jwt_configuration=JwtConfiguration(issuer=gateway.pools.issuer("us-west-2_one"), audience=("client",)),
    )
    await gateway.plane.new_route(
        gateway.api_id, "GET /me", authorization_type="JWT", authorizer_id=authorizer["authorizer_id"]
    )
    await gateway.plane.update_stage(
        api_id=gateway.api_id,
        stage_name="$default",
        access_log_settings=AccessLogSettingsInput(destination_arn=ARN, format=FORMAT),
    )


async def test_a_stage_writes_a_line_for_every_request_refused_ones_too(gateway: HttpGateway) -> None:
    await deploy(gateway)

    opened = await gateway.call("GET", "/open")
    await gateway.call("GET", "/nowhere", headers={"User-Agent": 'x","status":"200'})
    await gateway.call("GET", "/me")
    await asyncio.sleep(0)

    lines = [json.loads(line) for line in gateway.rest.kept_logs.of("calls")]
    ids = [value.decode() for name, value in opened.headers if name == b"Apigw-Requestid"]
    assert [(line["route"], line["status"], line["why"]) for line in lines] == [
        ("GET /open", "200", "-"),
        ("-", "404", "Not Found"),
        ("GET /me", "401", "Unauthorized"),
    ]
    assert lines[0]["id"] == ids[0]
    assert lines[1]["agent"] == 'x","status":"200'
    assert lines[0]["nope"] == "-"


async def test_the_owners_log_has_the_requests_of_http_apis_too(gateway: HttpGateway) -> None:
    await deploy(gateway)

    await gateway.call("GET", "/open")
    await gateway.call("GET", "/me")
    await asyncio.sleep(0)

    first, second = gateway.rest.kept_logs.records
    assert (first["resourcePath"], first["status"], first["outcome"]) == ("GET /open", 200, "allowed")
    assert (second["status"], second["outcome"]) == (401, "refused")
    assert second["reason"]


async def test_tokens_of_http_apis_are_in_no_log(gateway: HttpGateway) -> None:
    await deploy(gateway)
    token = gateway.pools.token()

    assert (await gateway.call("GET", "/me", headers={"X-Token": token, "User-Agent": token})).status == 200
    await gateway.call("GET", "/me", headers={"X-Token": token[:-4] + "AAAA", "Authorization": "Bearer abc-def-ghi"})
    await asyncio.sleep(0)

    written = repr(gateway.rest.kept_logs.lines) + json.dumps(gateway.rest.kept_logs.records)
    assert json.loads(gateway.rest.kept_logs.of("calls")[0])["sub"] == "s-1"
    assert "[masked]" in written
    for secret in (token.split(".")[1], token.split(".")[2], "abc-def-ghi"):
        assert secret not in written
