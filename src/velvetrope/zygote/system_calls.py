"""System calls that a sandbox has no use for and that hold memory which nobody can measure.

Memory counts towards a function's size where it is resident in a process, and files in `/tmp` and `/dev/shm` have a
size of their own. What is left are the kernel's files without a name (`memfd_create`, `memfd_secret`) and System V's
shared memory and messages (`shmget`, `msgget`): they hold memory while no process maps them. A sandbox that calls one
of these is told that there is no such call (`ENOSYS`), as an older kernel would. So is a program of another
architecture than the machine's own, whose calls have other numbers.

On machines whose numbers are not in the table, and where the kernel has no filters, nothing is taken away.

Sources: seccomp(2); the kernel's tables of system calls for x86-64 and arm64; linux/audit.h.
"""

import ctypes
import errno
import os
import struct
import sys

__all__ = ["forbid_unmeasured_memory"]

_ARCHITECTURES = {
    "x86_64": (0xC000003E, 317, (319, 447, 29, 68)),
    "aarch64": (0xC00000B7, 277, (279, 447, 194, 186)),
}
"""By machine: its number in a filter's data, `seccomp`, and memfd_create, memfd_secret, shmget, msgget."""

_X32_BIT = 0x40000000
"""On x86-64, numbers from here on are those of another table for the same architecture."""

_SET_MODE_FILTER, _SPEC_ALLOW = 1, 4
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.ENOSYS
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4


def forbid_unmeasured_memory() -> None:
    """Take these calls from this process and all that it begins. It has set `no_new_privs` already.

    Raises:
        OSError: the kernel has filters, and did not take this one.
    """
    known = _ARCHITECTURES.get(os.uname().machine)
    if sys.platform != "linux" or known is None:
        return
    architecture, seccomp, forbidden = known
    program = render_filter(architecture, forbidden)
    instructions = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: how many instructions, and where they are.
    described = struct.pack("@HP", len(program) // 8, ctypes.addressof(instructions))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(ctypes.c_long(seccomp), _SET_MODE_FILTER, _SPEC_ALLOW, described) == 0:
        return
    number = ctypes.get_errno()
    if number not in (errno.ENOSYS, errno.EINVAL):
        raise OSError(number, f"seccomp: {os.strerror(number)}")


def render_filter(architecture: int, forbidden: tuple[int, ...]) -> bytes:
    """The instructions: code, where to go if it holds and if not, counted from the next, and a number."""
    refuse = len(forbidden) + 4
    instructions = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_IF_EQUAL, 0, refuse - 1, architecture),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_IF_AT_LEAST, refuse - 3, 0, _X32_BIT),
        *((_IF_EQUAL, refuse - 4 - at, 0, number) for at, number in enumerate(forbidden)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)
