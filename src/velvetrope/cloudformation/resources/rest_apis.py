"""AWS::ApiGateway::RestApi, Resource, Method and GatewayResponse.

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
    tag_changes,
    tags_as_map,
    text_member,
)
from velvetrope.cloudformation.resources.apigateway_patches import (
    Patch,
    patch,
    scalar_patches,
    set_patches,
)
from velvetrope.cloudformation.schemas import Properties, load_schemas, lower_members

__all__ = ["REST_API_HANDLERS", "lower_first", "put_tags"]

_SERVICE: Final = "apigateway"


async def put_tags(at: ResourceCall, path: str, old: Properties, new: Properties) -> None:
    """Make the tags of the resource under `path` (`/restapis/x`) those of `new`."""
    changed, gone = tag_changes(old, new)
    arn = f"arn:aws:apigateway:{at.call.region}::{path}"
    if changed:
        await at.invoke(_SERVICE, "TagResource", {"resourceArn": arn, "tags": changed})
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
            await at.invoke(_SERVICE, "PutMethodResponse", {**key, **lower_first(response)})
        if "Integration" in properties:
            integration = dict(lower_first(properties["Integration"]))
            responses = integration.pop("integrationResponses", [])
            await at.invoke(_SERVICE, "PutIntegration", {**key, **integration})
            for response in responses:
                await at.invoke(_SERVICE, "PutIntegrationResponse", {**key, **lower_first(response)})
        return made

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:
        await self.delete(at, made, old)
        return await self.create(at, new)

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:  # noqa: ARG002
        await at.invoke_unless_gone(_SERVICE, "DeleteMethod", self._key(properties))

    def _key(self, properties: Properties) -> dict[str, object]:
        return lower_first({name: properties[name] for name in ("RestApiId", "ResourceId", "HttpMethod")})

    def _method(self, properties: Properties) -> dict[str, object]:
        given = {name: value for name, value in properties.items() if name not in ("Integration", "MethodResponses")}
        return lower_first({"AuthorizationType": "NONE", **given})


def lower_first(members: Mapping[str, Any]) -> dict[str, Any]:
    """`members` with their names in API Gateway's case; what they hold stays as it is."""
    return {name[:1].lower() + name[1:]: value for name, value in members.items()}


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
