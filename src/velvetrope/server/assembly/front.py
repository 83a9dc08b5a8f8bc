"""What the server's one address answers: deployed APIs, AWS operations, hosted pages, the owner's pages, files."""

from velvetrope.edge import EdgeApp
from velvetrope.edge.function_urls import FunctionUrlPages
from velvetrope.edge.hosted import HostedPages, PoolLooks
from velvetrope.edge.identity_issuer import IdentityIssuerPages
from velvetrope.edge.mailbox import MailboxPages
from velvetrope.edge.own_pages import OwnPages
from velvetrope.edge.ownership import OwnerCheck, OwnerSessions
from velvetrope.edge.signing_keys_page import SigningKeysPage
from velvetrope.edge.static_files import LandingPage, StaticFiles
from velvetrope.edge.user_imports import UserImportPages
from velvetrope.execute_api import Gateways
from velvetrope.functions import FunctionUrls
from velvetrope.server.assembly.callers import Callers
from velvetrope.server.assembly.control_plane import ControlPlane
from velvetrope.server.assembly.deployed_apis import DeployedApis
from velvetrope.server.assembly.federation import Federation
from velvetrope.server.assembly.foundation import Foundation
from velvetrope.server.assembly.user_pools import UserPoolParts
from velvetrope.server.assembly.workloads import Workloads
from velvetrope.server.identity_providers import identity_provider_parts
from velvetrope.store.tables.hosted_ui import HostedUiStore
from velvetrope.store.tables.owner_sessions import OwnerSessionStore
from velvetrope.userpools import UserPools

__all__ = ["assemble_front"]


def assemble_front(
    foundation: Foundation,
    callers: Callers,
    workloads: Workloads,
    user_pools: UserPoolParts,
    federation: Federation,
    apis: DeployedApis,
    control_plane: ControlPlane,
) -> EdgeApp:
    """The ASGI app of this server."""
    settings, pools = foundation.settings, user_pools.pools
    return EdgeApp(
        dispatcher=control_plane.dispatcher,
        request_lane=Gateways(apis.lane, apis.http_api_lane),
        domains=apis.domains,
        own_pages=_own_pages(foundation, callers, pools),
        issuer_pages=IdentityIssuerPages(federation.open_id_tokens),
        user_imports=UserImportPages(pools.uploads, foundation.decisions),
        files=LandingPage() if settings.site_folder is None else StaticFiles(settings.site_folder),
        hosted_pages=_hosted_pages(foundation, pools),
        function_urls=_function_url_pages(foundation, callers, workloads),
        clock=foundation.clock,
        entropy=foundation.entropy,
    )


def _own_pages(foundation: Foundation, callers: Callers, pools: UserPools) -> OwnPages:
    owner = OwnerCheck(callers.verifier)
    return OwnPages(
        decisions=foundation.refusals,
        owner=owner,
        mailbox=MailboxPages(
            pools.deliveries, owner, OwnerSessions(OwnerSessionStore(foundation.database), foundation.entropy)
        ),
        signing_keys=SigningKeysPage(pools.signing_keys, owner),
        configuration=foundation.connection.for_browsers if foundation.settings.config_for_browsers else None,
    )


def _hosted_pages(foundation: Foundation, pools: UserPools) -> HostedPages:
    public_url = foundation.settings.public_url
    return HostedPages(
        pools.sign_in,
        HostedUiStore(foundation.database),
        foundation.clock,
        foundation.entropy,
        public_url=public_url,
        providers=identity_provider_parts(foundation.database, pools.saml, allow_this_machine=public_url is None),
        recorder=foundation.decisions,
        accounts=pools.accounts,
        looks=PoolLooks(pools.appearances),
        terms=pools.terms,
    )


def _function_url_pages(foundation: Foundation, callers: Callers, workloads: Workloads) -> FunctionUrlPages:
    functions = FunctionUrls(
        foundation.database,
        workloads.functions.invoker,
        workloads.functions.policies,
        callers.policies,
        foundation.clock,
        account_id=foundation.settings.account_id,
        region=foundation.settings.region,
    )
    return FunctionUrlPages(functions, callers.verifier, foundation.decisions)
