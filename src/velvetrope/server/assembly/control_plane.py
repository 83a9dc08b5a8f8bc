"""Every AWS operation behind one dispatcher, and the stacks that are applied through it."""

from dataclasses import dataclass

from velvetrope.apigateway import operation_owners as rest_api_operations
from velvetrope.apigatewayv2 import operation_owners as http_api_operations
from velvetrope.cloudformation import StackEngine, cloudformation_operations
from velvetrope.edge import OperationDispatcher
from velvetrope.iam import ControlPlaneJudge, MfaDevices, iam_operations
from velvetrope.iam.aws_managed import aws_managed_policies
from velvetrope.iam.control_plane_judge import ResourcePolicies
from velvetrope.iam.identity_provider_operations import OpenIdProviderOperations
from velvetrope.iam.saml_provider_operations import SamlProviderOperations
from velvetrope.server.assembly.callers import Callers
from velvetrope.server.assembly.deployed_apis import DeployedApis
from velvetrope.server.assembly.federation import Federation
from velvetrope.server.assembly.foundation import Foundation
from velvetrope.server.assembly.user_pools import UserPoolParts
from velvetrope.server.assembly.workloads import Workloads
from velvetrope.server.resource_tags import resource_tags
from velvetrope.store.tables.cloudformation import CloudFormationStore
from velvetrope.store.tables.iam_mfa_devices import MfaDeviceStore
from velvetrope.sts import AuthorizationMessages, ManagedSessionPolicies, StsOperations

__all__ = ["ControlPlane", "assemble_control_plane"]


@dataclass(frozen=True)
class ControlPlane:
    """`dispatcher` answers calls over HTTP and in process."""

    dispatcher: OperationDispatcher
    stacks: StackEngine


def assemble_control_plane(
    foundation: Foundation,
    callers: Callers,
    workloads: Workloads,
    user_pools: UserPoolParts,
    federation: Federation,
    apis: DeployedApis,
) -> ControlPlane:
    """What services call of each other goes through the same dispatcher from here on."""
    clock, entropy = foundation.clock, foundation.entropy
    dispatcher = _make_dispatcher(foundation, callers, workloads)
    user_pools.calls.open(dispatcher)
    apis.calls.open(dispatcher)
    stacks = StackEngine(
        store=CloudFormationStore(
            foundation.database, node=workloads.functions.node_name if foundation.database.is_shared else ""
        ),
        invoker=dispatcher,
        master_keys=foundation.master_keys,
        clock=clock,
        entropy=entropy,
    )
    pools = user_pools.pools
    dispatcher.register("cognito-idp", *pools.operations, teller=pools.resource_of)
    dispatcher.register("cognito-identity", *federation.identity_pools.owners)
    _register_iam_and_sts(dispatcher, foundation, callers, federation)
    dispatcher.register("lambda", *workloads.functions.operations)
    dispatcher.register("logs", *workloads.logs.operations)
    dispatcher.register("sqs", *workloads.queues.operations)
    dispatcher.register("kms", *workloads.kms.operations)
    _register_api_gateway(dispatcher, foundation, callers, apis)
    dispatcher.register("cloudformation", *cloudformation_operations(stacks, clock=clock, entropy=entropy))
    return ControlPlane(dispatcher, stacks)


def _make_dispatcher(foundation: Foundation, callers: Callers, workloads: Workloads) -> OperationDispatcher:
    settings = foundation.settings
    resource_policies: dict[str, ResourcePolicies] = {
        "lambda": workloads.functions.policies,
        "sqs": workloads.queues.policies,
        "kms": workloads.kms.policies,
    }
    return OperationDispatcher(
        judge=ControlPlaneJudge(
            callers.iam,
            callers.policies,
            resource_policies=resource_policies,
            resource_tags=resource_tags(foundation.database, foundation.clock, account_id=settings.account_id),
            keys=workloads.kms.keys,
        ),
        verifier=callers.verifier,
        recorder=foundation.decisions,
        clock=foundation.clock,
        entropy=foundation.entropy,
        account_id=settings.account_id,
        region=settings.region,
    )


def _register_iam_and_sts(
    dispatcher: OperationDispatcher, foundation: Foundation, callers: Callers, federation: Federation
) -> None:
    entropy, master_keys = foundation.entropy, foundation.master_keys
    provider_store = federation.provider_store
    mfa_store = MfaDeviceStore(foundation.database)
    mfa_devices = MfaDevices(mfa_store, master_keys)
    dispatcher.register(
        "sts",
        StsOperations(
            callers.roles,
            callers.sessions,
            access_keys=callers.access_keys,
            web_identity_tokens=federation.open_id_tokens,
            open_id_providers=federation.open_id_providers,
            saml_assertions=federation.saml_assertions,
            mfa_devices=mfa_devices,
            managed_policies=ManagedSessionPolicies(callers.iam, aws_managed_policies),
            authorization_messages=AuthorizationMessages(master_keys, entropy),
        ),
    )
    dispatcher.register(
        "iam",
        *iam_operations(
            callers.iam,
            callers.access_keys,
            mfa_store=mfa_store,
            mfa_devices=mfa_devices,
            provider_store=provider_store,
            entropy=entropy,
        ),
        OpenIdProviderOperations(provider_store),
        SamlProviderOperations(provider_store, federation.saml_providers, entropy=entropy),
    )


def _register_api_gateway(
    dispatcher: OperationDispatcher, foundation: Foundation, callers: Callers, apis: DeployedApis
) -> None:
    url = foundation.connection.url
    dispatcher.register(
        "apigateway",
        *rest_api_operations(
            apis.rest_apis,
            apis.usage,
            apis.domain_names,
            callers.principals,
            foundation.master_keys,
            foundation.entropy,
            reporter=apis.lane,
            lookup=apis.domains,
            tester=apis.lane.tests,
            reserved_hosts=foundation.own_names,
        ),
    )
    dispatcher.register(
        "apigatewayv2",
        *http_api_operations(
            apis.http_apis,
            apis.rest_apis,
            apis.domain_names,
            foundation.entropy,
            endpoint_of=lambda api_id: f"{url}/_api/{api_id}",
            lookup=apis.domains,
            reserved_hosts=foundation.own_names,
        ),
    )
