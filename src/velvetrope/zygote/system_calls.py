"""System calls that a sandbox has no use for, and that would take it past its bounds.

Memory counts towards a function's size where it is resident in a process, and files in `/tmp` and `/dev/shm` have a
size of their own. The kernel's files without a name and System V's shared memory, semaphores and messages hold memory
while no process maps them.

Who makes a user namespace is root in it, and may mount there: file systems in memory of any size, which count for
nobody, and a large part of the kernel that only root can reach otherwise. So there are neither new namespaces nor
mounts. Keyrings outlive their process and are found again by its user, who is another function's the next time. What is
left of the table is the part of the kernel in which holes are found most often, and that no function needs.

A sandbox that calls one of these is told that there is no such call (`ENOSYS`), as an older kernel would. So is a
program of another architecture than the machine's own, whose calls have other numbers, and `clone3`, whose flags a
filter cannot read: C libraries use `clone` then, whose flags it can.

On machines whose numbers are not in the table, and where the kernel has no filters, nothing is taken away.

Sources: seccomp(2), user_namespaces(7), keyrings(7), clone(2); the kernel's tables of system calls for x86-64 and
arm64; linux/audit.h.
"""

import ctypes
import errno
import os
import struct
import sys

__all__ = ["FORBIDDEN", "forbid_system_calls"]

_ARCHITECTURES = {"x86_64": (0xC000003E, 317, 56), "aarch64": (0xC00000B7, 277, 220)}
"""By machine: its number in a filter's data, `seccomp` and `clone`."""

FORBIDDEN = {
    # Memory that nobody can measure.
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    # Namespaces and mounts.
    "unshare": (272, 97),
    "setns": (308, 268),
    "clone3": (435, 435),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    # Keyrings.
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    # The rest of what only holes are found in.
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
}
"""The numbers of each on x86-64 and on arm64."""

NAMESPACES = 0x7E020000
"""The flags of `clone` that make one: CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET."""

_X32_BIT = 0x40000000
"""On x86-64, numbers from here on are those of another table for the same architecture."""

_SET_MODE_FILTER, _SPEC_ALLOW = 1, 4
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.ENOSYS
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _IF_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16
"""Both architectures have the low half of an argument first."""


def forbid_system_calls() -> None:
    """Take these calls from this process and all that it begins. It has set `no_new_privs` already.

    Raises:
        OSError: the kernel has filters, and did not take this one.
    """
    machine = os.uname().machine
    known = _ARCHITECTURES.get(machine)
    if sys.platform != "linux" or known is None:
        return
    architecture, seccomp, clone = known
    forbidden = tuple(numbers[machine == "aarch64"] for numbers in FORBIDDEN.values())
    program = render_filter(architecture, forbidden, clone=clone)
    instructions = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: how many instructions, and where they are.
    described = struct.pack("@HP", len(program) // 8, ctypes.addressof(instructions))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(ctypes.c_long(seccomp), _SET_MODE_FILTER, _SPEC_ALLOW, described) == 0:
        return
    number = ctypes.get_errno()
    if number not in (errno.ENOSYS, errno.EINVAL):
        raise OSError(number, f"seccomp: {os.strerror(number)}")


def render_filter(architecture: int, forbidden: tuple[int, ...], *, clone: int) -> bytes:
    """The instructions: code, where to go if it holds and if not, counted from the next, and a number."""
    refuse = len(forbidden) + 8  # the last one
    instructions = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_IF_EQUAL, 0, refuse - 2, architecture),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_IF_AT_LEAST, refuse - 4, 0, _X32_BIT),
        *((_IF_EQUAL, refuse - 5 - at, 0, number) for at, number in enumerate(forbidden)),
        (_IF_EQUAL, 0, 2, clone),
        (_LOAD, 0, 0, _FIRST_ARGUMENT_AT),
        (_IF_ANY_BIT, 1, 0, NAMESPACES),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)
