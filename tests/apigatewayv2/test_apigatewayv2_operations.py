"""The control plane of HTTP APIs by hand: what boto3 would call, one rule at a time."""

import inspect
from typing import Any

import pytest
from botocore import xform_name

from support.http_apis import AUTHORIZER_FUNCTION, FUNCTION, HttpApiPlane
from velvetrope.apigatewayv2 import BadRequestException, ConflictException, NotFoundException, NotSupported
from velvetrope.apigatewayv2.apis import CorsConfiguration
from velvetrope.apigatewayv2.authorizers import JwtConfiguration
from velvetrope.apigatewayv2.integrations import TlsConfig
from velvetrope.apigatewayv2.stages import AccessLogSettingsInput, RouteSettingsInput

JWT = {
    "name": "people",
    "authorizer_type": "JWT",
    "identity_source": ("$request.header.Authorization",),
    "jwt_configuration": JwtConfiguration(issuer="https://issuer.example", audience=("client",)),
}
REQUEST = {
    "name": "function",
    "authorizer_type": "REQUEST",
    "identity_source": ("$request.header.Authorization",),
    "authorizer_uri": AUTHORIZER_FUNCTION,
    "authorizer_payload_format_version": "2.0",
    "enable_simple_responses": True,
}


def test_every_parameter_is_a_member_of_the_operations_input(plane: HttpApiPlane) -> None:
    for name, operation in plane.operations.items():
        members = {xform_name(member) for member in plane.model[name].input_shape.members}
        assert set(inspect.signature(operation).parameters) - {"call"} <= members, name


def test_errors_are_those_of_the_model(plane: HttpApiPlane) -> None:
    statuses = {
        shape.name: shape.metadata["error"]["httpStatusCode"] for shape in plane.model["create_route"].error_shapes
    }

    for error in (BadRequestException, ConflictException, NotFoundException):
        assert statuses[error.code] == error.http_status


# APIs


async def test_an_api_is_made_read_changed_and_deleted(plane: HttpApiPlane) -> None:
    api_id = await plane.new_api(description="first", tags={"a": "b"})

    changed = await plane.update_api(api_id=api_id, name="renamed", version="2")

    assert (changed["name"], changed["version"], changed["description"]) == ("renamed", "2", "first")
    assert changed["api_endpoint"] == f"http://localhost:4800/_api/{api_id}"
    assert [api["api_id"] for api in (await plane.get_apis())["items"]] == [api_id]
    await plane.delete_api(api_id=api_id)
    for gone in (plane.get_api, plane.delete_api):
        with pytest.raises(NotFoundException) as refused:
            await gone(api_id=api_id)
        assert refused.value.message == f"Invalid API identifier specified 111111111111:{api_id}"


@pytest.mark.parametrize(
    "parameters",
    [
        {"protocol_type": "WEBSOCKET"},
        {"credentials_arn": "arn:aws:iam::111111111111:role/x", "target": FUNCTION},
    ],
)
async def test_what_an_api_cannot_be_here_is_refused_by_name(plane: HttpApiPlane, parameters: dict[str, Any]) -> None:
    with pytest.raises(NotSupported):
        await plane.new_api(**parameters)


@pytest.mark.parametrize(
    "parameters",
    [
        {"route_selection_expression": "$request.body.action"},
        {"route_key": "GET /"},
        {"cors_configuration": CorsConfiguration(allow_origins=("example.com",))},
        {"cors_configuration": CorsConfiguration(allow_origins=("*",), allow_credentials=True)},
        {"cors_configuration": CorsConfiguration(allow_origins=("https://a.b",), allow_methods=("FETCH",))},
        {
            "cors_configuration": CorsConfiguration(
                allow_origins=("https://a.b",), allow_headers=("*",), allow_credentials=True
            )
        },
    ],
)
async def test_an_api_that_breaks_a_rule_is_refused(plane: HttpApiPlane, parameters: dict[str, Any]) -> None:
    with pytest.raises(BadRequestException):
        await plane.new_api(**parameters)


@pytest.mark.parametrize(("target", "kind"), [(FUNCTION, "AWS_PROXY"), ("https://example.com/x", "HTTP_PROXY")])
async def test_quick_create_makes_integration_route_and_a_stage_that_follows(
    plane: HttpApiPlane, target: str, kind: str
) -> None:
    api_id = await plane.new_api(target=target)

    integration = (await plane.get_integrations(api_id=api_id))["items"][0]
    route = (await plane.get_routes(api_id=api_id))["items"][0]
    stage = await plane.get_stage(api_id=api_id, stage_name="$default")
    assert (integration["integration_type"], integration["integration_uri"]) == (kind, target)
    assert (route["route_key"], route["target"]) == ("$default", f"integrations/{integration['integration_id']}")
    assert stage["auto_deploy"]
    deployment = await plane.get_deployment(api_id=api_id, deployment_id=stage["deployment_id"])
    assert deployment["auto_deployed"]
    assert all(made["api_gateway_managed"] for made in (integration, route, stage))


async def test_target_and_route_key_of_a_quick_created_api_can_change(plane: HttpApiPlane) -> None:
    api_id = await plane.new_api(target=FUNCTION)

    await plane.update_api(api_id=api_id, target=f"{FUNCTION}:live", route_key="GET /x")

    assert (await plane.get_integrations(api_id=api_id))["items"][0]["integration_uri"] == f"{FUNCTION}:live"
    assert (await plane.get_routes(api_id=api_id))["items"][0]["route_key"] == "GET /x"
    with pytest.raises(BadRequestException):
        await plane.update_api(api_id=api_id, target="https://example.com")
    with pytest.raises(BadRequestException):
        await plane.update_api(api_id=await plane.new_api(), target=FUNCTION)
    with pytest.raises(BadRequestException):
        await plane.update_api(api_id=await plane.new_api(), route_key="GET /x")


async def test_cors_is_set_and_taken_away(plane: HttpApiPlane) -> None:
    api_id = await plane.new_api(cors_configuration=CorsConfiguration(allow_origins=("https://a.example",), max_age=5))

    assert (await plane.get_api(api_id=api_id))["cors_configuration"] == {
        "allow_origins": ("https://a.example",),
        "max_age": 5,
    }
    await plane.delete_cors_configuration(api_id=api_id)
    assert (await plane.get_api(api_id=api_id))["cors_configuration"] is None


# Routes


async def test_a_route_is_made_read_changed_and_deleted(plane: HttpApiPlane) -> None:
    api_id = await plane.new_api()
    route_id = await plane.new_route(api_id, "GET /pets/{petId}", operation_name="getPet")

    changed = await plane.update_route(api_id=api_id, route_id=route_id, authorization_type="AWS_IAM")

    assert (changed["route_key"], changed["authorization_type"]) == ("GET /pets/{petId}", "AWS_IAM")
    assert (await plane.get_route(api_id=api_id, route_id=route_id)) == changed
    await plane.delete_route(api_id=api_id, route_id=route_id)
    with pytest.raises(NotFoundException):
        await plane.get_route(api_id=api_id, route_id=route_id)
    with pytest.raises(NotFoundException):
        await plane.delete_route(api_id=api_id, route_id=route_id)


@pytest.mark.parametrize(
    "route_key",
    ["", "GET", "GET pets", "FETCH /pets", "get /pets", "GET /pets/", "GET //", "GET /{a+}/b", "GET /{a}/{a}", "$x"],
)
async def test_a_malformed_route_key_is_refused(plane: HttpApiPlane, route_key: str) -> None:
    with pytest.raises(BadRequestException) as refused:
        await plane.create_route(api_id=await plane.new_api(), route_key=route_key)

    assert refused.value.message.startswith("The provided route key is not formatted properly for HTTP protocol")


async def test_two_routes_cannot_mean_the_same(plane: HttpApiPlane) -> None:
    api_id = await plane.new_api()
    await plane.new_route(api_id, "GET /pets/{petId}")

    with pytest.raises(ConflictException) as refused:
        await plane.new_route(api_id, "GET /pets/{petId}")
    assert refused.value.message == "Route with key GET /pets/{petId} already exists for this API"
    with pytest.raises(ConflictException):
        await plane.new_route(api_id, "GET /pets/{other}")
    await plane.new_route(api_id, "POST /pets/{other}")


@pytest.mark.parametrize(
    "parameters",
    [
        {"authorization_type": "JWT"},
        {"authorization_type": "CUSTOM"},
        {"authorization_type": "COGNITO_USER_POOLS"},
        {"authorization_type": "AWS_IAM", "authorization_scopes": ("a",)},
        {"authorization_scopes": ("a",)},
        {"target": "routes/x"},
    ],
)
async def test_a_route_that_breaks_a_rule_is_refused(plane: HttpApiPlane, parameters: dict[str, Any]) -> None:
    with pytest.raises(BadRequestException):
        await plane.create_route(api_id=await plane.new_api(), route_key="GET /", **parameters)


async def test_a_route_asks_an_authorizer_of_its_kind_only(plane: HttpApiPlane) -> None:
    api_id = await plane.new_api()
    jwt = (await plane.create_authorizer(api_id=api_id, **JWT))["authorizer_id"]
    route_id = await plane.new_route(
        api_id, "GET /", authorization_type="JWT", authorizer_id=jwt, authorization_scopes=("read",)
    )

    with pytest.raises(BadRequestException):
        await plane.update_route(api_id=api_id, route_id=route_id, authorization_type="CUSTOM")
    with pytest.raises(NotFoundException):
        await plane.update_route(api_id=api_id, route_id=route_id, authorizer_id="nobody")
    with pytest.raises(BadRequestException):
        await plane.new_route(api_id, "GET /x", authorizer_id=jwt)
    opened = await plane.update_route(api_id=api_id, route_id=route_id, authorization_type="NONE")
    assert (opened["authorizer_id"], opened["authorization_scopes"]) == (None, None)


async def test_a_route_leads_to_an_integration_that_is_there(plane: HttpApiPlane) -> None:
    with pytest.raises(NotFoundException):
        await plane.create_route(api_id=await plane.new_api(), route_key="GET /", target="integrations/nothing")


async def test_api_keys_of_routes_are_refused_by_name(plane: HttpApiPlane) -> None:
    with pytest.raises(NotSupported):
        await plane.create_route(api_id=await plane.new_api(), route_key="GET /", api_key_required=True)


# Integrations


async def test_an_integration_is_made_changed_and_deleted(plane: HttpApiPlane) -> None:
    api_id = await plane.new_api()
    made = await plane.create_integration(
        api_id=api_id,
        integration_type="HTTP_PROXY",
        integration_uri="https://example.com/{proxy}",
        integration_method="ANY",
        request_parameters={"append:header.x-a": "1", "overwrite:path": "/b/${request.path.proxy}"},
        response_parameters={"200": {"overwrite:statuscode": "201"}},
        tls_config=TlsConfig(server_name_to_verify="inner.example"),
    )

    changed = await plane.update_integration(
        api_id=api_id,
        integration_id=made["integration_id"],
        timeout_in_millis=50,
        request_parameters={"append:header.x-a": "", "remove:header.x-b": ""},
        response_parameters={"200": {}},
    )

    assert (changed["timeout_in_millis"], changed["integration_uri"]) == (50, "https://example.com/{proxy}")
    assert changed["request_parameters"] == {"overwrite:path": "/b/${request.path.proxy}", "remove:header.x-b": ""}
    assert changed["response_parameters"] is None
    await plane.delete_integration(api_id=api_id, integration_id=made["integration_id"])
    with pytest.raises(NotFoundException):
        await plane.get_integration(api_id=api_id, integration_id=made["integration_id"])


@pytest.mark.parametrize(
    "parameters",
    [
        {"integration_type": "AWS_PROXY", "integration_uri": FUNCTION},
        {"integration_type": "AWS_PROXY", "payload_format_version": "2.0"},
        {"integration_type": "AWS_PROXY", "integration_uri": FUNCTION, "payload_format_version": "3.0"},
        {"integration_type": "AWS_PROXY", "integration_uri": "https://a.b", "payload_format_version": "2.0"},
        {
            "integration_type": "AWS_PROXY",
            "integration_uri": FUNCTION,
            "payload_format_version": "2.0",
            "integration_method": "GET",
        },
        {"integration_type": "HTTP_PROXY", "integration_uri": "https://a.b"},
        {"integration_type": "HTTP_PROXY", "integration_uri": "ftp://a.b", "integration_method": "GET"},
        {"integration_type": "HTTP_PROXY", "integration_uri": "http://u@a.b", "integration_method": "GET"},
        {
            "integration_type": "HTTP_PROXY",
            "integration_uri": "https://a.b",
            "integration_method": "GET",
            "payload_format_version": "2.0",
        },
        {
            "integration_type": "HTTP_PROXY",
            "integration_uri": "https://a.b",
            "integration_method": "GET",
            "request_parameters": {"overwrite:header.authorization": "x"},
        },
        {
            "integration_type": "HTTP_PROXY",
            "integration_uri": "https://a.b",
            "integration_method": "GET",
            "response_parameters": {"2xx": {"overwrite:statuscode": "1"}},
        },
    ],
)
async def test_an_integration_that_breaks_a_rule_is_refused(plane: HttpApiPlane, parameters: dict[str, Any]) -> None:
    with pytest.raises(BadRequestException):
        await plane.create_integration(api_id=await plane.new_api(), **parameters)


@pytest.mark.parametrize(
    "parameters",
    [
        {"integration_type": "MOCK"},
        {"integration_type": "HTTP_PROXY", "connection_type": "VPC_LINK", "connection_id": "x"},
        {"integration_type": "AWS_PROXY", "integration_subtype": "SQS-SendMessage"},
        {"integration_type": "AWS_PROXY", "credentials_arn": "arn:aws:iam::111111111111:role/x"},
    ],
)
async def test_what_an_integration_cannot_be_here_is_refused_by_name(
    plane: HttpApiPlane, parameters: dict[str, Any]
) -> None:
    with pytest.raises(NotSupported):
        await plane.create_integration(api_id=await plane.new_api(), integration_uri=FUNCTION, **parameters)


async def test_an_integration_in_use_stays(plane: HttpApiPlane) -> None:
    api_id = await plane.new_api(target=FUNCTION)
    integration = (await plane.get_integrations(api_id=api_id))["items"][0]

    with pytest.raises(ConflictException):
        await plane.delete_integration(api_id=api_id, integration_id=integration["integration_id"])


# Authorizers


async def test_an_authorizer_is_made_changed_and_deleted(plane: HttpApiPlane) -> None:
    api_id = await plane.new_api()
    jwt = await plane.create_authorizer(api_id=api_id, **JWT)
    request = await plane.create_authorizer(api_id=api_id, **REQUEST)

    changed = await plane.update_authorizer(
        api_id=api_id,
        authorizer_id=jwt["authorizer_id"],
        jwt_configuration=JwtConfiguration(issuer="https://other.example", audience=("a", "b")),
    )
    cached = await plane.update_authorizer(
        api_id=api_id, authorizer_id=request["authorizer_id"], authorizer_result_ttl_in_seconds=60
    )

    assert changed["jwt_configuration"] == {"issuer": "https://other.example", "audience": ["a", "b"]}
    assert cached["authorizer_result_ttl_in_seconds"] == 60
    assert len((await plane.get_authorizers(api_id=api_id))["items"]) == 2
    await plane.delete_authorizer(api_id=api_id, authorizer_id=jwt["authorizer_id"])
    with pytest.raises(NotFoundException):
        await plane.get_authorizer(api_id=api_id, authorizer_id=jwt["authorizer_id"])


@pytest.mark.parametrize(
    "changes",
    [
        {"jwt_configuration": None},
        {"jwt_configuration": JwtConfiguration(issuer="https://issuer.example")},
        {"jwt_configuration": JwtConfiguration(issuer="issuer", audience=("a",))},
        {"jwt_configuration": JwtConfiguration(issuer="http://issuer.example", audience=("a",))},
        {"jwt_configuration": JwtConfiguration(issuer="http://localhost.issuer.example", audience=("a",))},
        {"identity_source": ()},
        {"identity_source": ("$context.x",)},
        {"authorizer_uri": AUTHORIZER_FUNCTION},
        {"authorizer_type": "TOKEN"},
    ],
)
async def test_a_jwt_authorizer_that_breaks_a_rule_is_refused(plane: HttpApiPlane, changes: dict[str, Any]) -> None:
    with pytest.raises(BadRequestException):
        await plane.create_authorizer(api_id=await plane.new_api(), **JWT | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"authorizer_uri": None},
        {"authorizer_uri": "https://example.com"},
        {"authorizer_payload_format_version": None},
        {"authorizer_payload_format_version": "1.0"},
        {"identity_source": ("Authorization",)},
        {"identity_source": (), "authorizer_result_ttl_in_seconds": 5},
        {"jwt_configuration": JwtConfiguration(issuer="https://issuer.example", audience=("a",))},
        {"authorizer_credentials_arn": "arn:aws:iam::111111111111:role/x"},
    ],
)
async def test_a_request_authorizer_that_breaks_a_rule_is_refused(plane: HttpApiPlane, changes: dict[str, Any]) -> None:
    with pytest.raises(BadRequestException):
        await plane.create_authorizer(api_id=await plane.new_api(), **REQUEST | changes)


async def test_an_authorizer_in_use_stays_and_keeps_its_type(plane: HttpApiPlane) -> None:
    api_id = await plane.new_api()
    jwt = (await plane.create_authorizer(api_id=api_id, **JWT))["authorizer_id"]
    await plane.new_route(api_id, "GET /", authorization_type="JWT", authorizer_id=jwt)

    with pytest.raises(ConflictException):
        await plane.delete_authorizer(api_id=api_id, authorizer_id=jwt)
    with pytest.raises(BadRequestException):
        await plane.update_authorizer(api_id=api_id, authorizer_id=jwt, authorizer_type="REQUEST")
    with pytest.raises(BadRequestException):
        await plane.create_authorizer(api_id=api_id, **JWT)


# Stages and deployments


async def test_a_stage_that_follows_gets_a_deployment_with_every_change(plane: HttpApiPlane) -> None:
    api_id = await plane.new_api()
    await plane.create_stage(api_id=api_id, stage_name="$default", auto_deploy=True)
    first = (await plane.get_stage(api_id=api_id, stage_name="$default"))["deployment_id"]

    await plane.new_route(api_id, "GET /")

    second = (await plane.get_stage(api_id=api_id, stage_name="$default"))["deployment_id"]
    assert first != second
    assert [one["deployment_id"] for one in (await plane.get_deployments(api_id=api_id))["items"]] == [second]


async def test_a_stage_that_does_not_follow_stays_until_it_is_deployed(plane: HttpApiPlane) -> None:
    api_id = await plane.new_api()
    await plane.new_route(api_id, "GET /")
    stage = await plane.create_stage(api_id=api_id, stage_name="dev")

    deployment = await plane.create_deployment(api_id=api_id, stage_name="dev", description="first")
    await plane.new_route(api_id, "GET /more")

    assert stage["deployment_id"] is None
    assert (await plane.get_stage(api_id=api_id, stage_name="dev"))["deployment_id"] == deployment["deployment_id"]
    frozen = await plane.store.load_deployment(api_id, deployment["deployment_id"])
    assert frozen is not None
    assert [route.route_key for route in frozen.api.routes.values()] == ["GET /"]


async def test_deployments_are_described_and_deleted_when_nobody_points_at_them(plane: HttpApiPlane) -> None:
    api_id = await plane.new_api()
    with pytest.raises(BadRequestException) as empty:
        await plane.create_deployment(api_id=api_id)
    await plane.new_route(api_id, "GET /")
    deployment_id = (await plane.create_deployment(api_id=api_id))["deployment_id"]
    await plane.create_stage(api_id=api_id, stage_name="dev", deployment_id=deployment_id)

    assert empty.value.message == "Unable to deploy API because no routes exist in this API"
    described = await plane.update_deployment(api_id=api_id, deployment_id=deployment_id, description="x")
    assert described["description"] == "x"
    with pytest.raises(ConflictException):
        await plane.delete_deployment(api_id=api_id, deployment_id=deployment_id)
    await plane.delete_stage(api_id=api_id, stage_name="dev")
    await plane.delete_deployment(api_id=api_id, deployment_id=deployment_id)
    for gone in (plane.get_deployment, plane.update_deployment, plane.delete_deployment):
        with pytest.raises(NotFoundException):
            await gone(api_id=api_id, deployment_id=deployment_id)


async def test_a_stage_is_made_changed_and_deleted(plane: HttpApiPlane) -> None:
    api_id = await plane.new_api()
    await plane.new_route(api_id, "GET /")
    await plane.create_stage(
        api_id=api_id,
        stage_name="dev",
        stage_variables={"a": "1", "b": "2"},
        default_route_settings=RouteSettingsInput(throttling_rate_limit=5.0, throttling_burst_limit=3),
        access_log_settings=AccessLogSettingsInput(
            destination_arn="arn:aws:logs:us-west-2:111111111111:log-group:x", format="$context.requestId"
        ),
    )

    await plane.update_stage(
        api_id=api_id,
        stage_name="dev",
        stage_variables={"a": "", "c": "3"},
        route_settings={"GET /": RouteSettingsInput(throttling_burst_limit=1)},
        auto_deploy=True,
    )

    stage = await plane.get_stage(api_id=api_id, stage_name="dev")
    assert stage["stage_variables"] == {"b": "2", "c": "3"}
    assert stage["route_settings"]["GET /"]["throttling_burst_limit"] == 1
    assert stage["deployment_id"] is not None
    await plane.delete_route_settings(api_id=api_id, stage_name="dev", route_key="GET /")
    await plane.delete_access_log_settings(api_id=api_id, stage_name="dev")
    stage = await plane.get_stage(api_id=api_id, stage_name="dev")
    assert (stage["route_settings"], stage["access_log_settings"]) == ({}, None)
    await plane.delete_stage(api_id=api_id, stage_name="dev")
    for gone in (plane.get_stage, plane.delete_stage, plane.delete_access_log_settings):
        with pytest.raises(NotFoundException):
            await gone(api_id=api_id, stage_name="dev")


@pytest.mark.parametrize(
    "parameters",
    [
        {"stage_name": "a b"},
        {"stage_name": "$other"},
        {"deployment_id": "nothing"},
        {"deployment_id": "nothing", "auto_deploy": True},
        {"stage_variables": {"a-b": "1"}},
        {"stage_variables": {"a": "é"}},
        {"default_route_settings": RouteSettingsInput(throttling_burst_limit=-1)},
        {"default_route_settings": RouteSettingsInput(detailed_metrics_enabled=True)},
        {"access_log_settings": AccessLogSettingsInput(format="$context.requestId")},
        {"access_log_settings": AccessLogSettingsInput(destination_arn="arn", format="$context.path")},
    ],
)
async def test_a_stage_that_breaks_a_rule_is_refused(plane: HttpApiPlane, parameters: dict[str, Any]) -> None:
    with pytest.raises(BadRequestException):
        await plane.create_stage(**{"api_id": await plane.new_api(), "stage_name": "dev"} | parameters)


async def test_a_stage_has_one_name_and_settings_of_its_routes_only(plane: HttpApiPlane) -> None:
    api_id = await plane.new_api()
    await plane.create_stage(api_id=api_id, stage_name="dev")

    with pytest.raises(ConflictException):
        await plane.create_stage(api_id=api_id, stage_name="dev")
    with pytest.raises(NotFoundException):
        await plane.update_stage(api_id=api_id, stage_name="dev", route_settings={"GET /": RouteSettingsInput()})
    with pytest.raises(NotFoundException):
        await plane.delete_route_settings(api_id=api_id, stage_name="dev", route_key="GET /")


async def test_a_stage_that_follows_takes_no_deployment_by_hand(plane: HttpApiPlane) -> None:
    api_id = await plane.new_api(target=FUNCTION)

    with pytest.raises(BadRequestException):
        await plane.create_deployment(api_id=api_id, stage_name="$default")
    with pytest.raises(NotFoundException):
        await plane.create_deployment(api_id=api_id, stage_name="nowhere")
    with pytest.raises(BadRequestException):
        await plane.update_stage(api_id=api_id, stage_name="$default", deployment_id="x")


# Tags and pages


@pytest.mark.parametrize("stage", ["", "/stages/dev"])
async def test_apis_and_stages_are_tagged(plane: HttpApiPlane, stage: str) -> None:
    api_id = await plane.new_api()
    await plane.create_stage(api_id=api_id, stage_name="dev")
    arn = f"arn:aws:apigateway:us-west-2::/apis/{api_id}{stage}"

    await plane.tag_resource(resource_arn=arn, tags={"a": "1", "b": "2"})
    await plane.untag_resource(resource_arn=arn, tag_keys=["a"])

    assert (await plane.get_tags(resource_arn=arn))["tags"] == {"b": "2"}
    with pytest.raises(BadRequestException):
        await plane.tag_resource(resource_arn=arn, tags={str(n): "x" for n in range(50)})


async def test_tags_have_no_keys_of_aws_and_are_fifty_at_most_from_the_start(plane: HttpApiPlane) -> None:
    api_id = await plane.new_api()
    arn = f"arn:aws:apigateway:us-west-2::/apis/{api_id}"

    for tags in ({"aws:a": "1"}, {"AWS:a": "1"}, {str(number): "x" for number in range(51)}):
        with pytest.raises(BadRequestException):
            await plane.tag_resource(resource_arn=arn, tags=tags)
        with pytest.raises(BadRequestException):
            await plane.new_api(tags=tags)
        with pytest.raises(BadRequestException):
            await plane.create_stage(api_id=api_id, stage_name="dev", tags=tags)


@pytest.mark.parametrize("name", ["", " "])
async def test_an_api_has_a_name(plane: HttpApiPlane, name: str) -> None:
    api_id = await plane.new_api()

    with pytest.raises(BadRequestException, match="Name cannot be an empty string"):
        await plane.new_api(name=name)
    with pytest.raises(BadRequestException, match="Name cannot be an empty string"):
        await plane.update_api(api_id=api_id, name=name)


@pytest.mark.parametrize("arn", ["x", "arn:aws:apigateway:us-west-2::/restapis/x", "arn:aws:iam::111111111111:role/x"])
async def test_tags_of_anything_else_are_refused(plane: HttpApiPlane, arn: str) -> None:
    with pytest.raises(BadRequestException):
        await plane.get_tags(resource_arn=arn)


async def test_lists_come_in_pages(plane: HttpApiPlane) -> None:
    api_ids = [await plane.new_api(name=str(number)) for number in range(3)]

    first = await plane.get_apis(max_results="2")
    second = await plane.get_apis(max_results="2", next_token=first["next_token"])

    assert {api["api_id"] for api in [*first["items"], *second["items"]]} == set(api_ids)
    assert second["next_token"] is None
    for bad in ({"max_results": "0"}, {"max_results": "x"}, {"next_token": "-1"}):
        with pytest.raises(BadRequestException):
            await plane.get_apis(**bad)
