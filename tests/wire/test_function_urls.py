"""Function URLs over plain HTTP: who is let in, what the function sees, and what comes back."""

import socket
from typing import Any

import pytest
import requests
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from support.clients import aws_client, explained, new_user, signed
from support.running import RunningServer
from support.zips import make_zip

FUNCTION = "arn:aws:lambda:us-west-2:123456789012:function:"
FORBIDDEN = {
    "Message": "Forbidden. For troubleshooting Function URL authorization issues, see: "
    "https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"
}
SOURCE = """
def handler(event, context):
    match event["rawPath"]:
        case "/raises":
            raise ValueError("no")
        case "/shaped":
            return {
                "statusCode": 201,
                "headers": {"X-Own": "1", "Access-Control-Allow-Origin": "http://other"},
                "cookies": ["a=1", "b=2"],
                "body": "made",
            }
        case "/empty":
            return {"statusCode": 204, "body": "HTTP/1.1 200 OK\\r\\nContent-Length: 8\\r\\n\\r\\nsmuggled"}
        case "/interim":
            return {"statusCode": 103, "body": "early"}
        case "/misshapen":
            return {"statusCode": "what"}
    return {"event": event, "request_id": context.aws_request_id, "arn": context.invoked_function_arn}
"""


def allow(*actions: str, resource: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource}


@pytest.fixture(scope="module")
def functions(serving: RunningServer) -> Any:
    return aws_client(serving, "lambda")


def make(functions: Any, role: str, name: str, auth_type: str, **url: Any) -> str:
    functions.create_function(
        FunctionName=name,
        Role=role,
        Runtime="python3.12",
        Handler="app.handler",
        Code={"ZipFile": make_zip({"app.py": SOURCE})},
    )
    return str(functions.create_function_url_config(FunctionName=name, AuthType=auth_type, **url)["FunctionUrl"])


def open_to_all(functions: Any, name: str) -> None:
    functions.add_permission(
        FunctionName=name,
        StatementId="url",
        Action="lambda:InvokeFunctionUrl",
        Principal="*",
        FunctionUrlAuthType="NONE",
    )
    functions.add_permission(
        FunctionName=name,
        StatementId="invoke",
        Action="lambda:InvokeFunction",
        Principal="*",
        InvokedViaFunctionUrl=True,
    )


@pytest.fixture(scope="module")
def public(functions: Any, function_role: str) -> str:
    url = make(functions, function_role, "public", "NONE")
    open_to_all(functions, "public")
    return url


@pytest.fixture(scope="module")
def private(functions: Any, function_role: str) -> str:
    return make(functions, function_role, "private", "AWS_IAM")


@pytest.fixture(scope="module")
def guest(serving: RunningServer) -> Credentials:
    """A user who may call the private function by its URL."""
    return new_user(
        serving,
        "url-caller",
        allow("lambda:InvokeFunctionUrl", "lambda:InvokeFunction", resource=FUNCTION + "private"),
    )


def call(server: RunningServer, url: str, credentials: Credentials, **changes: Any) -> requests.Response:
    with requests.Session() as session:
        prepared = signed(server, credentials, url=url, service="lambda", headers={}, **changes)
        return session.send(prepared)


def test_an_open_address_runs_the_function_with_an_event_of_format_2(public: str) -> None:
    answer = requests.post(
        public + "a/b%20c?x=1&x=2", data="hello", headers={"X-Mine": "1", "Cookie": "c=1", "Content-Type": "text/plain"}
    )

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    event = answer.json()["event"]
    url_id = public.split("/")[4]
    assert (event["version"], event["routeKey"], event["rawPath"]) == ("2.0", "$default", "/a/b%20c")
    assert (event["rawQueryString"], event["queryStringParameters"]) == ("x=1&x=2", {"x": "1,2"})
    assert (event["cookies"], event["headers"]["x-mine"], event["body"]) == (["c=1"], "1", "hello")
    context = event["requestContext"]
    assert (context["accountId"], context["apiId"], context["stage"]) == ("anonymous", url_id, "$default")
    assert context["domainName"] == f"{url_id}.lambda-url.us-west-2.on.aws"
    assert context["http"]["method"] == "POST"
    assert "authorizer" not in context
    assert answer.json()["request_id"] == context["requestId"] == answer.headers["x-amzn-RequestId"]


def test_a_shaped_answer_becomes_status_headers_cookies_and_body(public: str) -> None:
    answer = requests.get(public + "shaped")

    assert (answer.status_code, answer.text, answer.headers["X-Own"]) == (201, "made", "1")
    assert answer.cookies.get_dict() == {"a": "1", "b": "2"}


@pytest.mark.parametrize("path", ["raises", "misshapen", "interim"])
def test_a_function_that_fails_or_answers_in_no_form_is_a_bad_gateway(public: str, path: str) -> None:
    answer = requests.get(public + path)

    assert (answer.status_code, answer.json()) == (502, {"message": "Internal Server Error"})


def test_no_body_follows_a_status_that_has_none(serving: RunningServer, public: str) -> None:
    """It would be read as the next answer on a connection, which may be somebody else's behind a proxy."""
    path = public.removeprefix(serving.url)
    asked = "".join(
        f"GET {path}{name} HTTP/1.1\r\nHost: localhost\r\nConnection: {connection}\r\n\r\n"
        for name, connection in (("empty", "keep-alive"), ("shaped", "close"))
    )
    with socket.create_connection(("localhost", serving.port), timeout=30) as connection:
        connection.sendall(asked.encode())
        answered = b"".join(iter(lambda: connection.recv(65_536), b""))

    assert answered.count(b"HTTP/1.1 ") == 2
    assert b"smuggled" not in answered
    assert answered.endswith(b"\r\n\r\nmade")


def test_the_same_address_is_reached_by_awss_host_name(serving: RunningServer, public: str) -> None:
    host = f"{public.split('/')[4]}.lambda-url.us-west-2.on.aws"

    answer = requests.get(f"{serving.url}/by/host", headers={"Host": host})

    assert answer.json()["event"]["rawPath"] == "/by/host"


def test_an_address_that_is_open_lets_nobody_in_without_both_permissions(functions: Any, function_role: str) -> None:
    url = make(functions, function_role, "shut", "NONE")

    nothing = requests.get(url)
    functions.add_permission(
        FunctionName="shut",
        StatementId="url",
        Action="lambda:InvokeFunctionUrl",
        Principal="*",
        FunctionUrlAuthType="NONE",
    )
    one_of_two = requests.get(url)
    functions.add_permission(
        FunctionName="shut",
        StatementId="invoke",
        Action="lambda:InvokeFunction",
        Principal="*",
        InvokedViaFunctionUrl=True,
    )
    both = requests.get(url)

    assert [answer.status_code for answer in (nothing, one_of_two, both)] == [403, 403, 200]
    for refused in (nothing, one_of_two):
        assert refused.json() == FORBIDDEN
        assert refused.headers["x-amzn-ErrorType"] == "AccessDeniedException"


def test_a_permission_for_the_other_auth_type_does_not_count(
    serving: RunningServer, functions: Any, function_role: str
) -> None:
    url = make(functions, function_role, "changed", "NONE")
    open_to_all(functions, "changed")
    stranger = new_user(serving, "stranger-to-changed")

    functions.update_function_url_config(FunctionName="changed", AuthType="AWS_IAM")

    assert call(serving, url, stranger).json() == FORBIDDEN


@pytest.mark.parametrize(
    ("action", "member"),
    [
        ("lambda:InvokeFunction", {"FunctionUrlAuthType": "NONE"}),
        ("lambda:InvokeFunctionUrl", {"InvokedViaFunctionUrl": True}),
    ],
)
def test_a_condition_that_belongs_to_the_other_permission_is_refused(
    functions: Any, public: str, action: str, member: dict[str, Any]
) -> None:
    with pytest.raises(ClientError, match=f"{next(iter(member))} is only supported for lambda:Invoke"):
        functions.add_permission(FunctionName="public", StatementId="mixed", Principal="*", Action=action, **member)


def test_a_permission_to_invoke_by_url_is_none_to_invoke_directly(serving: RunningServer, public: str) -> None:
    stranger = new_user(serving, "stranger-to-public")

    with pytest.raises(ClientError) as refused:
        aws_client(serving, "lambda", stranger).invoke(FunctionName="public")

    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"


def test_a_signed_caller_with_both_permissions_is_let_in_and_named(
    serving: RunningServer, private: str, guest: Credentials
) -> None:
    answer = call(serving, private + "who?a=1", guest, method="POST", data=b"{}")

    assert answer.status_code == 200
    context = answer.json()["event"]["requestContext"]
    assert context["accountId"] == "123456789012"
    iam = context["authorizer"]["iam"]
    assert iam["userArn"] == "arn:aws:iam::123456789012:user/url-caller"
    assert iam["accessKey"] == guest.access_key


def test_whoever_does_not_sign_or_may_not_is_refused_in_the_same_words(serving: RunningServer, private: str) -> None:
    half = new_user(serving, "half-a-caller", allow("lambda:InvokeFunctionUrl", resource=FUNCTION + "private"))

    unsigned, without = requests.get(private), call(serving, private, half)

    assert [(answer.status_code, answer.json()) for answer in (unsigned, without)] == [(403, FORBIDDEN)] * 2


def test_a_signature_over_something_else_is_refused(serving: RunningServer, private: str, guest: Credentials) -> None:
    with requests.Session() as session:
        prepared = signed(serving, guest, url=private + "a", service="lambda", headers={})
        prepared.url = private + "b"
        other_path = session.send(prepared)
        other_service = session.send(signed(serving, guest, url=private, service="execute-api", headers={}))

    assert (other_path.status_code, other_service.status_code) == (403, 403)
    assert "signature we calculated does not match" in other_path.json()["message"]
    assert "Credential should be scoped to correct service" in other_service.json()["message"]


def test_refusals_and_calls_are_in_the_decision_records(
    serving: RunningServer, private: str, guest: Credentials
) -> None:
    refused_id = requests.get(private).headers["x-amzn-RequestId"]
    allowed_id = call(serving, private, guest).headers["x-amzn-RequestId"]

    refused, allowed = (explained(serving, request_id) for request_id in (refused_id, allowed_id))

    assert (refused["outcome"], refused["resource"]) == ("refused", FUNCTION + "private")
    assert "not signed" in refused["steps"][-1]["reason"]
    assert (allowed["outcome"], allowed["principal_arn"]) == ("allowed", "arn:aws:iam::123456789012:user/url-caller")


def test_an_address_that_nobody_has_is_not_found(serving: RunningServer) -> None:
    answer = requests.get(f"{serving.url}/_url/{'a' * 32}/")

    assert (answer.status_code, answer.json()["Message"]) == (404, "Not Found")


def test_six_megabytes_are_the_most_that_an_address_takes(public: str) -> None:
    answer = requests.post(public, data=b"x" * 6_291_457)

    assert (answer.status_code, answer.headers["x-amzn-ErrorType"]) == (413, "RequestEntityTooLargeException")


@pytest.fixture(scope="module")
def cross_origin(functions: Any, function_role: str) -> str:
    cors = {
        "AllowOrigins": ["https://app.example"],
        "AllowMethods": ["GET"],
        "AllowHeaders": ["x-mine"],
        "ExposeHeaders": ["x-own"],
        "AllowCredentials": True,
        "MaxAge": 60,
    }
    return make(functions, function_role, "cross-origin", "NONE", Cors=cors)


def test_a_preflight_is_answered_from_the_settings_without_the_function(cross_origin: str) -> None:
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "GET"}

    allowed = requests.options(cross_origin, headers=asked)
    other_origin = requests.options(cross_origin, headers=asked | {"Origin": "https://evil.example"})
    other_method = requests.options(cross_origin, headers=asked | {"Access-Control-Request-Method": "DELETE"})

    headers = {name.lower(): value for name, value in allowed.headers.items()}
    assert headers["access-control-allow-origin"] == "https://app.example"
    assert headers["access-control-allow-methods"] == "GET"
    assert headers["access-control-allow-headers"] == "x-mine"
    assert headers["access-control-allow-credentials"] == "true"
    assert headers["access-control-max-age"] == "60"
    for refused in (other_origin, other_method):
        assert "access-control-allow-origin" not in {name.lower() for name in refused.headers}


def test_the_settings_headers_take_the_place_of_the_functions_own(functions: Any, cross_origin: str) -> None:
    open_to_all(functions, "cross-origin")

    ours = requests.get(cross_origin + "shaped", headers={"Origin": "https://app.example"})
    theirs = requests.get(cross_origin + "shaped", headers={"Origin": "https://evil.example"})

    assert ours.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert ours.headers["Access-Control-Expose-Headers"] == "x-own"
    assert "Access-Control-Allow-Origin" not in theirs.headers


def test_addresses_are_made_shown_listed_changed_and_deleted(functions: Any, function_role: str) -> None:
    url = make(functions, function_role, "listed", "AWS_IAM")
    functions.publish_version(FunctionName="listed")
    functions.create_alias(FunctionName="listed", Name="live", FunctionVersion="1")
    functions.create_function_url_config(FunctionName="listed", Qualifier="live", AuthType="NONE")

    with pytest.raises(ClientError) as twice:
        functions.create_function_url_config(FunctionName="listed", AuthType="NONE")
    shown = functions.get_function_url_config(FunctionName="listed")
    first = functions.list_function_url_configs(FunctionName="listed", MaxItems=1)
    second = functions.list_function_url_configs(FunctionName="listed", MaxItems=1, Marker=first["NextMarker"])
    changed = functions.update_function_url_config(FunctionName="listed", Cors={"AllowOrigins": ["*"]})
    functions.delete_function_url_config(FunctionName="listed")
    functions.delete_alias(FunctionName="listed", Name="live")

    assert twice.value.response["Error"]["Code"] == "ResourceConflictException"
    assert (shown["FunctionUrl"], shown["AuthType"], shown["InvokeMode"]) == (url, "AWS_IAM", "BUFFERED")
    arns = [page["FunctionUrlConfigs"][0]["FunctionArn"] for page in (first, second)]
    assert arns == [FUNCTION + "listed", FUNCTION + "listed:live"]
    assert "NextMarker" not in second
    assert (changed["AuthType"], changed["Cors"]) == ("AWS_IAM", {"AllowOrigins": ["*"]})
    assert functions.list_function_url_configs(FunctionName="listed")["FunctionUrlConfigs"] == []
    with pytest.raises(ClientError, match="The resource you requested does not exist"):
        functions.get_function_url_config(FunctionName="listed")
    assert requests.get(url).status_code == 404


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"InvokeMode": "RESPONSE_STREAM"}, "ValidationException"),
        ({"Qualifier": "nobody"}, "ResourceNotFoundException"),
        ({"Cors": {"AllowMethods": ["TRACE"]}}, "InvalidParameterValueException"),
    ],
)
def test_addresses_that_could_not_be_right_are_refused(
    functions: Any, public: str, parameters: dict[str, Any], code: str
) -> None:
    with pytest.raises(ClientError) as refused:
        functions.create_function_url_config(**{"FunctionName": "public", "AuthType": "NONE", **parameters})

    assert refused.value.response["Error"]["Code"] == code


def test_managing_addresses_needs_the_permission(serving: RunningServer, public: str) -> None:
    stranger = aws_client(serving, "lambda", new_user(serving, "no-url-manager"))

    for operation in (
        stranger.get_function_url_config,
        stranger.delete_function_url_config,
        stranger.list_function_url_configs,
    ):
        with pytest.raises(ClientError) as refused:
            operation(FunctionName="public")
        assert refused.value.response["Error"]["Code"] == "AccessDeniedException"
