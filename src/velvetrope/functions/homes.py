"""Where a sandbox lives: its own folders, its own user, and what else of the machine it sees.

Where the server is root, a sandbox has a root folder of its own, made of mounts (`velvetrope.zygote.isolation`): the
code is at `/var/task`, layers are at `/opt`, `/tmp` is the sandbox's, in memory and as large as its function's
`EphemeralStorage`, and of the machine there are, read-only, the system's programs and libraries, `/etc`, the
interpreter and the folders that packages are imported from. It runs as a user of its own (`users`), to whom only
`/tmp` belongs.

Where the server is an ordinary user, a sandbox runs as that user, in the machine's own root folder: code and layers are
where they are in the state folder, and `/tmp` is a scratch folder that `TMPDIR` names. What this does not keep apart is
said in docs/threat-model.md.

On a root server that may not make mounts (most containers: they lack CAP_SYS_ADMIN) a sandbox still has a user of its
own, and the machine's own root folder: it runs on a copy of the code that only this user may read, beside its scratch
folder. If such users cannot read the interpreter, functions are refused, for they would run as root, in sight of the
state folder. Whoever starts the server may say that this is all right (`as_root`), as where somebody tries an app of
their own out. It is told at every start.
"""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from velvetrope.functions.errors import ServiceException
from velvetrope.functions.runtimes import NODE_CLIENT, find_node
from velvetrope.functions.starting import SandboxSettings
from velvetrope.functions.users import LeasedUser, SandboxUsers
from velvetrope.functions.zygotes import Zygote
from velvetrope.zygote.isolation import Mount, PrivateRoot

__all__ = ["Home", "Homes", "interpreter_folders", "system_mounts"]

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc")
_TASK_ROOT = "/var/task"
_CERTIFICATES = "/var/runtime/ca-cert.pem"
"""Where Lambda has the authorities that RDS's certificates are signed by. Source: Lambda Developer Guide, "Building
Lambda functions with Node.js", certificates."""


@dataclass(frozen=True, slots=True)
class Home:
    """One sandbox's. Paths are as they are seen from inside."""

    folder: Path
    """All that is its own, as seen from outside."""
    task_root: str
    scratch: str
    opt: str | None
    root: PrivateRoot | None
    user: LeasedUser | None


class Homes:
    """Makes them under a folder that is emptied at every start, and removes them."""

    def __init__(self, folder: Path, zygote: Zygote, *, as_root: bool) -> None:
        self._folder = folder
        self._zygote = zygote
        self._as_root = as_root
        self._users = SandboxUsers() if os.geteuid() == 0 else None
        self._interpreter = [Mount(path, path) for path in interpreter_folders(folder)]
        self._seen = [*_SYSTEM, *(mount.source for mount in self._interpreter)]
        self._certificates: Path | None = None
        self._open_folder: Path | None = None
        """Where homes are that have no root folder of their own."""

    def trust_certificates(self, path: Path) -> None:
        """Have every sandbox see this file of certificate authorities."""
        self._certificates = path.absolute()

    async def certificates_inside(self) -> str:
        """The path of that file as it is seen from inside."""
        if await self._private():
            return _CERTIFICATES
        if self._users is not None and self._certificates is not None and await self._zygote.can_make_users():
            copy = self._open() / "ca-cert.pem"
            await asyncio.to_thread(shutil.copyfile, self._certificates, copy)
            return str(copy)
        return str(self._certificates)

    async def run_as_root(self) -> bool:
        """Whether sandboxes run as root here, in sight of all that the server has."""
        if self._users is None or not self._as_root or await self._private():
            return False
        return not await self._zygote.can_make_users()

    async def _private(self) -> bool:
        """Whether sandboxes have users and root folders of their own."""
        return self._users is not None and await self._zygote.can_make_roots()

    def clear(self) -> None:
        """Remove what is there: left by a server that did not stop in order, or by the one that stops now."""
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._open_folder is not None:
            shutil.rmtree(self._open_folder, ignore_errors=True)
            self._open_folder = None

    def close(self) -> None:
        """Remove everything, and let other servers have the users."""
        self.clear()
        if self._users is not None:
            self._users.close()

    async def make(self, settings: SandboxSettings) -> Home:
        """A new home for a sandbox of this version.

        Raises:
            ServiceException: the server is root and may not make mounts, or no user is left.
        """
        if self._users is None or await self.run_as_root():
            folder = self._make_folder()
            opt = str(settings.opt_folder) if settings.opt_folder else None
            return Home(folder, str(settings.code_folder), str(folder), opt, None, None)
        if not await self._zygote.can_make_roots():
            if not await self._zygote.can_make_users():
                raise ServiceException(
                    "Functions do not run here: the server is root, but may not give them root folders of their own, "
                    "and users of their own cannot read the interpreter. Run it as an ordinary user, or with "
                    "CAP_SYS_ADMIN; or let them run as root (--functions-as-root)."
                )
            return await self._make_open(settings, self._users)
        leased = self._users.lease()
        folder = self._make_folder()
        (folder / "root").mkdir(mode=0o755)
        mounts, links = system_mounts()
        mounts += self._interpreter
        if settings.runtime.kind == "nodejs" and (node := find_node()) is not None:
            mounts += [Mount(path, path) for path in _outermost([node.folder, str(NODE_CLIENT.parent)], self._seen)]
        mounts += [Mount(*mount) for mount in _layers(settings.opt_folder)]
        mounts.append(Mount(str(settings.code_folder), _TASK_ROOT))
        if self._certificates is not None:
            mounts.append(Mount(str(self._certificates), _CERTIFICATES))
        root = PrivateRoot(leased.user_id, str(folder / "root"), mounts, links, settings.ephemeral_storage_mb)
        return Home(folder, _TASK_ROOT, "/tmp", "/opt", root, leased)  # noqa: S108

    def remove(self, home: Home) -> None:
        """Remove one that nobody lives in any more."""
        if home.root is not None and self._users is not None:
            self._users.release(home.root.user_id)
        # In a thread: nobody knows how much a function has written. Here if there is no thread to be had: whoever waits
        # for the sandbox's end must hear of it all the same.
        loop = asyncio.get_running_loop()
        try:
            loop.run_in_executor(None, lambda: shutil.rmtree(home.folder, ignore_errors=True))
        except RuntimeError:
            shutil.rmtree(home.folder, ignore_errors=True)

    async def _make_open(self, settings: SandboxSettings, users: SandboxUsers) -> Home:
        """A home for a user of its own in the machine's root folder: out of the state folder, where it may not go."""
        leased = users.lease()
        folder = Path(tempfile.mkdtemp(dir=self._open()))
        try:
            await asyncio.to_thread(_fill_open, folder, settings, leased.user_id)
        except BaseException:
            users.release(leased.user_id)
            shutil.rmtree(folder, ignore_errors=True)
            raise
        root = PrivateRoot(leased.user_id, "")
        opt = str(folder / "opt")
        return Home(folder, str(folder / "task"), str(folder / "tmp"), opt, root, leased)

    def _open(self) -> Path:
        if self._open_folder is None:
            self._open_folder = Path(tempfile.mkdtemp(prefix="velvetrope-"))
            self._open_folder.chmod(0o711)  # to be passed through, by whoever knows where to
        return self._open_folder

    def _make_folder(self) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return Path(tempfile.mkdtemp(dir=self._folder)).absolute()


def _fill_open(folder: Path, settings: SandboxSettings, user_id: int) -> None:
    os.chown(folder, 0, user_id)
    folder.chmod(0o750)
    (folder / "tmp").mkdir(mode=0o700)
    os.chown(folder / "tmp", user_id, user_id)
    shutil.copytree(settings.code_folder, folder / "task", symlinks=True)
    if settings.opt_folder is not None:
        shutil.copytree(settings.opt_folder, folder / "opt", symlinks=True)


def system_mounts() -> tuple[list[Mount], dict[str, str]]:
    """The machine's programs and libraries and `/etc`, and the links that stand in for some of their folders."""
    mounts, links = [], {}
    for name in _SYSTEM:
        path = Path(name)
        if path.is_symlink():
            links[name] = str(path.readlink())
        elif path.is_dir():
            mounts.append(Mount(name, name))
    resolver = os.path.realpath("/etc/resolv.conf")
    if not resolver.startswith("/etc/") and Path(resolver).is_file():
        # Often a link to what a daemon keeps under /run.
        mounts.append(Mount(resolver, resolver))
    return mounts, links


def interpreter_folders(state: Path) -> list[str]:
    """The interpreter's folders and those that packages are imported from, but none that is in another or the system's.

    The folder that the server was started in is on its import path, under `python -m`, for no package's sake; it holds
    the owner's project, and often the state folder. It is left out, and so is any other that `state` is in.
    """
    own = os.path.realpath(state)
    packages = [
        path
        for path in sys.path
        if path
        and os.path.realpath(path) != os.path.realpath(".")
        and not f"{own}/".startswith(f"{os.path.realpath(path)}/")
    ]
    return _outermost([sys.base_prefix, sys.base_exec_prefix, sys.prefix, *packages], _SYSTEM)


def _outermost(wanted: Iterable[str], seen: Collection[str]) -> list[str]:
    """Those of the folders that are in none of `seen` and in none of the others."""
    found: list[str] = []
    # By the names that they are asked for, which may be links, and by those that links in them may lead to.
    for path in sorted({name for asked in wanted for name in (os.path.normpath(asked), os.path.realpath(asked))}):
        there = (*seen, *found)
        if path != "/" and Path(path).is_dir() and not any(path == p or path.startswith(f"{p}/") for p in there):
            found.append(path)
    return found


def _layers(opt: Path | None) -> list[tuple[str, str]]:
    """What is in `/opt`, entry by entry: the interpreter may live there too."""
    return [] if opt is None else [(str(entry), f"/opt/{entry.name}") for entry in sorted(opt.iterdir())]
