"""Taking rights away from a sandbox's process: limits, a root folder of its own, a user of its own.

Every sandbox gets limits (descriptors, core files, the size of a file, a backstop for memory), a session of its own,
`no_new_privs`, is without the calls that would take it past its bounds (`system_calls`), and dies with whoever
forked it. Where the server is root, a sandbox also gets

- a user id of its own, without groups and capabilities, so that it may neither read files nor `/proc` entries nor send
  signals of anybody else, and `MAX_PROCESSES` counts its processes only;
- mount and IPC namespaces of its own, with a root folder made of what it needs: the system's programs and libraries,
  `/etc`, the interpreter and its packages, all read-only, the code at `/var/task`, layers at `/opt`. The state folder
  is not there at all. `/proc` shows the sandbox's own processes only. `/tmp` and `/dev/shm` are a file system of its
  own, in memory and of the function's size, so that it may fill nothing else.

Nothing here decides what is given; that is in the START frame. Everything is done or the process ends: a right that
could not be taken away is not an inconvenience.

Sources: Linux manual pages mount(2), mount_namespaces(7), prctl(2), proc(5), setrlimit(2).
"""

import ctypes
import os
import resource
import signal
import sys
from dataclasses import dataclass, field

from velvetrope.zygote.system_calls import forbid_system_calls

__all__ = [
    "Limits",
    "Mount",
    "PrivateRoot",
    "become_subreaper",
    "can_make_roots",
    "can_make_users",
    "confine",
    "die_with_parent",
    "kill_processes_of_user",
]

OPEN_FILES = 1024
"""Lambda's own limit on file descriptors (Lambda quotas)."""

MAX_PROCESSES = 1024
"""Lambda's own limit on processes and threads. Counted per user, so only where the user is the sandbox's own."""

KEPT_PROCESSES = 256
"""Where functions are the server's own user, how many of the processes and threads that this user may have are none of
theirs, so that one that forks without end leaves the server, and whoever would end it, the threads that they need."""

_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 0x1, 0x2, 0x4, 0x8
_MS_REMOUNT, _MS_BIND, _MS_MOVE, _MS_REC, _MS_PRIVATE = 0x20, 0x1000, 0x2000, 0x4000, 0x40000
_CLONE_NEWNS, _CLONE_NEWIPC = 0x00020000, 0x08000000
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_SET_CHILD_SUBREAPER = 1, 38, 36

_DEVICES = ("null", "zero", "full", "random", "urandom")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a sandbox may use, enforced by the kernel. Bytes."""

    data_bytes: int
    """Private memory. A backstop well over the function's memory size, which the server itself watches over."""
    file_bytes: int
    """The size of any one file that is written."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A file or folder of the system that a sandbox sees at `target`."""

    source: str
    target: str
    writable: bool = False


@dataclass(frozen=True, slots=True)
class PrivateRoot:
    """A user of a sandbox's own, and a root folder if it can be given one."""

    user_id: int
    folder: str
    """An empty folder that becomes the root, where nobody else sees what is mounted; empty text if there is none."""
    mounts: list[Mount] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)
    """Symbolic links by where they are, such as `/bin` to `usr/bin`."""
    storage_mb: int = 0
    """What `/tmp` and `/dev/shm` hold together; 0 if there are none of its own."""


def confine(limits: Limits, root: PrivateRoot | None, *, parent_pid: int) -> None:
    """Take from this process what a sandbox must not have. It is single-threaded still.

    Raises:
        OSError: something could not be taken away; the process must end.
    """
    if root is not None and root.folder:
        _enter_root(root)
    _set_limits(limits, own_user=root is not None)
    if root is not None:
        os.setgroups([])
        os.setresgid(root.user_id, root.user_id, root.user_id)
        os.setresuid(root.user_id, root.user_id, root.user_id)
    if sys.platform == "linux":
        _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        forbid_system_calls()
    # Last, for a change of user takes it back.
    die_with_parent(parent_pid)


def die_with_parent(parent_pid: int) -> None:
    """Ask the kernel to kill this process when the thread that started it ends."""
    if sys.platform != "linux":
        return
    _call("prctl", _PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    # It may have ended before the call above; then nobody would tell us any more.
    if os.getppid() != parent_pid:
        os._exit(1)


def become_subreaper() -> None:
    """Have orphans of this process's children given to it, so that none of them becomes a zombie of nobody."""
    if sys.platform == "linux":
        _call("prctl", _PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def kill_processes_of_user(user_id: int) -> None:
    """Kill every process of a user, wherever in the process tree it hides. Needs root; returns when all were told."""
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(user_id, user_id, user_id)
            os.setresuid(user_id, user_id, user_id)
            # Everybody whom this user may signal, but not the caller.
            os.kill(-1, signal.SIGKILL)
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def can_make_roots() -> bool:
    """Whether this process may give its children a root folder of their own; tried out in one of them."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return False
    child = os.fork()
    if child == 0:
        status = 1
        try:
            _call("unshare", _CLONE_NEWNS | _CLONE_NEWIPC)
            _mount(None, "/", None, _MS_REC | _MS_PRIVATE)
            _mount("tmpfs", "/tmp", "tmpfs", _MS_NOSUID | _MS_NODEV, "size=64k")  # noqa: S108  a mount point
            status = 0
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1] == 0


def can_make_users(user_id: int) -> bool:
    """Whether a child of this process may become that user and still import what this one can; tried out in one."""
    if os.geteuid() != 0:
        return False
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgroups([])
            os.setresgid(user_id, user_id, user_id)
            os.setresuid(user_id, user_id, user_id)
            for path in (sys.prefix, sys.base_prefix, *sys.path):
                if not path.endswith(".zip"):
                    os.listdir(path)  # noqa: PTH208
            status = 0
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1] == 0


def _set_limits(limits: Limits, *, own_user: bool) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _lower(resource.RLIMIT_NOFILE, OPEN_FILES)
    _lower(resource.RLIMIT_FSIZE, limits.file_bytes)
    _lower(resource.RLIMIT_DATA, limits.data_bytes)
    if own_user:
        _lower(resource.RLIMIT_NPROC, MAX_PROCESSES)
        return
    present, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    if present != resource.RLIM_INFINITY:
        _lower(resource.RLIMIT_NPROC, present - min(KEPT_PROCESSES, present // 4))


def _lower(what: int, limit: int) -> None:
    _, hard = resource.getrlimit(what)
    value = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(what, (value, value))


def _enter_root(root: PrivateRoot) -> None:
    _call("unshare", _CLONE_NEWNS | _CLONE_NEWIPC)
    # What is mounted here from now on is seen by nobody else.
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE)
    top = root.folder
    _mount("tmpfs", top, "tmpfs", _MS_NOSUID | _MS_NODEV, "size=1m,mode=0755")
    if root.storage_mb:
        # First what is the sandbox's own: the interpreter may live below /tmp, and must not be hidden.
        _make_storage(root, top)
    for mount in root.mounts:
        _bind(mount, top)
    for place, target in root.links.items():
        os.makedirs(os.path.dirname(top + place), mode=0o755, exist_ok=True)  # noqa: PTH103,PTH120  every import here is paid by every sandbox
        os.symlink(target, top + place)  # noqa: PTH211
    os.makedirs(f"{top}/proc", exist_ok=True)  # noqa: PTH103
    # A view of /proc that shows to a user its own processes only.
    _mount("proc", f"{top}/proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, "hidepid=2")
    for device in _DEVICES:
        _bind(Mount(f"/dev/{device}", f"/dev/{device}", writable=True), top)
    for name, target in (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        os.symlink(target, f"{top}/dev/{name}")  # noqa: PTH211
    _mount(None, top, None, _MS_REMOUNT | _MS_BIND | _MS_RDONLY | _MS_NOSUID | _MS_NODEV)
    os.chdir(top)
    _mount(top, "/", None, _MS_MOVE)
    os.chroot(".")
    os.chdir("/")


def _make_storage(root: PrivateRoot, top: str) -> None:
    """`/tmp` and `/dev/shm`, two folders of one file system that is seen nowhere else.

    A file needs memory for itself beside its content, which the size does not count: there are as many as in an ext4 of
    the same size, one for 16 KB.
    """
    tmp = f"{top}/tmp"  # noqa: S108  below the root that is being made
    os.makedirs(tmp)  # noqa: PTH103
    size = f"size={root.storage_mb}m,nr_inodes={root.storage_mb * 64}"
    _mount("tmpfs", tmp, "tmpfs", _MS_NOSUID | _MS_NODEV, f"{size},mode=0755")
    for name in ("shm", "tmp"):
        os.mkdir(f"{tmp}/{name}", 0o700)  # noqa: PTH102
        os.chown(f"{tmp}/{name}", root.user_id, root.user_id)
    _bind(Mount(f"{tmp}/shm", "/dev/shm", writable=True), top)  # noqa: S108
    _bind(Mount(f"{tmp}/tmp", "/tmp", writable=True), top)  # noqa: S108  over the two of them


def _bind(mount: Mount, top: str) -> None:
    place = top + mount.target
    if os.path.isdir(mount.source):  # noqa: PTH112
        os.makedirs(place, mode=0o755, exist_ok=True)  # noqa: PTH103
    else:
        os.makedirs(os.path.dirname(place), mode=0o755, exist_ok=True)  # noqa: PTH103,PTH120
        os.close(os.open(place, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
    _mount(mount.source, place, None, _MS_BIND | _MS_REC)
    if not mount.writable:
        _mount(None, place, None, _MS_REMOUNT | _MS_BIND | _MS_RDONLY | _MS_NOSUID | _MS_NODEV)


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    _call(
        "mount",
        source.encode() if source is not None else None,
        target.encode(),
        kind.encode() if kind is not None else None,
        ctypes.c_ulong(flags),
        data.encode() if data is not None else None,
    )


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


_libc = ctypes.CDLL(None, use_errno=True)
