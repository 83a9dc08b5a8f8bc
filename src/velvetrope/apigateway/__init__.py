"""API Gateway's control plane: REST APIs and all that belongs to them, stages, domain names, API keys, usage plans.

What is authored here takes effect when it is deployed; what a caller meets is the request lane's (`execute_api`), which
reads the same store when topic `apigateway` is published. Live traffic is not known here.

    owners = operation_owners(store, usage_store, master_keys, entropy, reporter=request_lane)
"""

from velvetrope.apigateway.api_keys import ApiKeyOperations
from velvetrope.apigateway.authorizers import AuthorizerOperations
from velvetrope.apigateway.deployments import DeploymentOperations
from velvetrope.apigateway.errors import (
    BadRequestException,
    ConflictException,
    LimitExceededException,
    NotFoundException,
    NotSupported,
)
from velvetrope.apigateway.exports import ExportOperations
from velvetrope.apigateway.gateway_responses import GatewayResponseOperations
from velvetrope.apigateway.integrations import IntegrationOperations
from velvetrope.apigateway.methods import MethodOperations
from velvetrope.apigateway.models import ModelOperations
from velvetrope.apigateway.request_validators import RequestValidatorOperations
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
    "AuthorizerOperations",
    "BadRequestException",
    "ConflictException",
    "DeploymentOperations",
    "ExportOperations",
    "GatewayResponseOperations",
    "IntegrationOperations",
    "LimitExceededException",
    "MethodOperations",
    "ModelOperations",
    "NotFoundException",
    "NotSupported",
    "RequestValidatorOperations",
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
        AuthorizerOperations(store, entropy),
        ModelOperations(store, entropy),
        RequestValidatorOperations(store, entropy),
        GatewayResponseOperations(store),
        DeploymentOperations(store, entropy),
        ExportOperations(store),
        StageOperations(store),
        ApiKeyOperations(store, master_keys, entropy),
        UsagePlanOperations(store, entropy),
        UsagePlanKeyOperations(store, master_keys),
        UsageOperations(store, usage, reporter),
        TagOperations(store),
    ]
