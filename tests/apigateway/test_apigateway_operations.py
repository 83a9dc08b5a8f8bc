"""API Gateway's control plane by hand: what boto3 would call, one rule at a time."""

import inspect
import json
from datetime import timedelta
from typing import Any

import pytest
from botocore import xform_name

from velvetrope.apigateway import (
    BadRequestException,
    ConflictException,
    LimitExceededException,
    NotFoundException,
    NotSupported,
)
from velvetrope.apigateway.api_keys import StageKey
from velvetrope.apigateway.patches import PatchOperation
from velvetrope.apigateway.usage_plans import ApiStageInput, QuotaSettings, ThrottleSettings
from velvetrope.errors import ServiceError

_URI = (
    "arn:aws:apigateway:us-west-2:lambda:path/2015-03-31/functions/"
    "arn:aws:lambda:us-west-2:111111111111:function:demo/invocations"
)
Plane = Any


def _patch(op: str, path: str, value: str | None = None) -> tuple[PatchOperation, ...]:
    return (PatchOperation(op=op, path=path, value=value),)


async def _api_with_method(plane: Plane) -> tuple[str, str]:
    api = await plane.create_rest_api(name="demo")
    resource = await plane.create_resource(rest_api_id=api["id"], parent_id=api["root_resource_id"], path_part="pets")
    where = {"rest_api_id": api["id"], "resource_id": resource["id"], "http_method": "GET"}
    await plane.put_method(**where, authorization_type="AWS_IAM", api_key_required=True)
    await plane.put_integration(**where, type="AWS_PROXY", integration_http_method="POST", uri=_URI)
    return api["id"], resource["id"]


async def _deployed(plane: Plane, *more_paths: str) -> str:
    api_id, _ = await _api_with_method(plane)
    root = next(one for one in (await plane.get_resources(rest_api_id=api_id))["items"] if one["path"] == "/")
    for path in more_paths:
        resource = await plane.create_resource(rest_api_id=api_id, parent_id=root["id"], path_part=path)
        of = {"rest_api_id": api_id, "resource_id": resource["id"], "http_method": "GET"}
        await plane.put_method(**of, authorization_type="NONE")
        await plane.put_integration(**of, type="MOCK")
    await plane.create_deployment(rest_api_id=api_id, stage_name="latest")
    return api_id


def test_every_parameter_is_a_member_of_the_operations_input(plane: Plane) -> None:
    for name, operation in plane.operations.items():
        members = {xform_name(member) for member in plane.model[name].input_shape.members}
        parameters = set(inspect.signature(operation).parameters) - {"call"}
        assert parameters <= members, name


def test_errors_are_those_of_the_model(plane: Plane) -> None:
    statuses = {
        shape.name: shape.metadata["error"]["httpStatusCode"] for shape in plane.model["put_method"].error_shapes
    }

    for error in (BadRequestException, ConflictException, NotFoundException):
        assert statuses[error.code] == error.http_status


async def test_an_api_starts_with_its_root(plane: Plane) -> None:
    api = await plane.create_rest_api(name="demo", tags={"a": "b"})

    resources = await plane.get_resources(rest_api_id=api["id"])

    assert [(item["id"], item["path"]) for item in resources["items"]] == [(api["root_resource_id"], "/")]
    assert (await plane.get_rest_api(rest_api_id=api["id"]))["tags"] == {"a": "b"}


async def test_unknown_api_is_named_with_its_account(plane: Plane) -> None:
    with pytest.raises(NotFoundException) as refused:
        await plane.get_rest_api(rest_api_id="nope")

    assert refused.value.message == "Invalid API identifier specified 111111111111:nope"


async def test_apis_are_patched_member_by_member(plane: Plane) -> None:
    api = await plane.create_rest_api(name="demo")
    patches = (
        *_patch("replace", "/name", "renamed"),
        *_patch("add", "/binaryMediaTypes/image~1png"),
        *_patch("replace", "/description", "text"),
        *_patch("replace", "/version", "2"),
    )

    changed = await plane.update_rest_api(rest_api_id=api["id"], patch_operations=patches)

    assert (changed["name"], changed["binary_media_types"], changed["description"]) == (
        "renamed",
        ["image/png"],
        "text",
    )
    with pytest.raises(BadRequestException, match="Invalid patch path  '/minimumCompressionSize' specified for op"):
        await plane.update_rest_api(
            rest_api_id=api["id"], patch_operations=_patch("replace", "/minimumCompressionSize", "1")
        )


async def test_policy_is_parsed_expanded_and_handed_back_with_escaped_quotes(plane: Plane) -> None:
    statement = {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    api = await plane.create_rest_api(name="demo", policy=policy)

    assert api["policy"].startswith('{\\"Version\\"')
    saved = json.loads(json.loads(f'"{api["policy"]}"'))
    assert saved["Statement"][0]["Resource"] == f"arn:aws:execute-api:us-west-2:111111111111:{api['id']}/*"
    with pytest.raises(BadRequestException, match="Invalid policy document"):
        await plane.create_rest_api(name="demo", policy='{"Statement": [{"Effect": "Maybe"}]}')


@pytest.mark.parametrize(
    ("parts", "error", "text"),
    [
        (["pets", "pets"], ConflictException, "Another resource with the same parent already has this name: pets"),
        (
            ["{proxy+}", "{id}"],
            BadRequestException,
            "A sibling ({proxy+}) of this resource already has a variable path part -- only one is allowed",
        ),
        (["a b"], BadRequestException, "Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable"),
        (["ping"], BadRequestException, "/ping is reserved"),
    ],
)
async def test_resources_that_cannot_be(plane: Plane, parts: list[str], error: type[ServiceError], text: str) -> None:
    api = await plane.create_rest_api(name="demo")
    where = {"rest_api_id": api["id"], "parent_id": api["root_resource_id"]}
    for part in parts[:-1]:
        await plane.create_resource(**where, path_part=part)

    with pytest.raises(error) as refused:
        await plane.create_resource(**where, path_part=parts[-1])

    assert refused.value.message.startswith(text)


async def test_nothing_goes_below_a_greedy_variable(plane: Plane) -> None:
    api = await plane.create_rest_api(name="demo")
    greedy = await plane.create_resource(rest_api_id=api["id"], parent_id=api["root_resource_id"], path_part="{proxy+}")

    with pytest.raises(BadRequestException) as refused:
        await plane.create_resource(rest_api_id=api["id"], parent_id=greedy["id"], path_part="x")

    assert refused.value.message == "Cannot create a child of a resource with a greedy path variable: {proxy+}"


async def test_a_resource_takes_what_is_below_with_it(plane: Plane) -> None:
    api = await plane.create_rest_api(name="demo")
    parent = await plane.create_resource(rest_api_id=api["id"], parent_id=api["root_resource_id"], path_part="a")
    child = await plane.create_resource(rest_api_id=api["id"], parent_id=parent["id"], path_part="b")

    await plane.delete_resource(rest_api_id=api["id"], resource_id=parent["id"])

    with pytest.raises(NotFoundException, match="Invalid Resource identifier specified"):
        await plane.get_resource(rest_api_id=api["id"], resource_id=child["id"])
    with pytest.raises(BadRequestException):
        await plane.delete_resource(rest_api_id=api["id"], resource_id=api["root_resource_id"])


async def test_methods_and_integrations_are_shown_as_they_were_put(plane: Plane) -> None:
    api_id, resource_id = await _api_with_method(plane)

    method = await plane.get_method(rest_api_id=api_id, resource_id=resource_id, http_method="GET")
    embedded = await plane.get_resources(rest_api_id=api_id, embed=["methods"])

    assert (method["authorization_type"], method["api_key_required"]) == ("AWS_IAM", True)
    assert method["method_integration"]["uri"] == _URI
    assert method["method_integration"]["timeout_in_millis"] == 29_000
    assert embedded["items"][1]["resource_methods"]["GET"] == method


async def test_a_method_is_there_once_and_gone_when_deleted(plane: Plane) -> None:
    api_id, resource_id = await _api_with_method(plane)
    where = {"rest_api_id": api_id, "resource_id": resource_id, "http_method": "GET"}

    with pytest.raises(ConflictException, match="Method already exists for this resource"):
        await plane.put_method(**where, authorization_type="NONE")
    await plane.delete_method(**where)
    with pytest.raises(NotFoundException, match="Invalid Method identifier specified"):
        await plane.get_method(**where)


async def test_gateway_responses_have_their_defaults_until_they_are_put(plane: Plane) -> None:
    api = await plane.create_rest_api(name="demo")
    where = {"rest_api_id": api["id"], "response_type": "ACCESS_DENIED"}

    before = await plane.get_gateway_response(**where)
    await plane.put_gateway_response(**where, response_parameters={"gatewayresponse.header.A": "'b'"})
    after = await plane.get_gateway_response(**where)
    await plane.delete_gateway_response(**where)

    assert (before["status_code"], before["default_response"]) == ("403", True)
    assert (after["response_parameters"], after["default_response"]) == ({"gatewayresponse.header.A": "'b'"}, False)
    assert len((await plane.get_gateway_responses(rest_api_id=api["id"]))["items"]) == 21
    with pytest.raises(NotFoundException):
        await plane.delete_gateway_response(**where)
    with pytest.raises(NotSupported):
        await plane.put_gateway_response(**where, response_templates={"application/json": "$input.body"})


async def test_only_what_can_be_run_is_deployed(plane: Plane) -> None:
    api = await plane.create_rest_api(name="demo")
    where = {"rest_api_id": api["id"], "resource_id": api["root_resource_id"], "http_method": "GET"}

    with pytest.raises(BadRequestException, match="The REST API doesn't contain any methods"):
        await plane.create_deployment(rest_api_id=api["id"])
    await plane.put_method(**where, authorization_type="NONE")
    with pytest.raises(BadRequestException, match="No integration defined for method"):
        await plane.create_deployment(rest_api_id=api["id"])
    await plane.put_integration(**where, type="MOCK", request_templates={"application/json": "#set($x = 1)"})
    await plane.create_deployment(rest_api_id=api["id"])


async def test_a_deployment_that_is_served_stays(plane: Plane) -> None:
    api_id = await _deployed(plane)
    deployment = (await plane.get_deployments(rest_api_id=api_id))["items"][0]["id"]
    shown = await plane.get_deployment(rest_api_id=api_id, deployment_id=deployment, embed=["apisummary"])

    described = await plane.update_deployment(
        rest_api_id=api_id, deployment_id=deployment, patch_operations=_patch("replace", "/description", "first")
    )
    with pytest.raises(BadRequestException) as refused:
        await plane.delete_deployment(rest_api_id=api_id, deployment_id=deployment)
    await plane.delete_stage(rest_api_id=api_id, stage_name="latest")
    await plane.delete_deployment(rest_api_id=api_id, deployment_id=deployment)

    assert shown["api_summary"]["/pets"]["GET"] == {"authorization_type": "AWS_IAM", "api_key_required": True}
    assert described["description"] == "first"
    assert refused.value.message == "Active stages pointing to this deployment must be moved or deleted"


async def test_a_stage_moves_to_another_deployment(plane: Plane) -> None:
    api_id = await _deployed(plane)
    second = await plane.create_deployment(rest_api_id=api_id)
    patches = (
        *_patch("replace", "/deploymentId", second["id"]),
        *_patch("replace", "/variables/color", "blue"),
        *_patch("replace", "/*/*/throttling/rateLimit", "5"),
        *_patch("replace", "/~1pets/GET/throttling/burstLimit", "2"),
    )

    stage = await plane.update_stage(rest_api_id=api_id, stage_name="latest", patch_operations=patches)

    assert (stage["deployment_id"], stage["variables"]) == (second["id"], {"color": "blue"})
    assert stage["method_settings"]["*/*"]["throttling_rate_limit"] == 5.0
    assert stage["method_settings"]["pets/GET"]["throttling_burst_limit"] == 2
    with pytest.raises(BadRequestException, match="Invalid patch path"):
        await plane.update_stage(rest_api_id=api_id, stage_name="latest", patch_operations=_patch("replace", "/x", "y"))


async def test_stages_are_unique_and_need_a_deployment(plane: Plane) -> None:
    api_id = await _deployed(plane)
    deployment = (await plane.get_deployments(rest_api_id=api_id))["items"][0]["id"]

    with pytest.raises(ConflictException, match="Stage already exists"):
        await plane.create_stage(rest_api_id=api_id, stage_name="latest", deployment_id=deployment)
    with pytest.raises(BadRequestException):
        await plane.create_stage(rest_api_id=api_id, stage_name="other", deployment_id="nope")
    with pytest.raises(BadRequestException):
        await plane.create_stage(rest_api_id=api_id, stage_name="a b", deployment_id=deployment)
    assert len((await plane.get_stages(rest_api_id=api_id))["item"]) == 1


async def test_keys_are_disabled_unless_made_enabled_and_show_their_value_when_asked(plane: Plane) -> None:
    made = await plane.create_api_key(name="demo")

    plain = await plane.get_api_key(api_key=made["id"])
    shown = await plane.get_api_key(api_key=made["id"], include_value=True)

    assert made["enabled"] is False
    assert plain["value"] is None
    assert shown["value"].reveal() == made["value"].reveal()
    assert len(made["value"].reveal()) == 40
    assert made["value"].reveal() not in repr(await plane.store.load_api_key("111111111111", made["id"]))


@pytest.mark.parametrize(
    ("parameters", "error", "text"),
    [
        ({"value": "x" * 19}, BadRequestException, "API Key value should be at least 20 characters"),
        ({"value": "x" * 129}, BadRequestException, "API Key value exceeds maximum size of 128 characters"),
        ({"name": "x" * 1025}, BadRequestException, "Invalid API Key name, can be at most 1024 characters."),
        ({"value": "y" * 20}, ConflictException, "API Key already exists"),
    ],
)
async def test_keys_that_cannot_be(
    plane: Plane, parameters: dict[str, Any], error: type[ServiceError], text: str
) -> None:
    await plane.create_api_key(value="y" * 20)

    with pytest.raises(error) as refused:
        await plane.create_api_key(**parameters)

    assert refused.value.message == text


async def test_stages_of_old_style_keys_are_kept_and_shown(plane: Plane) -> None:
    key = await plane.create_api_key(stage_keys=[StageKey(rest_api_id="a", stage_name="b")])
    patches = (
        *_patch("add", "/stages", "c/d"),
        *_patch("remove", "/stages", "a/b"),
        *_patch("replace", "/enabled", "true"),
    )

    changed = await plane.update_api_key(api_key=key["id"], patch_operations=patches)

    assert (key["stage_keys"], changed["stage_keys"], changed["enabled"]) == (["a/b"], ["c/d"], True)


async def test_keys_are_listed_by_the_start_of_their_name_in_pages(plane: Plane) -> None:
    for name in ("a1", "a2", "b1"):
        await plane.create_api_key(name=name)
        plane.now += timedelta(seconds=1)

    first = await plane.get_api_keys(name_query="a", limit=1, include_values=True)
    second = await plane.get_api_keys(name_query="a", limit=1, position=first["position"])

    assert [first["items"][0]["name"], second["items"][0]["name"], second["position"]] == ["a1", "a2", None]
    for position in ("", "-1", "a", "9" * 5000):
        with pytest.raises(BadRequestException, match="Invalid position parameter specified"):
            await plane.get_api_keys(name_query="a", limit=1, position=position)


async def _plan(plane: Plane, api_id: str) -> str:
    plan = await plane.create_usage_plan(
        name="plan",
        api_stages=[ApiStageInput(api_id=api_id, stage="latest")],
        throttle=ThrottleSettings(rate_limit=10.0, burst_limit=20),
        quota=QuotaSettings(limit=10_000, period="DAY"),
    )
    return str(plan["id"])


async def test_a_key_has_one_plan_per_stage(plane: Plane) -> None:
    api_id = await _deployed(plane)
    first, second = await _plan(plane, api_id), await _plan(plane, api_id)
    key = await plane.create_api_key(enabled=True)
    await plane.create_usage_plan_key(usage_plan_id=first, key_id=key["id"], key_type="API_KEY")

    with pytest.raises(ConflictException):
        await plane.create_usage_plan_key(usage_plan_id=second, key_id=key["id"], key_type="API_KEY")
    await plane.update_usage_plan(
        usage_plan_id=second, patch_operations=_patch("remove", "/apiStages", f"{api_id}:latest")
    )
    await plane.create_usage_plan_key(usage_plan_id=second, key_id=key["id"], key_type="API_KEY")
    with pytest.raises(ConflictException):
        await plane.update_usage_plan(
            usage_plan_id=second, patch_operations=_patch("add", "/apiStages", f"{api_id}:latest")
        )

    assert len((await plane.get_usage_plans(key_id=key["id"]))["items"]) == 2


async def test_plans_are_patched_member_by_member(plane: Plane) -> None:
    api_id = await _deployed(plane)
    plan_id = await _plan(plane, api_id)
    patches = (
        *_patch("replace", "/throttle/rateLimit", "2.5"),
        *_patch("replace", "/quota/limit", "7"),
        *_patch("replace", "/quota/period", "MONTH"),
        *_patch("replace", f"/apiStages/{api_id}:latest/throttle/~1pets/GET/rateLimit", "1"),
        *_patch("replace", f"/apiStages/{api_id}:latest/throttle/~1pets/GET/burstLimit", "1"),
    )

    plan = await plane.update_usage_plan(usage_plan_id=plan_id, patch_operations=patches)

    assert plan["throttle"] == {"rate_limit": 2.5, "burst_limit": 20}
    assert plan["quota"] == {"limit": 7, "offset": 0, "period": "MONTH"}
    assert plan["api_stages"][0]["throttle"] == {"/pets/GET": {"rate_limit": 1.0, "burst_limit": 1}}
    removed = await plane.update_usage_plan(
        usage_plan_id=plan_id, patch_operations=(*_patch("remove", "/throttle"), *_patch("remove", "/quota"))
    )
    assert (removed["throttle"], removed["quota"]) == (None, None)
    with pytest.raises(BadRequestException):
        await plane.update_usage_plan(
            usage_plan_id=plan_id, patch_operations=_patch("replace", "/throttle/rateLimit", "nan")
        )


async def test_a_plan_with_stages_is_not_deleted(plane: Plane) -> None:
    api_id = await _deployed(plane)
    plan_id = await _plan(plane, api_id)

    with pytest.raises(BadRequestException) as refused:
        await plane.delete_usage_plan(usage_plan_id=plan_id)
    await plane.delete_stage(rest_api_id=api_id, stage_name="latest")
    await plane.delete_usage_plan(usage_plan_id=plan_id)

    assert refused.value.message == (
        f"Cannot delete Usage Plan {plan_id} because there are API Stages associated with it, including {api_id}:latest"
    )


async def test_a_plan_is_for_stages_that_exist(plane: Plane) -> None:
    with pytest.raises(BadRequestException, match="Invalid API Stage"):
        await plane.create_usage_plan(name="plan", api_stages=[ApiStageInput(api_id="x", stage="y")])


async def test_usage_of_a_plan_nobody_called_and_its_extension(plane: Plane) -> None:
    plan_id = await _plan(plane, await _deployed(plane))
    key = await plane.create_api_key(enabled=True)
    await plane.create_usage_plan_key(usage_plan_id=plan_id, key_id=key["id"], key_type="API_KEY")

    usage = await plane.get_usage(usage_plan_id=plan_id, start_date="2025-12-31", end_date="2026-01-01")
    extended = await plane.update_usage(
        usage_plan_id=plan_id, key_id=key["id"], patch_operations=_patch("replace", "/remaining", "3")
    )

    assert usage["items"] == {key["id"]: [[0, 10_000], [0, 10_000]]}
    assert extended["items"] == {key["id"]: [[0, 3]]}
    assert plane.reporter.settled == 2


@pytest.mark.parametrize("kind", ["restapis", "stages", "apikeys", "usageplans"])
async def test_tags_come_and_go(plane: Plane, kind: str) -> None:
    api_id = await _deployed(plane)
    paths = {
        "restapis": f"/restapis/{api_id}",
        "stages": f"/restapis/{api_id}/stages/latest",
        "apikeys": f"/apikeys/{(await plane.create_api_key())['id']}",
        "usageplans": f"/usageplans/{await _plan(plane, api_id)}",
    }
    arn = f"arn:aws:apigateway:us-west-2::{paths[kind]}"

    await plane.tag_resource(resource_arn=arn, tags={"a": "1", "b": "2"})
    await plane.untag_resource(resource_arn=arn, tag_keys=["a"])

    assert (await plane.get_tags(resource_arn=arn))["tags"] == {"b": "2"}
    with pytest.raises(NotFoundException):
        await plane.get_tags(resource_arn=f"{arn}x")


async def test_tags_have_no_keys_of_aws_and_are_fifty_at_most(plane: Plane) -> None:
    api = await plane.create_rest_api(name="demo")
    arn = f"arn:aws:apigateway:us-west-2::/restapis/{api['id']}"
    await plane.tag_resource(resource_arn=arn, tags={f"k{number}": "" for number in range(50)})

    for tags in ({"aws:a": "1"}, {"AWS:a": "1"}, {"one more": "1"}):
        with pytest.raises(BadRequestException):
            await plane.tag_resource(resource_arn=arn, tags=tags)
    with pytest.raises(BadRequestException, match="aws:a is reserved"):
        await plane.create_rest_api(name="demo", tags={"aws:a": "1"})
    with pytest.raises(BadRequestException, match="at most 50"):
        await plane.create_rest_api(name="demo", tags={f"k{number}": "" for number in range(51)})

    assert len((await plane.get_tags(resource_arn=arn))["tags"]) == 50


async def test_apis_and_plans_keep_a_name(plane: Plane) -> None:
    api_id = await _deployed(plane)
    plan_id = await _plan(plane, api_id)

    with pytest.raises(BadRequestException, match="Name cannot be an empty string"):
        await plane.update_rest_api(rest_api_id=api_id, patch_operations=_patch("replace", "/name", " "))
    with pytest.raises(BadRequestException, match="Usage plan name cannot be an empty string"):
        await plane.update_usage_plan(usage_plan_id=plan_id, patch_operations=_patch("replace", "/name", ""))


async def test_an_api_has_ten_stages_and_no_more(plane: Plane) -> None:
    api_id = await _deployed(plane)
    deployment = (await plane.get_deployments(rest_api_id=api_id))["items"][0]["id"]
    for number in range(9):
        await plane.create_stage(rest_api_id=api_id, stage_name=f"s{number}", deployment_id=deployment)

    with pytest.raises(LimitExceededException, match="Maximum number of stages"):
        await plane.create_stage(rest_api_id=api_id, stage_name="s9", deployment_id=deployment)
    with pytest.raises(LimitExceededException, match="Maximum number of stages"):
        await plane.create_deployment(rest_api_id=api_id, stage_name="s9")
    await plane.create_deployment(rest_api_id=api_id, stage_name="s8")
    assert len((await plane.get_stages(rest_api_id=api_id))["item"]) == 10


async def test_a_key_is_in_ten_plans_and_no_more(plane: Plane) -> None:
    key = await plane.create_api_key(name="key")
    plans = [(await plane.create_usage_plan(name=f"p{number}"))["id"] for number in range(11)]
    for plan_id in plans[:10]:
        await plane.create_usage_plan_key(usage_plan_id=plan_id, key_id=key["id"], key_type="API_KEY")

    with pytest.raises(LimitExceededException, match="Maximum number of usage plans for the API key"):
        await plane.create_usage_plan_key(usage_plan_id=plans[10], key_id=key["id"], key_type="API_KEY")


async def test_a_stage_of_a_plan_has_twenty_method_throttles_and_no_more(plane: Plane) -> None:
    api_id = await _deployed(plane, *(str(number) for number in range(21)))
    limits = {f"/{number}/GET": ThrottleSettings(rate_limit=1) for number in range(20)}
    stage = ApiStageInput(api_id=api_id, stage="latest", throttle=limits)
    plan = await plane.create_usage_plan(name="plan", api_stages=[stage])

    with pytest.raises(LimitExceededException, match="Maximum number of method throttles"):
        await plane.update_usage_plan(
            usage_plan_id=plan["id"],
            patch_operations=_patch("add", f"/apiStages/{api_id}:latest/throttle/~120/GET/rateLimit", "1"),
        )
    larger = ApiStageInput(
        api_id=api_id, stage="latest", throttle={**limits, "/20/GET": ThrottleSettings(rate_limit=1)}
    )
    with pytest.raises(LimitExceededException, match="Maximum number of method throttles"):
        await plane.create_usage_plan(name="p", api_stages=[larger])


@pytest.mark.parametrize("key", ["/pets/POST", "/nowhere/GET", "pets/GET", "/pets/", "//GET"])
async def test_a_throttle_of_a_method_that_the_stage_does_not_serve_is_refused(plane: Plane, key: str) -> None:
    api_id = await _deployed(plane)
    stage = ApiStageInput(api_id=api_id, stage="latest", throttle={key: ThrottleSettings(rate_limit=1)})

    with pytest.raises(BadRequestException, match="serves no method"):
        await plane.create_usage_plan(name="plan", api_stages=[stage])
    plan_id, pointer = await _plan(plane, api_id), key.rpartition("/")
    path = f"/apiStages/{api_id}:latest/throttle/{pointer[0].replace('/', '~1')}/{pointer[2]}/rateLimit"
    with pytest.raises(BadRequestException):
        await plane.update_usage_plan(usage_plan_id=plan_id, patch_operations=_patch("add", path, "1"))

    assert (await plane.get_usage_plan(usage_plan_id=plan_id))["api_stages"][0].get("throttle") in ({}, None)


@pytest.mark.parametrize("key", ["/pets/GET", "/pets/*", "//*"])
async def test_a_throttle_of_a_method_that_it_serves_is_kept(plane: Plane, key: str) -> None:
    api_id = await _deployed(plane)
    stage = ApiStageInput(api_id=api_id, stage="latest", throttle={key: ThrottleSettings(rate_limit=1)})

    plan = await plane.create_usage_plan(name="plan", api_stages=[stage])

    assert list(plan["api_stages"][0]["throttle"]) == [key]


async def test_an_offset_is_at_most_the_limit(plane: Plane) -> None:
    plan = await plane.create_usage_plan(name="plan", quota=QuotaSettings(limit=5, offset=5, period="MONTH"))

    with pytest.raises(BadRequestException, match="offset must not be greater"):
        await plane.create_usage_plan(name="plan", quota=QuotaSettings(limit=5, offset=6, period="MONTH"))
    with pytest.raises(BadRequestException, match="offset must not be greater"):
        await plane.update_usage_plan(usage_plan_id=plan["id"], patch_operations=_patch("replace", "/quota/limit", "4"))
    patches = (*_patch("replace", "/quota/offset", "6"), *_patch("replace", "/quota/limit", "6"))

    changed = await plane.update_usage_plan(usage_plan_id=plan["id"], patch_operations=patches)

    assert changed["quota"] == {"limit": 6, "offset": 6, "period": "MONTH"}
