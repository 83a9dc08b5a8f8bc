"""The control plane as boto3 sees it: a real server on a free port, one client per protocol, and every refusal."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from botocore import UNSIGNED
from botocore.exceptions import ClientError

from support.edge import ALICE_ARN, ALICE_KEY, ROOT_KEY, Edge, Serving, client

FOREIGN = "velvetrope does not speak for the service that this call is for."


@pytest.fixture(scope="module")
def edge() -> Edge:
    return Edge(may=frozenset({"sts:GetCallerIdentity"}))


@pytest.fixture(scope="module", params=["directly", "by ASGI"])
def url(edge: Edge, request: pytest.FixtureRequest) -> Iterator[str]:
    """Both ways by which a call reaches the dispatcher: they must not differ in a byte that matters."""
    with Serving(edge.app, operations=edge.app if request.param == "directly" else None) as serving:
        yield serving.url


def refusal(call: Any) -> tuple[int, str, str]:
    """Status, code and message of the error that `call` ends in."""
    with pytest.raises(ClientError) as caught:
        call()
    answer: Any = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"], answer["Error"]["Message"]


def test_json_calls_and_answers_pass(url: str) -> None:
    answer = client("cognito-idp", url).create_user_pool(
        PoolName="demo",
        Policies={"PasswordPolicy": {"MinimumLength": 10}},
        UsernameAttributes=["email"],
        UserPoolTags={"SomeKey": "v"},
    )

    assert answer["UserPool"] == {
        "Id": "us-west-2_abcdefghi",
        "Name": "demo",
        "Policies": {"PasswordPolicy": {"MinimumLength": 10}},
        "UsernameAttributes": ["email"],
        "UserPoolTags": {"SomeKey": "v"},
        "CreationDate": datetime(2026, 1, 2, 3, 4, 5, 678000, UTC),
    }
    assert len(answer["ResponseMetadata"]["RequestId"]) == 36


def test_an_unsigned_operation_needs_no_credentials(url: str, edge: Edge) -> None:
    answer = client("cognito-idp", url).sign_up(ClientId="abc", Username="jo", Password="12345678")

    assert answer["UserSub"] == "8"
    assert edge.user_pools.calls[-1].principal.kind == "Anonymous"


def test_an_operation_without_output_answers_with_nothing(url: str) -> None:
    assert set(client("cognito-idp", url).delete_user_pool(UserPoolId="us-west-2_a")) == {"ResponseMetadata"}


def test_query_calls_and_xml_answers_pass(url: str) -> None:
    sts = client("sts", url)

    assert sts.get_caller_identity()["Arn"] == "arn:aws:iam::123456789012:root"
    role = sts.assume_role(
        RoleArn="arn:aws:iam::123456789012:role/r", RoleSessionName="s@x", Tags=[{"Key": "a", "Value": "b"}]
    )
    assert role["Credentials"]["SecretAccessKey"] == "secret"
    assert role["Credentials"]["Expiration"] == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert role["Credentials"]["SessionToken"].endswith("s@x 3600 ({'key': 'a', 'value': 'b'},)")


def test_a_global_services_clients_may_sign_for_us_east_1(url: str) -> None:
    assert client("sts", url, region="us-east-1").get_caller_identity()["Account"] == "123456789012"


def test_a_regional_services_clients_may_not(url: str) -> None:
    status, code, message = refusal(lambda: client("apigateway", url, region="us-east-1").get_rest_apis())

    assert (status, code) == (403, "InvalidSignatureException")
    assert message.startswith("Credential should be scoped to a valid region")


def test_rest_calls_pass_with_query_strings_and_labels(url: str) -> None:
    gateway = client("apigateway", url)

    assert gateway.get_rest_apis(limit=7)["items"][0]["name"] == "limit 7"
    gateway.tag_resource(resourceArn="arn:aws:apigateway:us-west-2::/restapis/abc", tags={"a": "b"})
    assert client("lambda", url).get_function(FunctionName="hello")["Configuration"]["Environment"] == {
        "Variables": {"A_B": "c"}
    }


def test_a_payload_is_the_whole_body_in_both_directions(url: str) -> None:
    functions = client("lambda", url)

    answer = functions.invoke(FunctionName="hello", Payload=b"abc\x00\xff")
    event = functions.invoke(FunctionName="hello", InvocationType="Event")

    assert answer["Payload"].read() == b"\xff\x00cba"
    assert (answer["StatusCode"], answer["FunctionError"], answer["ExecutedVersion"]) == (200, "Unhandled", "$LATEST")
    assert event["StatusCode"] == 202


SIGNED_CALLS: dict[str, Callable[[Any], Any]] = {
    "cognito-idp": lambda c: c.create_user_pool(PoolName="p"),
    "sts": lambda c: c.get_caller_identity(),
    "apigateway": lambda c: c.get_rest_apis(),
    "lambda": lambda c: c.get_function(FunctionName="hello"),
}
WRONG = "The request signature we calculated does not match the signature you provided."
MISSING = "Request is missing Authentication Token"


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ("cognito-idp", (400, "MissingAuthenticationTokenException", MISSING)),
        ("sts", (403, "MissingAuthenticationToken", MISSING)),
        ("apigateway", (403, "MissingAuthenticationTokenException", MISSING)),
        ("lambda", (403, "MissingAuthenticationTokenException", MISSING)),
    ],
)
def test_a_call_without_a_signature_is_refused(url: str, service: str, expected: tuple[int, str, str]) -> None:
    unsigned = client(service, url, signature_version=UNSIGNED)

    assert refusal(lambda: SIGNED_CALLS[service](unsigned)) == expected


@pytest.mark.parametrize(
    ("service", "status", "code"),
    [
        ("cognito-idp", 400, "InvalidSignatureException"),
        ("sts", 403, "SignatureDoesNotMatch"),
        ("apigateway", 403, "InvalidSignatureException"),
        ("lambda", 403, "InvalidSignatureException"),
    ],
)
def test_a_wrong_secret_is_refused(url: str, service: str, status: int, code: str) -> None:
    thief = client(service, url, key=(ROOT_KEY[0], "guessed"))

    found = refusal(lambda: SIGNED_CALLS[service](thief))

    assert found[:2] == (status, code)
    assert found[2].startswith(WRONG)
    assert "Canonical" not in found[2]


@pytest.mark.parametrize(
    ("service", "status", "unknown", "expired"),
    [
        ("cognito-idp", 400, "UnrecognizedClientException", "ExpiredTokenException"),
        ("sts", 403, "InvalidClientTokenId", "ExpiredToken"),
        ("apigateway", 403, "UnrecognizedClientException", "ExpiredTokenException"),
        ("lambda", 403, "UnrecognizedClientException", "ExpiredTokenException"),
    ],
)
def test_unknown_keys_and_bad_tokens_are_refused(
    url: str, service: str, status: int, unknown: str, expired: str
) -> None:
    call = SIGNED_CALLS[service]
    text = "The security token included in the request is invalid"

    assert refusal(lambda: call(client(service, url, key=("AKIANOBODYNOBODYNOBO", "x")))) == (
        status,
        unknown,
        f"{text}.",
    )
    assert refusal(lambda: call(client(service, url, token="foreign"))) == (status, unknown, text)
    assert refusal(lambda: call(client(service, url, token="expired"))) == (
        status,
        expired,
        "The security token included in the request is expired",
    )


@pytest.mark.parametrize(
    ("service", "status", "code"),
    [
        ("cognito-idp", 400, "AccessDeniedException"),
        ("apigateway", 403, "AccessDeniedException"),
        ("lambda", 403, "AccessDeniedException"),
    ],
)
def test_a_caller_whom_no_policy_allows_is_refused(url: str, service: str, status: int, code: str) -> None:
    found = refusal(lambda: SIGNED_CALLS[service](client(service, url, key=ALICE_KEY)))

    action = {"cognito-idp": "CreateUserPool", "apigateway": "GetRestApis", "lambda": "GetFunction"}[service]
    assert found == (
        status,
        code,
        (
            f"User: {ALICE_ARN} is not authorized to perform: {service}:{action} on resource: arn:aws:test:::thing "
            f"because no identity-based policy allows the {service}:{action} action"
        ),
    )


def test_a_refused_query_call_is_xml_with_403(url: str) -> None:
    alice = client("sts", url, key=ALICE_KEY)

    status, code, message = refusal(
        lambda: alice.assume_role(RoleArn="arn:aws:iam::123456789012:role/r", RoleSessionName="ss")
    )

    assert (status, code) == (403, "AccessDenied")
    assert message.startswith(f"User: {ALICE_ARN} is not authorized to perform: sts:AssumeRole")
    assert alice.get_caller_identity()["Arn"] == ALICE_ARN


@pytest.mark.parametrize(
    ("service", "call", "status", "code", "message"),
    [
        (
            "cognito-idp",
            lambda c: c.create_user_pool(PoolName="a?b"),
            400,
            "InvalidParameterException",
            (
                "1 validation error detected: Value 'a?b' at 'poolName' failed to satisfy constraint: "
                r"Member must satisfy regular expression pattern: [\w\s+=,.@-]+"
            ),
        ),
        (
            "cognito-idp",
            lambda c: c.sign_up(ClientId="a", Username="u", Password=""),
            400,
            "InvalidParameterException",
            (
                "1 validation error detected: Value at 'password' failed to satisfy constraint: "
                r"Member must satisfy regular expression pattern: [\S]+"
            ),
        ),
        (
            "cognito-idp",
            lambda c: c.create_user_pool(),
            400,
            "InvalidParameterException",
            (
                "1 validation error detected: Value null at 'poolName' failed to satisfy constraint: "
                "Member must not be null"
            ),
        ),
        (
            "cognito-idp",
            lambda c: c.create_user_pool(PoolName="p", UsernameAttributes=["shoe_size"]),
            400,
            "InvalidParameterException",
            (
                "1 validation error detected: Value '[shoe_size]' at 'usernameAttributes' failed to satisfy "
                "constraint: Member must satisfy constraint: [Member must satisfy enum value set: [phone_number, "
                "email]]"
            ),
        ),
        (
            "cognito-idp",
            lambda c: c.create_user_pool(PoolName="p", MfaConfiguration="OFF"),
            400,
            "InvalidParameterException",
            "velvetrope does not support CreateUserPool.MfaConfiguration",
        ),
        (
            "cognito-idp",
            lambda c: c.create_user_pool(PoolName="p", Policies={"PasswordPolicy": {"RequireSymbols": True}}),
            400,
            "InvalidParameterException",
            "velvetrope does not support CreateUserPool.Policies.PasswordPolicy.RequireSymbols",
        ),
        (
            "sts",
            lambda c: c.assume_role(RoleArn="arn:aws:iam::123456789012:role/r", RoleSessionName="Session1:2"),
            400,
            "ValidationError",
            (
                "1 validation error detected: Value 'Session1:2' at 'roleSessionName' failed to satisfy constraint: "
                r"Member must satisfy regular expression pattern: [\w+=,.@-]*"
            ),
        ),
        (
            "sts",
            lambda c: c.assume_role(RoleArn="x" * 3000, RoleSessionName="a", DurationSeconds=5),
            400,
            "ValidationError",
            (
                f"3 validation errors detected: Value '{'x' * 1024}' at 'roleArn' failed to satisfy constraint: "
                "Member must have length less than or equal to 2048; Value 'a' at 'roleSessionName' failed to satisfy "
                "constraint: Member must have length greater than or equal to 2; Value '5' at 'durationSeconds' failed "
                "to satisfy constraint: Member must have value greater than or equal to 900"
            ),
        ),
        (
            "lambda",
            lambda c: c.get_function(FunctionName="a b"),
            400,
            "ValidationException",
            None,
        ),
        (
            "cognito-idp",
            lambda c: c.create_user_import_job(JobName="j", UserPoolId="us-west-2_a", CloudWatchLogsRoleArn="a"),
            501,
            "NotImplemented",
            "velvetrope does not support cognito-idp:CreateUserImportJob.",
        ),
        (
            "sts",
            lambda c: c.get_session_token(),
            501,
            "NotImplemented",
            "velvetrope does not support sts:GetSessionToken.",
        ),
        (
            "lambda",
            lambda c: c.list_layers(),
            501,
            "NotImplemented",
            "velvetrope does not support lambda:ListLayers.",
        ),
        (
            "iam",
            lambda c: c.list_users(),
            501,
            "NotImplemented",
            "velvetrope does not support iam:ListUsers.",
        ),
    ],
)
def test_a_call_that_the_model_or_we_refuse_says_why(
    url: str, service: str, call: Any, status: int, code: str, message: str | None
) -> None:
    found = refusal(lambda: call(client(service, url, parameter_validation=False)))

    assert found[:2] == (status, code)
    assert message is None or found[2] == message


def post(url: str, target: str, body: str, **headers: str) -> requests.Response:
    sent = {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1", **headers}
    return requests.post(url, data=body, headers=sent, timeout=10)


SIGN_UP = "AWSCognitoIdentityProviderService.SignUp"


def test_a_json_error_is_told_in_body_and_headers(url: str) -> None:
    answer = post(
        url, SIGN_UP, '{"ClientId": "a", "Username": "taken", "Password": "x"}', Origin="http://localhost:3000"
    )

    assert answer.status_code == 400
    assert answer.json() == {"__type": "UsernameExistsException", "message": "User already exists"}
    assert answer.headers["x-amzn-errortype"] == "UsernameExistsException:"
    assert answer.headers["x-amzn-errormessage"] == "User already exists"
    assert answer.headers["content-type"] == "application/x-amz-json-1.1"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-expose-headers"] == (
        "x-amzn-RequestId,x-amzn-ErrorType,x-amzn-ErrorMessage,Date"
    )


def test_the_target_is_found_whatever_the_path(url: str) -> None:
    answer = post(f"{url}/some/prefix", SIGN_UP, '{"ClientId": "a", "Username": "jo", "Password": "x"}')

    assert answer.status_code == 200


def test_a_fault_of_ours_is_told_without_its_text(url: str, edge: Edge, caplog: pytest.LogCaptureFixture) -> None:
    answer = post(url, SIGN_UP, '{"ClientId": "a", "Username": "broken", "Password": "hunter2"}')

    request_id = answer.headers["x-amzn-requestid"]
    assert answer.status_code == 500
    assert answer.json() == {
        "__type": "InternalErrorException",
        "message": f"An internal error occurred. Request id: {request_id}",
    }
    assert any(request_id in record.message and record.exc_info for record in caplog.records)
    record = edge.decisions.find(request_id)
    assert record is not None
    assert (record.status, record.code, record.outcome) == (500, "InternalErrorException", "refused")
    assert "hunter2" not in repr(record)


@pytest.mark.parametrize(
    ("target", "body", "status", "document"),
    [
        ("AWSCognitoIdentityProviderService.Fly", "{}", 400, {"__type": "UnknownOperationException", "message": ""}),
        ("DynamoDB_20120810.PutItem", "{}", 400, {"__type": "UnknownOperationException", "message": FOREIGN}),
        ("nonsense", "{}", 400, {"__type": "UnknownOperationException", "message": FOREIGN}),
        (SIGN_UP, "{", 400, {"__type": "SerializationException", "message": "the body is not valid JSON"}),
        (
            SIGN_UP,
            '{"ClientId": "a", "Usrname": "jo"}',
            400,
            {"__type": "InvalidParameterException", "message": "velvetrope does not know SignUp.Usrname"},
        ),
    ],
)
def test_a_json_call_that_cannot_be_read_is_refused(
    url: str, target: str, body: str, status: int, document: dict[str, str]
) -> None:
    answer = post(url, target, body)

    assert (answer.status_code, answer.json()) == (status, document)


def test_an_unknown_action_is_invalid(url: str) -> None:
    answer = requests.post(url, data={"Action": "Fly", "Version": "2011-06-15"}, timeout=10)

    assert answer.status_code == 400
    assert "<Code>InvalidAction</Code>" in answer.text
    assert "<Message>Could not find operation Fly for version 2011-06-15</Message>" in answer.text
    assert answer.headers["content-type"] == "text/xml"


def test_an_unknown_rest_path_is_an_unknown_operation(url: str) -> None:
    answer = requests.get(f"{url}/2015-03-31/functionz", timeout=10)

    assert answer.status_code == 404
    assert answer.headers["x-amzn-errortype"] == "UnknownOperationException"
    assert "Unable to determine service/operation name" in answer.text


def test_lambda_errors_carry_type_and_their_own_message_key(url: str) -> None:
    functions = client("lambda", url)
    with pytest.raises(ClientError) as missing:
        functions.get_function(FunctionName="nobody")
    with pytest.raises(ClientError) as busy:
        functions.get_function(FunctionName="busy")

    absent: Any = missing.value.response
    throttled: Any = busy.value.response
    assert absent["ResponseMetadata"]["HTTPStatusCode"] == 404
    assert (absent["Type"], absent["Message"]) == ("User", "Function not found: nobody")
    assert (throttled["Error"]["Code"], throttled["Reason"]) == ("TooManyRequestsException", "CallerRateLimitExceeded")
    assert throttled["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "1"


def test_every_call_leaves_one_decision_record(url: str, edge: Edge) -> None:
    answer = client("sts", url, key=ALICE_KEY).get_caller_identity()
    with pytest.raises(ClientError) as refused:
        client("lambda", url, key=ALICE_KEY).get_function(FunctionName="hello")
    denied: Any = refused.value.response

    allowed = edge.decisions.find(answer["ResponseMetadata"]["RequestId"])
    record = edge.decisions.find(denied["ResponseMetadata"]["RequestId"])
    assert allowed is not None
    assert (allowed.service, allowed.action, allowed.principal_arn) == ("sts", "sts:GetCallerIdentity", ALICE_ARN)
    assert (allowed.outcome, allowed.status, allowed.code) == ("allowed", 200, "")
    assert [step.name for step in allowed.steps] == ["authentication", "authorization", "call"]
    assert record is not None
    assert (record.outcome, record.status, record.code) == ("refused", 403, "AccessDeniedException")
    assert (record.action, record.resource) == ("lambda:GetFunction", "arn:aws:test:::thing")
    assert [(step.name, step.outcome) for step in record.steps] == [
        ("authentication", "allowed"),
        ("authorization", "refused"),
    ]
    assert ALICE_KEY[1] not in repr(record)


def test_a_preflight_for_the_cognito_endpoints_reflects_what_it_asks_for(url: str) -> None:
    asked = "amz-sdk-invocation-id,amz-sdk-request,cache-control,content-type,x-amz-target,x-amz-user-agent"
    headers = {
        "Origin": "http://localhost:5173",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": asked,
    }

    answer = requests.options(url, headers=headers, timeout=10)

    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-headers"] == asked
    assert answer.headers["access-control-allow-methods"] == "POST"


def test_a_preflight_for_functions_is_answered_and_one_for_apis_is_not(url: str) -> None:
    headers = {
        "Origin": "http://x",
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization",
    }

    functions = requests.options(f"{url}/2015-03-31/functions/hello", headers=headers, timeout=10)
    apis = requests.options(f"{url}/restapis", headers=headers, timeout=10)

    assert functions.headers["access-control-allow-methods"] == "GET"
    assert "access-control-allow-origin" not in apis.headers


def test_a_call_that_is_too_large_is_refused(url: str) -> None:
    answer = post(url, SIGN_UP, json.dumps({"ClientId": "a" * 3_000_000}))

    assert answer.status_code == 413
