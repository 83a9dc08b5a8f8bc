"""How a sandbox's process is begun, in one of the two ways, and what it may use.

Python goes over the socketpair, forked from the zygote with AWS's runtime client imported already. It goes over the
Runtime API over HTTP instead, as a program executed afresh (`python -m awslambdaric`, AWS's own), if its variables
change how an interpreter begins, which a forked one has behind it. Every other runtime is such a program: Node with its
client, or the code's own `bootstrap`.

`AWS_LAMBDA_EXEC_WRAPPER` names a program that Python or Node is begun through: it is given the whole command, and its
last act is to execute it. Python is not forked then. For `provided` runtimes it means nothing but to their own
`bootstrap`, as on Lambda (Developer Guide, "Modifying the runtime environment").
"""

import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from velvetrope.functions import peers
from velvetrope.functions.channels import ChannelOwner
from velvetrope.functions.frame_channel import FrameChannel
from velvetrope.functions.homes import Home
from velvetrope.functions.invocations import InitFailed
from velvetrope.functions.processes import SandboxProcess
from velvetrope.functions.runtime_api import RuntimeApi
from velvetrope.functions.runtimes import NODE_CLIENT, find_node, find_node_client
from velvetrope.functions.starting import Launched, SandboxSettings
from velvetrope.functions.zygotes import Zygote
from velvetrope.zygote.isolation import Limits
from velvetrope.zygote.launch import Start, render_start

__all__ = ["SandboxLaunch", "guarding_path"]

_BACKSTOP_BYTES = 2048 * 1_048_576
"""What private memory may be over twice the memory size. Stacks of threads (8 MB each) and reserved heaps count as
private without being resident, so that a limit near the memory size would refuse what Lambda allows: pools of 256
threads."""

_AT_START = ("PYTHON", "LD_", "LC_", "MALLOC_", "GLIBC_")
"""Variables that an interpreter and its C library read once, when they begin."""

_WRAPPER = "AWS_LAMBDA_EXEC_WRAPPER"

_AFTERWARDS = frozenset({"PYTHONPATH", "LC_CTYPE", "LD_LIBRARY_PATH"})
"""Those of them that are seen to after the fork, or that every sandbox has alike."""


@dataclass(frozen=True, slots=True)
class SandboxLaunch:
    """Begins one sandbox's process. `build_environment` is given the Runtime API's address, None if there is none."""

    zygote: Zygote
    settings: SandboxSettings
    home: Home
    build_environment: Callable[[str | None], Mapping[str, str]]
    variables: Mapping[str, str]
    """The function's own variables."""
    secret_path: bytes
    over_http: bool
    """Whether Python goes over HTTP even where it need not."""

    async def __call__(
        self,
        owner: ChannelOwner,
        *,
        on_output: Callable[[bytes], None],
        on_exit: Callable[[int], None],
        on_broken: Callable[[str], None],
        took_shape: Callable[[Launched], None],
    ) -> None:
        """See `starting.Launch`."""
        python = self.settings.runtime.kind == "python"
        if python and not self.over_http and self._may_be_forked():
            start = self._start(self.build_environment(None), handler=self.settings.handler)
            await self._begin(owner, start, None, on_output, on_exit, on_broken, took_shape)
            return
        program = self._program()
        api = RuntimeApi(owner, secret_path=self.secret_path)
        await api.open()
        start = self._start(self.build_environment(api.address), program=program)
        await self._begin(owner, start, api, on_output, on_exit, on_broken, took_shape)

    async def _begin(
        self,
        owner: ChannelOwner,
        start: Start,
        api: RuntimeApi | None,
        on_output: Callable[[bytes], None],
        on_exit: Callable[[int], None],
        on_broken: Callable[[str], None],
        took_shape: Callable[[Launched], None],
    ) -> None:
        process = SandboxProcess(self.zygote, on_output=on_output, on_exit=on_exit)
        ours, theirs = socket.socketpair()
        ours.sendall(render_start(start))
        channel: FrameChannel | RuntimeApi
        if api is None:
            channel = FrameChannel(owner, ours, on_broken=on_broken)
        else:
            ours.close()  # what was sent stays to be read
            channel = api
            process.on_begin = api.belong_to
        took_shape(Launched(process, channel))
        root = self.home.root
        process.has_storage = root is not None and bool(root.folder)
        await self.zygote.fork(process, theirs, user=self.home.user)

    def _may_be_forked(self) -> bool:
        if _WRAPPER in self.variables:
            return False
        if any(name.startswith(_AT_START) and name not in _AFTERWARDS for name in self.variables):
            return False
        if "LANG" in self.variables or "LD_LIBRARY_PATH" in self.variables or "LC_CTYPE" in self.variables:
            return False
        # Where code and layers are not at the places that the zygote's linker knows, their libraries are not found.
        folders = [self.settings.code_folder, *([self.settings.opt_folder] if self.settings.opt_folder else [])]
        return bool(self.home.root and self.home.root.folder) or not any(
            (folder / "lib").exists() for folder in folders
        )

    def _start(
        self, environment: Mapping[str, str], *, handler: str | None = None, program: list[str] | None = None
    ) -> Start:
        settings = self.settings
        return Start(
            folder=self.home.task_root,
            environment=dict(environment),
            limits=Limits(
                data_bytes=2 * settings.memory_size_mb * 1_048_576 + _BACKSTOP_BYTES,
                file_bytes=settings.ephemeral_storage_mb * 1_048_576,
            ),
            root=self.home.root,
            handler=handler,
            program=program,
        )

    def _program(self) -> list[str]:
        settings = self.settings
        if settings.runtime.kind == "python":
            return [*self._wrapper(), sys.executable, "-s", "-m", "awslambdaric", settings.handler]
        if settings.runtime.kind == "nodejs":
            return [*self._wrapper(), *self._node_program()]
        places = self._places()
        for outside, inside in places:
            if _is_program(outside / "bootstrap"):
                return [f"{inside}/bootstrap"]
        # UNVERIFIED: type and text as AWS's emulator has them, not recorded from AWS itself.
        tried = " ".join(f"{inside}/bootstrap" for _, inside in [*places, (None, "/opt")][:2])
        message = f"Couldn't find valid bootstrap(s): [{tried}]"
        raise InitFailed(error_type="Runtime.InvalidEntrypoint", message=message, payload=None, log=b"")

    def _places(self) -> list[tuple[Path, str]]:
        """The folders of code and layers, as seen from outside and from inside."""
        places = [(self.settings.code_folder, self.home.task_root)]
        if self.settings.opt_folder is not None and self.home.opt is not None:
            places.append((self.settings.opt_folder, self.home.opt))
        return places

    def _wrapper(self) -> list[str]:
        """The program that the runtime is begun through, by its path inside; none if there is none.

        Raises:
            InitFailed: it is not there, or no program.
        """
        wanted = self.variables.get(_WRAPPER)
        if not wanted:
            return []
        for (outside, inside), usual in zip(self._places(), ("/var/task", "/opt"), strict=False):
            for folder in (inside, usual):  # where a sandbox has no root folder of its own, the usual one is not there
                rest = wanted.removeprefix(f"{folder}/")
                if rest != wanted and ".." not in rest.split("/") and _is_program(outside / rest):
                    return [f"{inside}/{rest}"]
        # UNVERIFIED: AWS's exact words. A program of the system's own is no wrapper of a function here.
        message = f"fork/exec {wanted}: no such file or directory"
        raise InitFailed(error_type="Runtime.InvalidEntrypoint", message=message, payload=None, log=b"")

    def _node_program(self) -> list[str]:
        settings, home = self.settings, self.home
        node = find_node()
        if node is None:
            message = "There is no node on the server's PATH any more"
            raise InitFailed(error_type="Runtime.InvalidEntrypoint", message=message, payload=None, log=b"")
        client = str(NODE_CLIENT)
        places = [(settings.code_folder, home.task_root)]
        if settings.opt_folder is not None and home.opt is not None:
            places.append((settings.opt_folder / "nodejs", f"{home.opt}/nodejs"))
        for outside, inside in places:
            if (found := find_node_client(outside)) is not None:
                client = f"{inside}/{found}"
                break
        # V8 should collect its garbage before the function's memory is used up. Lambda leaves it nine tenths too.
        heap_mb = settings.memory_size_mb * 9 // 10
        return [node.program, f"--max-old-space-size={heap_mb}", client, settings.handler]


def _is_program(path: Path) -> bool:
    return path.is_file() and path.stat().st_mode & 0o111 != 0


def guarding_path(random: bytes) -> bytes:
    """What guards a Runtime API where the other end of a connection cannot be told; empty where it can."""
    return b"" if peers.guards_by_peer() else b"/" + random.hex().encode()
