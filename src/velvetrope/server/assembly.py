"""Which object is given which: the one place that knows all rooms.

    server = await Server.open(settings, folder, port=4800)
    await server.apply_app(synthesized, code, progress=print)
    await server.start(sockets)
    ...
    await server.stop()

Rooms on the service floor are strangers to each other; each declares small protocols, and the objects behind them are
handed over here. No rule is decided here.
"""

import asyncio
import contextlib
import socket
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from velvetrope.apigateway import operation_owners as apigateway_operations
from velvetrope.apigatewayv2 import operation_owners as http_api_operations
from velvetrope.clock import Clock, Entropy
from velvetrope.cloudformation import StackEngine, cloudformation_operations
from velvetrope.decisions import DecisionLog, DecisionRecord
from velvetrope.edge import EdgeApp, OperationDispatcher, SignatureVerifier
from velvetrope.edge.function_urls import FunctionUrlPages
from velvetrope.edge.hosted import HostedPages, PoolLooks
from velvetrope.edge.identity_issuer import IdentityIssuerPages
from velvetrope.edge.listener import Listener
from velvetrope.edge.mailbox import MailboxPages
from velvetrope.edge.own_pages import OwnPages
from velvetrope.edge.ownership import OwnerCheck, OwnerSessions
from velvetrope.edge.signing_keys_page import SigningKeysPage
from velvetrope.edge.static_files import LandingPage, StaticFiles
from velvetrope.edge.tls import ensure_certificates, names_for, server_context
from velvetrope.edge.user_imports import UserImportPages
from velvetrope.execute_api import CustomDomains, Gateways, HttpApiLane, HttpBackends, RequestLane
from velvetrope.functions import FunctionService, FunctionUrls
from velvetrope.iam import (
    AccessKeys,
    ControlPlaneJudge,
    IamPrincipals,
    MfaDevices,
    PolicyGatherer,
    iam_operations,
    knows_action,
)
from velvetrope.iam.aws_managed import aws_managed_policies
from velvetrope.iam.control_plane_judge import ResourcePolicies
from velvetrope.iam.identity_provider_operations import OpenIdProviderOperations
from velvetrope.iam.saml_provider_operations import SamlProviderOperations
from velvetrope.iam.saml_providers import SamlProviders
from velvetrope.identitypools import IdentityPoolOperations, PoolOpenIdTokens
from velvetrope.kms import KmsService
from velvetrope.logs import LogService
from velvetrope.server.access_log import AccessLogWriter
from velvetrope.server.applying import AppApplier, Progress
from velvetrope.server.connection import Connection
from velvetrope.server.credentials import AccessKeySource, root_principal
from velvetrope.server.identity_providers import identity_provider_parts
from velvetrope.server.machine import SystemClock, SystemEntropy
from velvetrope.server.master_key_check import check_master_keys
from velvetrope.server.narration import Narration, Ready, Refusal
from velvetrope.server.resource_tags import resource_tags
from velvetrope.server.role_logs import RoleLogs
from velvetrope.server.senders import message_senders
from velvetrope.server.service_calls import ServiceCalls
from velvetrope.server.settings import Settings
from velvetrope.server.state_folder import LoadedRootKey, StateFolder
from velvetrope.sqs import QueueService
from velvetrope.store import Database
from velvetrope.store.tables.apigateway import ApiGatewayStore
from velvetrope.store.tables.apigateway_domains import DomainNameStore
from velvetrope.store.tables.apigatewayv2 import HttpApiStore
from velvetrope.store.tables.cloudformation import CloudFormationStore
from velvetrope.store.tables.hosted_ui import HostedUiStore
from velvetrope.store.tables.iam import IamStore
from velvetrope.store.tables.iam_mfa_devices import MfaDeviceStore
from velvetrope.store.tables.iam_providers import IamProviderStore
from velvetrope.store.tables.identitypools import IdentityPoolStore
from velvetrope.store.tables.usage import UsageStore
from velvetrope.sts import (
    AuthorizationMessages,
    HttpDocuments,
    IssuerKeys,
    ManagedSessionPolicies,
    OpenIdProviders,
    RoleAssumption,
    SamlAssertions,
    Sessions,
    StsOperations,
)
from velvetrope.synth.child import SynthesizedApp
from velvetrope.synth.packaging import CodePackage
from velvetrope.userpools import UserPools

if TYPE_CHECKING:
    from velvetrope.edge.database import DatabaseDoor

__all__ = ["Server"]


@dataclass
class Server:
    """All rooms, wired. Made by `open`; `start` begins to answer."""

    settings: Settings
    connection: Connection
    folder: StateFolder
    root_key: LoadedRootKey
    clock: Clock
    database: Database
    decisions: DecisionLog
    credentials: AccessKeySource
    policies: PolicyGatherer
    functions: FunctionService
    logs: LogService
    queues: QueueService
    stacks: StackEngine
    user_pools: UserPools
    dispatcher: OperationDispatcher
    applier: AppApplier
    lane: RequestLane
    http_api_lane: HttpApiLane
    domains: CustomDomains
    access_log: AccessLogWriter | None
    edge: EdgeApp
    listeners: list[Listener] = field(default_factory=list)
    database_address: str = ""
    database_door: "DatabaseDoor | None" = None

    @classmethod
    async def open(
        cls, settings: Settings, folder: StateFolder, *, port: int, database_sockets: list[socket.socket] | None = None
    ) -> "Server":
        """Open the state and wire the rooms. `database_sockets` are the database door's, if the settings ask for one.

        Raises:
            SettingsError: the database door's password file cannot be used.
            StateFolderError: the root access key's file is damaged.
            SchemaTooNew: the state was written by a newer velvetrope.
            MasterKeysUnknown: the database belongs to other master keys.
            DatabaseUnsupported, DatabaseUnreachable: the database cannot be used.
        """
        clock, entropy = SystemClock(), SystemEntropy()
        root_key = folder.load_root_key(settings.root_access_key, entropy)
        url = folder.database_url if settings.store_url is None else settings.store_url.reveal()
        database = await Database.open(url, durable=settings.durable)
        try:
            await check_master_keys(database, folder.master_keys, entropy)
        except BaseException:
            await database.close()
            raise
        connection = Connection(settings, folder, port=port)
        server = _wire(cls, settings, connection, folder, root_key, clock, entropy, database)
        if database_sockets:
            await server.open_database_door(database_sockets, entropy)
        await server.stacks.recover()
        server.logs.start()
        await server.functions.start(server.dispatcher, server.queues.queues)
        await server.lane.start()
        await server.http_api_lane.start()
        await server.domains.reload()
        server.user_pools.deliveries.start()
        server.user_pools.imports.start()
        return server

    async def apply_app(self, app: SynthesizedApp, code: CodePackage, *, progress: Progress) -> None:
        """Make the stack of `app` what its template says, and its functions warm.

        Raises:
            ValidationError, StackFailed: of `cloudformation`; the version before stays.
        """
        await self.applier.apply(app, code, progress=progress)

    async def start(self, sockets: list[socket.socket]) -> None:
        """Begin to answer."""
        context = await asyncio.to_thread(self._make_tls_context)
        for sock in sockets:
            listener = Listener(self.edge, sock, gateway=self.edge, operations=self.edge, tls=lambda: context)
            await listener.start()
            self.listeners.append(listener)
        self.connection.save(self.folder)

    async def open_database_door(self, sockets: list[socket.socket], entropy: Entropy) -> None:
        """Open the database's door, before anything is applied: functions go through it as soon as they are warm."""
        from velvetrope.server.database_door import make_database_door

        self.database_door = make_database_door(
            self.settings,
            self.connection,
            self.credentials,
            self.policies,
            self.decisions,
            self.clock,
            entropy,
            sockets=sockets,
            tls=lambda: self._make_tls_context("postgresql"),
        )
        if self.database_door is not None:
            await self.database_door.start(sockets)
            host, port = self.connection.authority.rsplit(":", 1)[0], sockets[0].getsockname()[1]
            self.database_address = f"{host}:{port}"
            self.applier.parameters |= {
                "DatabaseHost": host.strip("[]"),
                "DatabasePort": str(port),
                "DatabaseResourceId": self.settings.database_resource_id,
                "DatabaseCertificates": await self.functions.trust_certificates(self.folder.path / "ca" / "ca.pem"),
            }

    def _make_tls_context(self, protocol: str = "http/1.1") -> ssl.SSLContext:
        names = names_for(region=self.settings.region, hosts=self.connection.own_hosts)
        files = ensure_certificates(self.folder.path / "ca", names, now=self.clock.now())
        return server_context(files, protocol=protocol)

    async def stop(self) -> None:
        """Finish what is under way; end functions; close the state."""
        async with contextlib.AsyncExitStack() as last_first:
            # Whatever fails on the way, the rest is closed too.
            last_first.push_async_callback(self.database.close)
            last_first.callback(self.user_pools.close)
            last_first.push_async_callback(self.user_pools.deliveries.stop)
            last_first.push_async_callback(self.user_pools.imports.stop)
            last_first.push_async_callback(self.logs.stop)
            if self.access_log is not None:
                last_first.push_async_callback(self.access_log.close)
            last_first.push_async_callback(self.lane.close)
            last_first.push_async_callback(self.http_api_lane.close)
            if self.database_door is not None:
                last_first.push_async_callback(self.database_door.stop)
            last_first.push_async_callback(self.functions.stop)
            last_first.push_async_callback(self.stacks.close)
            for listener in self.listeners:
                last_first.push_async_callback(listener.stop)
            last_first.callback(self.queues.close)

    def tell_refusals(self, narrator: Narration) -> None:
        """Tell the owner of every refusal from now on."""

        self.decisions.subscribe(lambda record: narrator.refused(_refusal(record)), only_refused=True)

    def ready(self, *, routes: tuple[str, ...], users: tuple[tuple[str, str], ...], seconds: float) -> Ready:
        """What to tell whoever started the server."""
        key = self.root_key.key
        return Ready(
            address=f"{self.connection.url}/",
            api_url=self.connection.config.get("api_url", ""),
            routes=routes,
            users=users,
            state_folder=self.folder.path,
            new_root_key=(key.access_key_id, key.secret_access_key.reveal()) if self.root_key.is_new else None,
            has_site=self.settings.site_folder is not None,
            seconds=seconds,
            database_address=self.database_address,
        )


def _wire(
    server_class: type[Server],
    settings: Settings,
    connection: Connection,
    folder: StateFolder,
    root_key: LoadedRootKey,
    clock: Clock,
    entropy: Entropy,
    database: Database,
) -> Server:
    master_keys = folder.master_keys
    region, account_id, public_url = settings.region, settings.account_id, settings.public_url
    decisions = DecisionLog()

    # Who calls, and what they may do.
    iam_store = IamStore(database)
    principals = IamPrincipals(iam_store)
    gatherer = PolicyGatherer(iam_store, database.changes)
    access_keys = AccessKeys(iam_store, master_keys, database.changes)
    sessions = Sessions(master_keys, entropy)
    roles = RoleAssumption(iam_store, sessions, gatherer)
    credentials = AccessKeySource(root_key.key, account_id, access_keys, sessions)
    verifier = SignatureVerifier(credentials, region=region)

    # The services.
    kms = KmsService(database, master_keys, principals, clock, entropy)
    functions = FunctionService(
        database,
        folder.path / "functions",
        roles,
        principals,
        clock,
        entropy,
        master_keys,
        knows_action=knows_action,
        endpoint_url=connection.url,
        region=region,
        account_id=account_id,
        as_root=settings.functions_as_root,
        max_sandboxes=settings.max_sandboxes,
    )
    logs = LogService(database, folder.path / "logs", clock)
    cognito_calls = ServiceCalls(
        roles,
        database.changes,
        entropy,
        region=region,
        service="cognito-idp.amazonaws.com",
        session_name="CognitoUserImportJob",
        user_agent="cognito-idp.amazonaws.com",
    )
    user_pools = UserPools(
        database,
        master_keys=master_keys,
        clock=clock,
        entropy=entropy,
        functions=functions.invoker,
        data_keys=kms.keys,
        public_url=public_url,
        senders=message_senders(settings),
        documents=HttpDocuments(
            allow_loopback_http=public_url is None,
            max_body_bytes=1_048_576,
            accept="application/samlmetadata+xml, */*;q=0.5",
        ),
        import_logs=RoleLogs(cognito_calls),
        logs=logs,
        reserved_hosts=names_for(region=region, hosts=connection.own_hosts),
        endpoint_url=connection.url,
        pages_url=public_url or f"https://{connection.authority}",
    )
    identity_store = IdentityPoolStore(database)
    open_id_tokens = PoolOpenIdTokens(identity_store, master_keys, entropy, region=region)
    provider_store = IamProviderStore(database)
    issuer_keys = IssuerKeys(HttpDocuments())
    open_id_providers = OpenIdProviders(provider_store, issuer_keys)
    saml_providers = SamlProviders(provider_store, master_keys, database.changes)
    saml_assertions = SamlAssertions(saml_providers, region=region)
    identity_pools = IdentityPoolOperations(
        identity_store,
        user_pool_tokens=user_pools.token_verifier,
        role_sessions=roles,
        open_id_tokens=open_id_tokens,
        entropy=entropy,
        public_url=public_url,
        open_id_providers=open_id_providers,
        saml_providers=saml_assertions,
    )
    queues = QueueService(database, principals, clock, entropy, endpoint_url=connection.url)
    functions.logs.subscribe(
        lambda line: logs.keep(f"/aws/lambda/{line.function_name}", line.log_stream, line.at_ms, line.message)
    )
    gateway_store, usage_store = ApiGatewayStore(database), UsageStore(database)
    domain_store = DomainNameStore(database)
    domains = CustomDomains(domain_store, database.changes)
    http_api_store = HttpApiStore(database)
    service_calls = ServiceCalls(
        roles,
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
    backends = HttpBackends(allow_link_local=settings.allow_link_local_backends)
    lane = RequestLane(
        store=gateway_store,
        usage=usage_store,
        changes=database.changes,
        credentials=credentials,
        policies=gatherer,
        functions=functions.invoker,
        services=service_calls,
        tokens=user_pools.token_verifier,
        recorder=decisions,
        master_keys=master_keys,
        clock=clock,
        entropy=entropy,
        region=region,
        cors_on_gateway_responses=settings.gateway_cors,
        backends=backends,
        logs=logs,
        requests=access_log,
    )
    http_api_lane = HttpApiLane(
        store=http_api_store,
        usage=usage_store,
        changes=database.changes,
        credentials=credentials,
        policies=gatherer,
        functions=functions.invoker,
        services=service_calls,
        pool_tokens=user_pools.token_verifier,
        issuer_keys=issuer_keys,
        backends=backends,
        recorder=decisions,
        clock=clock,
        entropy=entropy,
        region=region,
        logs=logs,
        requests=access_log,
    )

    # The control plane, and the stacks that are applied through it.
    resource_policies: dict[str, ResourcePolicies] = {
        "lambda": functions.policies,
        "sqs": queues.policies,
        "kms": kms.policies,
    }
    dispatcher = OperationDispatcher(
        judge=ControlPlaneJudge(
            iam_store,
            gatherer,
            resource_policies=resource_policies,
            resource_tags=resource_tags(database, clock, account_id=account_id),
            keys=kms.keys,
        ),
        verifier=verifier,
        recorder=decisions,
        clock=clock,
        entropy=entropy,
        account_id=account_id,
        region=region,
    )
    service_calls.open(dispatcher)
    cognito_calls.open(dispatcher)
    stacks = StackEngine(
        store=CloudFormationStore(database, node=functions.node_name if database.is_shared else ""),
        invoker=dispatcher,
        master_keys=master_keys,
        clock=clock,
        entropy=entropy,
    )
    mfa_store = MfaDeviceStore(database)
    mfa_devices = MfaDevices(mfa_store, master_keys)
    sts = StsOperations(
        roles,
        sessions,
        access_keys=access_keys,
        web_identity_tokens=open_id_tokens,
        open_id_providers=open_id_providers,
        saml_assertions=saml_assertions,
        mfa_devices=mfa_devices,
        managed_policies=ManagedSessionPolicies(iam_store, aws_managed_policies),
        authorization_messages=AuthorizationMessages(master_keys, entropy),
    )
    dispatcher.register("cognito-idp", *user_pools.operations)
    dispatcher.register("cognito-identity", *identity_pools.owners)
    dispatcher.register("sts", sts)
    dispatcher.register(
        "iam",
        *iam_operations(
            iam_store,
            access_keys,
            mfa_store=mfa_store,
            mfa_devices=mfa_devices,
            provider_store=provider_store,
            entropy=entropy,
        ),
    )
    dispatcher.register("iam", OpenIdProviderOperations(provider_store))
    dispatcher.register("iam", SamlProviderOperations(provider_store, saml_providers, entropy=entropy))
    dispatcher.register("lambda", *functions.operations)
    dispatcher.register("logs", *logs.operations)
    dispatcher.register("sqs", *queues.operations)
    dispatcher.register("kms", *kms.operations)
    dispatcher.register(
        "apigateway",
        *apigateway_operations(
            gateway_store,
            usage_store,
            domain_store,
            principals,
            master_keys,
            entropy,
            reporter=lane,
            lookup=domains,
            tester=lane.tests,
            reserved_hosts=names_for(region=region, hosts=connection.own_hosts),
        ),
    )
    dispatcher.register(
        "apigatewayv2",
        *http_api_operations(
            http_api_store,
            gateway_store,
            domain_store,
            entropy,
            endpoint_of=lambda api_id: f"{connection.url}/_api/{api_id}",
            lookup=domains,
            reserved_hosts=names_for(region=region, hosts=connection.own_hosts),
        ),
    )
    dispatcher.register("cloudformation", *cloudformation_operations(stacks, clock=clock, entropy=entropy))

    site, owner = settings.site_folder, OwnerCheck(verifier)
    edge = EdgeApp(
        dispatcher=dispatcher,
        request_lane=Gateways(lane, http_api_lane),
        domains=domains,
        own_pages=OwnPages(
            decisions=decisions,
            owner=owner,
            mailbox=MailboxPages(user_pools.deliveries, owner, OwnerSessions(entropy)),
            signing_keys=SigningKeysPage(user_pools.signing_keys, owner),
            configuration=connection.for_browsers if settings.config_for_browsers else None,
        ),
        issuer_pages=IdentityIssuerPages(open_id_tokens),
        user_imports=UserImportPages(user_pools.uploads, decisions),
        files=LandingPage() if site is None else StaticFiles(site),
        hosted_pages=HostedPages(
            user_pools.sign_in,
            HostedUiStore(database),
            clock,
            entropy,
            public_url=public_url,
            providers=identity_provider_parts(database, user_pools.saml, allow_this_machine=public_url is None),
            recorder=decisions,
            accounts=user_pools.accounts,
            looks=PoolLooks(user_pools.appearances),
            terms=user_pools.terms,
        ),
        function_urls=FunctionUrlPages(
            FunctionUrls(
                database,
                functions.invoker,
                functions.policies,
                gatherer,
                clock,
                account_id=account_id,
                region=region,
            ),
            verifier,
            decisions,
        ),
        clock=clock,
        entropy=entropy,
    )
    return server_class(
        settings=settings,
        connection=connection,
        folder=folder,
        root_key=root_key,
        clock=clock,
        database=database,
        decisions=decisions,
        credentials=credentials,
        policies=gatherer,
        functions=functions,
        logs=logs,
        queues=queues,
        stacks=stacks,
        user_pools=user_pools,
        dispatcher=dispatcher,
        applier=AppApplier(
            stacks=stacks,
            invoker=dispatcher,
            functions=functions.invoker,
            connection=connection,
            folder=folder,
            master_keys=master_keys,
            owner=root_principal(account_id),
            settings=settings,
            clock=clock,
        ),
        lane=lane,
        http_api_lane=http_api_lane,
        domains=domains,
        access_log=access_log,
        edge=edge,
    )


def _refusal(record: DecisionRecord) -> Refusal:
    refusing = next((step for step in reversed(record.steps) if step.outcome == "refused"), None)
    what = record.action if record.service not in ("", "execute-api") else f"{record.method} {record.path}"
    return Refusal(
        request_id=record.request_id,
        what=what,
        status=record.status,
        code=record.code,
        why=refusing.reason if refusing is not None else record.code,
    )
