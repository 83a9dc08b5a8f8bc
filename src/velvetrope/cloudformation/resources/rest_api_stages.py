"""AWS::ApiGateway::Deployment and Stage.

Source: CloudFormation User Guide, "Amazon API Gateway resource type reference"; API Gateway API Reference, UpdateStage
("patch operations").
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from velvetrope.cloudformation.errors import ResourceRefused
from velvetrope.cloudformation.resource import Made, ResourceCall, ResourceHandler, tags_as_map, text_member
from velvetrope.cloudformation.resources.apigateway_patches import (
    Patch,
    escaped,
    map_patches,
    patch,
    scalar_patches,
)
from velvetrope.cloudformation.resources.rest_apis import lower_first, put_tags
from velvetrope.cloudformation.schemas import Properties

__all__ = ["REST_API_STAGE_HANDLERS"]

_SERVICE: Final = "apigateway"


class DeploymentHandler:
    """AWS::ApiGateway::Deployment. With a `StageName` it makes that stage too, or moves it to itself.

    SAM gives every deployment the stage name `Stage` (unless the template sets `OpenApiVersion`), hence the stage of
    that name which everybody finds beside their own.
    """

    type: Final = "AWS::ApiGateway::Deployment"
    properties: Final = frozenset({"Description", "RestApiId", "StageDescription", "StageName"})
    attributes: Final = frozenset({"DeploymentId"})
    fixed: Final[Mapping[str, str]] = {
        name: f"{name} of a deployment cannot be changed; make another deployment."
        for name in ("StageDescription", "StageName")
    }

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        parameters = lower_first({name: properties[name] for name in properties if name != "StageDescription"})
        for name, value in properties.get("StageDescription", {}).items():
            match name:
                case "Description":
                    parameters["stageDescription"] = value
                case "Variables":
                    parameters["variables"] = value
                case "TracingEnabled":
                    parameters["tracingEnabled"] = value
                case _:
                    raise ResourceRefused(f"StageDescription/{name} is not supported by velvetrope; use a Stage.")
        answer = await at.invoke(_SERVICE, "CreateDeployment", parameters)
        deployment_id = text_member(answer, "id")
        return Made(deployment_id, deployment_id, {"DeploymentId": deployment_id})

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:
        operations = list(scalar_patches(old, new, {"Description": "/description"}))
        if operations:
            key = {"restApiId": new["RestApiId"], "deploymentId": made.physical_id}
            await at.invoke(_SERVICE, "UpdateDeployment", {**key, "patchOperations": operations})
        return made

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:
        api_id, stage_name = properties["RestApiId"], properties.get("StageName")
        if stage_name is not None:
            # A stage that was made by this deployment and still points at it would forbid its deletion; nobody else
            # will delete it. UNVERIFIED that CloudFormation does the same; stacks made by SAM do delete on AWS.
            key = {"restApiId": api_id, "stageName": stage_name}
            stage = await at.invoke_unless_gone(_SERVICE, "GetStage", key)
            if stage is not None and stage.get("deploymentId") == made.physical_id:
                await at.invoke_unless_gone(_SERVICE, "DeleteStage", key)
        parameters = {"restApiId": api_id, "deploymentId": made.physical_id}
        await at.invoke_unless_gone(_SERVICE, "DeleteDeployment", parameters)


_METHOD_SETTINGS: Final[Mapping[str, str]] = {
    "CacheDataEncrypted": "caching/dataEncrypted",
    "CacheTtlInSeconds": "caching/ttlInSeconds",
    "CachingEnabled": "caching/enabled",
    "DataTraceEnabled": "logging/dataTrace",
    "LoggingLevel": "logging/loglevel",
    "MetricsEnabled": "metrics/enabled",
    "ThrottlingBurstLimit": "throttling/burstLimit",
    "ThrottlingRateLimit": "throttling/rateLimit",
}


class StageHandler:
    """AWS::ApiGateway::Stage. `Ref` is its name."""

    type: Final = "AWS::ApiGateway::Stage"
    properties: Final = frozenset(
        {
            "AccessLogSetting",
            "DeploymentId",
            "Description",
            "MethodSettings",
            "RestApiId",
            "StageName",
            "Tags",
            "TracingEnabled",
            "Variables",
        }
    )
    attributes: Final[frozenset[str]] = frozenset()
    fixed: Final[Mapping[str, str]] = {}

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        if "StageName" not in properties:
            raise ResourceRefused("#: required key [StageName] not found")
        name = properties["StageName"]
        patched = ("AccessLogSetting", "MethodSettings", "Tags")
        given = {key: value for key, value in properties.items() if key not in patched}
        parameters: dict[str, object] = dict(lower_first(given))
        if "Tags" in properties:
            parameters["tags"] = tags_as_map(properties["Tags"])
        await at.invoke(_SERVICE, "CreateStage", parameters)
        made = at.identify(Made(name, name))
        await self._patch(at, properties, [*_log_patches({}, properties), *_settings_patches({}, properties)])
        return made

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:
        scalars = {
            "DeploymentId": "/deploymentId",
            "Description": "/description",
            "TracingEnabled": "/tracingEnabled",
        }
        operations = [
            *scalar_patches(old, new, scalars),
            *map_patches(old.get("Variables", {}), new.get("Variables", {}), "/variables"),
            *_log_patches(old, new),
            *_settings_patches(old, new),
        ]
        await self._patch(at, new, operations)
        await put_tags(at, f"/restapis/{new['RestApiId']}/stages/{made.physical_id}", old, new)
        return made

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:
        key = {"restApiId": properties["RestApiId"], "stageName": made.physical_id}
        await at.invoke_unless_gone(_SERVICE, "DeleteStage", key)

    async def _patch(self, at: ResourceCall, properties: Properties, operations: list[Patch]) -> None:
        if operations:
            key = {"restApiId": properties["RestApiId"], "stageName": properties["StageName"]}
            await at.invoke(_SERVICE, "UpdateStage", {**key, "patchOperations": operations})


def _log_patches(old: Properties, new: Properties) -> Iterator[Patch]:
    was, now = old.get("AccessLogSetting"), new.get("AccessLogSetting")
    if was and not now:
        yield patch("remove", "/accessLogSettings")
    elif now:
        paths = {"DestinationArn": "/accessLogSettings/destinationArn", "Format": "/accessLogSettings/format"}
        yield from scalar_patches(was or {}, now, paths)


def _settings_patches(old: Properties, new: Properties) -> Iterator[Patch]:
    was, now = (_settings_by_path(given.get("MethodSettings", [])) for given in (old, new))
    for path, settings in now.items():
        for name, value in settings.items():
            if was.get(path, {}).get(name) != value:
                yield patch("replace", f"{path}/{_METHOD_SETTINGS[name]}", value)
    for path in was:
        if path not in now:
            yield patch("remove", path)


def _settings_by_path(settings: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """`/*` of CloudFormation is the step `*` of a patch; any other path is one escaped step."""
    found: dict[str, dict[str, Any]] = {}
    for entry in settings:
        resource, method = entry.get("ResourcePath", "/*"), entry.get("HttpMethod", "*")
        step = "*" if resource == "/*" else escaped(resource)
        found[f"/{step}/{method}"] = {name: value for name, value in entry.items() if name in _METHOD_SETTINGS}
    return found


REST_API_STAGE_HANDLERS: Final[tuple[ResourceHandler, ...]] = (DeploymentHandler(), StageHandler())
