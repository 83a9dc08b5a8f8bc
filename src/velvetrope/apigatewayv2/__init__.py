"""API Gateway's control plane of HTTP APIs: APIs, routes, integrations, authorizers, stages and deployments.

What is authored here takes effect when it is deployed, at once where a stage follows its API. What a caller meets is
the request lane's (`execute_api`), which reads the same store when topic `apigatewayv2` is published. WebSocket APIs,
VPC links, portals and domain names of this version are refused by name.

    owners = operation_owners(store, entropy, endpoint_of=lambda api_id: f"http://localhost:4800/_api/{api_id}")
"""

from collections.abc import Callable

from velvetrope.apigatewayv2.apis import ApiOperations
from velvetrope.apigatewayv2.authored import AuthoredApis
from velvetrope.apigatewayv2.authorizers import AuthorizerOperations
from velvetrope.apigatewayv2.deployments import DeploymentOperations
from velvetrope.apigatewayv2.errors import BadRequestException, ConflictException, NotFoundException, NotSupported
from velvetrope.apigatewayv2.integrations import IntegrationOperations
from velvetrope.apigatewayv2.routes import RouteOperations
from velvetrope.apigatewayv2.stages import StageOperations
from velvetrope.apigatewayv2.tags import TagOperations
from velvetrope.clock import Entropy
from velvetrope.store.tables.apigatewayv2 import HttpApiStore

__all__ = [
    "ApiOperations",
    "AuthorizerOperations",
    "BadRequestException",
    "ConflictException",
    "DeploymentOperations",
    "IntegrationOperations",
    "NotFoundException",
    "NotSupported",
    "RouteOperations",
    "StageOperations",
    "TagOperations",
    "operation_owners",
]


def operation_owners(store: HttpApiStore, entropy: Entropy, *, endpoint_of: Callable[[str], str]) -> list[object]:
    """One object per noun; together they have every operation that this service implements."""
    authored = AuthoredApis(store, entropy)
    return [
        ApiOperations(authored, endpoint_of),
        RouteOperations(authored),
        IntegrationOperations(authored),
        AuthorizerOperations(authored),
        DeploymentOperations(authored),
        StageOperations(authored),
        TagOperations(authored),
    ]
