"""AWS::ApiGateway::RestApi, Resource, Method, Deployment, Stage and GatewayResponse.

A RestApi with a `Body` is imported, and imported over when it changes; its `Name` and `Description` go into the
document, since an import names the API after its title. `BodyS3Location` and `CloneFrom` are refused by name.

Source: CloudFormation User Guide, "Amazon API Gateway resource type reference"; API Gateway API Reference.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from velvetrope.cloudformation.errors import ResourceRefused
from velvetrope.cloudformation.resource import (
    ByOperations,
    Made,
    ResourceCall,
    ResourceHandler,
    tags_as_map,
    text_member,
)
from velvetrope.cloudformation.resources.apigateway_patches import (
    Patch,
    escaped,
    map_patches,
    patch,
    scalar_patches,
    set_patches,
)
from velvetrope.cloudformation.schemas import Properties, load_schemas, lower_members

__all__ = ["REST_API_HANDLERS", "put_tags"]

_SERVICE: Final = "apigateway"


async def put_tags(at: ResourceCall, path: str, old: Properties, new: Properties) -> None:
    """Make the tags of the resource under `path` (`/restapis/x`) those of `new`."""
    was, now = tags_as_map(old.get("Tags", [])), tags_as_map(new.get("Tags", []))
    arn = f"arn:aws:apigateway:{at.call.region}::{path}"
    changed = {key: value for key, value in now.items() if was.get(key) != value}
    if changed:
        await at.invoke(_SERVICE, "TagResource", {"resourceArn": arn, "tags": changed})
    gone = [key for key in was if key not in now]
    if gone:
        await at.invoke(_SERVICE, "UntagResource", {"resourceArn": arn, "tagKeys": gone})


def _lowered(resource_type: str, name: str, value: object) -> object:
    return lower_members(value, load_schemas()[resource_type].properties[name])


class RestApiHandler:
    """AWS::ApiGateway::RestApi. `Ref` is the API's id."""

    type: Final = "AWS::ApiGateway::RestApi"
    properties: Final = frozenset(
        {
            "ApiKeySourceType",
            "BinaryMediaTypes",
            "Body",
            "Description",
            "DisableExecuteApiEndpoint",
            "EndpointConfiguration",
            "FailOnWarnings",
            "MinimumCompressionSize",
            "Mode",
            "Name",
            "Parameters",
            "Policy",
            "Tags",
            "Version",
        }
    )
    attributes: Final = frozenset({"RestApiId", "RootResourceId"})
    fixed: Final[Mapping[str, str]] = {}

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        if "Body" in properties:
            answer = await at.invoke(_SERVICE, "ImportRestApi", self._import_parameters(properties))
        else:
            answer = await at.invoke(_SERVICE, "CreateRestApi", self._create_parameters(properties))
        api_id = text_member(answer, "id")
        at.identify(Made(api_id, api_id))
        if "Body" in properties:
            await self._settle(at, api_id, {}, properties)
        root = answer.get("rootResourceId")
        attributes = {"RestApiId": api_id, "RootResourceId": root or await self._find_root(at, api_id)}
        return at.identify(Made(api_id, api_id, attributes))

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:
        api_id = made.physical_id
        if "Body" in old and "Body" not in new:
            raise ResourceRefused("Body cannot be taken out of a REST API that was made from one.")
        imported = ("Body", "Description", "FailOnWarnings", "Mode", "Name", "Parameters")
        if "Body" in new and any(old.get(name) != new.get(name) for name in imported):
            parameters = {"restApiId": api_id, "mode": new.get("Mode", "overwrite"), **self._import_parameters(new)}
            await at.invoke(_SERVICE, "PutRestApi", parameters)
            # The import has put the settings of the document in the place of those below.
            await self._settle(at, api_id, {"Tags": old.get("Tags", [])}, new)
        else:
            await self._settle(at, api_id, old, new)
        if "RootResourceId" in made.attributes:
            return made
        root = await self._find_root(at, api_id)
        return Made(api_id, api_id, {"RestApiId": api_id, "RootResourceId": root})

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:  # noqa: ARG002
        await at.invoke_unless_gone(_SERVICE, "DeleteRestApi", {"restApiId": made.physical_id})

    def _create_parameters(self, properties: Properties) -> dict[str, object]:
        if "Name" not in properties:
            raise ResourceRefused("Name is required for a REST API that has no Body.")
        parameters: dict[str, object] = {"name": properties["Name"]}
        for name, wire in (
            ("ApiKeySourceType", "apiKeySource"),
            ("BinaryMediaTypes", "binaryMediaTypes"),
            ("Description", "description"),
            ("DisableExecuteApiEndpoint", "disableExecuteApiEndpoint"),
            ("EndpointConfiguration", "endpointConfiguration"),
            ("MinimumCompressionSize", "minimumCompressionSize"),
            ("Version", "version"),
        ):
            if name in properties:
                parameters[wire] = _lowered(self.type, name, properties[name])
        if "Policy" in properties:
            parameters["policy"] = _policy_text(properties["Policy"])
        if "Tags" in properties:
            parameters["tags"] = tags_as_map(properties["Tags"])
        return parameters

    def _import_parameters(self, properties: Properties) -> dict[str, object]:
        body = properties["Body"]
        if not isinstance(body, Mapping):
            raise ResourceRefused("Body must be an OpenAPI document written as an object.")
        info: dict[str, object] = dict(body.get("info") or {})
        if "Name" in properties:
            info["title"] = properties["Name"]
        if "Description" in properties:
            info["description"] = properties["Description"]
        parameters: dict[str, object] = {"body": json.dumps({**body, "info": info}).encode()}
        given: dict[str, str] = dict(properties.get("Parameters") or {})
        types = properties.get("EndpointConfiguration", {}).get("Types", [])
        if types:
            given.setdefault("endpointConfigurationTypes", ",".join(types))
        if given:
            parameters["parameters"] = given
        if "FailOnWarnings" in properties:
            parameters["failOnWarnings"] = properties["FailOnWarnings"]
        return parameters

    async def _settle(self, at: ResourceCall, api_id: str, old: Properties, new: Properties) -> None:
        """Bring everything that is not in the document to what `new` says."""
        operations = list(self._patches(old, new))
        if operations:
            await at.invoke(_SERVICE, "UpdateRestApi", {"restApiId": api_id, "patchOperations": operations})
        await put_tags(at, f"/restapis/{api_id}", old, new)

    def _patches(self, old: Properties, new: Properties) -> Iterator[Patch]:
        paths = {
            "ApiKeySourceType": "/apiKeySource",
            "DisableExecuteApiEndpoint": "/disableExecuteApiEndpoint",
            "MinimumCompressionSize": "/minimumCompressionSize",
            "Version": "/version",
        }
        if "Body" not in new:
            paths |= {"Description": "/description", "Name": "/name"}
            was, now = (given.get("EndpointConfiguration", {}).get("Types", ["EDGE"]) for given in (old, new))
            if was != now:
                yield patch("replace", f"/endpointConfiguration/types/{was[0]}", now[0])
        yield from scalar_patches(old, new, paths)
        yield from set_patches(old.get("BinaryMediaTypes", []), new.get("BinaryMediaTypes", []), "/binaryMediaTypes")
        if old.get("Policy") != new.get("Policy"):
            yield patch("replace", "/policy", _policy_text(new["Policy"]) if "Policy" in new else "")

    async def _find_root(self, at: ResourceCall, api_id: str) -> str:
        answer = await at.invoke(_SERVICE, "GetResources", {"restApiId": api_id})
        items = answer.get("items")
        for item in items if isinstance(items, list | tuple) else ():
            if item.get("path") == "/":
                return text_member(item, "id")
        raise ResourceRefused("The REST API has no root resource.")


def _policy_text(policy: object) -> str:
    return policy if isinstance(policy, str) else json.dumps(policy)


class MethodHandler:
    """AWS::ApiGateway::Method: the method, its responses, its integration and that one's responses.

    A change takes the method away and puts it again: API Gateway cannot put one over another. Deployments are frozen,
    so that no caller sees the gap.
    """

    type: Final = "AWS::ApiGateway::Method"
    properties: Final = frozenset(
        {
            "ApiKeyRequired",
            "AuthorizationScopes",
            "AuthorizationType",
            "AuthorizerId",
            "HttpMethod",
            "Integration",
            "MethodResponses",
            "OperationName",
            "RequestModels",
            "RequestParameters",
            "RequestValidatorId",
            "ResourceId",
            "RestApiId",
        }
    )
    attributes: Final[frozenset[str]] = frozenset()
    fixed: Final[Mapping[str, str]] = {}

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        physical_id = f"{properties['RestApiId']}|{properties['ResourceId']}|{properties['HttpMethod']}"
        await at.invoke(_SERVICE, "PutMethod", self._method(properties))
        made = at.identify(Made(physical_id, physical_id))
        key = self._key(properties)
        for response in properties.get("MethodResponses", []):
            await at.invoke(_SERVICE, "PutMethodResponse", {**key, **_lower_first(response)})
        if "Integration" in properties:
            integration = dict(_lower_first(properties["Integration"]))
            responses = integration.pop("integrationResponses", [])
            await at.invoke(_SERVICE, "PutIntegration", {**key, **integration})
            for response in responses:
                await at.invoke(_SERVICE, "PutIntegrationResponse", {**key, **_lower_first(response)})
        return made

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:
        await self.delete(at, made, old)
        return await self.create(at, new)

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:  # noqa: ARG002
        await at.invoke_unless_gone(_SERVICE, "DeleteMethod", self._key(properties))

    def _key(self, properties: Properties) -> dict[str, object]:
        return _lower_first({name: properties[name] for name in ("RestApiId", "ResourceId", "HttpMethod")})

    def _method(self, properties: Properties) -> dict[str, object]:
        given = {name: value for name, value in properties.items() if name not in ("Integration", "MethodResponses")}
        return _lower_first({"AuthorizationType": "NONE", **given})


def _lower_first(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name[:1].lower() + name[1:]: value for name, value in members.items()}


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
        parameters = _lower_first({name: properties[name] for name in properties if name != "StageDescription"})
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
        parameters: dict[str, object] = dict(_lower_first(given))
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


def _read_resource(at: ResourceCall, properties: Properties, answer: Mapping[str, object]) -> Made:  # noqa: ARG001
    resource_id = text_member(answer, "id")
    return Made(resource_id, resource_id, {"ResourceId": resource_id})


def _read_gateway_response(
    at: ResourceCall,  # noqa: ARG001
    properties: Properties,
    answer: Mapping[str, object],  # noqa: ARG001
) -> Made:
    response_id = f"{properties['RestApiId']}|{properties['ResponseType']}"
    return Made(response_id, response_id, {"Id": response_id})


REST_API_HANDLERS: Final[tuple[ResourceHandler, ...]] = (
    RestApiHandler(),
    ByOperations(
        type="AWS::ApiGateway::Resource",
        service=_SERVICE,
        create_operation="CreateResource",
        members={"ParentId": "parentId", "PathPart": "pathPart", "RestApiId": "restApiId"},
        attributes=frozenset({"ResourceId"}),
        read=_read_resource,
        key=lambda made, properties: {"restApiId": properties["RestApiId"], "resourceId": made.physical_id},
        delete_operation="DeleteResource",
    ),
    MethodHandler(),
    DeploymentHandler(),
    StageHandler(),
    ByOperations(
        type="AWS::ApiGateway::GatewayResponse",
        service=_SERVICE,
        create_operation="PutGatewayResponse",
        members={
            "ResponseParameters": "responseParameters",
            "ResponseTemplates": "responseTemplates",
            "ResponseType": "responseType",
            "RestApiId": "restApiId",
            "StatusCode": "statusCode",
        },
        attributes=frozenset({"Id"}),
        read=_read_gateway_response,
        key=lambda made, properties: {  # noqa: ARG005
            "restApiId": properties["RestApiId"],
            "responseType": properties["ResponseType"],
        },
        update_operation="PutGatewayResponse",
        delete_operation="DeleteGatewayResponse",
    ),
)
