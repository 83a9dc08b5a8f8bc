"""AWS::ApiGatewayV2::DomainName and ApiMapping: names of one's own, and the stages below their paths.

Mutual TLS and routing rules are refused by name.

Source: CloudFormation User Guide, "Amazon API Gateway V2 resource type reference".
"""

from collections.abc import Mapping
from typing import Any, Final

from velvetrope.cloudformation.resource import Made, ResourceCall, ResourceHandler, text_member
from velvetrope.cloudformation.resources.http_apis import put_http_api_tags
from velvetrope.cloudformation.schemas import Properties

__all__ = ["HTTP_API_DOMAIN_HANDLERS"]

_SERVICE: Final = "apigatewayv2"
_NOTHING: Final[Mapping[str, str]] = {}


class DomainNameHandler:
    """AWS::ApiGatewayV2::DomainName. `Ref` is the name."""

    type: Final = "AWS::ApiGatewayV2::DomainName"
    properties: Final = frozenset({"DomainName", "DomainNameConfigurations", "Tags"})
    attributes: Final = frozenset({"DomainNameArn", "RegionalDomainName"})
    fixed: Final = _NOTHING

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        answer: Mapping[str, Any] = await at.invoke(_SERVICE, "CreateDomainName", properties)
        name = text_member(answer, "DomainName")
        [configuration] = answer["DomainNameConfigurations"]
        attributes = {
            "DomainNameArn": text_member(answer, "DomainNameArn"),
            "RegionalDomainName": text_member(configuration, "ApiGatewayDomainName"),
        }
        return Made(name, name, attributes)

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:
        configurations = new.get("DomainNameConfigurations", [])
        if configurations != old.get("DomainNameConfigurations", []):
            given = {"DomainName": made.physical_id, "DomainNameConfigurations": configurations}
            await at.invoke(_SERVICE, "UpdateDomainName", given)
        await put_http_api_tags(at, f"/domainnames/{made.physical_id}", old, new)
        return made

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:  # noqa: ARG002
        await at.invoke_unless_gone(_SERVICE, "DeleteDomainName", {"DomainName": made.physical_id})


class ApiMappingHandler:
    """AWS::ApiGatewayV2::ApiMapping. `Ref` is its id."""

    type: Final = "AWS::ApiGatewayV2::ApiMapping"
    properties: Final = frozenset({"ApiId", "ApiMappingKey", "DomainName", "Stage"})
    attributes: Final = frozenset({"ApiMappingId"})
    fixed: Final = _NOTHING

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        answer = await at.invoke(_SERVICE, "CreateApiMapping", properties)
        mapping_id = text_member(answer, "ApiMappingId")
        return Made(mapping_id, mapping_id, {"ApiMappingId": mapping_id})

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:  # noqa: ARG002
        key = {"ApiMappingKey": "", **new}
        await at.invoke(_SERVICE, "UpdateApiMapping", {"ApiMappingId": made.physical_id, **key})
        return made

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:
        key = {"DomainName": properties["DomainName"], "ApiMappingId": made.physical_id}
        await at.invoke_unless_gone(_SERVICE, "DeleteApiMapping", key)


HTTP_API_DOMAIN_HANDLERS: Final[tuple[ResourceHandler, ...]] = (DomainNameHandler(), ApiMappingHandler())
