"""Which room a request is for, with a real server between."""

import json
import socket
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from support.edge import ALICE_KEY, REGION, ROOT_KEY, Edge, Serving, client
from velvetrope.edge.bodies import MAX_GATEWAY_BODY_BYTES
from velvetrope.edge.requests import head_of
from velvetrope.execute_api import header_lines

Message = MutableMapping[str, Any]


class Pages:
    """Hosted pages that own `/oauth2/` and one host, and echo the body, or break."""

    def owns(self, path: str) -> bool:
        return path.startswith("/oauth2/")

    def owns_host(self, host: str) -> bool:
        return host == f"demo.auth.{REGION}.amazoncognito.com"

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        if scope["path"] == "/oauth2/broken":
            raise RuntimeError("secret text")
        names = sorted(name.decode() for name, _ in scope["headers"])
        body = json.dumps({"headers": names, "body": (await receive())["body"].decode()}).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": body})


async def configuration() -> dict[str, object]:
    return {"region": REGION, "user_pool_id": "us-west-2_abc"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    outside = tmp_path_factory.mktemp("web")
    (outside / "secret.txt").write_text("outside")
    folder = outside / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>demo</title>")
    (folder / "assets" / "index-B7x9_2Qa.js").write_text("export {}")
    (folder / "favicon.svg").write_text("<svg/>")
    (folder / "link.txt").symlink_to(outside / "secret.txt")
    return folder


@pytest.fixture(scope="module")
def edge(folder: Path) -> Edge:
    return Edge(folder=folder, hosted_pages=Pages(), configuration=configuration)


@pytest.fixture(scope="module")
def url(edge: Edge) -> Iterator[str]:
    with Serving(edge.app, gateway=edge.app, operations=edge.app) as serving:
        yield serving.url


def test_a_call_to_an_api_reaches_the_lane_byte_for_byte(url: str, edge: Edge) -> None:
    path = "/_api/abc123/prod/a%2Fb//c"
    answer = requests.post(f"{url}{path}?x=1&x=%20", data=b"body", headers={"X-Mixed-Case": "v"}, timeout=10)

    seen = edge.lane.seen[-1]
    assert answer.text == "len 4"
    assert answer.headers["x-echo"] == "abc123"
    assert (seen.method, seen.raw_path, seen.stage_path) == ("POST", path.encode(), b"/prod/a%2Fb//c")
    assert (seen.query_string, seen.body, seen.scheme, seen.http_version) == (b"x=1&x=%20", b"body", "http", "1.1")
    assert (b"X-Mixed-Case", b"v") in seen.headers
    assert seen.source_ip == "127.0.0.1"


def test_a_call_by_host_name_reaches_the_lane_with_its_whole_path(url: str, edge: Edge) -> None:
    host = f"ABC123.execute-api.{REGION}.amazonaws.com"

    answer = requests.get(f"{url}/prod/no-auth", headers={"Host": host}, timeout=10)

    seen = edge.lane.seen[-1]
    assert answer.status_code == 200
    assert (seen.api_id, seen.raw_path, seen.stage_path) == ("abc123", b"/prod/no-auth", b"/prod/no-auth")


def test_under_the_host_name_of_one_api_no_path_leads_to_another(url: str, edge: Edge) -> None:
    host = f"abc123.execute-api.{REGION}.amazonaws.com"

    requests.get(f"{url}/_api/other/prod/no-auth", headers={"Host": host}, timeout=10)

    seen = edge.lane.seen[-1]
    assert (seen.api_id, seen.stage_path) == ("abc123", b"/_api/other/prod/no-auth")


def test_an_api_without_a_stage_still_reaches_the_lane(url: str, edge: Edge) -> None:
    requests.get(f"{url}/_api/abc123", timeout=10)

    assert edge.lane.seen[-1].stage_path == b"/"


def test_an_x_amz_target_header_does_not_lure_an_api_call_away(url: str, edge: Edge) -> None:
    before = len(edge.lane.seen)

    requests.post(f"{url}/_api/abc123/prod", headers={"X-Amz-Target": "AWSCognitoIdentityService.GetId"}, timeout=10)

    assert len(edge.lane.seen) == before + 1


def test_a_body_at_the_limit_reaches_the_lane_and_of_one_above_it_hears_only_that_it_was(url: str, edge: Edge) -> None:
    target = f"{url}/_api/abc123/prod"

    at_limit = requests.post(target, data=b"x" * MAX_GATEWAY_BODY_BYTES, timeout=30)
    above = requests.post(target, data=b"x" * (MAX_GATEWAY_BODY_BYTES + 1), timeout=30)
    chunked = requests.post(target, data=iter([b"x" * 65_536] * 161), timeout=30)

    assert at_limit.text == f"len {MAX_GATEWAY_BODY_BYTES}"
    for answer, seen in zip((above, chunked), edge.lane.seen[-2:], strict=True):
        assert (answer.status_code, answer.text) == (413, "too large")
        assert (seen.has_large_body, seen.body, seen.stage_path) == (True, b"", b"/prod")


@pytest.fixture(scope="module")
def api(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return str(parts.hostname), int(parts.port or 0)


def talk(api: tuple[str, int], *sent: bytes) -> bytes:
    """What comes back for bytes on one connection, until the server closes it."""
    with socket.create_connection(api, timeout=10) as sock:
        for part in sent:
            sock.sendall(part)
        received = b""
        while chunk := sock.recv(65_536):
            received += chunk
    return received


LAST = b"GET /_api/last/prod HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def test_api_calls_and_others_share_a_connection_in_order(api: tuple[str, int]) -> None:
    call = b"POST /_api/a%d/prod HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
    health = b"GET /_velvetrope/health HTTP/1.1\r\nHost: x\r\n\r\n"

    answer = talk(api, call % 1 + health + call % 2 + health + call % 3, LAST)

    assert answer.count(b"HTTP/1.1 200 OK") == 6
    found = [answer.index(mark) for mark in (b"x-echo: a1", b"x-echo: a2", b"x-echo: a3", b"x-echo: last")]
    assert found == sorted(found)
    assert answer.count(b"len 3") == 3
    assert answer.count(b"date: ") == 6


def test_a_chunked_body_in_pieces_is_put_together(api: tuple[str, int]) -> None:
    head = b"POST /_api/a/prod HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"

    with socket.create_connection(api, timeout=10) as sock:
        sock.sendall(head)
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"3\r\nabc\r\n")
        sock.sendall(b"2\r\nde\r\n0\r\n\r\n")
        answer = sock.recv(1000)

    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.endswith(b"len 5")


def test_an_http_1_0_client_is_answered_and_closed(api: tuple[str, int]) -> None:
    answer = talk(api, b"GET /_api/a/prod HTTP/1.0\r\n\r\n")

    assert b"connection: close\r\n" in answer
    assert answer.endswith(b"len 0")


def test_answers_without_a_body_have_none(api: tuple[str, int]) -> None:
    head = talk(api, b"HEAD /_api/a/prod HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    gone = talk(api, b"GET /_api/a/prod/gone HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    assert b"Content-Length: 5\r\n" in head
    assert head.endswith(b"\r\n\r\n")
    assert gone.startswith(b"HTTP/1.1 204 No Content\r\n")
    assert gone.endswith(b"\r\n\r\n")


def test_nothing_a_function_says_can_split_an_answer(api: tuple[str, int]) -> None:
    split = talk(api, b"GET /_api/a/prod/split HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    switch = talk(api, b"GET /_api/a/prod/switch HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    assert b"x-injected" not in split
    assert b"x y" not in split
    assert switch.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")


def test_other_asgi_servers_reach_the_lane_too(edge: Edge) -> None:
    """Without our listener the same call goes through the first layer of the app."""
    with Serving(edge.app) as serving:
        answer = requests.post(f"{serving.url}/_api/abc123/prod", data=b"body", timeout=10)
        above = requests.post(f"{serving.url}/_api/a/b", data=b"x" * (MAX_GATEWAY_BODY_BYTES + 1), timeout=30)

    assert (answer.text, answer.headers["x-echo"]) == ("len 4", "abc123")
    assert (above.status_code, above.text) == (413, "too large")


def test_a_lane_that_fails_is_a_500_without_its_text(url: str, caplog: pytest.LogCaptureFixture) -> None:
    answer = requests.get(f"{url}/_api/abc123/prod/broken", timeout=10)

    assert (answer.status_code, answer.text) == (500, '{"message": "Internal server error"}')
    assert "secret text" in caplog.text


def test_hosted_pages_get_what_they_own_with_lower_case_headers(url: str) -> None:
    answer = requests.post(f"{url}/oauth2/token", data={"grant_type": "x"}, timeout=10)

    assert answer.json()["body"] == "grant_type=x"
    assert "user-agent" in answer.json()["headers"]


def test_hosted_pages_get_all_of_their_own_host(url: str) -> None:
    answer = requests.post(f"{url}/anything", headers={"Host": f"demo.auth.{REGION}.amazoncognito.com"}, timeout=10)

    assert answer.json()["body"] == ""


def test_a_page_that_fails_is_a_500_without_its_text(url: str, caplog: pytest.LogCaptureFixture) -> None:
    answer = requests.get(f"{url}/oauth2/broken", timeout=10)

    assert (answer.status_code, answer.json()) == (500, {"message": "Internal server error"})
    assert answer.headers["x-amzn-requestid"] in caplog.text


def test_health_is_told_to_anyone(url: str) -> None:
    assert requests.get(f"{url}/_velvetrope/health", timeout=10).json()["status"] == "ok"


def test_the_configuration_is_told_to_any_origin(url: str) -> None:
    answer = requests.get(f"{url}/_velvetrope/config.json", timeout=10)

    assert answer.json() == {"region": REGION, "user_pool_id": "us-west-2_abc"}
    assert answer.headers["access-control-allow-origin"] == "*"


def signed_get(url: str, key: tuple[str, str], *, service: str = "velvetrope") -> requests.Response:
    request = AWSRequest("GET", url)
    SigV4Auth(Credentials(*key), service, REGION).add_auth(request)
    return requests.get(url, headers=dict(request.headers), timeout=10)


def test_the_decision_records_are_for_root_alone(url: str) -> None:
    request_id = client("sts", url).get_caller_identity()["ResponseMetadata"]["RequestId"]
    page = f"{url}/_velvetrope/decisions"

    one = signed_get(f"{page}?request_id={request_id}", ROOT_KEY)
    everything = signed_get(page, ROOT_KEY)
    refused = signed_get(f"{page}?refused=1&limit=5", ROOT_KEY)
    unsigned = requests.get(page, timeout=10)
    alice = signed_get(page, ALICE_KEY)
    elsewhere = signed_get(page, ROOT_KEY, service="sts")

    assert [record["action"] for record in one.json()] == ["sts:GetCallerIdentity"]
    assert one.json()[0]["steps"][0]["name"] == "authentication"
    assert request_id in {record["request_id"] for record in everything.json()}
    assert all(record["outcome"] == "refused" for record in refused.json())
    assert (unsigned.status_code, unsigned.headers["x-amzn-errortype"]) == (403, "MissingAuthenticationTokenException")
    assert (alice.status_code, alice.headers["x-amzn-errortype"]) == (403, "AccessDeniedException")
    assert (elsewhere.status_code, elsewhere.headers["x-amzn-errortype"]) == (403, "InvalidSignatureException")


def test_the_app_and_its_files_are_served(url: str) -> None:
    page = requests.get(f"{url}/", timeout=10)
    script = requests.get(f"{url}/assets/index-B7x9_2Qa.js", timeout=10)
    icon = requests.get(f"{url}/favicon.svg", timeout=10)

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-cache"
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["x-frame-options"] == "DENY"
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert icon.headers["content-type"] == "image/svg+xml"


def test_the_apps_own_routes_get_its_page_and_missing_files_do_not(url: str) -> None:
    assert requests.get(f"{url}/callback?code=1", timeout=10).text.startswith("<!doctype html>")
    assert requests.get(f"{url}/assets/gone-12345678.js", timeout=10).status_code == 404
    assert requests.get(f"{url}/missing.png", timeout=10).status_code == 404
    assert requests.post(f"{url}/callback", timeout=10).status_code == 405


def test_a_page_that_has_not_changed_is_not_sent_again(url: str) -> None:
    etag = requests.get(url, timeout=10).headers["etag"]

    again = requests.get(url, headers={"If-None-Match": etag}, timeout=10)

    assert (again.status_code, again.text) == (304, "")


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/assets/..%2f..%2fsecret.txt",
        "/link.txt",
        "/..%5csecret.txt",
        "/a%00.txt",
    ],
)
def test_a_path_out_of_the_folder_is_not_found(url: str, path: str) -> None:
    parts = urlsplit(url)
    session = requests.Session()
    request = requests.Request("GET", f"{parts.scheme}://{parts.netloc}").prepare()
    request.url = f"{parts.scheme}://{parts.netloc}{path}"

    answer = session.send(request, timeout=10)

    assert answer.status_code == 404
    assert "outside" not in answer.text


def test_without_an_app_the_server_says_what_it_is() -> None:
    with Serving(Edge().app) as serving:
        assert requests.get(serving.url, timeout=10).text.startswith("This is velvetrope ")
        assert requests.get(f"{serving.url}/nothing", timeout=10).status_code == 404
        assert requests.get(f"{serving.url}/_velvetrope/config.json", timeout=10).status_code == 404


async def test_what_is_no_http_is_refused_by_raising() -> None:
    async def unused(*_: object) -> Any:
        raise AssertionError

    with pytest.raises(NotImplementedError):
        await Edge().app({"type": "lifespan"}, unused, unused)


def test_the_clock_decides_when_a_signature_is_too_old(edge: Edge) -> None:
    class Later:
        def now(self) -> Any:
            return edge.clock.now() + timedelta(minutes=6)

    with Serving(Edge(clock=Later()).app) as serving, pytest.raises(Exception, match="Signature expired"):
        client("sts", serving.url).get_caller_identity()


@pytest.mark.parametrize("target", [b"AWSCognitoIdentityProviderService.InitiateAuth", b"Nobody.Knows"])
async def test_lines_of_an_answer_are_those_of_its_headers(target: bytes) -> None:
    app = Edge().app
    for _ in range(2):
        head = head_of("POST", "/", b"/", b"", [(b"host", b"x"), (b"x-amz-target", target)])
        answer = await app.answer_operation(head, b"{}", "127.0.0.1", "http")

        assert answer.lines == header_lines(answer.headers)
        assert [name for name, _ in answer.headers].count(b"x-amzn-RequestId") == 1
        assert (b"content-length", b"%d" % len(answer.body)) in answer.headers
