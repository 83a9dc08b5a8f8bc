"""Integrations of every type, what they are mapped from, and patches of both."""

from typing import Any

import pytest

from support.gateway import FUNCTION_URI, patch
from velvetrope.apigateway import BadRequestException, ConflictException, NotFoundException, NotSupported
from velvetrope.apigateway.integrations import TlsConfig

Plane = Any
_HTTP = {"type": "HTTP", "uri": "https://example.com/pets/{id}", "integration_http_method": "GET"}
_FUNCTION = {"type": "AWS_PROXY", "uri": FUNCTION_URI, "integration_http_method": "POST"}
_SQS = "arn:aws:apigateway:us-west-2:sqs:path/111111111111/queue"
_ROLE = "arn:aws:iam::111111111111:role/calls"


async def _method(plane: Plane, **members: Any) -> dict[str, str]:
    api = await plane.create_rest_api(name="demo")
    where = {"rest_api_id": api["id"], "resource_id": api["root_resource_id"], "http_method": "GET"}
    await plane.put_method(**where, authorization_type="NONE", **members)
    return where


@pytest.mark.parametrize(
    "members",
    [
        _HTTP,
        {**_HTTP, "type": "HTTP_PROXY", "response_transfer_mode": "STREAM"},
        {**_HTTP, "uri": "http://${stageVariables.host}/x", "tls_config": TlsConfig(insecure_skip_verification=True)},
        {**_FUNCTION, "type": "AWS", "credentials": _ROLE},
        {"type": "AWS", "uri": _SQS, "integration_http_method": "POST", "credentials": _ROLE},
        {
            "type": "AWS",
            "uri": "arn:aws:apigateway:us-west-2:sqs:action/SendMessage",
            "integration_http_method": "POST",
            "credentials": _ROLE,
        },
        {"type": "MOCK", "content_handling": "CONVERT_TO_TEXT"},
    ],
)
async def test_an_integration_is_shown_as_it_was_put(plane: Plane, members: dict[str, Any]) -> None:
    where = await _method(plane)

    made = await plane.put_integration(**where, **members)

    assert made == await plane.get_integration(**where)
    for name in ("type", "uri", "credentials", "content_handling"):
        assert made[name] == members.get(name)
    assert made["http_method"] == members.get("integration_http_method")


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({**_FUNCTION, "uri": "arn:aws:x"}, "AWS ARN for integration must contain path or action"),
        ({**_FUNCTION, "uri": "https://example.com"}, "Invalid ARN specified in the request"),
        ({**_FUNCTION, "uri": FUNCTION_URI.replace("functions", "layers")}, "Invalid ARN specified in the request"),
        ({**_FUNCTION, "uri": _SQS}, "Integrations of type 'AWS_PROXY' currently only supports Lambda function"),
        ({**_FUNCTION, "type": "AWS", "uri": _SQS}, "Role ARN must be specified for AWS integrations"),
        ({**_FUNCTION, "integration_http_method": None}, "Enumeration value for HttpMethod must be non-empty"),
        ({**_FUNCTION, "credentials": "arn:aws:iam::111111111111:user/me"}, "Invalid ARN specified in the request"),
        (
            {**_FUNCTION, "credentials": "arn:aws:iam::*:user/*"},
            "own credentials for an integration is not",
        ),
        ({"type": "MOCK", "request_templates": {"a/b": "#macro(x)#end"}}, "mapping templates with #macro are not"),
        ({**_FUNCTION, "response_transfer_mode": "STREAM"}, "STREAM of an integration of type AWS_PROXY is not"),
        ({**_HTTP, "uri": "example.com"}, "Invalid HTTP endpoint specified for URI"),
        ({**_HTTP, "uri": "ftp://example.com"}, "Invalid HTTP endpoint specified for URI"),
        ({**_HTTP, "uri": "https://"}, "Invalid HTTP endpoint specified for URI"),
        ({**_HTTP, "integration_http_method": None}, "Enumeration value for HttpMethod must be non-empty"),
        ({**_HTTP, "connection_type": "VPC_LINK"}, "The connection type VPC_LINK is not supported by velvetrope"),
        ({"type": "GRPC"}, "The integration type GRPC is not supported by velvetrope"),
        ({"type": "MOCK", "timeout_in_millis": 49}, "Timeout should be between 50 ms and 29000 ms"),
        ({"type": "MOCK", "timeout_in_millis": 29_001}, "Timeout should be between 50 ms and 29000 ms"),
        ({"type": "MOCK", "passthrough_behavior": "ALWAYS"}, "Invalid passthrough behavior specified: ALWAYS"),
        ({"type": "MOCK", "request_templates": {"a/b": "x" * (300 * 1024 + 1)}}, "is larger than 300 KB"),
        ({"type": "MOCK", "cache_key_parameters": ("method.request.querystring.q",)}, "Invalid mapping expression"),
    ],
)
async def test_integrations_that_cannot_be(plane: Plane, members: dict[str, Any], text: str) -> None:
    where = await _method(plane)

    with pytest.raises(BadRequestException, match=text):
        await plane.put_integration(**where, **members)

    with pytest.raises(NotFoundException, match="Invalid Integration identifier specified"):
        await plane.get_integration(**where)


@pytest.mark.parametrize(
    "expression",
    [
        "'static'",
        "method.request.querystring.page",
        "method.request.multivaluequerystring.page",
        "method.request.body",
        "method.request.body.$.name",
        "context.authorizer.principalId",
        "stageVariables.color",
    ],
)
async def test_a_request_parameter_is_mapped_from_what_there_is(plane: Plane, expression: str) -> None:
    where = await _method(plane, request_parameters={"method.request.querystring.page": False})

    made = await plane.put_integration(
        **where, **_HTTP, request_parameters={"integration.request.header.X-Value": expression}
    )

    assert made["request_parameters"] == {"integration.request.header.X-Value": expression}


@pytest.mark.parametrize(
    ("target", "expression", "named"),
    [
        ("integration.request.header.X", "method.request.querystring.other", "method.request.querystring.other"),
        ("integration.request.header.X", "unquoted", "unquoted"),
        ("integration.request.header.X", "integration.response.header.X", "integration.response.header.X"),
        ("integration.request.cookie.X", "'x'", "integration.request.cookie.X"),
        ("method.request.header.X", "'x'", "method.request.header.X"),
    ],
)
async def test_a_request_parameter_from_nowhere_is_refused(
    plane: Plane, target: str, expression: str, named: str
) -> None:
    where = await _method(plane)

    with pytest.raises(BadRequestException) as refused:
        await plane.put_integration(**where, **_HTTP, request_parameters={target: expression})

    assert refused.value.message.startswith("Invalid mapping expression specified: Validation Result: warnings : []")
    assert refused.value.message.endswith(f" specified: {named}]")


async def test_a_response_sets_headers_that_the_method_declares(plane: Plane) -> None:
    where = await _method(plane)
    header = "method.response.header.X-Request"
    await plane.put_integration(**where, **_HTTP)

    with pytest.raises(BadRequestException, match="No method response exists for method"):
        await plane.put_integration_response(**where, status_code="200")
    await plane.put_method_response(**where, status_code="200", response_parameters={header: False})
    for expression in ("'x'", "integration.response.header.X", "integration.response.body.$.id", "context.requestId"):
        await plane.put_integration_response(**where, status_code="200", response_parameters={header: expression})
    for mappings in ({header: "method.request.header.X"}, {header: "x"}, {"method.response.header.Other": "'x'"}):
        with pytest.raises(BadRequestException, match="Invalid mapping expression"):
            await plane.put_integration_response(**where, status_code="200", response_parameters=mappings)
    with pytest.raises(BadRequestException, match="Invalid selection pattern specified"):
        await plane.put_integration_response(**where, status_code="200", selection_pattern="(")
    await plane.delete_integration_response(**where, status_code="200")
    for operation in (plane.get_integration_response, plane.delete_integration_response):
        with pytest.raises(NotFoundException, match="Invalid Response status code specified"):
            await operation(**where, status_code="200")


async def test_integrations_and_their_responses_are_patched_member_by_member(plane: Plane) -> None:
    where = await _method(plane, request_parameters={"method.request.querystring.q": False})
    await plane.put_integration(**where, **_HTTP, request_templates={"application/json": "{}"})
    await plane.put_method_response(**where, status_code="200")
    await plane.put_integration_response(**where, status_code="200")

    changed = await plane.update_integration(
        **where,
        patch_operations=(
            *patch("replace", "/uri", "https://example.com/other"),
            *patch("replace", "/httpMethod", "PUT"),
            *patch("replace", "/timeoutInMillis", "50"),
            *patch("add", "/requestParameters/integration.request.header.Q", "method.request.querystring.q"),
            *patch("add", "/cacheKeyParameters/method.request.querystring.q"),
            *patch("remove", "/requestTemplates/application~1json"),
            *patch("add", "/requestTemplates/text~1plain", "$input.body"),
            *patch("replace", "/contentHandling", "CONVERT_TO_TEXT"),
            *patch("replace", "/tlsConfig/insecureSkipVerification", "true"),
            *patch("replace", "/passthroughBehavior", "NEVER"),
        ),
    )
    answered = await plane.update_integration_response(
        **where,
        status_code="200",
        patch_operations=(
            *patch("replace", "/selectionPattern", "2.."),
            *patch("add", "/responseTemplates/application~1json", "{}"),
        ),
    )

    assert (changed["uri"], changed["http_method"], changed["timeout_in_millis"]) == (
        "https://example.com/other",
        "PUT",
        50,
    )
    assert changed["request_parameters"] == {"integration.request.header.Q": "method.request.querystring.q"}
    assert changed["cache_key_parameters"] == ["method.request.querystring.q"]
    assert changed["request_templates"] == {"text/plain": "$input.body"}
    assert (changed["content_handling"], changed["passthrough_behavior"]) == ("CONVERT_TO_TEXT", "NEVER")
    assert changed["tls_config"] == {"insecure_skip_verification": True}
    assert changed["integration_responses"]["200"]["status_code"] == "200"
    assert (answered["selection_pattern"], answered["response_templates"]) == ("2..", {"application/json": "{}"})
    with pytest.raises(NotFoundException, match="Invalid parameter name specified"):
        await plane.update_integration(**where, patch_operations=patch("remove", "/requestParameters/none"))
    with pytest.raises(BadRequestException, match="Invalid patch path  '/type' specified for op 'replace'"):
        await plane.update_integration(**where, patch_operations=patch("replace", "/type", "MOCK"))
    with pytest.raises(NotSupported, match="VPC_LINK"):
        await plane.update_integration(**where, patch_operations=patch("replace", "/connectionType", "VPC_LINK"))
    with pytest.raises(BadRequestException, match="Invalid patch path  '/statusCode'"):
        await plane.update_integration_response(
            **where, status_code="200", patch_operations=patch("replace", "/statusCode", "201")
        )


async def test_methods_and_their_responses_are_patched_member_by_member(plane: Plane) -> None:
    where = await _method(plane)
    await plane.put_method_response(**where, status_code="200")

    method = await plane.update_method(
        **where,
        patch_operations=(
            *patch("replace", "/apiKeyRequired", "true"),
            *patch("replace", "/operationName", "ListPets"),
            *patch("add", "/requestParameters/method.request.header.X", "true"),
            *patch("add", "/requestModels/application~1json", "Error"),
        ),
    )
    response = await plane.update_method_response(
        **where,
        status_code="200",
        patch_operations=(
            *patch("add", "/responseParameters/method.response.header.X", "false"),
            *patch("add", "/responseModels/application~1json", "Empty"),
        ),
    )

    with pytest.raises(ConflictException, match="Response already exists for this resource"):
        await plane.put_method_response(**where, status_code="200")
    assert (method["api_key_required"], method["operation_name"]) == (True, "ListPets")
    assert method["request_parameters"] == {"method.request.header.X": True}
    assert method["request_models"] == {"application/json": "Error"}
    assert response["response_parameters"] == {"method.response.header.X": False}
    assert response["response_models"] == {"application/json": "Empty"}
    with pytest.raises(BadRequestException, match="Invalid patch path  '/httpMethod'"):
        await plane.update_method(**where, patch_operations=patch("replace", "/httpMethod", "PUT"))
    with pytest.raises(BadRequestException, match="Invalid patch path  '/x'"):
        await plane.update_method_response(**where, status_code="200", patch_operations=patch("add", "/x", "y"))
    await plane.delete_method_response(**where, status_code="200")
    with pytest.raises(NotFoundException, match="Invalid Response status code specified"):
        await plane.get_method_response(**where, status_code="200")


async def test_a_resource_moves_with_all_below_it(plane: Plane) -> None:
    api = await plane.create_rest_api(name="demo")
    root = {"rest_api_id": api["id"], "parent_id": api["root_resource_id"]}
    pets = await plane.create_resource(**root, path_part="pets")
    one = await plane.create_resource(rest_api_id=api["id"], parent_id=pets["id"], path_part="{id}")
    animals = await plane.create_resource(**root, path_part="animals")

    async def move(resource: Any, *operations: Any) -> Any:
        return await plane.update_resource(
            rest_api_id=api["id"], resource_id=resource["id"], patch_operations=operations
        )

    renamed = await move(pets, *patch("replace", "/pathPart", "dogs"))
    await move(pets, *patch("replace", "/parentId", animals["id"]))

    assert renamed["path"] == "/dogs"
    paths = [item["path"] for item in (await plane.get_resources(rest_api_id=api["id"]))["items"]]
    assert paths == ["/", "/animals", "/animals/dogs", "/animals/dogs/{id}"]
    for resource, operations, text in (
        (animals, patch("replace", "/parentId", one["id"]), "cannot be moved below itself"),
        (pets, patch("replace", "/pathPart", "{proxy+}"), "greedy path variable"),
        (pets, patch("replace", "/path", "/x"), "Invalid patch path"),
        ({"id": api["root_resource_id"]}, patch("replace", "/pathPart", "x"), "Cannot update the root resource"),
    ):
        with pytest.raises(BadRequestException, match=text):
            await move(resource, *operations)
