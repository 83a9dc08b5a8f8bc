"""API Gateway's control plane of HTTP APIs: APIs, routes, integrations, authorizers, stages and deployments.

What is authored here takes effect when it is deployed, at once where a stage follows its API. What a caller meets is
the request lane's (`execute_api`), which reads the same store when topic `apigatewayv2` is published. WebSocket APIs,
VPC links, portals and routing rules are refused by name. Domain names are the first version's (`apigateway`), and lead
to APIs of both kinds.

    owners = operation_owners(
        store, rest_apis, domains, entropy,
        endpoint_of=lambda api_id: f"http://localhost:4800/_api/{api_id}", lookup=custom_domains,
    )
"""

from collections.abc import Callable, Collection

from velvetrope.apigatewayv2.api_mappings import ApiMappingOperations
from velvetrope.apigatewayv2.apis import ApiOperations
from velvetrope.apigatewayv2.authored import AuthoredApis
from velvetrope.apigatewayv2.authorizers import AuthorizerOperations
from velvetrope.apigatewayv2.deployments import DeploymentOperations
from velvetrope.apigatewayv2.domain_names import DomainLookup, DomainNameOperations
from velvetrope.apigatewayv2.errors import BadRequestException, ConflictException, NotFoundException, NotSupported
from velvetrope.apigatewayv2.integrations import IntegrationOperations
from velvetrope.apigatewayv2.routes import RouteOperations
from velvetrope.apigatewayv2.stages import StageOperations
from velvetrope.apigatewayv2.tags import TagOperations
from velvetrope.clock import Entropy
from velvetrope.store.tables.apigateway import ApiGatewayStore
from velvetrope.store.tables.apigateway_domains import DomainNameStore
from velvetrope.store.tables.apigatewayv2 import HttpApiStore

__all__ = [
    "BadRequestException",
    "ConflictException",
    "DomainLookup",
    "NotFoundException",
    "NotSupported",
    "operation_owners",
]


def operation_owners(
    store: HttpApiStore,
    rest_apis: ApiGatewayStore,
    domains: DomainNameStore,
    entropy: Entropy,
    *,
    endpoint_of: Callable[[str], str],
    lookup: DomainLookup,
    reserved_hosts: Collection[str] = (),
) -> list[object]:
    """One object per noun; together they have every operation that this service implements.

    `reserved_hosts`: names that nobody may have as a domain name, since this server is called by them.
    """
    authored = AuthoredApis(store, entropy)
    return [
        ApiOperations(authored, endpoint_of),
        RouteOperations(authored),
        IntegrationOperations(authored),
        AuthorizerOperations(authored),
        DeploymentOperations(authored),
        StageOperations(authored),
        DomainNameOperations(domains, lookup, reserved_hosts=reserved_hosts),
        ApiMappingOperations(store, rest_apis, domains, lookup, entropy),
        TagOperations(authored, domains),
    ]
