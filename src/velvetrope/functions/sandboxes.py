"""How a version's sandboxes are made: credentials, environment, scratch folder, process.

Every sandbox has a session of the execution role of its own, asked for when it is made; it is not used any more when
that session would end within an invocation. Its scratch folder (`HOME` and `TMPDIR`) is removed with it.

What is not isolated: on a server that runs as root, functions run as root too; they can read what the server's user can
read. A user of their own needs code, interpreter and packages that such a user may read, which is not so everywhere.
"""

import asyncio
import importlib.util
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from velvetrope.clock import Clock, Entropy
from velvetrope.functions import peers
from velvetrope.functions.code import CodeStore
from velvetrope.functions.environment import EnvironmentBox, RoleCredentials, build_environment, log_stream_name
from velvetrope.functions.logs import FunctionLogs
from velvetrope.functions.pools import MakeSandbox, SandboxCallback
from velvetrope.functions.roles import ExecutionRoles
from velvetrope.functions.runtimes import parse_runtime
from velvetrope.functions.sandbox import Sandbox, SandboxSettings
from velvetrope.store.tables.functions import FunctionConfiguration

__all__ = ["SandboxFactory", "ScratchFolders"]

_MARGIN_SECONDS = 60.0
"""How much longer than an invocation's time limit the credentials must last when it begins."""


class ScratchFolders:
    """Folders that sandboxes may write to, under one that is emptied at every start."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def clear(self) -> None:
        """Remove what is there: left by a server that did not stop in order, or by the one that stops now."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def make(self) -> Path:
        """A new, empty folder."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return Path(tempfile.mkdtemp(dir=self._folder))

    def remove(self, path: Path) -> None:
        """Remove one, in a thread: nobody knows how much a function has written."""
        asyncio.get_running_loop().run_in_executor(None, lambda: shutil.rmtree(path, ignore_errors=True))


@dataclass(frozen=True, slots=True)
class SandboxFactory:
    """What all sandboxes of one server share."""

    code: CodeStore
    roles: ExecutionRoles
    box: EnvironmentBox
    logs: FunctionLogs
    scratch: ScratchFolders
    clock: Clock
    entropy: Entropy
    region: str
    endpoint_url: str

    def maker(self, configuration: FunctionConfiguration) -> MakeSandbox:
        """What makes the sandboxes of this version."""
        settings = SandboxSettings(
            function_name=configuration.function_name,
            version=configuration.version,
            runtime=parse_runtime(configuration.runtime),
            handler=configuration.handler,
            timeout_seconds=configuration.timeout_seconds,
            memory_size_mb=configuration.memory_size_mb,
            code_folder=self.code.folder_of(configuration.code_sha256),
        )

        async def make(on_idle: SandboxCallback, on_ended: SandboxCallback) -> Sandbox:
            return await self._make(configuration, settings, on_idle, on_ended)

        return make

    async def _make(
        self,
        configuration: FunctionConfiguration,
        settings: SandboxSettings,
        on_idle: SandboxCallback,
        on_ended: SandboxCallback,
    ) -> Sandbox:
        session = await self.roles.issue_session(configuration)
        variables = self.box.open(configuration.environment_sealed, configuration.function_arn)
        log_stream = log_stream_name(configuration.version, self.clock.now(), self.entropy)
        scratch_folder = self.scratch.make()

        def environment(runtime_api: str) -> dict[str, str]:
            return build_environment(
                function_name=settings.function_name,
                version=settings.version,
                runtime=settings.runtime,
                handler=settings.handler,
                memory_size_mb=settings.memory_size_mb,
                region=self.region,
                log_stream=log_stream,
                code_folder=settings.code_folder,
                runtime_folder=_runtime_folder(),
                scratch_folder=scratch_folder,
                runtime_api=runtime_api,
                endpoint_url=self.endpoint_url,
                interpreter_folder=Path(sys.executable).parent,
                credentials=RoleCredentials(session.access_key_id, session.secret_access_key, session.session_token),
                variables=variables,
            )

        def ended(sandbox: Sandbox) -> None:
            self.scratch.remove(scratch_folder)
            on_ended(sandbox)

        remaining = self.roles.remaining(session).total_seconds()
        return Sandbox(
            settings,
            build_environment=environment,
            log_stream=log_stream,
            logs=self.logs,
            clock=self.clock,
            secret_path=b"" if peers.guards_by_peer() else b"/" + self.entropy.token_bytes(16).hex().encode(),
            usable_seconds=remaining - settings.timeout_seconds - _MARGIN_SECONDS,
            on_idle=on_idle,
            on_ended=ended,
        )


def _runtime_folder() -> Path:
    """Where AWS's Python runtime client is installed."""
    found = importlib.util.find_spec("awslambdaric")
    return Path(found.origin).parent if found and found.origin else Path(sys.prefix)
