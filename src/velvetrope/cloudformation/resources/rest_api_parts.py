"""AWS::ApiGateway::Authorizer, Model, RequestValidator, DomainName, BasePathMapping and Account.

Each is one operation to create, patch operations to change, and one operation to delete. VPC links, client certificates
and documentation parts are not here, and so are refused by name.

Source: CloudFormation User Guide, "Amazon API Gateway resource type reference"; API Gateway API Reference, "Patch
operations".
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from velvetrope.cloudformation.resource import Made, ResourceCall, ResourceHandler, tags_as_map, text_member
from velvetrope.cloudformation.resources.apigateway_patches import Patch, patch, scalar_patches
from velvetrope.cloudformation.resources.rest_apis import put_tags
from velvetrope.cloudformation.schemas import Properties, load_schemas, lower_members

__all__ = ["REST_API_PART_HANDLERS"]

_SERVICE: Final = "apigateway"
Answer = Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class _Patched:
    """A type that is changed by patches. `paths` has the path of each property that can be; lists are sets of texts.

    `values` says how a property's value is given to the operations, where it is not as it stands.
    """

    type: str
    noun: str
    """`Authorizer` of `CreateAuthorizer`."""
    members: Mapping[str, str]
    paths: Mapping[str, str]
    read: Callable[[ResourceCall, Properties, Answer], Made]
    key: Callable[[Made, Properties], dict[str, object]]
    attributes: frozenset[str] = frozenset()
    fixed: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Callable[[Any], object]] = field(default_factory=dict)
    named: Callable[[ResourceCall], dict[str, str]] | None = None
    """Properties that get a generated value when they are not given."""
    tags_path: Callable[[Made], str] | None = None

    @property
    def properties(self) -> frozenset[str]:
        return frozenset(self.members)

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        given = {**(self.named(at) if self.named is not None else {}), **properties}
        types = load_schemas()[self.type].properties
        parameters = {self.members[name]: self._value(name, value, types[name]) for name, value in given.items()}
        answer = await at.invoke(_SERVICE, f"Create{self.noun}", parameters)
        return self.read(at, given, answer)

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:
        was, now = (
            {name: self._value(name, one[name], "json") for name in self.paths if name in one} for one in (old, new)
        )
        lists = {name for name in self.paths if isinstance(was.get(name, now.get(name)), list)}
        scalars = {name: path for name, path in self.paths.items() if name not in lists}
        operations: list[Patch] = list(scalar_patches(was, now, scalars))
        for name in sorted(lists):
            before, after = was.get(name, []), now.get(name, [])
            operations += [patch("add", self.paths[name], one) for one in after if one not in before]
            operations += [patch("remove", self.paths[name], one) for one in before if one not in after]
        if operations:
            await at.invoke(_SERVICE, f"Update{self.noun}", {**self.key(made, new), "patchOperations": operations})
        if self.tags_path is not None:
            await put_tags(at, self.tags_path(made), old, new)
        return made

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:
        await at.invoke_unless_gone(_SERVICE, f"Delete{self.noun}", self.key(made, properties))

    def _value(self, name: str, value: Any, property_type: Any) -> Any:  # noqa: ANN401  JSON in, JSON out
        return self.values[name](value) if name in self.values else lower_members(value, property_type)


class AccountHandler:
    """AWS::ApiGateway::Account. There is one of an account; deleting the resource leaves the setting, as on AWS."""

    type: Final = "AWS::ApiGateway::Account"
    properties: Final = frozenset({"CloudWatchRoleArn"})
    attributes: Final = frozenset({"Id"})
    fixed: Final[Mapping[str, str]] = {}

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        await self._settle(at, properties)
        name = at.new_name()
        return Made(name, name, {"Id": name})

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:  # noqa: ARG002
        await self._settle(at, new)
        return made

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:
        """Nothing is taken back."""

    async def _settle(self, at: ResourceCall, properties: Properties) -> None:
        role = patch("replace", "/cloudwatchRoleArn", properties.get("CloudWatchRoleArn", ""))
        await at.invoke(_SERVICE, "UpdateAccount", {"patchOperations": [role]})


def _by_id(member: str) -> Callable[[ResourceCall, Properties, Answer], Made]:
    def read(at: ResourceCall, properties: Properties, answer: Answer) -> Made:  # noqa: ARG001
        made_id = text_member(answer, "id")
        return Made(made_id, made_id, {member: made_id} if member else {})

    return read


def _read_model(at: ResourceCall, properties: Properties, answer: Answer) -> Made:  # noqa: ARG001
    name = text_member(answer, "name")
    return Made(name, name)


def _read_domain(at: ResourceCall, properties: Properties, answer: Answer) -> Made:  # noqa: ARG001
    name = text_member(answer, "domainName")
    given = {
        "DistributionDomainName": answer.get("distributionDomainName"),
        "DomainNameArn": answer.get("domainNameArn"),
        "RegionalDomainName": answer.get("regionalDomainName"),
    }
    return Made(name, name, {attribute: value for attribute, value in given.items() if value is not None})


def _read_mapping(at: ResourceCall, properties: Properties, answer: Answer) -> Made:  # noqa: ARG001
    mapping_id = f"{properties['DomainName']}|{text_member(answer, 'basePath')}"
    return Made(mapping_id, mapping_id)


def _schema_text(schema: object) -> object:
    return schema if isinstance(schema, str) else json.dumps(schema)


REST_API_PART_HANDLERS: Final[tuple[ResourceHandler, ...]] = (
    AccountHandler(),
    _Patched(
        type="AWS::ApiGateway::Authorizer",
        noun="Authorizer",
        members={
            "AuthType": "authType",
            "AuthorizerCredentials": "authorizerCredentials",
            "AuthorizerResultTtlInSeconds": "authorizerResultTtlInSeconds",
            "AuthorizerUri": "authorizerUri",
            "IdentitySource": "identitySource",
            "IdentityValidationExpression": "identityValidationExpression",
            "Name": "name",
            "ProviderARNs": "providerARNs",
            "RestApiId": "restApiId",
            "Type": "type",
        },
        paths={
            "AuthType": "/authType",
            "AuthorizerCredentials": "/authorizerCredentials",
            "AuthorizerResultTtlInSeconds": "/authorizerResultTtlInSeconds",
            "AuthorizerUri": "/authorizerUri",
            "IdentitySource": "/identitySource",
            "IdentityValidationExpression": "/identityValidationExpression",
            "Name": "/name",
            "ProviderARNs": "/providerARNs",
            "Type": "/type",
        },
        read=_by_id("AuthorizerId"),
        key=lambda made, properties: {"restApiId": properties["RestApiId"], "authorizerId": made.physical_id},
        attributes=frozenset({"AuthorizerId"}),
    ),
    _Patched(
        type="AWS::ApiGateway::Model",
        noun="Model",
        members={
            "ContentType": "contentType",
            "Description": "description",
            "Name": "name",
            "RestApiId": "restApiId",
            "Schema": "schema",
        },
        paths={"Description": "/description", "Schema": "/schema"},
        read=_read_model,
        key=lambda made, properties: {"restApiId": properties["RestApiId"], "modelName": made.physical_id},
        values={"Schema": _schema_text},
        # Models have letters and digits only.
        named=lambda at: {
            "ContentType": "application/json",
            "Name": "".join(c for c in at.new_name() if c.isalnum()),
        },
    ),
    _Patched(
        type="AWS::ApiGateway::RequestValidator",
        noun="RequestValidator",
        members={
            "Name": "name",
            "RestApiId": "restApiId",
            "ValidateRequestBody": "validateRequestBody",
            "ValidateRequestParameters": "validateRequestParameters",
        },
        paths={
            "ValidateRequestBody": "/validateRequestBody",
            "ValidateRequestParameters": "/validateRequestParameters",
        },
        read=_by_id("RequestValidatorId"),
        key=lambda made, properties: {"restApiId": properties["RestApiId"], "requestValidatorId": made.physical_id},
        attributes=frozenset({"RequestValidatorId"}),
    ),
    _Patched(
        type="AWS::ApiGateway::DomainName",
        noun="DomainName",
        members={
            "CertificateArn": "certificateArn",
            "DomainName": "domainName",
            "EndpointConfiguration": "endpointConfiguration",
            "RegionalCertificateArn": "regionalCertificateArn",
            "SecurityPolicy": "securityPolicy",
            "Tags": "tags",
        },
        paths={
            "CertificateArn": "/certificateArn",
            "RegionalCertificateArn": "/regionalCertificateArn",
            "SecurityPolicy": "/securityPolicy",
        },
        read=_read_domain,
        key=lambda made, properties: {"domainName": made.physical_id},  # noqa: ARG005
        attributes=frozenset({"DistributionDomainName", "DomainNameArn", "RegionalDomainName"}),
        fixed={"EndpointConfiguration": "The endpoint type of a domain name cannot be changed here; make another one."},
        values={"Tags": tags_as_map},
        tags_path=lambda made: f"/domainnames/{made.physical_id}",
    ),
    _Patched(
        type="AWS::ApiGateway::BasePathMapping",
        noun="BasePathMapping",
        members={"BasePath": "basePath", "DomainName": "domainName", "RestApiId": "restApiId", "Stage": "stage"},
        paths={"RestApiId": "/restapiId", "Stage": "/stage"},
        read=_read_mapping,
        key=lambda made, properties: {
            "domainName": properties["DomainName"],
            "basePath": made.physical_id.partition("|")[2],
        },
    ),
)
