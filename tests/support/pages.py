"""A folder of static files on a port of this machine, for pages that other people's libraries make."""

import functools
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

__all__ = ["pages_of"]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name of http.server's parameter
        return


@contextmanager
def pages_of(folder: Path, *, certificates: Path | None = None) -> Iterator[str]:
    """The address under which `folder` is served until the block ends.

    https with the certificate in a server's folder of `certificates`, which is for localhost.
    """
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder))) as server:
        if certificates is not None:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(certificates / "server.pem", certificates / "server-key.pem")
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        serving.start()
        try:
            yield f"{'http' if certificates is None else 'https'}://localhost:{server.server_address[1]}"
        finally:
            server.shutdown()
            serving.join()
