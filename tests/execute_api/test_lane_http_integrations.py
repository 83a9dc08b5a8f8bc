"""HTTP_PROXY and HTTP: what a backend sees, what the caller gets of its answer, and what their failures look like."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from typing import Any

import pytest

from support.backend import Backend
from support.gateway import Gateway, header
from velvetrope.execute_api import GatewayResponse
from velvetrope.execute_api.http_backends import BackendFailed
from velvetrope.store import Database
from velvetrope.store.tables.apigateway import Integration, IntegrationResponse, Method

NETWORK_ERROR = b'{"message": "Network error communicating with endpoint"}'
INTERNAL = b'{"message": "Internal server error"}'
DEFAULT = {"default": IntegrationResponse(status_code="200")}


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    async with Backend() as backend:
        yield backend


@pytest.fixture
async def gateway(database: Database) -> AsyncIterator[Gateway]:
    gateway = Gateway(database)
    yield gateway
    await gateway.lane.close()


async def deploy(gateway: Gateway, uri: str, kind: str = "HTTP_PROXY", **members: Any) -> None:
    stage = members.pop("stage_settings", None)
    api = {name: members.pop(name) for name in ("binary_media_types",) if name in members}
    integration = Integration(**{"type": kind, "uri": uri, "http_method": "ANY", **members})
    method = Method(http_method="ANY", integration=integration)
    await gateway.deploy_record({"ANY /": method, "ANY /{proxy+}": method}, stage_settings=stage, **api)


def refused(response: GatewayResponse) -> tuple[int, str | None, bytes]:
    return response.status, header(response, "x-amzn-ErrorType"), response.body


async def test_a_request_is_handed_on_as_it_came(gateway: Gateway, backend: Backend) -> None:
    await deploy(
        gateway,
        f"{backend.url}/base/{{proxy}}",
        request_parameters={"integration.request.path.proxy": "method.request.path.proxy"},
    )

    response = await gateway.call(
        gateway.request(
            "PATCH",
            "/a%2Fb/c%20d?x=1&y=%20z&x=2",
            headers={"Content-Type": "text/plain", "X-One": "1", "Accept": "a/b"},
            body=b"hello",
        )
    )

    request = backend.requests[0]
    assert (response.status, response.body) == (200, b'{"ok":true}')
    assert (request.method, request.target) == ("PATCH", "/base/a%2Fb/c%20d?x=1&y=%20z&x=2")
    assert request.body == b"hello"
    assert request.header("Content-Type") == "text/plain"
    assert request.header("X-One") == "1"
    assert request.header("Accept") == "a/b"
    assert request.header("User-Agent") == "tests"
    assert request.header("Accept-Encoding") is None
    assert request.header("x-amzn-apigateway-api-id") == gateway.api_id
    assert (request.header("X-Forwarded-For"), request.header("X-Forwarded-Proto")) == ("127.0.0.1", "http")
    trace = request.header("X-Amzn-Trace-Id")
    assert trace is not None
    assert trace.startswith("Root=1-")
    assert request.header("Host") == backend.url.removeprefix("http://")


async def test_headers_of_the_connection_and_the_signature_end_at_the_gateway(
    gateway: Gateway, backend: Backend
) -> None:
    await deploy(gateway, backend.url)

    await gateway.get(
        "/",
        headers={
            "Connection": "keep-alive, X-Hop",
            "X-Hop": "1",
            "TE": "trailers",
            "Upgrade": "h2c",
            "Expect": "100-continue",
            "Proxy-Authorization": "Basic x",
            "x-amzn-apigateway-api-id": "forged",
            "X-Forwarded-Proto": "https",
            "Authorization": "AWS4-HMAC-SHA256 Credential=x",
        },
    )

    request = backend.requests[0]
    for name in ("X-Hop", "TE", "Upgrade", "Expect", "Proxy-Authorization", "Authorization", "Transfer-Encoding"):
        assert request.header(name) is None
    assert request.header("x-amzn-apigateway-api-id") == gateway.api_id
    assert request.header("X-Forwarded-Proto") == "http"


async def test_another_authorization_goes_on(gateway: Gateway, backend: Backend) -> None:
    await deploy(gateway, backend.url)

    await gateway.get("/", headers={"Authorization": "Bearer abc"})

    assert backend.requests[0].header("Authorization") == "Bearer abc"


async def test_an_answer_comes_as_it_was_sent_but_for_what_belongs_to_the_connection(
    gateway: Gateway, backend: Backend
) -> None:
    body = gzip.compress(b"hello")
    backend.answer = (
        b"HTTP/1.1 404 Nope\r\nContent-Encoding: gzip\r\nX-One: 1\r\nX-One: 2\r\nSet-Cookie: a=b\r\nServer: s\r\n"
        b"Connection: X-Hop\r\nX-Hop: 1\r\nWWW-Authenticate: Basic\r\nx-amzn-RequestId: forged\r\n"
        b"Content-Length: %d\r\n\r\n" % len(body)
    ) + body
    await deploy(gateway, backend.url)

    response = await gateway.get("/")

    assert (response.status, response.body) == (404, body)
    names = [name.decode() for name, _ in response.headers]
    assert names.count("X-One") == 2
    assert header(response, "Content-Encoding") == "gzip"
    assert header(response, "Content-Length") == str(len(body))
    assert header(response, "x-amzn-Remapped-WWW-Authenticate") == "Basic"
    assert header(response, "x-amzn-Remapped-Server") == "s"
    assert header(response, "x-amzn-Remapped-x-amzn-RequestId") == "forged"
    assert names.count("x-amzn-RequestId") == 1
    assert not {"X-Hop", "Connection", "Server", "WWW-Authenticate"} & set(names)


async def test_redirects_are_the_callers_to_follow_and_cookies_are_not_kept(gateway: Gateway, backend: Backend) -> None:
    backend.answer = b"HTTP/1.1 302 Found\r\nLocation: /x\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
    await deploy(gateway, backend.url)

    response = await gateway.get("/")
    await gateway.get("/")

    assert (response.status, header(response, "Location")) == (302, "/x")
    assert [request.header("Cookie") for request in backend.requests] == [None, None]


async def test_connections_are_used_again(gateway: Gateway, backend: Backend) -> None:
    await deploy(gateway, backend.url)

    for _ in range(5):
        assert (await gateway.get("/")).status == 200

    assert (len(backend.requests), backend.connections) == (5, 1)


async def test_many_callers_at_once_get_their_own_answers(gateway: Gateway, backend: Backend) -> None:
    async def echo(writer: asyncio.StreamWriter) -> None:
        target = backend.requests[-1].target.encode()
        await asyncio.sleep(0)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(target), target))

    backend.answer = echo
    await deploy(gateway, backend.url)

    responses = await asyncio.gather(*(gateway.get(f"/?n={n}") for n in range(40)))

    assert [response.body for response in responses] == [b"/?n=%d" % n for n in range(40)]


async def test_what_is_mapped_wins_over_what_was_sent(gateway: Gateway, backend: Backend) -> None:
    await deploy(
        gateway,
        f"{backend.url}/${{stageVariables.base}}",
        request_parameters={
            "integration.request.header.X-One": "method.request.querystring.q",
            "integration.request.header.X-User": "context.identity.sourceIp",
            "integration.request.header.X-Stage": "stageVariables.base",
            "integration.request.header.X-None": "method.request.header.absent",
            "integration.request.querystring.q": "'fixed value'",
            "integration.request.querystring.part": "method.request.body.a.b",
        },
        stage_settings={"variables": {"base": "b1"}},
    )

    await gateway.call(
        gateway.request(
            "POST", "/?q=1&r=2", headers={"x-one": "theirs", "Content-Type": "application/json"}, body=b'{"a":{"b":5}}'
        )
    )

    request = backend.requests[0]
    assert request.target == "/b1?r=2&q=fixed%20value&part=5"
    assert (request.header("X-One"), request.header("X-User")) == ("1", "127.0.0.1")
    assert (request.header("X-Stage"), request.header("X-None")) == ("b1", None)


async def test_what_is_mapped_and_has_no_value_is_not_the_callers_to_say(gateway: Gateway, backend: Backend) -> None:
    """A backend that trusts `X-Email`, since it is mapped from a claim, must not hear it from who has no such claim."""
    await deploy(
        gateway,
        backend.url,
        request_parameters={
            "integration.request.header.X-Email": "context.authorizer.claims.email",
            "integration.request.querystring.tenant": "context.authorizer.tenant",
        },
    )

    await gateway.get("/?tenant=theirs&x=1", headers={"x-email": "admin@example.com", "X-One": "1"})

    request = backend.requests[0]
    assert request.target == "/?x=1"
    assert (request.header("X-Email"), request.header("X-One")) == (None, "1")


async def test_a_value_cannot_end_a_header(gateway: Gateway, backend: Backend) -> None:
    await deploy(gateway, backend.url, request_parameters={"integration.request.header.X-One": "method.request.body.a"})

    await gateway.call(gateway.request("POST", "/", body=b'{"a":"1\\r\\nX-Two: 2"}'))

    request = backend.requests[0]
    assert (request.header("X-One"), request.header("X-Two")) == ("1  X-Two: 2", None)


@pytest.mark.parametrize(
    ("value", "target"),
    [
        ("a/../../admin", "/items/a%2F..%2F..%2Fadmin"),
        ("x?admin=1#y", "/items/x%3Fadmin%3D1%23y"),
        ("@evil.example/", "/items/%40evil.example%2F"),
    ],
)
async def test_a_value_in_the_path_stays_one_segment(
    gateway: Gateway, backend: Backend, value: str, target: str
) -> None:
    await deploy(
        gateway,
        f"{backend.url}/items/{{id}}",
        request_parameters={"integration.request.path.id": "method.request.header.id"},
    )

    await gateway.get("/", headers={"id": value})

    assert backend.requests[0].target == target


@pytest.mark.parametrize("value", ["..", ".", "%2e%2e"])
async def test_a_value_is_no_way_up_from_the_path_that_the_author_names(
    gateway: Gateway, backend: Backend, value: str
) -> None:
    await deploy(
        gateway,
        f"{backend.url}/items/{{id}}/public",
        request_parameters={"integration.request.path.id": "method.request.querystring.id"},
    )

    assert refused(await gateway.get(f"/?id={value}")) == (
        400,
        "BadRequestException",
        b'{"message": "Invalid request parameters"}',
    )
    assert backend.requests == []
    assert (await gateway.get("/?id=...")).status == 200
    assert backend.requests[0].target == "/items/.../public?id=..."


async def test_a_name_in_the_address_that_nothing_is_mapped_to_is_a_configuration_error(
    gateway: Gateway, backend: Backend
) -> None:
    await deploy(gateway, f"{backend.url}/{{proxy}}")

    assert refused(await gateway.get("/x")) == (500, "InternalServerErrorException", INTERNAL)
    assert backend.requests == []


@pytest.mark.parametrize(
    "uri",
    [
        "https://{host}.example/",
        "ftp://127.0.0.1/",
        "http://user:password@127.0.0.1/",
        "//127.0.0.1/",
        "http:///x",
        "http://127.0.0.1:99999/",
        "http://${stageVariables.nowhere}/",
        "",
    ],
)
async def test_an_address_that_callers_could_bend_is_refused(gateway: Gateway, uri: str) -> None:
    await deploy(gateway, uri, request_parameters={"integration.request.path.host": "method.request.header.host"})

    response = await gateway.get("/")

    assert refused(response) == (500, "InternalServerErrorException", INTERNAL)


async def test_the_verb_may_be_the_integrations_own(gateway: Gateway, backend: Backend) -> None:
    await deploy(gateway, backend.url, http_method="PUT")

    await gateway.get("/")

    assert backend.requests[0].method == "PUT"


async def test_an_answer_to_head_has_the_length_that_the_backend_says(gateway: Gateway, backend: Backend) -> None:
    backend.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n"
    await deploy(gateway, backend.url)

    response = await gateway.call(gateway.request("HEAD", "/"))

    assert (response.status, response.body) == (200, b"")
    assert [value for name, value in response.headers if name.lower() == b"content-length"] == [b"1234"]


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_a_backend_that_is_asked_with_head_does_not_say_how_long_another_answer_is(
    gateway: Gateway, backend: Backend, is_streamed: bool
) -> None:
    """A length without a body would make the next answer on the caller's connection part of this one."""
    backend.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n"
    mode = "STREAM" if is_streamed else "BUFFERED"
    await deploy(gateway, backend.url, response_transfer_mode=mode)

    response = await gateway.call(gateway.request("POST", "/", headers={"X-HTTP-Method-Override": "HEAD"}))

    assert backend.requests[0].method == "HEAD"
    assert (response.status, response.body, response.stream) == (200, b"", None)
    assert [value for name, value in response.headers if name.lower() == b"content-length"] == [b"0"]


async def test_nobody_listening_is_a_network_error(gateway: Gateway) -> None:
    async with Backend() as gone:
        url = gone.url
    await deploy(gateway, url)

    assert refused(await gateway.get("/")) == (504, "InternalServerErrorException", NETWORK_ERROR)


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal", b"nonsense\r\n\r\n", b"HTTP/1.1 2"]
)
async def test_an_answer_that_breaks_off_is_a_network_error(gateway: Gateway, backend: Backend, answer: bytes) -> None:
    async def break_off(writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()
        writer.close()

    backend.answer = break_off
    await deploy(gateway, backend.url)

    assert refused(await gateway.get("/")) == (504, "InternalServerErrorException", NETWORK_ERROR)


async def test_an_answer_that_does_not_come_in_time_is_a_timeout(gateway: Gateway, backend: Backend) -> None:
    async def never(_writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    backend.answer = never
    await deploy(gateway, backend.url, timeout_in_millis=50)

    assert refused(await gateway.get("/")) == (
        504,
        "InternalServerErrorException",
        b'{"message": "Endpoint request timed out"}',
    )


async def test_an_answer_of_ten_megabytes_passes_and_one_byte_more_does_not(gateway: Gateway, backend: Backend) -> None:
    await deploy(gateway, backend.url)
    most = 10_485_760

    backend.answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % most + b"x" * most
    assert len((await gateway.get("/")).body) == most
    backend.answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (most + 1) + b"x" * (most + 1)

    assert refused(await gateway.get("/")) == (500, "InternalServerErrorException", INTERNAL)


async def test_a_template_may_make_the_body_that_a_backend_gets(gateway: Gateway, backend: Backend) -> None:
    template = (
        "#set($context.requestOverride.header.x_made = 'yes')"
        '{"who":"$context.identity.sourceIp","n":$input.json(\'$.n\'),"q":"$input.params(\'q\')"}'
    )
    await deploy(
        gateway, backend.url, "HTTP", request_templates={"application/json": template}, integration_responses=DEFAULT
    )

    await gateway.call(gateway.request("POST", "/?q=7", body=b'{"n":[1,2]}'))

    request = backend.requests[0]
    assert request.body == b'{"who":"127.0.0.1","n":[1,2],"q":"7"}'
    assert (request.header("x_made"), request.header("Content-Type")) == ("yes", "application/json")
    assert request.target == "/"


@pytest.mark.parametrize(
    ("passthrough", "content_type", "passes"),
    [
        ("WHEN_NO_MATCH", "text/xml", True),
        ("WHEN_NO_TEMPLATES", "text/xml", False),
        ("NEVER", "text/xml", False),
        ("NEVER", "application/json; charset=utf-8", True),
        ("WHEN_NO_TEMPLATES", "APPLICATION/JSON", True),
    ],
)
async def test_what_no_template_is_for(
    gateway: Gateway, backend: Backend, passthrough: str, content_type: str, passes: bool
) -> None:
    await deploy(
        gateway,
        backend.url,
        "HTTP",
        request_templates={"application/json": "{}"},
        passthrough_behavior=passthrough,
        integration_responses=DEFAULT,
    )

    response = await gateway.call(gateway.request("POST", "/", headers={"Content-Type": content_type}, body=b"<x/>"))

    if passes:
        assert response.status == 200
        assert backend.requests[0].body == (b"<x/>" if "xml" in content_type else b"{}")
    else:
        assert refused(response) == (415, "BadRequestException", b'{"message": "Unsupported Media Type"}')
        assert backend.requests == []


RESPONSES = {
    "404": IntegrationResponse(status_code="410", selection_pattern=r"4\d{2}"),
    "default": IntegrationResponse(
        status_code="200",
        response_parameters={
            "method.response.header.X-Etag": "integration.response.header.ETag",
            "method.response.header.X-All": "integration.response.multivalueheader.X-M",
            "method.response.header.X-Id": "integration.response.body.id",
            "method.response.header.X-Fixed": "'v'",
            "method.response.header.X-Request": "context.requestId",
            "method.response.header.X-Gone": "integration.response.header.nope",
        },
        response_templates={
            "application/json": '{"id":"$input.path(\'$.id\')"}',
        },
    ),
}


async def test_an_answer_is_mapped_by_its_status(gateway: Gateway, backend: Backend) -> None:
    body = b'{"id":"a\\r\\nb","secret":1}'
    backend.answer = (
        b"HTTP/1.1 200 OK\r\nETag: e\r\nX-M: 1\r\nX-M: 2\r\nX-Hidden: 1\r\nContent-Length: %d\r\n\r\n" % len(body)
    ) + body
    await deploy(gateway, backend.url, "HTTP", integration_responses=RESPONSES)

    response = await gateway.get("/")

    assert (response.status, response.body) == (200, b'{"id":"a\r\nb"}')
    assert header(response, "X-Etag") == "e"
    assert header(response, "X-All") == "1,2"
    assert header(response, "X-Id") == "a  b"
    assert header(response, "X-Fixed") == "v"
    assert header(response, "X-Request") == header(response, "x-amzn-RequestId")
    assert header(response, "X-Gone") is None
    assert header(response, "X-Hidden") is None
    assert header(response, "Content-Type") == "application/json"


async def test_another_status_goes_to_the_response_whose_pattern_takes_it(gateway: Gateway, backend: Backend) -> None:
    backend.answer = b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\ngone"
    await deploy(gateway, backend.url, "HTTP", integration_responses=RESPONSES)

    response = await gateway.get("/")

    assert (response.status, response.body) == (410, b"gone")
    assert header(response, "Content-Type") == "text/plain"


async def test_the_media_type_that_is_accepted_first_chooses_the_template(gateway: Gateway, backend: Backend) -> None:
    await deploy(
        gateway,
        backend.url,
        "HTTP",
        integration_responses={
            "default": IntegrationResponse(
                status_code="200",
                response_templates={
                    "application/json": "{}",
                    "text/plain": "#set($context.responseOverride.status = 203)"
                    "#set($context.responseOverride.header.xt = 't')t",
                },
            )
        },
    )

    plain = await gateway.get("/", headers={"Accept": "text/plain;q=1, application/json"})
    other = await gateway.get("/", headers={"Accept": "image/png"})

    assert (plain.status, plain.body, header(plain, "Content-Type")) == (203, b"t", "text/plain")
    assert header(plain, "xt") == "t"
    assert (other.status, other.body, header(other, "Content-Type")) == (200, b"{}", "application/json")


async def test_an_answer_that_no_response_takes_is_a_configuration_error(gateway: Gateway, backend: Backend) -> None:
    await deploy(gateway, backend.url, "HTTP", integration_responses={"404": RESPONSES["404"]})

    assert refused(await gateway.get("/")) == (500, "InternalServerErrorException", INTERNAL)


@pytest.mark.parametrize(
    "integration",
    [
        {"request_templates": {"application/json": "#macro(x)#end"}},
        {"integration_responses": {"d": IntegrationResponse(status_code="200", selection_pattern="(")}},
        {"request_parameters": {"integration.request.nowhere.x": "'1'"}},
        {"request_parameters": {"integration.request.header.x": "method.nowhere"}},
        {"connection_type": "VPC_LINK"},
        {"credentials": "arn:aws:iam::*:user/*"},
        {"response_transfer_mode": "STREAM"},
        {"kind": "GOPHER"},
    ],
)
async def test_an_integration_that_is_not_understood_is_closed(
    gateway: Gateway, backend: Backend, integration: dict[str, Any]
) -> None:
    kind = integration.pop("kind", "HTTP")
    await deploy(gateway, backend.url, kind, **{"integration_responses": DEFAULT, **integration})

    assert refused(await gateway.get("/")) == (500, "InternalServerErrorException", INTERNAL)
    assert backend.requests == []


async def test_a_template_that_fails_is_a_configuration_error_that_only_the_owner_hears_of(
    gateway: Gateway, backend: Backend
) -> None:
    await deploy(
        gateway,
        backend.url,
        "HTTP",
        request_templates={"application/json": "$input.json('$')"},
        integration_responses=DEFAULT,
    )

    response = await gateway.call(gateway.request("POST", "/", body=b"not json"))

    assert refused(response) == (500, "InternalServerErrorException", INTERNAL)
    assert "not" in gateway.log.recent(1)[0].steps[-1].reason


@pytest.mark.parametrize(
    ("handling", "accept", "content_type", "answer", "body"),
    [
        (None, "image/png", "image/png", b"\x89\xff", b"\x89\xff"),
        (None, "text/plain", "image/png", b"\x89\xff", b"if8="),
        ("CONVERT_TO_TEXT", "image/png", "image/png", b"\x89\xff", b"if8="),
        ("CONVERT_TO_BINARY", "text/plain", "text/plain", b"if8=", b"\x89\xff"),
        (None, "image/png", "text/plain", b"if8=", b"\x89\xff"),
        (None, "text/plain", "text/plain", b"if8=", b"if8="),
    ],
)
async def test_bodies_between_text_and_binary(
    gateway: Gateway, backend: Backend, handling: str | None, accept: str, content_type: str, answer: bytes, body: bytes
) -> None:
    backend.answer = (
        f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {len(answer)}\r\n\r\n".encode() + answer
    )
    await deploy(
        gateway,
        backend.url,
        "HTTP",
        binary_media_types=("image/png",),
        integration_responses={"d": IntegrationResponse(status_code="200", content_handling=handling)},
    )

    assert (await gateway.get("/", headers={"Accept": accept})).body == body


async def test_what_is_to_be_decoded_and_is_not_base64_is_a_configuration_error(
    gateway: Gateway, backend: Backend
) -> None:
    responses = {"d": IntegrationResponse(status_code="200", content_handling="CONVERT_TO_BINARY")}
    await deploy(gateway, backend.url, "HTTP", integration_responses=responses)

    assert refused(await gateway.get("/")) == (500, "InternalServerErrorException", INTERNAL)


async def test_a_binary_request_may_be_made_text_and_the_reverse(gateway: Gateway, backend: Backend) -> None:
    png = {"Content-Type": "image/png"}
    options: dict[str, Any] = {"binary_media_types": ("image/png",), "integration_responses": DEFAULT}
    await deploy(gateway, backend.url, "HTTP", content_handling="CONVERT_TO_TEXT", **options)
    await gateway.call(gateway.request("POST", "/", headers=png, body=b"\x89\xff"))
    await deploy(gateway, backend.url, "HTTP", content_handling="CONVERT_TO_BINARY", **options)
    await gateway.call(gateway.request("POST", "/", headers={"Content-Type": "text/plain"}, body=b"if8="))
    await gateway.call(gateway.request("POST", "/", headers=png, body=b"\x89\xff"))

    assert [request.body for request in backend.requests] == [b"if8=", b"\x89\xff", b"\x89\xff"]


async def test_a_streamed_answer_reaches_the_caller_while_it_comes(gateway: Gateway, backend: Backend) -> None:
    go_on = asyncio.Event()

    async def slowly(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        await writer.drain()
        await go_on.wait()
        writer.write(b"3\r\ntwo\r\n0\r\n\r\n")

    backend.answer = slowly
    await deploy(gateway, backend.url, response_transfer_mode="STREAM")

    response = await gateway.get("/")

    assert response.stream is not None
    assert header(response, "Content-Length") is None
    assert await anext(response.stream) == b"one"
    go_on.set()
    assert [part async for part in response.stream] == [b"two"]


async def test_a_stream_that_nobody_reads_lets_go_of_its_backend(gateway: Gateway, backend: Backend) -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        await writer.drain()

    backend.answer = endless
    await deploy(gateway, backend.url, response_transfer_mode="STREAM")

    response = await gateway.get("/")
    assert response.stream is not None
    await response.stream.aclose()

    async with asyncio.timeout(60):
        await backend.has_closed.wait()


async def test_a_stream_that_breaks_off_ends_with_an_error(gateway: Gateway, backend: Backend) -> None:
    async def break_off(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\none")
        await writer.drain()
        writer.close()

    backend.answer = break_off
    await deploy(gateway, backend.url, response_transfer_mode="STREAM")

    response = await gateway.get("/")

    assert response.stream is not None
    with pytest.raises(BackendFailed):
        assert [part async for part in response.stream] == []
    await response.stream.aclose()


async def test_a_streamed_answer_has_no_limit_of_ten_megabytes(gateway: Gateway, backend: Backend) -> None:
    most = 10_485_761
    backend.answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % most + b"x" * most
    await deploy(gateway, backend.url, response_transfer_mode="STREAM")

    response = await gateway.get("/")

    assert response.stream is not None
    assert header(response, "Content-Length") == str(most)
    assert sum([len(part) async for part in response.stream]) == most
