"""The socket that a server listens on, taken before anything heavy is imported, so that a taken port is said at once.

Connections wait in the backlog until the server accepts them: a client that comes early waits and is not refused.
"""

import errno
import socket

from velvetrope.errors import VelvetropeError

__all__ = ["CannotListen", "PortTaken", "bind"]

_BACKLOG = 2048


class CannotListen(VelvetropeError):
    """The address cannot be listened on."""


class PortTaken(CannotListen):
    """Another process listens there."""


def bind(host: str, port: int) -> socket.socket:
    """A listening socket on `host`; port 0 takes a free one. Connections wait in its backlog until they are accepted.

    Raises:
        PortTaken: another process listens on this port.
        CannotListen: no such address here, or no right to take the port.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(_BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(f"port {port} on {host} is already in use") from error
        raise CannotListen(f"cannot listen on port {port} of {host}: {error.strerror}") from error
    return sock
