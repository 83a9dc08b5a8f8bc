"""AWS::ApiGatewayV2::Api, Route, Integration, Authorizer, Stage and Deployment: HTTP APIs.

An Api with a `Body` is imported, and imported over when it changes; its `Name`, `Description` and `Version` go into the
document. `BodyS3Location` is refused by name, and so is what the operations refuse: WebSocket APIs, VPC links, roles.

The operations merge maps and take out what is empty, so an update names what is gone.

Source: CloudFormation User Guide, "Amazon API Gateway V2 resource type reference"; API Gateway API
reference, version 2.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from velvetrope.cloudformation.errors import ResourceRefused
from velvetrope.cloudformation.resource import Made, ResourceCall, ResourceHandler, tag_changes, text_member
from velvetrope.cloudformation.schemas import Properties

__all__ = ["HTTP_API_HANDLERS", "put_http_api_tags"]

_SERVICE: Final = "apigatewayv2"
_NOTHING: Final[Mapping[str, str]] = {}


async def put_http_api_tags(at: ResourceCall, path: str, old: Properties, new: Properties) -> None:
    """Make the tags of what is under `path` (`/apis/x`) those of `new`."""
    changed, gone = tag_changes(old, new)
    arn = f"arn:aws:apigateway:{at.call.region}::{path}"
    if changed:
        await at.invoke(_SERVICE, "TagResource", {"ResourceArn": arn, "Tags": changed})
    if gone:
        await at.invoke(_SERVICE, "UntagResource", {"ResourceArn": arn, "TagKeys": gone})


class ApiHandler:
    """AWS::ApiGatewayV2::Api. `Ref` is the API's id."""

    type: Final = "AWS::ApiGatewayV2::Api"
    properties: Final = frozenset(
        {
            "BasePath",
            "Body",
            "CorsConfiguration",
            "CredentialsArn",
            "Description",
            "DisableExecuteApiEndpoint",
            "FailOnWarnings",
            "IpAddressType",
            "Name",
            "ProtocolType",
            "RouteKey",
            "RouteSelectionExpression",
            "Tags",
            "Target",
            "Version",
        }
    )
    attributes: Final = frozenset({"ApiEndpoint", "ApiId"})
    fixed: Final = _NOTHING

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        if "Body" in properties:
            answer = await at.invoke(_SERVICE, "ImportApi", _import_parameters(properties))
        else:
            if "Name" not in properties or "ProtocolType" not in properties:
                raise ResourceRefused("Name and ProtocolType are required for an API that has no Body.")
            answer = await at.invoke(_SERVICE, "CreateApi", _without(properties, "BasePath", "FailOnWarnings"))
        api_id = text_member(answer, "ApiId")
        made = at.identify(Made(api_id, api_id, {"ApiId": api_id, "ApiEndpoint": text_member(answer, "ApiEndpoint")}))
        if "Body" in properties:
            await self._settle(at, api_id, {}, properties)
        return made

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:
        api_id = made.physical_id
        if ("Body" in old) != ("Body" in new):
            raise ResourceRefused("Whether an HTTP API has a Body cannot be changed in place.")
        if "Body" in new:
            if _import_parameters(old) != _import_parameters(new):
                await at.invoke(_SERVICE, "ReimportApi", {"ApiId": api_id, **_import_parameters(new)})
                # The import has put the settings of the document in the place of those below.
                await self._settle(at, api_id, {"Tags": old.get("Tags", {})}, new)
            else:
                await self._settle(at, api_id, old, new)
            return made
        given = _without(new, "BasePath", "FailOnWarnings", "ProtocolType", "Tags")
        defaults = {"Description": "", "DisableExecuteApiEndpoint": False}
        cleared = {name: value for name, value in defaults.items() if name in old and name not in new}
        await at.invoke(_SERVICE, "UpdateApi", {"ApiId": api_id, **cleared, **given})
        await self._drop_cors(at, api_id, old, new)
        await put_http_api_tags(at, f"/apis/{api_id}", old, new)
        return made

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:  # noqa: ARG002
        await at.invoke_unless_gone(_SERVICE, "DeleteApi", {"ApiId": made.physical_id})

    async def _settle(self, at: ResourceCall, api_id: str, old: Properties, new: Properties) -> None:
        """Bring what is not in the document to what `new` says."""
        names = ("CorsConfiguration", "DisableExecuteApiEndpoint")
        changed = {name: new[name] for name in names if name in new and old.get(name) != new[name]}
        if changed:
            await at.invoke(_SERVICE, "UpdateApi", {"ApiId": api_id, **changed})
        await self._drop_cors(at, api_id, old, new)
        await put_http_api_tags(at, f"/apis/{api_id}", old, new)

    async def _drop_cors(self, at: ResourceCall, api_id: str, old: Properties, new: Properties) -> None:
        if "CorsConfiguration" in old and "CorsConfiguration" not in new:
            await at.invoke(_SERVICE, "DeleteCorsConfiguration", {"ApiId": api_id})


def _without(properties: Properties, *names: str) -> dict[str, Any]:
    return {name: value for name, value in properties.items() if name not in names}


def _import_parameters(properties: Properties) -> dict[str, object]:
    body = properties["Body"]
    if not isinstance(body, Mapping):
        raise ResourceRefused("Body must be an OpenAPI document written as an object.")
    info: dict[str, object] = dict(body.get("info") or {})
    for name, member in (("Name", "title"), ("Description", "description"), ("Version", "version")):
        if name in properties:
            info[member] = properties[name]
    parameters: dict[str, object] = {"Body": json.dumps({**body, "info": info})}
    for name, member in (("BasePath", "Basepath"), ("FailOnWarnings", "FailOnWarnings")):
        if name in properties:
            parameters[member] = properties[name]
    return parameters


class PartHandler:
    """A part of an API that has an id of its own: a route, an integration, an authorizer or a deployment."""

    fixed: Final = _NOTHING

    def __init__(self, noun: str, *, properties: frozenset[str], defaults: Mapping[str, object] = _NOTHING) -> None:
        """`noun` is the operations' (`Route`); `defaults` are what a property that is taken away becomes."""
        self.type = f"AWS::ApiGatewayV2::{noun}"
        self.properties = properties
        self.attributes = frozenset({f"{noun}Id"})
        self._noun = noun
        self._defaults = defaults

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        answer = await at.invoke(_SERVICE, f"Create{self._noun}", self._parameters({}, properties))
        part_id = text_member(answer, f"{self._noun}Id")
        return Made(part_id, part_id, {f"{self._noun}Id": part_id})

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:
        parameters = {f"{self._noun}Id": made.physical_id, **self._parameters(old, new)}
        if self._noun == "Deployment":
            parameters.pop("StageName", None)
        await at.invoke(_SERVICE, f"Update{self._noun}", parameters)
        return made

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:
        key = {"ApiId": properties["ApiId"], f"{self._noun}Id": made.physical_id}
        await at.invoke_unless_gone(_SERVICE, f"Delete{self._noun}", key)

    def _parameters(self, old: Properties, new: Properties) -> dict[str, object]:
        cleared = {name: value for name, value in self._defaults.items() if name in old and name not in new}
        parameters: dict[str, object] = {**cleared, **new}
        if "RequestParameters" in self.properties:
            was, now = old.get("RequestParameters", {}), new.get("RequestParameters", {})
            if was or now:
                parameters["RequestParameters"] = {**dict.fromkeys(was, ""), **now}
        if "ResponseParameters" in self.properties:
            mapped_before, mapped = _mappings(old), _mappings(new)
            if mapped_before or mapped:
                parameters["ResponseParameters"] = {**{status: {} for status in mapped_before}, **mapped}
        return parameters


def _mappings(properties: Properties) -> dict[str, dict[str, str]]:
    """CloudFormation writes a status's mappings as a list of destination and source."""
    return {
        status: {entry["Destination"]: entry["Source"] for entry in listed.get("ResponseParameters", [])}
        for status, listed in properties.get("ResponseParameters", {}).items()
    }


class StageHandler:
    """AWS::ApiGatewayV2::Stage. `Ref` is its name."""

    type: Final = "AWS::ApiGatewayV2::Stage"
    properties: Final = frozenset(
        {
            "AccessLogSettings",
            "ApiId",
            "AutoDeploy",
            "DefaultRouteSettings",
            "DeploymentId",
            "Description",
            "RouteSettings",
            "StageName",
            "StageVariables",
            "Tags",
        }
    )
    attributes: Final[frozenset[str]] = frozenset()
    fixed: Final = _NOTHING

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        await at.invoke(_SERVICE, "CreateStage", properties)
        return Made(properties["StageName"], properties["StageName"])

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:
        key = {"ApiId": new["ApiId"], "StageName": made.physical_id}
        defaults: Mapping[str, object] = {"AutoDeploy": False, "DefaultRouteSettings": {}, "Description": ""}
        cleared = {name: value for name, value in defaults.items() if name in old and name not in new}
        variables = {**dict.fromkeys(old.get("StageVariables", {}), ""), **new.get("StageVariables", {})}
        parameters = {**cleared, **_without(new, "Tags"), "StageVariables": variables}
        await at.invoke(_SERVICE, "UpdateStage", parameters)
        for route_key in old.get("RouteSettings", {}):
            if route_key not in new.get("RouteSettings", {}):
                await at.invoke_unless_gone(_SERVICE, "DeleteRouteSettings", {**key, "RouteKey": route_key})
        if "AccessLogSettings" in old and "AccessLogSettings" not in new:
            await at.invoke(_SERVICE, "DeleteAccessLogSettings", key)
        await put_http_api_tags(at, f"/apis/{new['ApiId']}/stages/{made.physical_id}", old, new)
        return made

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:
        key = {"ApiId": properties["ApiId"], "StageName": made.physical_id}
        await at.invoke_unless_gone(_SERVICE, "DeleteStage", key)


HTTP_API_HANDLERS: Final[tuple[ResourceHandler, ...]] = (
    ApiHandler(),
    PartHandler(
        "Route",
        properties=frozenset(
            {
                "ApiId",
                "ApiKeyRequired",
                "AuthorizationScopes",
                "AuthorizationType",
                "AuthorizerId",
                "OperationName",
                "RouteKey",
                "Target",
            }
        ),
        defaults={"AuthorizationScopes": [], "AuthorizationType": "NONE"},
    ),
    PartHandler(
        "Integration",
        properties=frozenset(
            {
                "ApiId",
                "ConnectionId",
                "ConnectionType",
                "CredentialsArn",
                "Description",
                "IntegrationMethod",
                "IntegrationSubtype",
                "IntegrationType",
                "IntegrationUri",
                "PayloadFormatVersion",
                "RequestParameters",
                "ResponseParameters",
                "TimeoutInMillis",
                "TlsConfig",
            }
        ),
        defaults={"Description": "", "TimeoutInMillis": 30_000, "TlsConfig": {}},
    ),
    PartHandler(
        "Authorizer",
        properties=frozenset(
            {
                "ApiId",
                "AuthorizerCredentialsArn",
                "AuthorizerPayloadFormatVersion",
                "AuthorizerResultTtlInSeconds",
                "AuthorizerType",
                "AuthorizerUri",
                "EnableSimpleResponses",
                "IdentitySource",
                "JwtConfiguration",
                "Name",
            }
        ),
        defaults={"AuthorizerResultTtlInSeconds": 0, "EnableSimpleResponses": False},
    ),
    StageHandler(),
    PartHandler(
        "Deployment", properties=frozenset({"ApiId", "Description", "StageName"}), defaults={"Description": ""}
    ),
)
