"""The request lanes, and what they serve: REST APIs, HTTP APIs, custom domain names."""

from contextlib import AsyncExitStack
from dataclasses import dataclass

from velvetrope.execute_api import CustomDomains, HttpApiLane, HttpBackends, RequestLane, Surroundings
from velvetrope.server.access_log import AccessLogWriter
from velvetrope.server.assembly.callers import Callers
from velvetrope.server.assembly.federation import Federation
from velvetrope.server.assembly.foundation import Foundation
from velvetrope.server.assembly.user_pools import UserPoolParts
from velvetrope.server.assembly.workloads import Workloads
from velvetrope.server.service_calls import ServiceCalls
from velvetrope.store.tables.apigateway import ApiGatewayStore
from velvetrope.store.tables.apigateway_domains import DomainNameStore
from velvetrope.store.tables.apigatewayv2 import HttpApiStore
from velvetrope.store.tables.usage import UsageStore

__all__ = ["DeployedApis", "assemble_deployed_apis"]


@dataclass(frozen=True)
class DeployedApis:
    """The stores are written by operations of API Gateway and read by the lanes. `calls` are what API Gateway itself
    calls of other services, under a role."""

    rest_apis: ApiGatewayStore
    http_apis: HttpApiStore
    usage: UsageStore
    domain_names: DomainNameStore
    domains: CustomDomains
    lane: RequestLane
    http_api_lane: HttpApiLane
    calls: ServiceCalls
    access_log: AccessLogWriter | None

    async def start(self) -> None:
        """Read what is deployed."""
        await self.lane.start()
        await self.http_api_lane.start()
        await self.domains.reload()

    async def stop(self) -> None:
        """Give leases back, close connections to backends, write the last lines."""
        async with AsyncExitStack() as last_first:
            if self.access_log is not None:
                last_first.push_async_callback(self.access_log.close)
            last_first.push_async_callback(self.lane.close)
            last_first.push_async_callback(self.http_api_lane.close)
            last_first.push_async_callback(self.domains.stop)


def assemble_deployed_apis(
    foundation: Foundation, callers: Callers, workloads: Workloads, user_pools: UserPoolParts, federation: Federation
) -> DeployedApis:
    """Both lanes ask the same callers, functions and tokens, and keep one access log."""
    settings, database = foundation.settings, foundation.database
    clock, entropy, region = foundation.clock, foundation.entropy, settings.region
    rest_apis, http_apis = ApiGatewayStore(database), HttpApiStore(database)
    usage, domain_names = UsageStore(database), DomainNameStore(database)
    calls = ServiceCalls(
        callers.roles,
        database.changes,
        entropy,
        region=region,
        service="apigateway.amazonaws.com",
        session_name="BackplaneAssumeRoleSession",
        user_agent=f"AmazonAPIGateway_{region}",
    )
    access_log = (
        None if settings.access_log is None else AccessLogWriter(settings.access_log, format=settings.access_log_format)
    )
    around = Surroundings(
        region=region,
        clock=clock,
        entropy=entropy,
        changes=database.changes,
        usage=usage,
        credentials=callers.credentials,
        policies=callers.policies,
        functions=workloads.functions.invoker,
        services=calls,
        backends=HttpBackends(allow_link_local=settings.allow_link_local_backends),
        recorder=foundation.decisions,
        logs=workloads.logs,
        requests=access_log,
    )
    tokens = user_pools.pools.token_verifier
    lane = RequestLane(
        around,
        store=rest_apis,
        tokens=tokens,
        master_keys=foundation.master_keys,
        cors_on_gateway_responses=settings.gateway_cors,
    )
    http_api_lane = HttpApiLane(around, store=http_apis, pool_tokens=tokens, issuer_keys=federation.issuer_keys)
    return DeployedApis(
        rest_apis=rest_apis,
        http_apis=http_apis,
        usage=usage,
        domain_names=domain_names,
        domains=CustomDomains(domain_names, database.changes),
        lane=lane,
        http_api_lane=http_api_lane,
        calls=calls,
        access_log=access_log,
    )
