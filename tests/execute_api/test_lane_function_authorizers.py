"""CUSTOM: a function decides who may call. What it is asked, what its answers mean, and how long they hold."""

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from support.gateway import ACCOUNT, FUNCTION_ARN, FUNCTION_URI, REGION, Gateway, Invocation, header
from velvetrope.errors import ReasonError, ServiceError
from velvetrope.execute_api import GatewayResponse, ServiceAnswer
from velvetrope.principals import Principal
from velvetrope.store import Database
from velvetrope.store.tables.apigateway import Authorizer, Integration, Method

GUARD_ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:guard"
GUARD_URI = FUNCTION_URI.replace(FUNCTION_ARN, GUARD_ARN)
ROLE = f"arn:aws:iam::{ACCOUNT}:role/caller"
UNAUTHORIZED = b'{"message":"Unauthorized"}'
SILENT = (
    b'{"Message":"User is not authorized to access this resource because no identity-based policy allows the '
    b'execute-api:Invoke action"}'
)
DENIED = (
    b'{"Message":"User is not authorized to access this resource with an explicit deny in an identity-based policy"}'
)


class Functions:
    """A guard and a function behind it; the guard's answers are given, and both are remembered."""

    def __init__(self) -> None:
        self.guard: object = {}
        self.error: str | None = None
        self.raises: Exception | None = None
        self.events: list[dict[str, Any]] = []
        self.asked: list[tuple[Principal, str | None]] = []
        self.served: list[dict[str, Any]] = []

    async def invoke(
        self, function_arn: str, payload: bytes, *, caller: Principal, source_arn: str | None, **_others: Any
    ) -> Invocation:
        if function_arn != GUARD_ARN:
            self.served.append(json.loads(payload))
            return Invocation(b'{"statusCode": 200}')
        self.events.append(json.loads(payload))
        self.asked.append((caller, source_arn))
        if self.raises is not None:
            raise self.raises
        return Invocation(self.guard if isinstance(self.guard, bytes) else json.dumps(self.guard).encode(), self.error)


def answer(*resources: str, effect: str = "Allow", **members: Any) -> dict[str, Any]:
    statement = {"Effect": effect, "Action": "execute-api:Invoke", "Resource": list(resources) or "*"}
    return {"principalId": "me", "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}, **members}


async def deploy(
    database: Database, *, kind: str = "TOKEN", method: Mapping[str, Any] | None = None, **options: Any
) -> tuple[Gateway, Functions]:
    functions = Functions()
    gateway = Gateway(database)
    gateway.functions = functions  # type: ignore[assignment]  # another fake of the same protocol
    gateway.lane = gateway.make_lane()
    gateway.plane.reporter = gateway.lane
    members = {name: options.pop(name) for name in ("policy", "api_key_source", "stage_settings") if name in options}
    source = "method.request.header.Authorization" if kind == "TOKEN" else None
    authorizer = Authorizer(
        **{"id": "auth1", "name": "guard", "type": kind, "authorizer_uri": GUARD_URI, "identity_source": source}
        | {"result_ttl_in_seconds": 300 if source else 0}
        | options
    )
    guarded = Method(
        http_method="GET",
        authorization_type="CUSTOM",
        authorizer_id="auth1",
        integration=Integration(type="AWS_PROXY", http_method="POST", uri=FUNCTION_URI),
        **(method or {}),
    )
    await gateway.deploy_record(
        {"GET /a": guarded, "GET /b": guarded, "GET /c/{id}": guarded}, authorizers=[authorizer], **members
    )
    functions.guard = answer()
    return gateway, functions


async def call(gateway: Gateway, path: str = "/a", token: str | None = "t-1", **options: Any) -> GatewayResponse:
    headers = {} if token is None else {"Authorization": token}
    return await gateway.get(path, headers={**headers, **options.pop("headers", {})}, **options)


def assert_unauthorized(response: GatewayResponse) -> None:
    assert (response.status, header(response, "x-amzn-ErrorType")) == (401, "UnauthorizedException")
    assert response.body == UNAUTHORIZED


async def test_a_token_authorizer_is_asked_with_the_token_and_the_method(database: Database) -> None:
    gateway, functions = await deploy(database)

    response = await call(gateway, "/c/7")

    assert response.status == 200
    assert functions.events == [{"type": "TOKEN", "methodArn": gateway.arn("GET/c/7"), "authorizationToken": "t-1"}]
    caller, source_arn = functions.asked[0]
    assert caller.name == "apigateway.amazonaws.com"
    assert source_arn == f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{gateway.api_id}/authorizers/auth1"


async def test_a_request_authorizer_is_asked_with_the_request_and_not_with_its_body(database: Database) -> None:
    gateway, functions = await deploy(
        database,
        kind="REQUEST",
        identity_source="method.request.querystring.q",
        stage_settings={"variables": {"v": "1"}},
    )

    response = await call(gateway, "/c/7?q=1&q=2", token=None, headers={"X-One": "1"}, body=b"secret")

    event = functions.events[0]
    assert response.status == 200
    assert (event["type"], event["methodArn"]) == ("REQUEST", gateway.arn("GET/c/7"))
    assert (event["resource"], event["path"], event["httpMethod"]) == ("/c/{id}", "/c/7", "GET")
    assert event["headers"]["X-One"] == "1"
    assert event["multiValueQueryStringParameters"] == {"q": ["1", "2"]}
    assert (event["pathParameters"], event["stageVariables"]) == ({"id": "7"}, {"v": "1"})
    assert event["requestContext"]["identity"]["sourceIp"] == "127.0.0.1"
    assert "authorizer" not in event["requestContext"]
    assert not {"body", "isBase64Encoded"} & event.keys()


async def test_maps_with_nothing_in_them_are_empty_for_a_request_authorizer(database: Database) -> None:
    gateway, functions = await deploy(database, kind="REQUEST")

    await call(gateway)

    assert functions.events[0]["queryStringParameters"] == functions.events[0]["pathParameters"] == {}


async def test_the_policy_decides_about_each_method_and_its_reasons_are_aws_own(database: Database) -> None:
    gateway, functions = await deploy(database)
    functions.guard = answer(gateway.arn("GET/a"))

    assert (await call(gateway, "/a")).status == 200
    refused = await call(gateway, "/b")

    assert (refused.status, header(refused, "x-amzn-ErrorType")) == (403, "AccessDeniedException")
    assert refused.body == SILENT
    assert len(functions.events) == 1  # one answer, weighed for two methods


async def test_a_deny_of_the_policy_is_explicit(database: Database) -> None:
    gateway, functions = await deploy(database)
    functions.guard = answer(effect="Deny")

    refused = await call(gateway)

    assert (refused.status, refused.body) == (403, DENIED)
    assert functions.served == []


async def test_conditions_of_the_policy_are_weighed(database: Database) -> None:
    gateway, functions = await deploy(database)
    functions.guard = answer()
    functions.guard["policyDocument"]["Statement"][0]["Condition"] = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}

    assert (await call(gateway)).body == SILENT


async def test_the_function_behind_hears_what_the_guard_said(database: Database) -> None:
    gateway, functions = await deploy(database)
    functions.guard = answer(context={"tier": "gold", "n": 1, "yes": True})

    await call(gateway)
    await call(gateway)

    first, second = (served["requestContext"]["authorizer"] for served in functions.served)
    assert isinstance(first.pop("integrationLatency"), int)
    assert first == {"tier": "gold", "n": 1, "yes": True, "principalId": "me"}
    assert second == {**first, "integrationLatency": 0}


async def test_a_missing_token_is_unauthorized_and_the_function_is_not_asked(database: Database) -> None:
    gateway, functions = await deploy(database)

    assert_unauthorized(await call(gateway, token=None))
    assert_unauthorized(await call(gateway, token=""))
    assert functions.events == []


@pytest.mark.parametrize(("token", "asked"), [("t-1", True), ("x t-1", False), ("t-1 x", False)])
async def test_a_token_that_does_not_match_the_expression_is_unauthorized(
    database: Database, token: str, asked: bool
) -> None:
    gateway, functions = await deploy(database, identity_validation_expression=r"t-\d")

    response = await call(gateway, token=token)

    assert (response.status == 200, bool(functions.events)) == (asked, asked)


@pytest.mark.parametrize("expression", [r"(a)\1", "a++", "("])
async def test_an_authorizer_whose_expression_cannot_be_matched_lets_nobody_in(
    database: Database, expression: str
) -> None:
    """The control plane refuses to save it; a database may hold it from before."""
    gateway, functions = await deploy(database, identity_validation_expression=expression)

    response = await call(gateway, token="aa")

    assert response.status == 500
    assert functions.events == []


async def test_a_token_that_is_too_long_for_its_expression_is_unauthorized(database: Database) -> None:
    """Fifty thousand states for each character; nobody knows whether it would match."""
    gateway, functions = await deploy(database, identity_validation_expression=".{1,2000}")

    let_in = await call(gateway, token="t" * 1_000)
    refused = await call(gateway, token="t" * 8_000)

    assert let_in.status == 200
    assert_unauthorized(refused)
    assert len(functions.events) == 1


async def test_every_identity_source_has_to_be_there(database: Database) -> None:
    sources = (
        "method.request.header.Authorization, method.request.querystring.q,stageVariables.v,context.identity.sourceIp"
    )
    gateway, functions = await deploy(
        database, kind="REQUEST", identity_source=sources, stage_settings={"variables": {"v": "1"}}
    )

    assert (await call(gateway, "/a?q=1")).status == 200
    assert_unauthorized(await call(gateway, "/a"))
    assert_unauthorized(await call(gateway, "/a?q="))
    assert_unauthorized(await call(gateway, "/a?q=1", token=None))
    assert len(functions.events) == 1


async def test_a_stage_variable_without_a_value_is_a_missing_source(database: Database) -> None:
    gateway, _ = await deploy(database, kind="REQUEST", identity_source="stageVariables.nope")

    assert_unauthorized(await call(gateway))


async def test_an_answer_holds_for_its_identity_until_the_time_to_live_is_over(database: Database) -> None:
    gateway, functions = await deploy(database, result_ttl_in_seconds=60)

    await call(gateway)
    gateway.clock.advance(timedelta(seconds=59))
    await call(gateway, "/b")
    assert len(functions.events) == 1
    await call(gateway, token="t-2")
    assert len(functions.events) == 2
    gateway.clock.advance(timedelta(seconds=1))
    await call(gateway)

    assert len(functions.events) == 3


async def test_two_lists_of_sources_are_never_the_same_identity(database: Database) -> None:
    gateway, functions = await deploy(
        database,
        kind="REQUEST",
        identity_source="method.request.querystring.a,method.request.querystring.b",
        result_ttl_in_seconds=60,
    )

    await call(gateway, "/a?a=1:x&b=y")
    await call(gateway, "/a?a=1&b=x:y")
    await call(gateway, "/a?a=11&b=1")
    await call(gateway, "/a?a=1&b=11")

    assert len(functions.events) == 4


@pytest.mark.parametrize("source", ["method.request.header.Authorization", "method.request.querystring.a"])
async def test_an_answer_about_several_values_holds_for_none_of_them_alone(database: Database, source: str) -> None:
    """A function may look at any of them: what it says of one is not to be had with another."""
    gateway, functions = await deploy(database, kind="REQUEST", identity_source=source, result_ttl_in_seconds=60)
    several = msgspec.structs.replace(
        gateway.request("GET", "/a?a=first&a=last"),
        headers=((b"Host", b"localhost:4800"), (b"Authorization", b"first"), (b"Authorization", b"last")),
    )
    assert (await gateway.call(several)).status == 200
    functions.guard = answer(effect="Deny")

    for value in ("first", "last"):
        assert (await call(gateway, f"/a?a={value}", token=value)).status == 403
    assert (await gateway.call(several)).status == 200


async def test_without_a_time_to_live_the_function_is_asked_each_time(database: Database) -> None:
    gateway, functions = await deploy(database, result_ttl_in_seconds=0)

    await call(gateway)
    await call(gateway)

    assert len(functions.events) == 2


async def test_without_identity_sources_nothing_is_remembered_whatever_the_time_to_live(database: Database) -> None:
    gateway, functions = await deploy(database, kind="REQUEST", result_ttl_in_seconds=300)

    await call(gateway)
    await call(gateway, token="another")

    assert len(functions.events) == 2


async def test_another_deployment_asks_anew(database: Database) -> None:
    gateway, functions = await deploy(database)
    await call(gateway)

    await gateway.plane.store.change_stage(
        gateway.api_id, "latest", lambda stage, _: msgspec.structs.replace(stage, deployment_id=stage.deployment_id)
    )
    await call(gateway)
    assert len(functions.events) == 1
    api = await gateway.plane.store.load_rest_api(ACCOUNT, gateway.api_id)
    assert api is not None
    await gateway.plane.create_deployment(rest_api_id=gateway.api_id, stage_name="latest")
    await call(gateway)

    assert len(functions.events) == 2


async def test_a_function_that_fails_with_unauthorized_is_a_401_and_is_asked_again(database: Database) -> None:
    gateway, functions = await deploy(database)
    functions.guard, functions.error = {"errorMessage": "Unauthorized", "errorType": "Exception"}, "Unhandled"

    assert_unauthorized(await call(gateway))
    assert_unauthorized(await call(gateway))
    assert len(functions.events) == 2


@pytest.mark.parametrize("message", ["unauthorized", "Unauthorized.", "[BadRequest] Unauthorized", "boom"])
async def test_any_other_failure_is_a_500_that_says_nothing(database: Database, message: str) -> None:
    gateway, functions = await deploy(database)
    functions.guard, functions.error = {"errorMessage": message}, "Unhandled"

    response = await call(gateway)

    assert (response.status, response.body) == (500, b'{"message":null}')
    assert header(response, "x-amzn-ErrorType") == "AuthorizerFailureException"
    assert functions.served == []


@pytest.mark.parametrize(
    "said",
    [
        b"not json",
        [],
        {},
        "Allow",
        {"policyDocument": answer()["policyDocument"]},
        {"principalId": "", "policyDocument": answer()["policyDocument"]},
        {"principalId": "me"},
        {"principalId": "me", "policyDocument": {}},
        {"principalId": "me", "policyDocument": answer()["policyDocument"], "isAuthorized": True},
        answer(context={"a": {"b": 1}}),
        answer(context={"a": [1]}),
        answer(context=["a"]),
        answer(usageIdentifierKey=7),
        answer(effect="allow"),
        {
            "principalId": "me",
            "policyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Action": "execute-api:Invoke",
                        "Resource": "*",
                        "Condition": {"StringSeems": {"aws:SourceIp": "x"}},
                    }
                ],
            },
        },
    ],
)
async def test_an_answer_that_breaks_the_format_lets_nobody_in(database: Database, said: object) -> None:
    gateway, functions = await deploy(database)
    functions.guard = said

    response = await call(gateway)

    assert (response.status, response.body) == (500, b'{"message":null}')
    assert header(response, "x-amzn-ErrorType") == "AuthorizerConfigurationException"
    assert functions.served == []


class _NotPermitted(ServiceError):
    code = "AccessDeniedException"
    http_status = 403


async def test_a_function_that_may_not_be_invoked_lets_nobody_in(database: Database) -> None:
    gateway, functions = await deploy(database)
    functions.raises = _NotPermitted("no permission for apigateway.amazonaws.com")

    response = await call(gateway)

    assert (response.status, header(response, "x-amzn-ErrorType")) == (500, "AuthorizerConfigurationException")
    record = gateway.log.recent(1)[0]
    assert "no permission" in record.steps[-1].reason


async def test_a_function_that_is_too_slow_is_a_failure(database: Database) -> None:
    gateway, functions = await deploy(database)
    functions.raises = TimeoutError()

    response = await call(gateway)

    assert (response.status, header(response, "x-amzn-ErrorType")) == (500, "AuthorizerFailureException")


async def test_with_credentials_the_function_is_invoked_as_that_role(database: Database) -> None:
    gateway, functions = await deploy(database, authorizer_credentials=ROLE)
    gateway.services.answer = ServiceAnswer(status=200, headers=(), body=json.dumps(answer()).encode())

    response = await call(gateway)

    sent = gateway.services.calls[0]
    assert response.status == 200
    assert (sent.service, sent.role_arn, sent.method) == ("lambda", ROLE, "POST")
    assert sent.path == f"/2015-03-31/functions/{quote(GUARD_ARN, safe='')}/invocations"
    assert json.loads(sent.body)["type"] == "TOKEN"
    assert functions.events == []


@pytest.mark.parametrize(
    "refusal",
    [
        ServiceAnswer(status=403, headers=(("x-amzn-ErrorType", "AccessDeniedException"),), body=b"{}"),
        ReasonError("the role does not trust API Gateway"),
    ],
)
async def test_a_role_that_may_not_invoke_lets_nobody_in(
    database: Database, refusal: ServiceAnswer | Exception
) -> None:
    gateway, _ = await deploy(database, authorizer_credentials=ROLE)
    gateway.services.answer = refusal

    response = await call(gateway)

    assert (response.status, header(response, "x-amzn-ErrorType")) == (500, "AuthorizerConfigurationException")


async def test_a_failure_under_a_role_is_told_from_an_answer(database: Database) -> None:
    gateway, _ = await deploy(database, authorizer_credentials=ROLE)
    gateway.services.answer = ServiceAnswer(
        status=200, headers=(("X-Amz-Function-Error", "Unhandled"),), body=b'{"errorMessage":"Unauthorized"}'
    )

    assert_unauthorized(await call(gateway))


def _policy(effect: str, **members: Any) -> str:
    statement = {"Effect": effect, "Principal": "*", "Action": "execute-api:Invoke", "Resource": "*", **members}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


ELSEWHERE = {"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}


@pytest.mark.parametrize(
    ("guard", "policy", "status", "asked"),
    [
        ("Allow", _policy("Allow"), 200, True),
        ("Allow", _policy("Allow", **ELSEWHERE), 200, True),
        ("Allow", _policy("Deny"), 403, False),
        (None, _policy("Allow"), 200, True),
        (None, _policy("Allow", **ELSEWHERE), 403, True),
        (None, _policy("Deny"), 403, False),
        ("Deny", _policy("Allow"), 403, True),
        ("Deny", _policy("Allow", **ELSEWHERE), 403, True),
        ("Deny", _policy("Deny"), 403, False),
    ],
)
async def test_the_guard_and_the_resource_policy(
    database: Database, guard: str | None, policy: str, status: int, asked: bool
) -> None:
    """Table A of the developer guide's authorization flow; a Deny of the resource policy comes before the function."""
    gateway, functions = await deploy(database, policy=policy)
    functions.guard = answer(effect=guard) if guard else answer("arn:aws:execute-api:us-west-2:1:x/y/GET/z")

    response = await call(gateway)

    assert (response.status, bool(functions.events)) == (status, asked)


KEYED: dict[str, Any] = {"method": {"api_key_required": True}, "api_key_source": "AUTHORIZER"}


async def test_the_guard_says_which_api_key_a_request_is_counted_against(database: Database) -> None:
    gateway, functions = await deploy(database, **KEYED)
    _, key_id = await gateway.plan_with_key(value="the-value-of-the-key-1", rate=None, burst=None, quota=1)
    functions.guard = answer(usageIdentifierKey="the-value-of-the-key-1")

    first = await call(gateway)
    second = await call(gateway)

    assert (first.status, second.status) == (200, 429)
    assert functions.served[0]["requestContext"]["identity"]["apiKeyId"] == key_id


@pytest.mark.parametrize("key", [None, "another-value-of-a-key", ""])
async def test_the_callers_own_key_does_not_count_when_the_guard_gives_it(database: Database, key: str | None) -> None:
    gateway, functions = await deploy(database, **KEYED)
    await gateway.plan_with_key(value="the-value-of-the-key-1")
    functions.guard = answer() if key is None else answer(usageIdentifierKey=key)

    response = await call(gateway, api_key="the-value-of-the-key-1")

    assert (response.status, response.body) == (403, b'{"message":"Forbidden"}')


async def test_the_guards_refusal_comes_before_the_missing_key(database: Database) -> None:
    gateway, _ = await deploy(database, method={"api_key_required": True})

    assert_unauthorized(await call(gateway, token=None))
    assert (await call(gateway)).status == 403


async def test_many_callers_at_once_are_each_told_their_own(database: Database) -> None:
    gateway, functions = await deploy(database)

    async def ask(token: str) -> str:
        response = await call(gateway, token=token)
        return str(response.status)

    assert set(await asyncio.gather(*(ask(f"t-{n}") for n in range(50)))) == {"200"}
    assert len(functions.events) == 50


async def test_no_record_holds_the_token(database: Database) -> None:
    gateway, _ = await deploy(database, identity_validation_expression="s-.*")

    await call(gateway, token="s-very-secret-token")
    await call(gateway, token="no-very-secret-token")

    assert "very-secret-token" not in repr(gateway.log.recent(10))


async def test_what_was_said_before_a_flush_is_forgotten(database: Database) -> None:
    gateway, functions = await deploy(database, result_ttl_in_seconds=300)

    await call(gateway)
    await call(gateway)
    await gateway.plane.flush_stage_authorizers_cache(rest_api_id=gateway.api_id, stage_name="latest")
    await call(gateway)

    assert len(functions.events) == 2
