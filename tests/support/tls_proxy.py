"""A proxy of this machine that takes TLS off, as nginx or Caddy in front of a server do."""

import http.client
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

__all__ = ["TlsProxy", "open_tls_proxy"]

_OF_ONE_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"})


class TlsProxy:
    """Has a port from the beginning; serves once it knows for whom."""

    def __init__(self) -> None:
        self._handler: type[_Forwarding] = type("Forwarding", (_Forwarding,), {})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._serving = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def serve(self, target: str, *, certificates: Path) -> None:
        """Forward to `target` (host:port, plain HTTP), with the certificate in a server's folder of `certificates`."""
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificates / "server.pem", certificates / "server-key.pem")
        self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._handler.target = target
        self._serving.start()

    def close(self) -> None:
        if self._serving.is_alive():
            self._server.shutdown()
            self._serving.join()
        self._server.server_close()


@contextmanager
def open_tls_proxy() -> Iterator[TlsProxy]:
    proxy = TlsProxy()
    try:
        yield proxy
    finally:
        proxy.close()


class _Forwarding(BaseHTTPRequestHandler):
    target = ""
    protocol_version = "HTTP/1.1"

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        upstream = http.client.HTTPConnection(self.target)
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in {"connection", "x-forwarded-proto"}:
                upstream.putheader(name, value)
        upstream.putheader("X-Forwarded-Proto", "https")
        upstream.endheaders(body or None)
        answer = upstream.getresponse()
        content = answer.read()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _OF_ONE_HOP:
                self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        upstream.close()

    do_GET = do_POST = do_HEAD = do_OPTIONS = _forward  # noqa: N815  http.server's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name of http.server's parameter
        return
