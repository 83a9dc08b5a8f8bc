"""The functions room put together: what `server` makes, starts and stops.

    service = FunctionService(database, state_folder / "functions", role_sessions, principals, clock, entropy,
                              master_keys, knows_action=..., endpoint_url="http://127.0.0.1:4800",
                              region="us-west-2", account_id="000000000000")
    dispatcher.register("lambda", *service.operations)
    lane = RequestLane(..., invoker=service.invoker)
    await service.start(dispatcher, queues)
    ...
    await service.stop()

`folder` is the room's own in the state folder: `code/` holds unpacked code by digest and outlives the server,
`scratch/` belongs to the running sandboxes, and `node` is this server's name among those that share a database.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

from velvetrope.clock import Clock, Entropy
from velvetrope.functions.account_operations import AccountOperations
from velvetrope.functions.affinity import ThreadAffinity, begin_lookup_threads
from velvetrope.functions.code import CodeStore
from velvetrope.functions.code_library import CodeLibrary
from velvetrope.functions.concurrency_operations import ConcurrencyOperations
from velvetrope.functions.destinations import Destinations, ExistingQueues
from velvetrope.functions.environment import EnvironmentBox
from velvetrope.functions.event_operations import EventOperations
from velvetrope.functions.event_queue import EventQueue
from velvetrope.functions.event_source_operations import EventSourceOperations
from velvetrope.functions.event_source_pollers import EventSourcePollers
from velvetrope.functions.function_operations import FunctionOperations
from velvetrope.functions.function_url_operations import FunctionUrlOperations
from velvetrope.functions.homes import Homes
from velvetrope.functions.invocation_operations import InvocationOperations
from velvetrope.functions.invoker import FunctionInvoker
from velvetrope.functions.judged_operations import JudgedOperations
from velvetrope.functions.layer_operations import LayerOperations
from velvetrope.functions.layers import LayerFinder
from velvetrope.functions.logs import FunctionLogs
from velvetrope.functions.memory import MemoryWatch
from velvetrope.functions.permission_operations import PermissionOperations
from velvetrope.functions.permissions import ResourcePolicies
from velvetrope.functions.roles import ExecutionRoles, ExecutionRoleSessions
from velvetrope.functions.sandboxes import SandboxFactory
from velvetrope.functions.shared_slots import SharedSlots
from velvetrope.functions.sharing import ProcessorSharing
from velvetrope.functions.tag_operations import TagOperations
from velvetrope.functions.versions import AliasOperations, VersionOperations
from velvetrope.functions.zygotes import Zygote
from velvetrope.identifiers import new_uuid
from velvetrope.policy import PolicyPrincipals
from velvetrope.sealing import MasterKeys
from velvetrope.store import Database
from velvetrope.store.tables.event_sources import EventSourceStore
from velvetrope.store.tables.function_code import FunctionCodeStore
from velvetrope.store.tables.function_events import EventStore
from velvetrope.store.tables.function_layers import LayerStore
from velvetrope.store.tables.function_slots import FunctionSlotStore
from velvetrope.store.tables.function_urls import FunctionUrlStore
from velvetrope.store.tables.functions import FunctionStore

__all__ = ["FunctionService"]


class FunctionService:
    """See the module. The public attributes are what others are handed."""

    def __init__(
        self,
        database: Database,
        folder: Path,
        role_sessions: ExecutionRoleSessions,
        principals: PolicyPrincipals,
        clock: Clock,
        entropy: Entropy,
        master_keys: MasterKeys,
        *,
        knows_action: Callable[[str], bool],
        endpoint_url: str,
        region: str,
        account_id: str,
        max_sandboxes: int = 100,
        max_sandboxes_per_version: int = 10,
        idle_seconds: float = 300.0,
        python_over_http: bool = False,
        as_root: bool = False,
        sharing: ProcessorSharing | None = None,
    ) -> None:
        """`knows_action` says whether IAM has an action. `endpoint_url` is what functions find as `AWS_ENDPOINT_URL`; a
        sandbox idle for `idle_seconds` is ended.

        `python_over_http` has Python functions use the Runtime API too, instead of the socketpair. `as_root` lets them
        run as root on a server that is root and may not give them root folders of their own (`homes`). `sharing` is
        for tests; without it one is made that holds the calling thread.
        """
        folder = folder.absolute()  # sandboxes begin in the machine's root folder
        self._store = FunctionStore(database)
        self._layers = LayerStore(database)
        self._watch = MemoryWatch()
        self._sharing = sharing or ProcessorSharing(ThreadAffinity())
        self._zygote = Zygote()
        self._homes = Homes(folder / "scratch", self._zygote, as_root=as_root)
        self.code = CodeStore(folder / "code")
        self._library = CodeLibrary(self.code, FunctionCodeStore(database), clock)
        self.logs = FunctionLogs()
        self.policies = ResourcePolicies(database, account_id=account_id, region=region)
        box = EnvironmentBox(master_keys, entropy)
        roles = ExecutionRoles(role_sessions, clock)
        factory = SandboxFactory(
            code=self._library,
            roles=roles,
            box=box,
            logs=self.logs,
            homes=self._homes,
            zygote=self._zygote,
            watch=self._watch,
            sharing=self._sharing,
            clock=clock,
            entropy=entropy,
            region=region,
            endpoint_url=endpoint_url,
            python_over_http=python_over_http,
        )
        self._destinations = Destinations(self._store, clock, account_id=account_id, region=region)
        events = EventStore(database)
        self.node_name = _node_name(folder / "node", entropy)
        """This server's name among those that share the database, the same after a restart."""
        self.events = EventQueue(events, self._store, roles, clock, entropy, taker=self.node_name)
        self._slots = (
            SharedSlots(FunctionSlotStore(database), database.changes, node=self.node_name)
            if database.is_shared
            else None
        )
        self.invoker = FunctionInvoker(
            database,
            factory,
            self.policies,
            self.events,
            entropy,
            account_id=account_id,
            region=region,
            max_sandboxes=max_sandboxes,
            max_sandboxes_per_version=max_sandboxes_per_version,
            idle_seconds=idle_seconds,
            shared_slots=self._slots,
        )
        self._pollers = EventSourcePollers(
            database, roles, clock, entropy, account_id=account_id, region=region, shared_slots=self._slots
        )
        self._event_sources = EventSourceOperations(
            EventSourceStore(database), self._store, self._pollers, roles, entropy
        )
        self.operations: tuple[object, ...] = (
            FunctionOperations(
                self._store,
                self._library,
                LayerFinder(self._layers, self._library),
                roles,
                self._destinations,
                box,
                entropy,
            ),
            LayerOperations(self._layers, self._library, entropy),
            VersionOperations(self._store, box, entropy),
            AliasOperations(self._store, entropy),
            PermissionOperations(self._store, principals, entropy, knows_action),
            InvocationOperations(self.invoker),
            EventOperations(self._store, events, roles, self._destinations),
            FunctionUrlOperations(self._store, FunctionUrlStore(database), entropy, endpoint_url),
            self._event_sources,
            ConcurrencyOperations(self._store, max_sandboxes),
            TagOperations(self._store),
            AccountOperations(self._store, self._layers, max_sandboxes),
        )

    async def start(self, operations: JudgedOperations, queues: ExistingQueues) -> None:
        """Clear away what an earlier run left, look after sandboxes, run events and poll queues from now on.

        Needs the running event loop. `operations` is how messages come from queues, and how functions' outcomes get to
        queues and other functions; `queues` says which queues there are.
        """
        await asyncio.to_thread(self._homes.clear)
        await self._library.prune(await self._folders_in_use())
        await begin_lookup_threads()
        if self._slots is not None:
            await self._slots.open()
        self.invoker.open()
        self._destinations.connect(operations, queues)
        await self.events.open(self.invoker, self._destinations)
        self._event_sources.connect(operations)
        await self._pollers.open(operations, self.invoker)

    async def trust_certificates(self, path: Path) -> str:
        """Have functions see this file of certificate authorities; its path as they see it."""
        self._homes.trust_certificates(path)
        return await self._homes.certificates_inside()

    async def run_as_root(self) -> bool:
        """Whether functions run as root here, in sight of all that the server has."""
        return await self._homes.run_as_root()

    async def stop(self) -> None:
        """End every sandbox. When this returns, none of their processes is left. Events stay in the store."""
        await self._pollers.close()
        await self.events.close()
        await self.invoker.close()
        if self._slots is not None:
            await self._slots.close()
        self._sharing.close()
        await self._watch.close()
        await self._zygote.close()
        await asyncio.to_thread(self._homes.close)

    async def _folders_in_use(self) -> set[str]:
        """The names of the folders of code that a function still runs, or could be given as a layer."""
        found = await self._layers.load_code_digests()
        for configuration in await self._store.load_all_configurations():
            digests = [layer.code_sha256 for layer in configuration.layers]
            merged = self.code.layered_folder(digests)
            found |= {configuration.code_sha256, *digests} | ({merged.name} if merged is not None else set())
        return found


def _node_name(path: Path, entropy: Entropy) -> str:
    """This server's name: made once, and the same after a restart."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        name = new_uuid(entropy)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_text(name)
        return name
