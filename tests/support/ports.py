"""Ports that stay free until somebody listens there.

A port that the kernel gave out and that was closed again may be given to anybody meanwhile: to another test's server,
or to any connection's near end. The kernel gives out none below its range (Linux, ip(7), `ip_local_port_range`).
"""

import itertools
import os
import random
import socket
from collections.abc import Iterator
from pathlib import Path

__all__ = ["own_port"]

_LOWEST = 15_000


def _candidates() -> Iterator[int]:
    end = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    start = _LOWEST if end > _LOWEST + 1000 else end
    end = end if start == _LOWEST else 65_536
    # Not the same ones in every process of tests, and none twice in one.
    return itertools.cycle(random.Random(os.urandom(8)).sample(range(start, end), end - start))


_PORTS = _candidates()


def own_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, and that nobody is given by chance."""
    for port in _PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("unreachable: the ports go round")
