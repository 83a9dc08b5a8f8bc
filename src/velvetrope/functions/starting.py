"""What a sandbox runs, and who starts its process: `launches.py` does."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from velvetrope.functions.channels import Channel, ChannelOwner
from velvetrope.functions.processes import SandboxProcess
from velvetrope.functions.runtimes import Runtime

__all__ = ["Launch", "Launched", "SandboxSettings"]


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """What a sandbox runs. The same for all sandboxes of one version."""

    function_name: str
    version: str
    runtime: Runtime
    handler: str
    timeout_seconds: int
    memory_size_mb: int
    ephemeral_storage_mb: int
    code_folder: Path
    opt_folder: Path | None = None
    """What the layers of the version come to: the content of `/opt`."""


@dataclass(frozen=True, slots=True)
class Launched:
    """A sandbox's process, and the way that its runtime speaks to us."""

    process: SandboxProcess
    channel: Channel


class Launch(Protocol):
    """Starts the process of a sandbox."""

    async def __call__(
        self,
        owner: ChannelOwner,
        *,
        on_output: Callable[[bytes], None],
        on_exit: Callable[[int], None],
        on_broken: Callable[[str], None],
        took_shape: Callable[[Launched], None],
    ) -> None:
        """Start it. `took_shape` is called once there is something to be ended; `on_exit` follows from then on.

        Raises:
            InitFailed: the code has nothing that could be started.
            ServiceException: the process could not be started.
        """
        ...
