"""API keys from a file: all of them with their plans, or none."""

from typing import Any

import pytest

from velvetrope.apigateway import BadRequestException, ConflictException, NotFoundException, NotSupported
from velvetrope.apigateway.usage_plans import ApiStageInput

Plane = Any
_VALUE = "0123456789abcdef0123456789abcd"


async def _plan(plane: Plane, *stages: ApiStageInput) -> str:
    return str((await plane.create_usage_plan(name="plan", api_stages=stages))["id"])


async def _import(plane: Plane, text: str, **options: Any) -> Any:
    return await plane.import_api_keys(body=text.encode(), format="csv", **options)


async def test_keys_come_with_their_plans(plane: Plane) -> None:
    first, second = await _plan(plane), await _plan(plane)
    text = (
        "Name,key,Description,Enabled,usageplanIds\n"
        f'mobile,{_VALUE},the app,TRUE,"{first},{second}"\n'
        f"web,{_VALUE}x,,false,\n"
    )

    made = await _import(plane, text)

    keys = {key["name"]: key for key in (await plane.get_api_keys(include_values=True))["items"]}
    assert set(made["ids"]) == {key["id"] for key in keys.values()}
    assert made["warnings"] is None
    mobile, web = keys["mobile"], keys["web"]
    assert (mobile["value"].reveal(), mobile["description"], mobile["enabled"]) == (_VALUE, "the app", True)
    assert (web["description"], web["enabled"]) == (None, False)
    for plan_id in (first, second):
        assert [key["name"] for key in (await plane.get_usage_plan_keys(usage_plan_id=plan_id))["items"]] == ["mobile"]


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("", BadRequestException, "key among them"),
        ("name\nmobile", BadRequestException, "key among them"),
        ("key,key\n", BadRequestException, "names each column once"),
        (f"key,colour\n{_VALUE},red", NotSupported, "The column colour of an API key file"),
        (f"key,name\n{_VALUE}", BadRequestException, "line 2 has 1 columns"),
        (f"key\n{_VALUE}\n{_VALUE[:29]}", BadRequestException, "line 3: a key has at least 30 characters"),
        (f"key\n{'x' * 129}", BadRequestException, "exceeds maximum size of 128 characters"),
        (f"key,enabled\n{_VALUE},yes", BadRequestException, "enabled is TRUE or FALSE"),
        (f"key,usageplanids\n{_VALUE},nope", NotFoundException, "Invalid Usage Plan ID specified"),
        ('key\n"unfinished', BadRequestException, "it is not CSV"),
    ],
)
async def test_a_file_with_one_mistake_makes_no_key(
    plane: Plane, text: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        await _import(plane, text)

    assert (await plane.get_api_keys())["items"] == []


async def test_a_value_that_exists_is_passed_over_or_refuses_the_file(plane: Plane) -> None:
    await plane.create_api_key(name="old", value=_VALUE)
    text = f"name,key\nagain,{_VALUE}\nnew,{_VALUE}x"

    with pytest.raises(BadRequestException, match="The value of the API key again exists already"):
        await _import(plane, text, fail_on_warnings=True)
    assert len((await plane.get_api_keys())["items"]) == 1
    made = await _import(plane, text)

    assert made["warnings"] == ["The value of the API key again exists already: ignored"]
    assert [key["name"] for key in (await plane.get_api_keys())["items"]] == ["old", "new"]


async def test_a_key_in_two_plans_for_one_stage_is_refused(plane: Plane) -> None:
    api = await plane.create_rest_api(name="demo")
    where = {"rest_api_id": api["id"], "resource_id": api["root_resource_id"], "http_method": "GET"}
    await plane.put_method(**where, authorization_type="NONE")
    await plane.put_integration(**where, type="MOCK")
    await plane.create_deployment(rest_api_id=api["id"], stage_name="latest")
    stage = ApiStageInput(api_id=api["id"], stage="latest")
    plans = [await _plan(plane, stage), await _plan(plane, stage)]

    with pytest.raises(ConflictException, match="a key has one usage plan per stage"):
        await _import(plane, f'key,usageplanids\n{_VALUE},"{",".join(plans)}"')

    assert (await plane.get_api_keys())["items"] == []


async def test_another_format_is_refused_by_name(plane: Plane) -> None:
    with pytest.raises(NotSupported, match="The format xlsx of API keys"):
        await plane.import_api_keys(body=b"", format="xlsx")
