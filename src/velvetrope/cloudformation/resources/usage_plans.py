"""AWS::ApiGateway::ApiKey, UsagePlan and UsagePlanKey.

Source: CloudFormation User Guide, "Amazon API Gateway resource type reference"; API Gateway API Reference.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from velvetrope.cloudformation.resource import (
    ByOperations,
    Made,
    ResourceCall,
    ResourceHandler,
    tags_as_map,
    text_member,
)
from velvetrope.cloudformation.resources.apigateway_patches import Patch, escaped, patch, scalar_patches
from velvetrope.cloudformation.resources.rest_apis import put_tags
from velvetrope.cloudformation.schemas import Properties, load_schemas, lower_members

__all__ = ["USAGE_PLAN_HANDLERS"]

_SERVICE: Final = "apigateway"


def _lowered(resource_type: str, properties: Properties, renamed: Mapping[str, str]) -> dict[str, object]:
    """The properties as the operation wants them: members in its case, tags as a map."""
    types = load_schemas()[resource_type].properties
    return {
        renamed.get(name, name[:1].lower() + name[1:]): tags_as_map(value)
        if name == "Tags"
        else lower_members(value, types[name])
        for name, value in properties.items()
    }


class ApiKeyHandler:
    """AWS::ApiGateway::ApiKey. `Ref` is the key's id, never its value."""

    type: Final = "AWS::ApiGateway::ApiKey"
    properties: Final = frozenset(
        {"CustomerId", "Description", "Enabled", "GenerateDistinctId", "Name", "StageKeys", "Tags", "Value"}
    )
    attributes: Final = frozenset({"APIKeyId"})
    fixed: Final[Mapping[str, str]] = {}

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        given = {"Name": at.new_name(), **properties} if "Name" not in properties else properties
        answer = await at.invoke(_SERVICE, "CreateApiKey", _lowered(self.type, given, {}))
        key_id = text_member(answer, "id")
        return Made(key_id, key_id, {"APIKeyId": key_id})

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:
        # An API key that does not say so is disabled, on AWS too.
        old_given, new_given = ({"Enabled": False, **given} for given in (old, new))
        paths = {"CustomerId": "/customerId", "Description": "/description", "Enabled": "/enabled"}
        operations = [
            *scalar_patches(old_given, new_given, paths),
            *_stage_key_patches(old.get("StageKeys", []), new.get("StageKeys", [])),
        ]
        if operations:
            await at.invoke(_SERVICE, "UpdateApiKey", {"apiKey": made.physical_id, "patchOperations": operations})
        await put_tags(at, f"/apikeys/{made.physical_id}", old, new)
        return made

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:  # noqa: ARG002
        await at.invoke_unless_gone(_SERVICE, "DeleteApiKey", {"apiKey": made.physical_id})


def _stage_key_patches(old: list[dict[str, str]], new: list[dict[str, str]]) -> Iterator[Patch]:
    was, now = ([f"{key.get('RestApiId')}/{key.get('StageName')}" for key in keys] for keys in (old, new))
    yield from (patch("add", "/stages", stage) for stage in now if stage not in was)
    yield from (patch("remove", "/stages", stage) for stage in was if stage not in now)


class UsagePlanHandler:
    """AWS::ApiGateway::UsagePlan. `Ref` is its id."""

    type: Final = "AWS::ApiGateway::UsagePlan"
    properties: Final = frozenset({"ApiStages", "Description", "Quota", "Tags", "Throttle", "UsagePlanName"})
    attributes: Final = frozenset({"Id"})
    fixed: Final[Mapping[str, str]] = {}

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        given = {"UsagePlanName": at.new_name(), **properties} if "UsagePlanName" not in properties else properties
        answer = await at.invoke(_SERVICE, "CreateUsagePlan", _lowered(self.type, given, {"UsagePlanName": "name"}))
        plan_id = text_member(answer, "id")
        return Made(plan_id, plan_id, {"Id": plan_id})

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:
        paths = {"Description": "/description"}
        if "UsagePlanName" in new:
            paths["UsagePlanName"] = "/name"
        operations = [
            *scalar_patches(old, new, paths),
            *_limit_patches(old.get("Throttle"), new.get("Throttle"), "/throttle"),
            *_limit_patches(old.get("Quota"), new.get("Quota"), "/quota"),
            *_stage_patches(old.get("ApiStages", []), new.get("ApiStages", [])),
        ]
        await self._patch(at, made, operations)
        await put_tags(at, f"/usageplans/{made.physical_id}", old, new)
        return made

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:
        # API Gateway refuses to delete a plan that has stages.
        stages = list(_stage_patches(properties.get("ApiStages", []), []))
        if stages:
            parameters = {"usagePlanId": made.physical_id, "patchOperations": stages}
            await at.invoke_unless_gone(_SERVICE, "UpdateUsagePlan", parameters)
        await at.invoke_unless_gone(_SERVICE, "DeleteUsagePlan", {"usagePlanId": made.physical_id})

    async def _patch(self, at: ResourceCall, made: Made, operations: list[Patch]) -> None:
        if operations:
            parameters = {"usagePlanId": made.physical_id, "patchOperations": operations}
            await at.invoke(_SERVICE, "UpdateUsagePlan", parameters)


def _limit_patches(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None, path: str) -> Iterator[Patch]:
    """Throttle or quota: each of its members, or all of it taken away."""
    if new is None:
        if old is not None:
            yield patch("remove", path)
        return
    names = {name: f"{path}/{name[:1].lower()}{name[1:]}" for name in new}
    yield from scalar_patches(old or {}, new, names)


def _stage_patches(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> Iterator[Patch]:
    was, now = ({f"{stage.get('ApiId')}:{stage.get('Stage')}": stage for stage in stages} for stages in (old, new))
    for name, stage in was.items():
        # One whose method throttles changed goes and comes back with the new ones.
        if now.get(name) != stage:
            yield patch("remove", "/apiStages", name)
    for name, stage in now.items():
        if was.get(name) == stage:
            continue
        yield patch("add", "/apiStages", name)
        for method, throttle in stage.get("Throttle", {}).items():
            resource, _, verb = method.rpartition("/")
            path = f"/apiStages/{name}/throttle/{escaped(resource)}/{verb}"
            for limit, value in throttle.items():
                yield patch("replace", f"{path}/{limit[:1].lower()}{limit[1:]}", value)


def _read_plan_key(at: ResourceCall, properties: Properties, answer: Mapping[str, object]) -> Made:  # noqa: ARG001
    physical_id = f"{properties['KeyId']}:{properties['UsagePlanId']}"
    return Made(physical_id, physical_id, {"Id": physical_id})


USAGE_PLAN_HANDLERS: Final[tuple[ResourceHandler, ...]] = (
    ApiKeyHandler(),
    UsagePlanHandler(),
    ByOperations(
        type="AWS::ApiGateway::UsagePlanKey",
        service=_SERVICE,
        create_operation="CreateUsagePlanKey",
        members={"KeyId": "keyId", "KeyType": "keyType", "UsagePlanId": "usagePlanId"},
        attributes=frozenset({"Id"}),
        read=_read_plan_key,
        key=lambda made, properties: {  # noqa: ARG005
            "usagePlanId": properties["UsagePlanId"],
            "keyId": properties["KeyId"],
        },
        delete_operation="DeleteUsagePlanKey",
    ),
)
