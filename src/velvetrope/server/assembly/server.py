"""One server: opened, answering, stopped. See the package for what is put together, and in which order."""

import asyncio
import contextlib
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from velvetrope.cloudformation import StackEngine
from velvetrope.decisions import DecisionRecord
from velvetrope.edge import EdgeApp, OperationDispatcher
from velvetrope.edge.listener import Listener
from velvetrope.server.account_and_region_check import check_account_and_region
from velvetrope.server.applying import AppApplier, Progress
from velvetrope.server.assembly.callers import Callers, assemble_callers
from velvetrope.server.assembly.control_plane import assemble_control_plane
from velvetrope.server.assembly.deployed_apis import DeployedApis, assemble_deployed_apis
from velvetrope.server.assembly.federation import assemble_federation
from velvetrope.server.assembly.foundation import Foundation
from velvetrope.server.assembly.front import assemble_front
from velvetrope.server.assembly.user_pools import assemble_user_pools
from velvetrope.server.assembly.workloads import Workloads, assemble_workloads
from velvetrope.server.connection import Connection
from velvetrope.server.credentials import root_principal
from velvetrope.server.machine import SystemClock, SystemEntropy
from velvetrope.server.master_key_check import check_master_keys
from velvetrope.server.narration import Narration, Ready, Refusal
from velvetrope.server.settings import Settings
from velvetrope.server.state_folder import LoadedRootKey, StateFolder
from velvetrope.store import Database
from velvetrope.synth.child import SynthesizedApp
from velvetrope.synth.packaging import CodePackage
from velvetrope.userpools import UserPools

if TYPE_CHECKING:
    from velvetrope.edge.database import DatabaseDoor

__all__ = ["Server"]


@dataclass
class Server:
    """All rooms, wired. Made by `open`; `start` begins to answer."""

    foundation: Foundation
    root_key: LoadedRootKey
    callers: Callers
    workloads: Workloads
    user_pools: UserPools
    apis: DeployedApis
    dispatcher: OperationDispatcher
    stacks: StackEngine
    edge: EdgeApp
    applier: AppApplier
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
            MadeElsewhere: it was made by a server of another account or region.
            DatabaseUnsupported, DatabaseUnreachable: the database cannot be used.
        """
        entropy = SystemEntropy()
        root_key = folder.load_root_key(settings.root_access_key, entropy)
        url = folder.database_url if settings.store_url is None else settings.store_url.reveal()
        database = await Database.open(url, durable=settings.durable)
        try:
            await check_master_keys(database, folder.master_keys, entropy)
            await check_account_and_region(database, account_id=settings.account_id, region=settings.region)
        except BaseException:
            await database.close()
            raise
        connection = Connection(settings, folder, port=port)
        server = cls._assemble(Foundation(settings, connection, folder, database, SystemClock(), entropy), root_key)
        async with contextlib.AsyncExitStack() as begun:
            begun.push_async_callback(server.stop)
            if database_sockets:
                await server.open_database_door(database_sockets)
            await server.stacks.recover()
            server.foundation.refusals.start()
            server.workloads.logs.start()
            await server.workloads.functions.start(server.dispatcher, server.workloads.queues.queues)
            await server.apis.start()
            server.user_pools.deliveries.start()
            server.user_pools.imports.start()
            begun.pop_all()
        return server

    @classmethod
    def _assemble(cls, foundation: Foundation, root_key: LoadedRootKey) -> "Server":
        callers = assemble_callers(foundation, root_key)
        workloads = assemble_workloads(foundation, callers)
        user_pools = assemble_user_pools(foundation, callers, workloads)
        federation = assemble_federation(foundation, callers, user_pools)
        apis = assemble_deployed_apis(foundation, callers, workloads, user_pools, federation)
        control_plane = assemble_control_plane(foundation, callers, workloads, user_pools, federation, apis)
        return cls(
            foundation=foundation,
            root_key=root_key,
            callers=callers,
            workloads=workloads,
            user_pools=user_pools.pools,
            apis=apis,
            dispatcher=control_plane.dispatcher,
            stacks=control_plane.stacks,
            edge=assemble_front(foundation, callers, workloads, user_pools, federation, apis, control_plane),
            applier=AppApplier(
                stacks=control_plane.stacks,
                invoker=control_plane.dispatcher,
                functions=workloads.functions.invoker,
                connection=foundation.connection,
                folder=foundation.folder,
                master_keys=foundation.master_keys,
                owner=root_principal(foundation.settings.account_id),
                settings=foundation.settings,
                clock=foundation.clock,
            ),
        )

    async def apply_app(self, app: SynthesizedApp, code: CodePackage, *, progress: Progress) -> str | None:
        """Make the stack of `app` what its template says, and its functions warm; see `AppApplier.apply`.

        Raises:
            ValidationError, StackFailed: of `cloudformation`; the version before stays.
        """
        return await self.applier.apply(app, code, progress=progress)

    async def start(self, sockets: list[socket.socket]) -> None:
        """Begin to answer."""
        context = await asyncio.to_thread(self.foundation.make_tls_context)
        for sock in sockets:
            listener = Listener(self.edge, sock, gateway=self.edge, operations=self.edge, tls=context)
            await listener.start()
            self.listeners.append(listener)
        self.foundation.connection.save(self.foundation.folder)

    async def open_database_door(self, sockets: list[socket.socket]) -> None:
        """Open the database's door, before anything is applied: functions go through it as soon as they are warm."""
        from velvetrope.server.assembly.database_door import make_database_door

        self.database_door = make_database_door(self.foundation, self.callers, sockets=sockets)
        if self.database_door is not None:
            await self.database_door.start(sockets)
            host, port = self.foundation.connection.authority.rsplit(":", 1)[0], sockets[0].getsockname()[1]
            self.database_address = f"{host}:{port}"
            certificate = self.foundation.folder.path / "ca" / "ca.pem"
            self.applier.parameters |= {
                "DatabaseHost": host.strip("[]"),
                "DatabasePort": str(port),
                "DatabaseResourceId": self.foundation.settings.database_resource_id,
                "DatabaseCertificates": await self.workloads.functions.trust_certificates(certificate),
            }

    async def stop(self) -> None:
        """Finish what is under way; end functions; close the state."""
        async with contextlib.AsyncExitStack() as last_first:
            # Whatever fails on the way, the rest is closed too.
            last_first.push_async_callback(self.foundation.database.close)
            last_first.push_async_callback(self.foundation.refusals.stop)
            last_first.callback(self.user_pools.close)
            last_first.push_async_callback(self.user_pools.deliveries.stop)
            last_first.push_async_callback(self.user_pools.imports.stop)
            last_first.push_async_callback(self.workloads.logs.stop)
            last_first.push_async_callback(self.apis.stop)
            if self.database_door is not None:
                last_first.push_async_callback(self.database_door.stop)
            last_first.push_async_callback(self.workloads.functions.stop)
            last_first.push_async_callback(self.stacks.close)
            for listener in self.listeners:
                last_first.push_async_callback(listener.stop)
            last_first.callback(self.workloads.queues.close)

    def tell_refusals(self, narrator: Narration) -> None:
        """Tell the owner of every refusal from now on, and of events that functions fail on."""
        self.foundation.decisions.subscribe(lambda record: narrator.refused(_refusal(record)), only_refused=True)
        self.workloads.functions.invoker.tell_failures(narrator.failed)

    def ready(self, *, routes: tuple[str, ...], users: tuple[tuple[str, str], ...], seconds: float) -> Ready:
        """What to tell whoever started the server."""
        key, connection = self.root_key.key, self.foundation.connection
        return Ready(
            address=f"{connection.url}/",
            api_url=connection.config.get("api_url", ""),
            routes=routes,
            users=users,
            state_folder=self.foundation.folder.path,
            new_root_key=(key.access_key_id, key.secret_access_key.reveal()) if self.root_key.is_new else None,
            has_site=self.foundation.settings.site_folder is not None,
            seconds=seconds,
            database_address=self.database_address,
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
