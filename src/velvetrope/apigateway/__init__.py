"""API Gateway's control plane: REST APIs, resources, methods, deployments, stages, API keys and usage plans.

What is authored here takes effect when it is deployed; what a caller meets is the request lane's (`execute_api`), which
reads the same store when topic `apigateway` is published. Live traffic is not known here.

    owners = operation_owners(store, usage_store, master_keys, entropy, reporter=request_lane)
"""

from velvetrope.apigateway.api_keys import ApiKeyOperations
from velvetrope.apigateway.deployments import DeploymentOperations
from velvetrope.apigateway.errors import (
    BadRequestException,
    ConflictException,
    LimitExceededException,
    NotFoundException,
    NotSupported,
)
from velvetrope.apigateway.gateway_responses import GatewayResponseOperations
from velvetrope.apigateway.methods import IntegrationOperations, MethodOperations
from velvetrope.apigateway.resources import ResourceOperations
from velvetrope.apigateway.rest_apis import RestApiOperations
from velvetrope.apigateway.stages import StageOperations
from velvetrope.apigateway.tags import TagOperations
from velvetrope.apigateway.usage import UsageOperations, UsageReporter
from velvetrope.apigateway.usage_plans import UsagePlanKeyOperations, UsagePlanOperations
from velvetrope.clock import Entropy
from velvetrope.sealing import MasterKeys
from velvetrope.store.tables.apigateway import ApiGatewayStore
from velvetrope.store.tables.usage import UsageStore

__all__ = [
    "ApiKeyOperations",
    "BadRequestException",
    "ConflictException",
    "DeploymentOperations",
    "GatewayResponseOperations",
    "IntegrationOperations",
    "LimitExceededException",
    "MethodOperations",
    "NotFoundException",
    "NotSupported",
    "ResourceOperations",
    "RestApiOperations",
    "StageOperations",
    "TagOperations",
    "UsageOperations",
    "UsagePlanKeyOperations",
    "UsagePlanOperations",
    "UsageReporter",
    "operation_owners",
]


def operation_owners(
    store: ApiGatewayStore, usage: UsageStore, master_keys: MasterKeys, entropy: Entropy, *, reporter: UsageReporter
) -> list[object]:
    """One object per noun; together they have every operation that this service implements."""
    return [
        RestApiOperations(store, entropy),
        ResourceOperations(store, entropy),
        MethodOperations(store),
        IntegrationOperations(store),
        GatewayResponseOperations(store),
        DeploymentOperations(store, entropy),
        StageOperations(store),
        ApiKeyOperations(store, master_keys, entropy),
        UsagePlanOperations(store, entropy),
        UsagePlanKeyOperations(store, master_keys),
        UsageOperations(store, usage, reporter),
        TagOperations(store),
    ]
