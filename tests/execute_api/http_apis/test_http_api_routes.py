"""Stages, routes, CORS, throttles and functions of HTTP APIs, through the lane."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from support.gateway import Invocation, header
from support.http_apis import FUNCTION, HttpGateway, told
from velvetrope.apigatewayv2 import NotFoundException
from velvetrope.apigatewayv2.apis import CorsConfiguration
from velvetrope.apigatewayv2.stages import RouteSettingsInput

NOT_FOUND = (404, b'{"message":"Not Found"}')
BROKEN = (500, b'{"message":"Internal Server Error"}')
ORIGIN = {"Origin": "https://a.example"}
PREFLIGHT = {**ORIGIN, "Access-Control-Request-Method": "GET"}


async def test_an_answer_has_the_functions_body_and_an_id(gateway: HttpGateway) -> None:
    await gateway.deploy("GET /pets")

    response = await gateway.call("GET", "/pets")

    assert told(response) == (200, b'{"hello": "there"}')
    assert header(response, "Content-Type") == "application/json"
    request_id = header(response, "Apigw-Requestid")
    assert request_id == gateway.event()["requestContext"]["requestId"]
    record = gateway.log.find(request_id or "")
    assert record is not None
    assert (record.outcome, record.status) == ("allowed", 200)


@pytest.mark.parametrize(
    ("method", "path", "route_key", "parameters"),
    [
        ("GET", "/pets/dog/1", "GET /pets/dog/1", None),
        ("GET", "/pets/dog/2", "GET /pets/dog/{id}", {"id": "2"}),
        ("GET", "/pets/cat/1", "GET /pets/{proxy+}", {"proxy": "cat/1"}),
        ("POST", "/test/5", "ANY /{proxy+}", {"proxy": "test/5"}),
        ("GET", "/pets/dog/a%20b", "GET /pets/dog/{id}", {"id": "a b"}),
        ("GET", "/pets/dog/2/", "GET /pets/{proxy+}", {"proxy": "dog/2/"}),
        ("GET", "/", "$default", None),
        ("TRACE", "/pets/dog/1", "$default", None),
    ],
)
async def test_the_best_route_is_taken(
    gateway: HttpGateway, method: str, path: str, route_key: str, parameters: dict[str, str] | None
) -> None:
    await gateway.deploy("GET /pets/dog/1", "GET /pets/dog/{id}", "GET /pets/{proxy+}", "ANY /{proxy+}", "$default")

    await gateway.call(method, path)

    event = gateway.event()
    assert (event["routeKey"], event.get("pathParameters")) == (route_key, parameters)


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/pets"), ("GET", "/"), ("GET", "/pets/"), ("GET", "//pets"), ("GET", "/x"), ("GET", "/pets/1/2")],
)
async def test_what_no_route_takes_is_not_found(gateway: HttpGateway, method: str, path: str) -> None:
    await gateway.deploy("GET /pets", "GET /pets/{id}")

    assert told(await gateway.call(method, path)) == NOT_FOUND
    assert gateway.functions.calls == []


@pytest.mark.parametrize("path", ["/a/../b", "/./b", "/a/%2e%2e/b", "/.%2E"])
async def test_a_path_with_dot_segments_matches_nothing(gateway: HttpGateway, path: str) -> None:
    """A signature is made over the path without them: one would be good for two routes."""
    await gateway.deploy("ANY /{proxy+}", "$default")

    assert told(await gateway.call("GET", path)) == NOT_FOUND


async def test_a_stage_is_named_by_the_first_segment(gateway: HttpGateway) -> None:
    await gateway.deploy("GET /pets", stage="dev")

    assert (await gateway.call("GET", "/dev/pets")).status == 200
    event = gateway.event()
    assert (event["rawPath"], event["requestContext"]["stage"]) == ("/dev/pets", "dev")
    assert told(await gateway.call("GET", "/pets")) == NOT_FOUND
    assert told(await gateway.call("GET", "/other/pets")) == NOT_FOUND


async def test_a_named_stage_goes_before_the_default_one(gateway: HttpGateway) -> None:
    await gateway.deploy("GET /pets", "GET /dev/pets")
    await gateway.plane.create_stage(api_id=gateway.api_id, stage_name="dev", auto_deploy=True)

    await gateway.call("GET", "/dev/pets")
    assert gateway.event()["requestContext"]["stage"] == "dev"
    await gateway.call("GET", "/pets")
    assert gateway.event()["requestContext"]["stage"] == "$default"


async def test_a_stage_without_deployment_and_a_disabled_endpoint_are_closed(gateway: HttpGateway) -> None:
    await gateway.deploy("GET /pets")
    await gateway.plane.create_stage(api_id=gateway.api_id, stage_name="dev")

    assert told(await gateway.call("GET", "/dev/pets")) == NOT_FOUND
    await gateway.plane.update_api(api_id=gateway.api_id, disable_execute_api_endpoint=True)
    assert told(await gateway.call("GET", "/pets")) == NOT_FOUND


@pytest.mark.parametrize(
    ("mapped", "raw_path", "stage", "seen"),
    [
        # The mapping's stage, and no other: not one that the path happens to name, not the default one.
        ("/$default/dev/pets", "/v1/dev/pets", "$default", "/dev/pets"),
        ("/dev/pets", "/v1/pets", "dev", "/dev/pets"),
        ("/dev/dev/pets", "/v1/dev/pets", "dev", "/dev/dev/pets"),
    ],
)
async def test_under_a_domain_name_the_mapping_has_chosen_the_stage(
    gateway: HttpGateway, mapped: str, raw_path: str, stage: str, seen: str
) -> None:
    await gateway.deploy("GET /pets", "GET /dev/pets")
    await gateway.plane.create_stage(api_id=gateway.api_id, stage_name="dev", auto_deploy=True)

    response = await gateway.lane.answer(gateway.by_domain(mapped, raw_path))

    event = gateway.event()
    assert response.status == 200
    assert (event["requestContext"]["stage"], event["rawPath"]) == (stage, seen)
    assert event["requestContext"]["domainName"] == "api.example.com"


async def test_under_a_domain_name_format_1_shows_the_path_that_was_called(gateway: HttpGateway) -> None:
    await gateway.deploy("GET /pets")
    [integration] = (await gateway.plane.get_integrations(api_id=gateway.api_id))["items"]
    await gateway.plane.update_integration(
        api_id=gateway.api_id, integration_id=integration["integration_id"], payload_format_version="1.0"
    )

    await gateway.lane.answer(gateway.by_domain("/$default/pets", "/v1/pets"))

    assert (gateway.event()["path"], gateway.event()["requestContext"]["path"]) == ("/v1/pets", "/v1/pets")


async def test_a_disabled_endpoint_is_open_by_a_domain_name_only(gateway: HttpGateway) -> None:
    await gateway.deploy("GET /pets", disable_execute_api_endpoint=True)

    assert told(await gateway.call("GET", "/pets")) == NOT_FOUND
    assert (await gateway.lane.answer(gateway.by_domain("/$default/pets", "/pets"))).status == 200


@pytest.mark.parametrize("mapped", ["/gone/pets", "/undeployed/pets", "//pets", "/"])
async def test_under_a_domain_name_a_stage_that_is_not_served_is_not_found(gateway: HttpGateway, mapped: str) -> None:
    await gateway.deploy("GET /pets", "GET /{proxy+}")
    await gateway.plane.create_stage(api_id=gateway.api_id, stage_name="undeployed")

    assert told(await gateway.lane.answer(gateway.by_domain(mapped, "/pets"))) == NOT_FOUND


async def test_what_is_not_deployed_is_not_served(gateway: HttpGateway) -> None:
    api_id = gateway.api_id = await gateway.plane.new_api()
    await gateway.plane.new_route(api_id, "GET /first")
    await gateway.plane.create_stage(api_id=api_id, stage_name="$default")
    await gateway.plane.create_deployment(api_id=api_id, stage_name="$default")
    await gateway.plane.new_route(api_id, "GET /second")

    assert (await gateway.call("GET", "/first")).status == 200
    assert told(await gateway.call("GET", "/second")) == NOT_FOUND
    await gateway.plane.create_deployment(api_id=api_id, stage_name="$default")
    assert (await gateway.call("GET", "/second")).status == 200


async def test_a_deleted_api_is_nobodys(gateway: HttpGateway) -> None:
    await gateway.deploy("GET /pets")
    await gateway.call("GET", "/pets")
    assert gateway.lane.serves(gateway.api_id)

    await gateway.plane.delete_api(api_id=gateway.api_id)

    assert gateway.lane.is_outdated
    await gateway.lane.start()
    assert not gateway.lane.serves(gateway.api_id)


# Functions


async def test_a_function_is_invoked_from_the_routes_arn(gateway: HttpGateway) -> None:
    await gateway.deploy("GET /pets/{id}", "$default")

    await gateway.call("GET", "/pets/1")
    await gateway.call("GET", "/x")

    sources = [call["source_arn"] for call in gateway.functions.calls]
    assert sources == [gateway.arn("GET/pets/{id}"), gateway.arn("$default")]
    assert gateway.functions.calls[0]["caller"].name == "apigateway.amazonaws.com"


async def test_format_1_is_spoken_to_functions_that_want_it(gateway: HttpGateway) -> None:
    await gateway.deploy()
    integration = await gateway.plane.create_integration(
        api_id=gateway.api_id,
        integration_type="AWS_PROXY",
        integration_uri=FUNCTION,
        payload_format_version="1.0",
    )
    await gateway.plane.create_route(
        api_id=gateway.api_id, route_key="POST /pets/{id}", target=f"integrations/{integration['integration_id']}"
    )
    gateway.functions.answer = Invocation(b'{"statusCode": 201, "body": "aGk=", "isBase64Encoded": true}')

    response = await gateway.call(
        "POST", "/pets/1?a=1&a=2", body=b"\x00\xff", headers={"Content-Type": "application/octet-stream"}
    )

    event = gateway.event()
    assert told(response) == (201, b"hi")
    assert (event["version"], event["resource"], event["path"]) == ("1.0", "/pets/{id}", "/pets/1")
    assert (event["body"], event["isBase64Encoded"]) == ("AP8=", True)
    assert event["multiValueQueryStringParameters"] == {"a": ["1", "2"]}
    assert event["requestContext"]["resourceId"] is None
    assert event["requestContext"]["authorizer"] == {"claims": None, "scopes": None}


@pytest.mark.parametrize(
    "answer",
    [
        Invocation(b'{"errorMessage": "x"}', "Unhandled"),
        Invocation(b'{"statusCode": "x"}'),
        NotFoundException("there is no such function"),
    ],
)
async def test_a_function_that_fails_is_an_internal_error(gateway: HttpGateway, answer: Any) -> None:
    await gateway.deploy("GET /pets")
    gateway.functions.answer = answer

    assert told(await gateway.call("GET", "/pets")) == BROKEN


async def test_a_function_that_is_too_slow_is_unavailable(gateway: HttpGateway) -> None:
    await gateway.deploy()
    integration = await gateway.plane.create_integration(
        api_id=gateway.api_id,
        integration_type="AWS_PROXY",
        integration_uri=FUNCTION,
        payload_format_version="2.0",
        timeout_in_millis=50,
    )
    await gateway.plane.create_route(
        api_id=gateway.api_id, route_key="$default", target=f"integrations/{integration['integration_id']}"
    )

    async def never() -> Invocation:
        await asyncio.Event().wait()
        raise AssertionError

    gateway.functions.answer = never

    assert told(await gateway.call("GET", "/")) == (503, b'{"message":"Service Unavailable"}')


async def test_a_route_without_integration_and_one_with_a_missing_variable_are_broken(gateway: HttpGateway) -> None:
    await gateway.deploy()
    await gateway.plane.create_route(api_id=gateway.api_id, route_key="GET /nothing")
    integration = await gateway.plane.create_integration(
        api_id=gateway.api_id,
        integration_type="AWS_PROXY",
        integration_uri=FUNCTION + "-${stageVariables.color}",
        payload_format_version="2.0",
    )
    await gateway.plane.create_route(
        api_id=gateway.api_id, route_key="GET /variable", target=f"integrations/{integration['integration_id']}"
    )

    assert told(await gateway.call("GET", "/nothing")) == BROKEN
    assert told(await gateway.call("GET", "/variable")) == BROKEN
    await gateway.plane.update_stage(api_id=gateway.api_id, stage_name="$default", stage_variables={"color": "blue"})
    assert (await gateway.call("GET", "/variable")).status == 200
    assert gateway.functions.calls[0]["function_arn"] == f"{FUNCTION}-blue"


async def test_parameters_are_mapped_on_the_way_in_and_out(gateway: HttpGateway) -> None:
    await gateway.deploy()
    integration = await gateway.plane.create_integration(
        api_id=gateway.api_id,
        integration_type="AWS_PROXY",
        integration_uri=FUNCTION,
        payload_format_version="2.0",
        request_parameters={
            "overwrite:header.x-agent": "$request.header.user-agent",
            "remove:header.x-drop": "",
            "append:querystring.where": "${request.path.id}/${context.stage}",
            "overwrite:path": "/inner/$request.path.id",
        },
        response_parameters={
            "200": {"overwrite:statuscode": "202", "overwrite:header.x-code": "$response.body.code"},
        },
    )
    await gateway.plane.create_route(
        api_id=gateway.api_id, route_key="GET /pets/{id}", target=f"integrations/{integration['integration_id']}"
    )
    gateway.functions.answer = Invocation(b'{"code": 7}')

    response = await gateway.call("GET", "/pets/1?a=b", headers={"x-drop": "me"})

    event = gateway.event()
    assert event["headers"]["x-agent"] == "tests"
    assert "x-drop" not in event["headers"]
    assert event["queryStringParameters"] == {"a": "b", "where": "1/$default"}
    assert event["rawPath"] == "/inner/$request.path.id"
    assert (response.status, header(response, "x-code")) == (202, "7")


@pytest.mark.parametrize(
    "mapping", [{"overwrite:statuscode": "$response.body.x"}, {"overwrite:header.x": "$response.body.lines"}]
)
async def test_a_mapping_that_makes_no_answer_is_broken(gateway: HttpGateway, mapping: dict[str, str]) -> None:
    await gateway.deploy("GET /")
    integration = (await gateway.plane.get_integrations(api_id=gateway.api_id))["items"][0]["integration_id"]
    await gateway.plane.update_integration(
        api_id=gateway.api_id, integration_id=integration, response_parameters={"200": mapping}
    )
    gateway.functions.answer = Invocation(json.dumps({"x": "99", "lines": "a\r\nSet-Cookie: b"}).encode())

    assert told(await gateway.call("GET", "/")) == BROKEN


async def test_a_body_of_more_than_ten_megabytes_is_refused(gateway: HttpGateway) -> None:
    await gateway.deploy("POST /")

    assert (await gateway.call("POST", "/", body=b"x" * 10_485_760)).status == 200
    response = await gateway.call("POST", "/", body=b"x" * 10_485_761)

    assert told(response) == (413, b'{"message":"Request Entity Too Large"}')


async def test_an_answer_of_204_has_neither_body_nor_length(gateway: HttpGateway) -> None:
    await gateway.deploy("GET /")
    gateway.functions.answer = Invocation(b'{"statusCode": 204, "body": "x"}')

    response = await gateway.call("GET", "/")

    assert told(response) == (204, b"")
    assert header(response, "Content-Length") is None


# CORS


async def test_a_preflight_that_no_route_takes_is_answered_by_the_api(gateway: HttpGateway) -> None:
    cors = CorsConfiguration(
        allow_origins=("https://a.example", "https://*.b.example"),
        allow_methods=("GET", "POST"),
        allow_headers=("X-Api-Key",),
        expose_headers=("x-id",),
        max_age=60,
        allow_credentials=True,
    )
    await gateway.deploy("GET /pets", cors_configuration=cors)

    response = await gateway.call("OPTIONS", "/pets", headers=PREFLIGHT)
    foreign = await gateway.call("OPTIONS", "/pets", headers={**PREFLIGHT, "Origin": "https://c.example"})

    assert told(response) == (204, b"")
    assert header(response, "Access-Control-Allow-Origin") == "https://a.example"
    assert header(response, "Access-Control-Allow-Methods") == "GET,POST"
    assert header(response, "Access-Control-Allow-Headers") == "x-api-key"
    assert header(response, "Access-Control-Allow-Credentials") == "true"
    assert header(response, "Access-Control-Max-Age") == "60"
    assert told(foreign) == (204, b"")
    assert header(foreign, "Access-Control-Allow-Origin") is None
    assert gateway.functions.calls == []


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://a.example", True),
        ("https://x.b.example", True),
        ("https://x.y.b.example", True),
        ("https://b.example", False),
        ("http://a.example", False),
        ("https://a.example.evil", False),
        ("https://evil/.b.example", False),
        ("null", False),
    ],
)
async def test_an_answer_to_an_allowed_origin_says_so(gateway: HttpGateway, origin: str, allowed: bool) -> None:
    cors = CorsConfiguration(allow_origins=("https://a.example", "https://*.b.example"), expose_headers=("x-id",))
    await gateway.deploy("GET /pets", cors_configuration=cors)
    gateway.functions.answer = Invocation(
        b'{"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "*", "access-control-x": "y"}}'
    )

    response = await gateway.call("GET", "/pets", headers={"Origin": origin})

    assert header(response, "Access-Control-Allow-Origin") == (origin if allowed else None)
    assert header(response, "Access-Control-Expose-Headers") == ("x-id" if allowed else None)
    assert header(response, "access-control-x") is None


async def test_a_star_lets_every_origin_read(gateway: HttpGateway) -> None:
    await gateway.deploy("GET /pets", cors_configuration=CorsConfiguration(allow_origins=("*",)))

    response = await gateway.call("GET", "/nothing", headers=ORIGIN)

    assert response.status == 404
    assert header(response, "Access-Control-Allow-Origin") == "*"


async def test_without_cors_a_functions_own_headers_go_out_and_preflights_are_not_found(gateway: HttpGateway) -> None:
    await gateway.deploy("GET /pets")
    gateway.functions.answer = Invocation(b'{"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "x"}}')

    assert header(await gateway.call("GET", "/pets", headers=ORIGIN), "Access-Control-Allow-Origin") == "x"
    assert told(await gateway.call("OPTIONS", "/pets", headers=PREFLIGHT)) == NOT_FOUND


async def test_a_preflight_that_a_route_takes_goes_there(gateway: HttpGateway) -> None:
    await gateway.deploy("ANY /pets", cors_configuration=CorsConfiguration(allow_origins=("*",)))

    assert (await gateway.call("OPTIONS", "/pets", headers=PREFLIGHT)).status == 200
    assert gateway.event()["routeKey"] == "ANY /pets"


# Throttles


async def test_a_route_is_throttled_to_the_request(gateway: HttpGateway) -> None:
    await gateway.deploy("GET /slow", "GET /fast")
    await gateway.plane.update_stage(
        api_id=gateway.api_id,
        stage_name="$default",
        default_route_settings=RouteSettingsInput(throttling_rate_limit=1, throttling_burst_limit=3),
        route_settings={"GET /slow": RouteSettingsInput(throttling_rate_limit=1, throttling_burst_limit=1)},
    )

    slow = [(await gateway.call("GET", "/slow")).status for _ in range(2)]
    fast = [(await gateway.call("GET", "/fast")).status for _ in range(4)]

    assert (slow, fast) == ([200, 429], [200, 200, 200, 429])
    assert told(await gateway.call("GET", "/slow")) == (429, b'{"message":"Too Many Requests"}')
    gateway.clock.advance(timedelta(seconds=1))
    assert (await gateway.call("GET", "/slow")).status == 200
    assert (await gateway.call("GET", "/slow")).status == 429
