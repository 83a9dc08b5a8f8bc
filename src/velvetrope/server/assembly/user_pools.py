"""User pools, and what they are given of other rooms."""

from dataclasses import dataclass

from velvetrope.server.assembly.callers import Callers
from velvetrope.server.assembly.foundation import Foundation
from velvetrope.server.assembly.workloads import Workloads
from velvetrope.server.role_logs import RoleLogs
from velvetrope.server.senders import message_senders
from velvetrope.server.service_calls import ServiceCalls
from velvetrope.sts import HttpDocuments
from velvetrope.userpools import UserPools

__all__ = ["UserPoolParts", "assemble_user_pools"]

_SAML_METADATA = "application/samlmetadata+xml, */*;q=0.5"


@dataclass(frozen=True)
class UserPoolParts:
    """`calls` are what Cognito itself calls of other services, under a role."""

    pools: UserPools
    calls: ServiceCalls


def assemble_user_pools(foundation: Foundation, callers: Callers, workloads: Workloads) -> UserPoolParts:
    """Triggers are functions of ours, custom senders' codes are under keys of ours, failures go to our logs."""
    settings, connection = foundation.settings, foundation.connection
    public_url = settings.public_url
    calls = ServiceCalls(
        callers.roles,
        foundation.database.changes,
        foundation.entropy,
        region=settings.region,
        service="cognito-idp.amazonaws.com",
        session_name="CognitoUserImportJob",
        user_agent="cognito-idp.amazonaws.com",
    )
    pools = UserPools(
        foundation.database,
        master_keys=foundation.master_keys,
        clock=foundation.clock,
        entropy=foundation.entropy,
        functions=workloads.functions.invoker,
        data_keys=workloads.kms.keys,
        public_url=public_url,
        senders=message_senders(settings),
        documents=HttpDocuments(
            allow_loopback_http=public_url is None, max_body_bytes=1_048_576, accept=_SAML_METADATA
        ),
        import_logs=RoleLogs(calls),
        logs=workloads.logs,
        reserved_hosts=foundation.own_names,
        endpoint_url=connection.url,
        pages_url=public_url or f"https://{connection.authority}",
    )
    return UserPoolParts(pools, calls)
