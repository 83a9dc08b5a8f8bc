"""A closed-loop HTTP/1.1 client that costs little: keep-alive sockets, requests made beforehand, epoll.

Every connection has one request under way at any time. Answers are recognised by status line and `Content-Length`; any
status but the expected one stops the measurement, so that nobody measures refusals by mistake.
"""

import os
import select
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Load", "cpu_seconds", "drive", "resident_mib"]

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Load:
    """What one measurement found. Latencies in milliseconds; CPU is the server process's own, in microseconds."""

    requests: int
    per_second: float
    p50_ms: float
    p99_ms: float
    server_cpu_us: float


def cpu_seconds(pid: int) -> float:
    """User and system time that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_mib(pids: Sequence[int]) -> float:
    """Resident memory of the processes together: a page that several of them hold counts once (Linux's PSS)."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def drive(
    port: int, requests: Sequence[bytes], *, connections: int, seconds: float, server_pid: int, expect: bytes = b"200"
) -> Load:
    """Send `requests` round and round over `connections` sockets for `seconds`.

    Raises:
        RuntimeError: an answer had another status than `expect`; the message holds the answer.
    """
    poller = select.epoll()
    sockets: dict[int, socket.socket] = {}
    sent_at: dict[int, float] = {}
    pending: dict[int, bytes] = {}
    for _ in range(connections):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        poller.register(connection.fileno(), select.EPOLLIN)
        sockets[connection.fileno()] = connection
    clock = time.perf_counter
    latencies: list[float] = []
    number = 0
    count = len(requests)
    try:
        cpu_before, started = cpu_seconds(server_pid), clock()
        ends = started + seconds
        for descriptor, connection in sockets.items():
            sent_at[descriptor] = clock()
            connection.sendall(requests[number % count])
            number += 1
        now = started
        while now < ends:
            for descriptor, _ in poller.poll(5):
                data = pending.pop(descriptor, b"") + sockets[descriptor].recv(65536)
                if not _complete(data):
                    pending[descriptor] = data
                    continue
                now = clock()
                if data[9:12] != expect:
                    raise RuntimeError(data.decode(errors="replace"))
                latencies.append(now - sent_at[descriptor])
                sent_at[descriptor] = now
                sockets[descriptor].sendall(requests[number % count])
                number += 1
        elapsed, cpu = clock() - started, cpu_seconds(server_pid) - cpu_before
    finally:
        poller.close()
        for connection in sockets.values():
            connection.close()
    latencies.sort()
    done = len(latencies)
    return Load(
        requests=done,
        per_second=done / elapsed,
        p50_ms=latencies[done // 2] * 1000,
        p99_ms=latencies[min(done - 1, done * 99 // 100)] * 1000,
        server_cpu_us=cpu / done * 1e6,
    )


def _complete(data: bytes) -> bool:
    head = data.find(b"\r\n\r\n")
    if head < 0:
        return False
    lowered = data[:head].lower()
    at = lowered.find(b"content-length:")
    if at < 0:
        raise RuntimeError(f"an answer without Content-Length: {data[:head]!r}")
    end = lowered.find(b"\r\n", at)
    length = int(lowered[at + 15 : end if end >= 0 else None])
    return len(data) >= head + 4 + length
