"""Patch operations of every resource type: what the table of supported operations does not have is refused by each.

Source: API Gateway API reference, "Patch Operations", https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html
"""

import json
from typing import Any

import pytest

from support.gateway import patch
from velvetrope.apigateway import BadRequestException, NotSupported
from velvetrope.apigateway.patches import PatchOperation, patch_int, patch_number, pointer_parts
from velvetrope.apigateway.rest_apis import EndpointConfiguration
from velvetrope.apigateway.usage_plans import ApiStageInput, QuotaSettings

Plane = Any
_DOMAIN = "api.example.com"


async def _everything(plane: Plane) -> dict[str, dict[str, str]]:
    """One resource of each type that can be patched: what names it, by operation."""
    api_id = (await plane.create_rest_api(name="demo"))["id"]
    api = {"rest_api_id": api_id}
    resource = (await plane.create_resource(**api, parent_id=await _root(plane, api_id), path_part="a"))["id"]
    method = {**api, "resource_id": resource, "http_method": "GET"}
    response = {**method, "status_code": "200"}
    await plane.put_method(**method, authorization_type="NONE")
    await plane.put_method_response(**response)
    await plane.put_integration(**method, type="MOCK")
    await plane.put_integration_response(**response)
    await plane.put_gateway_response(**api, response_type="THROTTLED")
    await plane.create_model(**api, name="Item", content_type="application/json", schema=json.dumps({"type": "object"}))
    validator = (await plane.create_request_validator(**api, name="all", validate_request_body=True))["id"]
    pool = "arn:aws:cognito-idp:us-west-2:111111111111:userpool/us-west-2_a"
    authorizer = await plane.create_authorizer(
        **api,
        name="pool",
        type="COGNITO_USER_POOLS",
        provider_arns=(pool,),
        identity_source="method.request.header.Authorization",
    )
    deployment = (await plane.create_deployment(**api, stage_name="latest"))["id"]
    key = (await plane.create_api_key(name="key", enabled=True))["id"]
    plan = await plane.create_usage_plan(
        name="plan",
        api_stages=[ApiStageInput(api_id=api_id, stage="latest")],
        quota=QuotaSettings(limit=1, period="DAY"),
    )
    await plane.create_usage_plan_key(usage_plan_id=plan["id"], key_id=key, key_type="API_KEY")
    await plane.create_domain_name(
        domain_name=_DOMAIN,
        regional_certificate_arn="arn:aws:acm:us-west-2:111111111111:certificate/a",
        endpoint_configuration=EndpointConfiguration(types=("REGIONAL",)),
    )
    await plane.create_base_path_mapping(domain_name=_DOMAIN, base_path="v1", rest_api_id=api_id, stage="latest")
    return {
        "update_account": {},
        "update_api_key": {"api_key": key},
        "update_authorizer": {**api, "authorizer_id": authorizer["id"]},
        "update_base_path_mapping": {"domain_name": _DOMAIN, "base_path": "v1"},
        "update_deployment": {**api, "deployment_id": deployment},
        "update_domain_name": {"domain_name": _DOMAIN},
        "update_gateway_response": {**api, "response_type": "THROTTLED"},
        "update_integration": method,
        "update_integration_response": response,
        "update_method": method,
        "update_method_response": response,
        "update_model": {**api, "model_name": "Item"},
        "update_request_validator": {**api, "request_validator_id": validator},
        "update_resource": {**api, "resource_id": resource},
        "update_rest_api": api,
        "update_stage": {**api, "stage_name": "latest"},
        "update_usage": {"usage_plan_id": plan["id"], "key_id": key},
        "update_usage_plan": {"usage_plan_id": plan["id"]},
    }


async def _root(plane: Plane, api_id: str) -> str:
    return str((await plane.get_rest_api(rest_api_id=api_id))["root_resource_id"])


_SHARED = ("description", "name", "enabled", "uri", "type", "stage", "remaining", "cloudwatchRoleArn", "path")


async def test_every_resource_refuses_the_operations_that_none_has(plane: Plane) -> None:
    """`copy` is AWS's for the canary of a stage only, and that is not done here; `move` and `test` are for nothing."""
    named = await _everything(plane)
    assert named.keys() == {name for name in plane.operations if name.startswith("update_")}

    for operation, where in named.items():
        for op in ("copy", "move", "test", "REPLACE", ""):
            for member in _SHARED:
                with pytest.raises((BadRequestException, NotSupported)):
                    await getattr(plane, operation)(**where, patch_operations=patch(op, f"/{member}", "x"))


async def test_every_resource_refuses_a_path_that_it_does_not_have(plane: Plane) -> None:
    named = await _everything(plane)

    for operation, where in named.items():
        for op in ("add", "replace", "remove"):
            for path in ("/surprise", "/id", "/createdDate", "/", "", "/name/deeper/still", "/surprise~1x", "//name"):
                with pytest.raises((BadRequestException, NotSupported)) as refused:
                    await getattr(plane, operation)(**where, patch_operations=patch(op, path, "x"))
                assert str(refused.value), (operation, op, path)


async def test_a_path_begins_with_a_slash(plane: Plane) -> None:
    named = await _everything(plane)

    for operation, where in named.items():
        for member in _SHARED:
            with pytest.raises(BadRequestException, match=f"Invalid patch path '{member}'"):
                await getattr(plane, operation)(**where, patch_operations=patch("replace", member, "x"))


async def test_of_several_changes_none_is_made_if_one_is_refused(plane: Plane) -> None:
    api = await plane.create_rest_api(name="before")

    with pytest.raises(BadRequestException):
        await plane.update_rest_api(
            rest_api_id=api["id"],
            patch_operations=(*patch("replace", "/name", "after"), *patch("replace", "/surprise", "x")),
        )

    assert (await plane.get_rest_api(rest_api_id=api["id"]))["name"] == "before"


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("/a", ("a",)),
        ("/a~1b/c", ("a/b", "c")),
        ("/~01", ("~1",)),
        ("/~1", ("/",)),
        ("/a//b", ("a", "", "b")),
        ("/", ("",)),
    ],
)
def test_a_pointer_is_read_as_rfc_6901_has_it(path: str, parts: tuple[str, ...]) -> None:
    assert pointer_parts(path) == parts


@pytest.mark.parametrize("value", ["1_000", " 7", "7 ", "٣", "", "x", "1.5", "0x1", "1e3", "9" * 19, None])
def test_what_only_python_would_take_for_a_whole_number_is_refused(value: str | None) -> None:
    assert patch_int(PatchOperation(op="replace", path="/quota/limit", value="-12")) == -12
    with pytest.raises(BadRequestException):
        patch_int(PatchOperation(op="replace", path="/quota/limit", value=value))


@pytest.mark.parametrize("value", ["1_0.5", " 7", "nan", "inf", "-Infinity", "1e999", "٣", "", None])
def test_what_only_python_would_take_for_a_number_is_refused(value: str | None) -> None:
    assert patch_number(PatchOperation(op="replace", path="/throttle/rateLimit", value="1.5e2")) == 150.0
    with pytest.raises(BadRequestException):
        patch_number(PatchOperation(op="replace", path="/throttle/rateLimit", value=value))
