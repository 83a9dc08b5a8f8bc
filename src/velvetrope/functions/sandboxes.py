"""How a version's sandboxes are made: credentials, environment, home, process.

Every sandbox has a session of the execution role of its own, asked for when it is made; it is not used any more when
that session would end within an invocation. Its home (`homes`) is removed with it.
"""

import asyncio
import importlib.util
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from velvetrope.clock import Clock, Entropy
from velvetrope.functions.code_library import CodeLibrary
from velvetrope.functions.environment import EnvironmentBox, RoleCredentials, build_environment, log_stream_name
from velvetrope.functions.homes import Homes
from velvetrope.functions.launches import SandboxLaunch, guarding_path
from velvetrope.functions.logs import FunctionLogs
from velvetrope.functions.memory import MemoryWatch
from velvetrope.functions.pools import MakeSandbox, SandboxCallback
from velvetrope.functions.roles import ExecutionRoles
from velvetrope.functions.runtimes import parse_runtime
from velvetrope.functions.sandbox import Sandbox
from velvetrope.functions.sharing import ProcessorSharing
from velvetrope.functions.starting import SandboxSettings
from velvetrope.functions.zygotes import Zygote
from velvetrope.store.tables.functions import FunctionConfiguration

__all__ = ["SandboxFactory"]

_MARGIN = timedelta(seconds=60)
"""How much longer than an invocation's time limit the credentials must last when it begins."""


@dataclass(frozen=True, slots=True)
class SandboxFactory:
    """What all sandboxes of one server share."""

    code: CodeLibrary
    roles: ExecutionRoles
    box: EnvironmentBox
    logs: FunctionLogs
    homes: Homes
    zygote: Zygote
    watch: MemoryWatch
    sharing: ProcessorSharing
    clock: Clock
    entropy: Entropy
    region: str
    endpoint_url: str
    python_over_http: bool = False
    """Whether Python functions speak the Runtime API over HTTP, instead of frames over a socketpair."""

    def maker(self, configuration: FunctionConfiguration) -> MakeSandbox:
        """What makes the sandboxes of this version."""
        settings = SandboxSettings(
            function_name=configuration.function_name,
            version=configuration.version,
            runtime=parse_runtime(configuration.runtime),
            handler=configuration.handler,
            timeout_seconds=configuration.timeout_seconds,
            memory_size_mb=configuration.memory_size_mb,
            ephemeral_storage_mb=configuration.ephemeral_storage_mb,
            code_folder=self.code.folders.folder_of(configuration.code_sha256),
            opt_folder=self.code.folders.layered_folder([layer.code_sha256 for layer in configuration.layers]),
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
        digests = [layer.code_sha256 for layer in configuration.layers]
        await self.code.fetch([configuration.code_sha256, *digests])
        if digests:
            await asyncio.to_thread(self.code.folders.lay_over, digests)
        home = await self.homes.make(settings)

        def environment(runtime_api: str | None) -> dict[str, str]:
            return build_environment(
                function_name=settings.function_name,
                version=settings.version,
                runtime=settings.runtime,
                handler=settings.handler,
                memory_size_mb=settings.memory_size_mb,
                region=self.region,
                log_stream=log_stream,
                task_root=home.task_root,
                opt=home.opt if settings.opt_folder is not None else None,
                scratch=home.scratch,
                runtime_folder=_runtime_folder(),
                runtime_api=runtime_api,
                endpoint_url=self.endpoint_url,
                interpreter_folder=Path(sys.executable).parent,
                credentials=RoleCredentials(session.access_key_id, session.secret_access_key, session.session_token),
                variables=variables,
            )

        def ended(sandbox: Sandbox) -> None:
            self.homes.remove(home)
            on_ended(sandbox)

        return Sandbox(
            settings,
            launch=SandboxLaunch(
                self.zygote,
                settings,
                home,
                environment,
                variables,
                guarding_path(self.entropy.token_bytes(16)),
                self.python_over_http,
            ),
            log_stream=log_stream,
            logs=self.logs,
            clock=self.clock,
            watch=self.watch,
            sharing=self.sharing,
            usable_until=session.expiration - timedelta(seconds=settings.timeout_seconds) - _MARGIN,
            on_idle=on_idle,
            on_ended=ended,
        )


def _runtime_folder() -> Path:
    """Where AWS's Python runtime client is installed."""
    found = importlib.util.find_spec("awslambdaric")
    return Path(found.origin).parent if found and found.origin else Path(sys.prefix)
