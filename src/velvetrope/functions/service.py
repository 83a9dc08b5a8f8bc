"""The functions room put together: what `server` makes, starts and stops.

    service = FunctionService(database, state_folder / "functions", role_sessions, clock, entropy, master_keys,
                              endpoint_url="http://127.0.0.1:4800", region="us-west-2", account_id="000000000000")
    await service.start()
    dispatcher.register("lambda", *service.operations)
    lane = RequestLane(..., invoker=service.invoker)
    ...
    await service.stop()

`folder` is the room's own in the state folder: `code/` holds unpacked code by digest and outlives the server,
`scratch/` belongs to the running sandboxes.
"""

import asyncio
from pathlib import Path

from velvetrope.clock import Clock, Entropy
from velvetrope.functions.code import CodeStore
from velvetrope.functions.concurrency_operations import ConcurrencyOperations
from velvetrope.functions.environment import EnvironmentBox
from velvetrope.functions.function_operations import FunctionOperations
from velvetrope.functions.invocation_operations import InvocationOperations
from velvetrope.functions.invoker import FunctionInvoker
from velvetrope.functions.logs import FunctionLogs
from velvetrope.functions.permission_operations import PermissionOperations
from velvetrope.functions.permissions import ResourcePolicies
from velvetrope.functions.roles import ExecutionRoles, ExecutionRoleSessions
from velvetrope.functions.sandboxes import SandboxFactory, ScratchFolders
from velvetrope.functions.tag_operations import TagOperations
from velvetrope.functions.versions import AliasOperations, VersionOperations
from velvetrope.sealing import MasterKeys
from velvetrope.store import Database
from velvetrope.store.tables.functions import FunctionStore

__all__ = ["FunctionService"]


class FunctionService:
    """See the module. The public attributes are what others are handed."""

    def __init__(
        self,
        database: Database,
        folder: Path,
        role_sessions: ExecutionRoleSessions,
        clock: Clock,
        entropy: Entropy,
        master_keys: MasterKeys,
        *,
        endpoint_url: str,
        region: str,
        account_id: str,
        max_sandboxes_per_version: int = 10,
        idle_seconds: float = 300.0,
    ) -> None:
        """`endpoint_url` is what functions find as `AWS_ENDPOINT_URL`; a sandbox idle for `idle_seconds` is ended."""
        self._store = FunctionStore(database)
        self._scratch = ScratchFolders(folder / "scratch")
        self.code = CodeStore(folder / "code")
        self.logs = FunctionLogs()
        self.policies = ResourcePolicies(database, account_id=account_id, region=region)
        box = EnvironmentBox(master_keys, entropy)
        roles = ExecutionRoles(role_sessions, clock)
        factory = SandboxFactory(
            code=self.code,
            roles=roles,
            box=box,
            logs=self.logs,
            scratch=self._scratch,
            clock=clock,
            entropy=entropy,
            region=region,
            endpoint_url=endpoint_url,
        )
        self.invoker = FunctionInvoker(
            database,
            factory,
            self.policies,
            entropy,
            account_id=account_id,
            region=region,
            max_sandboxes_per_version=max_sandboxes_per_version,
            idle_seconds=idle_seconds,
        )
        self.operations: tuple[object, ...] = (
            FunctionOperations(self._store, self.code, roles, box, self.logs, entropy),
            VersionOperations(self._store, box, entropy),
            AliasOperations(self._store, entropy),
            PermissionOperations(self._store, entropy),
            InvocationOperations(self.invoker),
            ConcurrencyOperations(self._store),
            TagOperations(self._store),
        )

    async def start(self) -> None:
        """Clear away what an earlier run left, and look after sandboxes from now on. Needs the running event loop."""
        digests = await self._store.load_code_digests()
        await asyncio.to_thread(self._clear, digests)
        self.invoker.open()

    async def stop(self) -> None:
        """End every sandbox. When this returns, none of their processes is left."""
        await self.invoker.close()
        await asyncio.to_thread(self._scratch.clear)

    def _clear(self, digests: set[str]) -> None:
        self._scratch.clear()
        self.code.prune(digests)
