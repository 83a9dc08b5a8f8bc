"""API Gateway's control plane: REST APIs and all that belongs to them, stages, domain names, API keys, usage plans.

What is authored here takes effect when it is deployed; what a caller meets is the request lane's (`execute_api`), which
reads the same store when topic `apigateway` is published. Live traffic is not known here.

    owners = operation_owners(store, usage, domains, master_keys, entropy, reporter=lane, lookup=…, tester=…)
"""

from collections.abc import Collection

from velvetrope.apigateway.accounts import AccountOperations
from velvetrope.apigateway.api_key_imports import ApiKeyImportOperations
from velvetrope.apigateway.api_keys import ApiKeyOperations
from velvetrope.apigateway.authorizers import AuthorizerOperations
from velvetrope.apigateway.deployments import DeploymentOperations
from velvetrope.apigateway.domain_names import BasePathMappingOperations, DomainLookup, DomainNameOperations
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
from velvetrope.apigateway.method_tests import MethodTester, MethodTestOperations
from velvetrope.apigateway.methods import MethodOperations
from velvetrope.apigateway.models import ModelOperations
from velvetrope.apigateway.request_validators import RequestValidatorOperations
from velvetrope.apigateway.resources import ResourceOperations
from velvetrope.apigateway.rest_apis import RestApiOperations
from velvetrope.apigateway.stages import StageOperations
from velvetrope.apigateway.tags import TagOperations
from velvetrope.apigateway.usage import UsageOperations, UsageReporter
from velvetrope.apigateway.usage_plan_keys import UsagePlanKeyOperations
from velvetrope.apigateway.usage_plans import UsagePlanOperations
from velvetrope.clock import Entropy
from velvetrope.policy import PolicyPrincipals
from velvetrope.sealing import MasterKeys
from velvetrope.store.tables.apigateway import ApiGatewayStore
from velvetrope.store.tables.apigateway_domains import DomainNameStore
from velvetrope.store.tables.usage import UsageStore

__all__ = [
    "BadRequestException",
    "ConflictException",
    "DomainLookup",
    "LimitExceededException",
    "MethodTester",
    "NotFoundException",
    "NotSupported",
    "UsageReporter",
    "operation_owners",
]


def operation_owners(
    store: ApiGatewayStore,
    usage: UsageStore,
    domains: DomainNameStore,
    principals: PolicyPrincipals,
    master_keys: MasterKeys,
    entropy: Entropy,
    *,
    reporter: UsageReporter,
    lookup: DomainLookup,
    tester: MethodTester,
    reserved_hosts: Collection[str] = (),
) -> list[object]:
    """One object per noun; together they have every operation that this service implements.

    `reserved_hosts`: names that nobody may have as a domain name, since this server is called by them.
    """
    return [
        RestApiOperations(store, principals, entropy),
        ResourceOperations(store, entropy),
        MethodOperations(store),
        IntegrationOperations(store),
        AuthorizerOperations(store, entropy),
        ModelOperations(store, entropy),
        RequestValidatorOperations(store, entropy),
        GatewayResponseOperations(store),
        MethodTestOperations(store, tester),
        DeploymentOperations(store, entropy),
        ExportOperations(store, principals),
        StageOperations(store),
        ApiKeyOperations(store, master_keys, entropy),
        ApiKeyImportOperations(store, master_keys, entropy),
        UsagePlanOperations(store, entropy),
        UsagePlanKeyOperations(store, master_keys),
        UsageOperations(store, usage, reporter),
        DomainNameOperations(domains, lookup, reserved_hosts=reserved_hosts),
        BasePathMappingOperations(store, domains, lookup),
        AccountOperations(domains),
        TagOperations(store, domains),
    ]
