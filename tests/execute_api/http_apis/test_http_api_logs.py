"""Access logs of HTTP APIs: a line in the stage's format for every request, and no secret in any."""

import asyncio
import json

from support.gateway import ACCOUNT, INVOCATION_ID, REGION
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


async def test_every_variable_of_the_guide_has_its_value_under_a_domain_name(gateway: HttpGateway) -> None:
    names = (
        *("accountId", "apiId", "awsEndpointRequestId", "customDomain.basePathMatched", "dataProcessed", "domainName"),
        *("domainPrefix", "error.message", "error.messageString", "error.responseType", "extendedRequestId"),
        *("httpMethod", "identity.sourceIp", "identity.userAgent", "integration.error", "integration.latency"),
        *("integration.integrationStatus", "integration.requestId", "integration.status", "integrationErrorMessage"),
        *("integrationLatency", "integrationStatus", "path", "protocol", "requestId", "requestTime"),
        *("requestTimeEpoch", "responseLatency", "responseLength", "routeKey", "stage", "status"),
    )
    await deploy(gateway)
    text = "{" + ",".join(f'"{name}":"$context.{name}"' for name in names) + "}"
    await gateway.plane.update_stage(
        api_id=gateway.api_id,
        stage_name="$default",
        access_log_settings=AccessLogSettingsInput(destination_arn=ARN, format=text),
    )

    await gateway.lane.answer(gateway.by_domain("/$default/open", "/shop/v1/open", base_path="shop/v1"))
    await gateway.call("GET", "/open")
    await asyncio.sleep(0)

    named, by_path = [json.loads(line) for line in gateway.rest.kept_logs.of("calls")]
    without_value = {name for name, value in named.items() if value == "-"}
    assert without_value == {name for name in names if "rror" in name}
    assert (named["customDomain.basePathMatched"], by_path["customDomain.basePathMatched"]) == ("shop/v1", "-")
    assert named["integration.requestId"] == named["awsEndpointRequestId"] == INVOCATION_ID
    assert (named["domainName"], named["domainPrefix"]) == ("api.example.com", "api")
    assert named["dataProcessed"] == named["responseLength"] == str(len(b'{"hello": "there"}'))
