"""HTTP_PROXY of HTTP APIs: what an endpoint sees, and what the caller gets of its answer."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from support.backend import Backend
from support.gateway import header
from support.http_apis import HttpGateway, told


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    async with Backend() as backend:
        yield backend


@pytest.fixture
async def served(gateway: HttpGateway) -> AsyncIterator[HttpGateway]:
    yield gateway
    await gateway.lane.close()


async def deploy(gateway: HttpGateway, route_key: str, uri: str, **parameters: Any) -> None:
    await gateway.deploy()
    integration = await gateway.plane.create_integration(
        **{
            "api_id": gateway.api_id,
            "integration_type": "HTTP_PROXY",
            "integration_uri": uri,
            "integration_method": "ANY",
        }
        | parameters
    )
    await gateway.plane.create_route(
        api_id=gateway.api_id, route_key=route_key, target=f"integrations/{integration['integration_id']}"
    )


async def test_a_request_is_handed_on_with_its_path_query_headers_and_body(
    served: HttpGateway, backend: Backend
) -> None:
    await deploy(served, "ANY /x/{proxy+}", f"{backend.url}/base/{{proxy}}?fixed=1")

    response = await served.call(
        "PATCH",
        "/x/a%2Fb/c%20d?y=%20z&x=2",
        headers={"Content-Type": "text/plain", "X-One": "1", "X-Forwarded-For": "192.0.2.1, 2001:db8::1"},
        body=b"hello",
    )

    request = backend.requests[0]
    assert told(response) == (200, b'{"ok":true}')
    assert (request.method, request.target) == ("PATCH", "/base/a%2Fb/c%20d?fixed=1&y=%20z&x=2")
    assert (request.body, request.header("X-One")) == (b"hello", "1")
    assert request.header("Forwarded") == (
        'for=192.0.2.1, for="[2001:db8::1]", for=127.0.0.1;host="localhost:4800";proto=http'
    )
    assert request.header("X-Forwarded-For") is None
    assert request.header("Via") == "HTTP/1.1 AmazonAPIGateway"
    assert header(response, "Apigw-Requestid") is not None


async def test_an_url_without_variables_is_called_as_it_is(served: HttpGateway, backend: Backend) -> None:
    await deploy(served, "$default", f"{backend.url}/only", integration_method="GET")

    await served.call("POST", "/anything?a=b")

    assert (backend.requests[0].method, backend.requests[0].target) == ("GET", "/only?a=b")


async def test_a_mapping_overwrites_the_path_and_the_query(served: HttpGateway, backend: Backend) -> None:
    mappings = {"overwrite:path": "$request.path", "overwrite:querystring.a": "$context.apiId", "append:header.x": "1"}
    await deploy(served, "$default", f"{backend.url}/only", request_parameters=mappings)

    await served.call("GET", "/some/where?a=b&c=d")

    request = backend.requests[0]
    assert request.target == f"/some/where?c=d&a={served.api_id}"
    assert request.header("x") == "1"


@pytest.mark.parametrize("value", ["..", "../../admin", "a/./b", "%2e%2e"])
async def test_a_mapped_path_that_leads_out_of_itself_is_not_asked_for(
    served: HttpGateway, backend: Backend, value: str
) -> None:
    mappings = {"overwrite:path": "/items/${request.querystring.id}/public"}
    await deploy(served, "$default", f"{backend.url}/only", request_parameters=mappings)

    assert told(await served.call("GET", f"/?id={value}")) == (404, b'{"message":"Not Found"}')
    assert backend.requests == []
    assert (await served.call("GET", "/?id=7")).status == 200


async def test_an_answer_to_head_has_the_length_that_the_endpoint_says(served: HttpGateway, backend: Backend) -> None:
    backend.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n"
    await deploy(served, "$default", backend.url)

    response = await served.call("HEAD", "/")

    assert (response.status, response.body) == (200, b"")
    assert [value for name, value in response.headers if name.lower() == b"content-length"] == [b"1234"]


async def test_an_endpoint_that_is_asked_with_head_does_not_say_how_long_another_answer_is(
    served: HttpGateway, backend: Backend
) -> None:
    backend.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n"
    await deploy(served, "$default", backend.url, integration_method="HEAD")

    response = await served.call("GET", "/")

    assert [value for name, value in response.headers if name.lower() == b"content-length"] == [b"0"]


async def test_a_signature_and_headers_of_the_connection_end_at_the_gateway(
    served: HttpGateway, backend: Backend
) -> None:
    await deploy(served, "$default", backend.url)

    await served.call(
        "GET",
        "/",
        headers={"Connection": "X-Hop", "X-Hop": "1", "TE": "trailers", "Authorization": "AWS4-HMAC-SHA256 x"},
    )
    await served.call("GET", "/", headers={"Authorization": "Bearer abc"})

    for name in ("X-Hop", "TE", "Authorization"):
        assert backend.requests[0].header(name) is None
    assert backend.requests[1].header("Authorization") == "Bearer abc"


async def test_a_stage_variable_names_the_host(served: HttpGateway, backend: Backend) -> None:
    await deploy(served, "$default", "http://${stageVariables.host}/a")

    assert (await served.call("GET", "/")).status == 500
    await served.plane.update_stage(
        api_id=served.api_id,
        stage_name="$default",
        stage_variables={"host": backend.url.removeprefix("http://")},
    )
    assert (await served.call("GET", "/")).status == 200


async def test_an_endpoint_that_is_not_there_is_a_bad_gateway(served: HttpGateway) -> None:
    await deploy(served, "$default", "http://127.0.0.1:1/")

    assert told(await served.call("GET", "/")) == (502, b'{"message":"Bad Gateway"}')


async def test_a_variable_that_the_route_does_not_have_is_an_internal_error(
    served: HttpGateway, backend: Backend
) -> None:
    await deploy(served, "GET /x/{id}", f"{backend.url}/{{other}}")

    assert told(await served.call("GET", "/x/1")) == (500, b'{"message":"Internal Server Error"}')
    assert backend.requests == []
