"""Access logs, execution logs and the owner's own: what they say, of whom, and what they never say."""

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import pytest

from support.gateway import ACCOUNT, FUNCTION_URI, INVOCATION_ID, REGION, Gateway, Invocation, allow, header
from velvetrope.events import CONTEXT_NAMES
from velvetrope.execute_api import GatewayResponse
from velvetrope.execute_api.logs.redaction import redact_forms
from velvetrope.store import Database
from velvetrope.store.tables.apigateway import (
    AccessLogSettings,
    Authorizer,
    Integration,
    IntegrationResponse,
    Method,
    MethodSettings,
)

GROUP_ARN = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:calls"
FUNCTION = Integration(type="AWS_PROXY", http_method="POST", uri=FUNCTION_URI)
MOCK = Integration(
    type="MOCK",
    request_templates={"application/json": '{"statusCode": 200}'},
    integration_responses={"200": IntegrationResponse(status_code="200")},
)
METHODS: Mapping[str, Method] = {
    "GET /open": Method(http_method="GET", integration=MOCK),
    "GET /iam/{id}": Method(http_method="GET", authorization_type="AWS_IAM", integration=FUNCTION),
    "GET /keyed": Method(http_method="GET", api_key_required=True, integration=FUNCTION),
    "POST /pool": Method(
        http_method="POST", authorization_type="COGNITO_USER_POOLS", authorizer_id="pool", integration=FUNCTION
    ),
    "POST /guarded": Method(
        http_method="POST", authorization_type="CUSTOM", authorizer_id="guard", integration=FUNCTION
    ),
}
AUTHORIZERS = (
    Authorizer(
        id="pool",
        name="pool",
        type="COGNITO_USER_POOLS",
        provider_arns=(f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/us-west-2_one",),
        identity_source="method.request.header.Authorization",
    ),
    Authorizer(
        id="guard",
        name="guard",
        type="REQUEST",
        authorizer_uri=FUNCTION_URI,
        identity_source="method.request.header.X-Door,method.request.querystring.pass",
        result_ttl_in_seconds=0,
    ),
)


async def deploy(
    database: Database,
    text: str | None = None,
    *,
    settings: Mapping[str, MethodSettings] | None = None,
    logs_all: bool = False,
) -> Gateway:
    gateway = Gateway(database)
    gateway.lane = gateway.make_lane(logs_all=logs_all)
    stage: dict[str, Any] = {"method_settings": dict(settings or {})}
    if text is not None:
        stage["access_log_settings"] = AccessLogSettings(destination_arn=GROUP_ARN, format=text)
    await gateway.deploy_record(METHODS, authorizers=AUTHORIZERS, stage_settings=stage)
    return gateway


async def logged(gateway: Gateway, group: str = "calls") -> list[str]:
    """The lines of a group, once those of answered requests are written."""
    await asyncio.sleep(0)
    return gateway.kept_logs.of(group)


async def get(gateway: Gateway, path: str, **headers: str) -> GatewayResponse:
    return await gateway.get(path, headers=headers)


async def test_a_line_has_the_stages_format_and_nothing_else(database: Database) -> None:
    clf = (
        "$context.identity.sourceIp $context.identity.caller $context.identity.user [$context.requestTime] "
        '"$context.httpMethod $context.resourcePath $context.protocol" $context.status $context.responseLength '
        "$context.requestId ${context.stage}"
    )
    gateway = await deploy(database, clf)

    response = await get(gateway, "/open?secret=1")

    (line,) = await logged(gateway)
    request_id = header(response, "x-amzn-RequestId")
    when = r"\[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000\]"
    assert re.fullmatch(rf'127\.0\.0\.1 - - {when} "GET /open HTTP/1\.1" 200 0 {request_id} latest', line)


EVIL = 'x","role":"admin\r\nforged <b>&'


async def test_a_caller_cannot_forge_json(database: Database) -> None:
    gateway = await deploy(database, '{"id":"$context.requestId","agent":"$context.identity.userAgent"}')

    await get(gateway, "/open", **{"User-Agent": EVIL})

    (line,) = await logged(gateway)
    assert json.loads(line)["agent"] == EVIL
    assert "\n" not in line


async def test_a_caller_cannot_forge_xml(database: Database) -> None:
    gateway = await deploy(database, '<r id="$context.requestId"><a>$context.identity.userAgent</a></r>')

    await get(gateway, "/open", **{"User-Agent": EVIL})

    (line,) = await logged(gateway)
    agent = ET.fromstring(line).find("a")
    assert agent is not None
    assert agent.text == 'x","role":"admin  forged <b>&'
    assert "\n" not in line


async def test_a_caller_cannot_forge_a_line_or_end_a_quoted_field(database: Database) -> None:
    gateway = await deploy(database, '$context.requestId,"$context.identity.userAgent",$context.status')

    await get(gateway, "/open", **{"User-Agent": EVIL})

    (line,) = await logged(gateway)
    assert line.endswith(r',"x\",\"role\":\"admin\x0d\x0aforged <b>&",200')


async def test_refused_requests_have_lines_too(database: Database) -> None:
    text = "$context.requestId $context.status $context.error.responseType $context.error.message $context.resourcePath"
    gateway = await deploy(database, text)

    await get(gateway, "/keyed")
    await get(gateway, "/nowhere")
    await get(gateway, "/iam/7")
    await gateway.get("/open", stage="nightly")

    lines = [line.partition(" ")[2] for line in await logged(gateway)]
    assert lines == [
        "403 INVALID_API_KEY Forbidden /keyed",
        "403 MISSING_AUTHENTICATION_TOKEN Missing Authentication Token /nowhere",
        "403 MISSING_AUTHENTICATION_TOKEN Missing Authentication Token /iam/{id}",
    ]


async def test_every_documented_variable_is_a_value_or_a_dash(database: Database) -> None:
    text = "|".join(f"{name}=$context.{name}" for name in sorted(CONTEXT_NAMES))
    gateway = await deploy(database, text)
    user = gateway.user()
    gateway.callers.policies[f"arn:aws:iam::{ACCOUNT}:user/alice"] = allow("*")

    response = await gateway.call(gateway.signed(gateway.request("GET", "/iam/7"), user))

    (line,) = await logged(gateway)
    values = dict(pair.split("=", 1) for pair in line.split("|"))
    assert values.keys() == CONTEXT_NAMES
    assert values["requestId"] == header(response, "x-amzn-RequestId")
    expected = {
        "accountId": ACCOUNT,
        "apiId": gateway.api_id,
        "authenticate.status": "200",
        "authorize.status": "200",
        "deploymentId": "d1",
        "endpointType": "EDGE",
        "httpMethod": "GET",
        "identity.accessKey": "AKIAEXAMPLEEXAMPLE12",
        "identity.caller": "AIDAEXAMPLEEXAMPLE123",
        "identity.sourceIp": "127.0.0.1",
        "identity.userArn": f"arn:aws:iam::{ACCOUNT}:user/alice",
        "awsEndpointRequestId": INVOCATION_ID,
        "integration.requestId": INVOCATION_ID,
        "integration.status": "200",
        "integrationStatus": "200",
        "path": "/latest/iam/7",
        "resourcePath": "/iam/{id}",
        "stage": "latest",
        "status": "200",
        "waf.status": "-",
        "error.message": "-",
        "isCanaryRequest": "-",
    }
    assert {name: values[name] for name in expected} == expected
    assert values["integrationLatency"].isdigit()
    assert values["responseLatency"].isdigit()


async def test_under_a_domain_name_the_path_of_the_mapping_can_be_logged(database: Database) -> None:
    gateway = await deploy(database, "$context.requestId $context.customDomain.basePathMatched $context.path")
    request = gateway.request("GET", "/open")

    await gateway.call(request)
    await gateway.call(
        msgspec.structs.replace(request, raw_path=b"/shop/v1/open", by_domain=True, base_path=b"shop/v1")
    )

    assert [line.partition(" ")[2] for line in await logged(gateway)] == ["- /latest/open", "shop/v1 /shop/v1/open"]


async def test_what_an_authorizer_said_can_be_logged_by_name(database: Database) -> None:
    text = (
        "$context.requestId $context.authorizer.principalId $context.authorizer.tier $context.authorizer.nope "
        "$context.authorizer.claims.sub $context.authorizer.claims['custom:n'] $context.authorizer.claims"
    )
    gateway = await deploy(database, text)
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    answers = [
        Invocation(json.dumps({"principalId": "p", "policyDocument": policy, "context": {"tier": "gold"}}).encode()),
        Invocation(b'{"statusCode":200}'),
        Invocation(b'{"statusCode":200}'),
    ]

    async def answer() -> Invocation:
        return answers.pop(0)

    gateway.functions.answer = answer
    await gateway.call(gateway.request("POST", "/guarded?pass=word-of-the-day", headers={"X-Door": "knock-knock"}))
    token = gateway.pools.token(**{"custom:n": "7"})
    await gateway.call(gateway.request("POST", "/pool", headers={"Authorization": token}))

    lines = [line.partition(" ")[2] for line in await logged(gateway)]
    assert lines == ["p gold - - - -", "- - - s-1 7 -"]


async def test_of_an_api_key_only_the_last_four_characters_are_written(database: Database) -> None:
    gateway = await deploy(database, "$context.requestId $context.identity.apiKey $context.identity.apiKeyId")
    _, key_id = await gateway.plan_with_key(value="the-value-of-the-key-1")

    assert (await gateway.get("/keyed", api_key="the-value-of-the-key-1")).status == 200

    (line,) = await logged(gateway)
    assert line.endswith(f" ********ey-1 {key_id}")


async def test_a_refused_signature_is_not_echoed_into_the_log(database: Database) -> None:
    gateway = await deploy(
        database, '{"id":"$context.requestId","m":"$context.error.message","s":$context.error.messageString}'
    )
    session = gateway.role_session()
    forged = gateway.signed(gateway.request("GET", "/iam/7"), session, secret="x" * 40)

    response = await gateway.call(forged)

    (line,) = await logged(gateway)
    assert session.session_token in response.body.decode()  # AWS echoes it to the caller, who sent it
    assert session.session_token not in line
    told = json.loads(line)
    assert told["m"].startswith("The request signature we calculated does not match")
    assert told["s"] == told["m"]
    assert "Canonical" not in line


EVERYTHING = {"*/*": MethodSettings(logging_level="INFO", data_trace_enabled=True)}


def execution_group(gateway: Gateway) -> str:
    return f"API-Gateway-Execution-Logs_{gateway.api_id}/latest"


async def test_execution_logs_tell_a_request_from_its_start_to_its_status(database: Database) -> None:
    gateway = await deploy(database, settings={"*/*": MethodSettings(logging_level="INFO")})

    response = await get(gateway, "/open")

    lines = await logged(gateway, execution_group(gateway))
    request_id = header(response, "x-amzn-RequestId")
    assert all(line.startswith(f"({request_id}) ") for line in lines)
    told = [line.partition(") ")[2] for line in lines]
    assert told[1] == f"Starting execution for request: {request_id}"
    assert told[2] == "HTTP Method: GET, Resource Path: /open"
    assert told[-1] == "Method completed with status: 200"
    assert not any("headers" in line for line in told)


async def test_error_logs_are_of_refused_and_failed_requests_only(database: Database) -> None:
    gateway = await deploy(database, settings={"*/*": MethodSettings(logging_level="ERROR")})

    await get(gateway, "/open")
    assert await logged(gateway, execution_group(gateway)) == []
    await get(gateway, "/keyed")

    lines = await logged(gateway, execution_group(gateway))
    assert any("INVALID_API_KEY" in line for line in lines)
    assert lines[-1].endswith("Method completed with status: 403")


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        ({"*/*": MethodSettings(logging_level="INFO"), "/open/GET": MethodSettings(logging_level="OFF")}, 0),
        ({"/open/GET": MethodSettings(logging_level="INFO")}, 1),
        ({"/keyed/GET": MethodSettings(logging_level="INFO")}, 0),
        ({"*/*": MethodSettings(data_trace_enabled=True)}, 0),
    ],
)
async def test_the_most_specific_setting_decides(
    database: Database, settings: Mapping[str, MethodSettings], count: int
) -> None:
    gateway = await deploy(database, settings=settings)

    await get(gateway, "/open")

    lines = await logged(gateway, execution_group(gateway))
    assert sum("completed" in line for line in lines) == count


async def test_data_tracing_shows_request_and_answer_and_cuts_long_bodies(database: Database) -> None:
    gateway = await deploy(database, settings=EVERYTHING)
    gateway.functions.answer = Invocation(b'{"statusCode":200,"body":"pong","headers":{"X-A":"1"}}')
    token = gateway.pools.token()

    await gateway.call(
        gateway.request("POST", "/pool?q=1", headers={"Authorization": token, "X-B": "2"}, body=b"a" * 1_100 + b"end")
    )

    told = "\n".join(await logged(gateway, execution_group(gateway)))
    assert 'Method request query string: {"q":"1"}' in told
    assert '"X-B":"2"' in told
    assert '"Authorization":"[masked]"' in told
    assert "a" * 1_024 + " [TRUNCATED]" in told
    assert "aend" not in told
    assert 'Method response headers: {"X-A":"1"' in told
    assert "Method response body after transformations: pong" in told


async def test_the_owners_log_has_one_record_of_every_request(database: Database) -> None:
    gateway = await deploy(database, logs_all=True)

    opened = await get(gateway, "/open")
    await get(gateway, "/keyed")
    await gateway.get("/open", stage="nightly")
    await asyncio.sleep(0)

    first, second, third = gateway.kept_logs.records
    assert first["requestId"] == header(opened, "x-amzn-RequestId")
    assert (first["status"], first["outcome"], first["errorType"], first["reason"]) == (200, "allowed", None, None)
    assert (second["status"], second["outcome"], second["responseType"]) == (403, "refused", "INVALID_API_KEY")
    assert second["reason"] == "the method needs an API key and there is no x-api-key header"
    assert (third["stage"], third["errorType"]) == ("nightly", "ForbiddenException")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(first["time"]))


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ('{"password":"x y","a":1}', '{"password":"[masked]","a":1}'),
        ('{"client_secret": "abc\\"def"}', '{"client_secret": "[masked]"}'),
        ('{"nested":{"apiKey":12345}}', '{"nested":{"apiKey":"[masked]"}}'),
        ("user=a&password=hunter2&x=1", "user=a&password=[masked]&x=1"),
        ("code_verifier=abc", "code_verifier=[masked]"),
        ("got eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.sig here", "got [masked] here"),
        ("nothing to hide: 12345", "nothing to hide: 12345"),
    ],
)
def test_what_looks_like_a_secret_in_a_body_is_masked(body: str, shown: str) -> None:
    assert redact_forms(body) == shown


def test_a_long_text_is_looked_through_to_its_end() -> None:
    """Texts that would keep a pattern without bounds busy for longer than a test may last."""
    for text in ("a-" * 30_000, '"' + "a" * 60_000, '"token' * 10_000, "token=" * 10_000, '"token"' + " " * 60_000):
        assert "hidden" not in redact_forms(f"{text} code=1 token=hidden")


async def test_no_secret_is_in_anything_that_is_written(database: Database) -> None:
    every_variable = "|".join(f"$context.{name}" for name in sorted(CONTEXT_NAMES))
    gateway = await deploy(database, f"{every_variable} $context.authorizer.echo", settings=EVERYTHING, logs_all=True)
    await gateway.plan_with_key(value="the-value-of-the-key-1")
    session = gateway.role_session()
    gateway.callers.policies[f"arn:aws:iam::{ACCOUNT}:role/authenticated"] = allow("*")
    token, door = gateway.pools.token(), "knock-knock-who-is-there"
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    issued = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
    body = json.dumps({"password": "hunter-two-hunter", "Token": issued, "n": 1}).encode()

    signed = gateway.signed(gateway.request("GET", "/iam/7", headers={"Cookie": "sid=cookie-value"}), session)
    await gateway.call(signed)
    await gateway.call(gateway.signed(gateway.request("GET", "/iam/7"), session, secret="x" * 40))
    await gateway.get("/keyed", api_key="the-value-of-the-key-1")
    await gateway.get("/keyed", api_key="a-wrong-value-of-a-key")
    gateway.functions.answer = Invocation(
        json.dumps({"statusCode": 200, "body": body.decode(), "headers": {"Set-Cookie": "sid=cookie-value"}}).encode()
    )
    await gateway.call(gateway.request("POST", "/pool", headers={"Authorization": f"Bearer {token}"}, body=body))
    await gateway.call(gateway.request("POST", "/pool", headers={"Authorization": token[:-4] + "AAAA"}, body=body))
    gateway.functions.answer = Invocation(
        json.dumps({"principalId": door, "policyDocument": policy, "context": {"echo": f"heard {door}"}}).encode()
    )
    await gateway.call(
        gateway.request("POST", "/guarded?pass=word-of-the-day&x=1", headers={"X-Door": door}, body=body)
    )
    await asyncio.sleep(0)

    written = repr(gateway.kept_logs.lines) + json.dumps(gateway.kept_logs.records)
    authorization = next(value.decode() for name, value in signed.headers if name == b"Authorization")
    secrets = {
        "session token": session.session_token,
        "secret access key": session.secret_access_key.reveal(),
        "signature": authorization.rpartition("Signature=")[2],
        "api key": "the-value-of-the-key-1",
        "wrong api key": "a-wrong-value-of-a-key",
        "pool token": token.rpartition(".")[2],
        "claims of the pool token": token.split(".")[1],
        "identity source in a header": door,
        "identity source in the query": "word-of-the-day",
        "cookie": "cookie-value",
        "password in a body": "hunter-two-hunter",
        "token in a body": issued.split(".")[1],
    }
    assert {name for name, secret in secrets.items() if secret in written} == set()
    assert written.count("Method completed with status") == 7
    assert len(gateway.kept_logs.records) == 7
