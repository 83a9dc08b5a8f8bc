"""AWS and MOCK with mappings: functions without the proxy format, AWS services under a role, made-up answers."""

import json
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from support.gateway import ACCOUNT, FUNCTION_ARN, FUNCTION_URI, Gateway, Invocation, header
from velvetrope.errors import ReasonError
from velvetrope.execute_api import GatewayResponse, ServiceAnswer
from velvetrope.store import Database
from velvetrope.store.tables.apigateway import Integration, IntegrationResponse, Method

INTERNAL = b'{"message": "Internal server error"}'
DEFAULT = {"default": IntegrationResponse(status_code="200")}
ROLE = f"arn:aws:iam::{ACCOUNT}:role/caller"
QUEUE = f"arn:aws:apigateway:us-west-2:sqs:path/{ACCOUNT}/queue"


async def deploy(
    database: Database,
    kind: str = "AWS",
    uri: str | None = FUNCTION_URI,
    binary_media_types: tuple[str, ...] = (),
    **members: Any,
) -> Gateway:
    gateway = Gateway(database)
    integration = Integration(
        **{"type": kind, "uri": uri, "http_method": "POST", "integration_responses": DEFAULT, **members}
    )
    method = Method(http_method="POST", integration=integration)
    await gateway.deploy_record({"POST /items/{id}": method}, binary_media_types=binary_media_types)
    return gateway


async def post(gateway: Gateway, body: bytes = b'{"a":1}', query: str = "", **headers: str) -> GatewayResponse:
    sent = {"Content-Type": "application/json", **headers}
    return await gateway.call(gateway.request("POST", f"/items/7{query}", headers=sent, body=body))


async def test_a_function_gets_what_the_template_makes_and_its_result_is_the_answer(database: Database) -> None:
    gateway = await deploy(
        database, request_templates={"application/json": '{"id":"$input.params(\'id\')","body":$input.json(\'$\')}'}
    )
    gateway.functions.answer = Invocation(b'{"done":true}')

    response = await post(gateway)

    assert (response.status, response.body) == (200, b'{"done":true}')
    assert header(response, "Content-Type") == "application/json"
    assert gateway.functions.calls[0]["payload"] == b'{"id":"7","body":{"a":1}}'
    assert gateway.functions.calls[0]["source_arn"] == gateway.arn("POST/items/{id}")
    assert gateway.functions.calls[0]["caller"].name == "apigateway.amazonaws.com"


@pytest.mark.parametrize("kind", ["AWS", "MOCK"])
@pytest.mark.parametrize("template", ['{"statusCode":200}', '{"statusCode":200,"who":"$context.identity.sourceIp"}'])
@pytest.mark.parametrize(
    ("binary", "handling", "is_read"),
    [("*/*", None, False), ("*/*", "CONVERT_TO_TEXT", True), ("image/png", None, True)],
)
async def test_a_template_reads_no_binary_request_unless_it_is_made_text(
    database: Database, kind: str, template: str, binary: str, handling: str | None, is_read: bool
) -> None:
    """With `*/*` everything is binary, a preflight without a body too."""
    gateway = await deploy(
        database,
        kind,
        binary_media_types=(binary,),
        content_handling=handling,
        request_templates={"application/json": template},
    )

    response = await post(gateway, b"")

    assert response.status == (200 if is_read else 500)
    assert is_read or (response.body, gateway.functions.calls) == (INTERNAL, [])


FAILURES = {
    "bad": IntegrationResponse(
        status_code="400",
        selection_pattern=r"\[BadRequest\].*",
        response_templates={"application/json": '{"why":"$input.path(\'$.errorMessage\')"}'},
    ),
    **DEFAULT,
}


async def test_a_failure_goes_to_the_response_whose_pattern_takes_its_message(database: Database) -> None:
    gateway = await deploy(database, integration_responses=FAILURES)
    gateway.functions.answer = Invocation(b'{"errorMessage":"[BadRequest] no","errorType":"X"}', "Unhandled")

    response = await post(gateway)

    assert (response.status, response.body) == (400, b'{"why":"[BadRequest] no"}')


async def test_a_message_made_for_its_pattern_takes_no_time(database: Database) -> None:
    bad = msgspec.structs.replace(FAILURES["bad"], selection_pattern="([a-z]+)+!")
    gateway = await deploy(database, integration_responses={"bad": bad, **DEFAULT})
    for message, status in (("a" * 100_000 + "!", 400), ("a" * 100_000 + "?", 200)):
        gateway.functions.answer = Invocation(json.dumps({"errorMessage": message}).encode(), "Unhandled")

        assert (await post(gateway)).status == status


async def test_a_message_that_is_too_long_for_its_pattern_goes_to_nobody(database: Database) -> None:
    bad = msgspec.structs.replace(FAILURES["bad"], selection_pattern=".{1,2000}")
    gateway = await deploy(database, integration_responses={"bad": bad, **DEFAULT})
    gateway.functions.answer = Invocation(json.dumps({"errorMessage": "a" * 100_000}).encode(), "Unhandled")

    response = await post(gateway)

    assert (response.status, response.body) == (500, INTERNAL)


async def test_an_integration_whose_pattern_cannot_be_matched_is_closed(database: Database) -> None:
    """The control plane refuses to save it; a database may hold it from before."""
    bad = msgspec.structs.replace(FAILURES["bad"], selection_pattern=r"(a)\1")
    gateway = await deploy(database, integration_responses={"bad": bad, **DEFAULT})

    response = await post(gateway)

    assert (response.status, response.body) == (500, INTERNAL)
    assert gateway.functions.calls == []


async def test_a_failure_that_no_pattern_takes_goes_to_the_default_as_on_aws(database: Database) -> None:
    gateway = await deploy(database, integration_responses=FAILURES)
    gateway.functions.answer = Invocation(b'{"errorMessage":"other"}', "Unhandled")

    response = await post(gateway)

    assert (response.status, response.body) == (200, b'{"errorMessage":"other"}')


async def test_a_result_that_looks_like_a_failure_is_none(database: Database) -> None:
    gateway = await deploy(database, integration_responses=FAILURES)
    gateway.functions.answer = Invocation(b'{"errorMessage":"[BadRequest] no"}')

    assert (await post(gateway)).status == 200


async def test_a_function_with_credentials_is_invoked_as_that_role(database: Database) -> None:
    gateway = await deploy(database, credentials=ROLE)
    gateway.services.answer = ServiceAnswer(status=200, headers=(), body=b'"as a role"')

    response = await post(gateway)

    sent = gateway.services.calls[0]
    assert (response.status, response.body) == (200, b'"as a role"')
    assert (sent.service, sent.role_arn) == ("lambda", ROLE)
    assert sent.path == f"/2015-03-31/functions/{quote(FUNCTION_ARN, safe='')}/invocations"
    assert gateway.functions.calls == []


async def test_a_proxied_function_with_credentials_too(database: Database) -> None:
    gateway = await deploy(database, "AWS_PROXY", credentials=ROLE)
    gateway.services.answer = ServiceAnswer(status=200, headers=(), body=b'{"statusCode":201}')

    assert (await post(gateway)).status == 201
    assert gateway.functions.calls == []


@pytest.mark.parametrize("kind", ["AWS", "AWS_PROXY"])
@pytest.mark.parametrize(
    "refusal",
    [
        ServiceAnswer(status=403, headers=(("x-amzn-ErrorType", "AccessDeniedException"),), body=b"{}"),
        ReasonError("the role does not trust API Gateway"),
    ],
)
async def test_a_role_that_may_not_invoke_is_a_configuration_error(
    database: Database, kind: str, refusal: ServiceAnswer | Exception
) -> None:
    gateway = await deploy(database, kind, credentials=ROLE)
    gateway.services.answer = refusal

    response = await post(gateway)

    assert (response.status, response.body) == (500, INTERNAL)


async def test_an_event_that_is_too_large_for_the_role_is_a_413(database: Database) -> None:
    gateway = await deploy(database, "AWS_PROXY", credentials=ROLE)
    gateway.services.answer = ServiceAnswer(status=413, headers=(), body=b"{}")

    response = await post(gateway)

    assert (response.status, response.body) == (413, b'{"message": "Request Too Long"}'.replace(b": ", b":"))


@pytest.mark.parametrize("name", ["X-Amz-Invocation-Type", "x-amz-invocation-type"])
async def test_a_mapped_header_has_the_function_run_later(database: Database, name: str) -> None:
    gateway = await deploy(database, request_parameters={f"integration.request.header.{name}": "'Event'"})
    gateway.functions.answer = Invocation(b"")

    response = await post(gateway)

    assert (response.status, response.body) == (200, b"")
    assert gateway.functions.calls[0]["invocation_type"] == "Event"


async def test_a_type_of_invocation_that_is_not_known_is_a_configuration_error(database: Database) -> None:
    gateway = await deploy(
        database,
        request_parameters={"integration.request.header.X-Amz-Invocation-Type": "method.request.header.how"},
    )

    response = await post(gateway, how="Whenever")

    assert (response.status, response.body) == (500, INTERNAL)
    assert gateway.functions.calls == []


async def test_a_service_that_is_too_slow_is_a_timeout(database: Database) -> None:
    gateway = await deploy(database, uri=QUEUE, credentials=ROLE)
    gateway.services.answer = TimeoutError()

    response = await post(gateway)

    assert (response.status, response.body) == (504, b'{"message": "Endpoint request timed out"}')


async def test_a_service_is_called_in_its_own_form_under_the_role(database: Database) -> None:
    gateway = await deploy(
        database,
        uri=QUEUE,
        credentials=ROLE,
        request_parameters={"integration.request.header.Content-Type": "'application/x-www-form-urlencoded'"},
        request_templates={"application/json": "Action=SendMessage&MessageBody=$util.urlEncode($input.body)"},
    )
    gateway.services.answer = ServiceAnswer(status=200, headers=(("Content-Type", "text/xml"),), body=b"<sent/>")

    response = await post(gateway)

    sent = gateway.services.calls[0]
    assert (response.status, response.body, header(response, "Content-Type")) == (200, b"<sent/>", "text/xml")
    assert (sent.service, sent.role_arn, sent.method, sent.path) == ("sqs", ROLE, "POST", f"/{ACCOUNT}/queue")
    assert sent.body == b"Action=SendMessage&MessageBody=%7B%22a%22%3A1%7D"
    assert sent.headers == (("Content-Type", "application/x-www-form-urlencoded"),)


async def test_an_action_of_a_service_takes_its_parameters_from_the_query(database: Database) -> None:
    gateway = await deploy(
        database,
        uri="arn:aws:apigateway:us-west-2:sts:action/GetSessionToken",
        credentials=ROLE,
        request_parameters={"integration.request.querystring.DurationSeconds": "method.request.querystring.d"},
    )

    await post(gateway, query="?d=900&x=1")

    sent = gateway.services.calls[0]
    assert (sent.service, sent.path, sent.query) == ("sts", "/", "Action=GetSessionToken&DurationSeconds=900")


async def test_a_name_in_a_services_path_is_filled_in_and_stays_one_segment(database: Database) -> None:
    gateway = await deploy(
        database,
        uri=f"{QUEUE}/{{id}}",
        credentials=ROLE,
        request_parameters={"integration.request.path.id": "method.request.header.id"},
    )

    await post(gateway, id="a/../b")

    assert gateway.services.calls[0].path == f"/{ACCOUNT}/queue/a%2F..%2Fb"


async def test_what_a_service_refuses_is_mapped_by_its_status(database: Database) -> None:
    gateway = await deploy(
        database,
        uri=QUEUE,
        credentials=ROLE,
        integration_responses={
            "4": IntegrationResponse(
                status_code="502", selection_pattern="4..", response_templates={"application/json": "{}"}
            ),
            **DEFAULT,
        },
    )
    gateway.services.answer = ServiceAnswer(status=403, headers=(), body=b"secret reasons")

    response = await post(gateway)

    assert (response.status, response.body) == (502, b"{}")


@pytest.mark.parametrize(
    "members", [{"credentials": None}, {"uri": "arn:aws:apigateway:us-west-2:sqs:queue/x"}, {"uri": None}]
)
async def test_a_service_without_a_role_or_an_address_is_closed(database: Database, members: dict[str, Any]) -> None:
    gateway = await deploy(database, **{"uri": QUEUE, "credentials": ROLE, **members})

    response = await post(gateway)

    assert (response.status, response.body) == (500, INTERNAL)
    assert gateway.services.calls == []


async def test_a_mock_may_answer_with_parts_of_the_request(database: Database) -> None:
    gateway = await deploy(
        database,
        "MOCK",
        None,
        request_templates={"application/json": "{\"statusCode\": $input.json('$.a')}"},
        integration_responses={
            "teapot": IntegrationResponse(
                status_code="418",
                selection_pattern="418",
                response_parameters={"method.response.header.X-Stage": "context.stage"},
                response_templates={"application/json": '{"id":"$input.params(\'id\')","at":"$context.path"}'},
            )
        },
    )

    response = await post(gateway, b'{"a":418}')
    refused = await post(gateway, b'{"a":200}')

    assert response.status == 418
    assert json.loads(response.body) == {"id": "7", "at": "/latest/items/7"}
    assert header(response, "X-Stage") == "latest"
    assert (refused.status, refused.body) == (500, INTERNAL)


async def test_a_functions_integration_is_called_by_post_only(database: Database) -> None:
    gateway = await deploy(database, "AWS_PROXY", http_method="GET")

    response = await post(gateway)

    assert (response.status, response.body) == (500, INTERNAL)
    assert gateway.functions.calls == []
