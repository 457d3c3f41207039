"""Shows the metrics of a process that is no web server, on a port of its own."""

import logging
import socket
import threading
from collections.abc import Callable, Iterable
from socketserver import TCPServer, ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from coordinator.operations import access
from coordinator.operations.metrics import exposing

logger = logging.getLogger(__name__)

_PATHS = ("/", "/metrics")
_SECURITY = ("X-Content-Type-Options", "nosniff")


class _Server(ThreadingMixIn, WSGIServer):
    """One thread for each request, none of which keeps the process from ending."""

    daemon_threads = True

    def server_bind(self) -> None:
        """Bind, without asking the name service what this machine is called."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()


class _Server6(_Server):
    """The same for an address of IPv6."""

    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    """Logs nothing: it is scraped every few seconds."""

    timeout = 5.0

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # its name there
        """Leave it."""


def serve(host: str, port: int) -> WSGIServer | None:
    """Show the metrics at ``http://host:port/metrics`` from a thread; return the server.

    Return None if the port is taken: another worker of this machine has it, and with a directory in
    common it shows what this one counts as well.
    """
    try:
        server = (_Server6 if ":" in host else _Server)((host, port), _Handler)
    except OSError as error:
        logger.warning("metrics.unserved", extra={"host": host, "port": port, "why": str(error)})
        return None
    server.set_app(application)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    logger.info("metrics.served", extra={"host": host, "port": server.server_port})
    return server


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer as the web's ``/metrics`` does, without what the ledger is asked for."""
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    if environ.get("PATH_INFO") not in _PATHS:
        return _plain(start_response, "404 Not Found")
    if environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
        return _plain(start_response, "405 Method Not Allowed")
    if not access.may_look(str(environ.get("REMOTE_ADDR", "")), headers):
        return _plain(start_response, "403 Forbidden")
    shown = exposing.expose(headers.get("accept", ""), asking=False)
    start_response(
        "200 OK",
        [("Content-Type", shown.content_type), ("Cache-Control", "no-store"), _SECURITY],
    )
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [shown.body]


def _plain(start_response: Callable[..., Any], status: str) -> list[bytes]:
    start_response(status, [("Content-Type", "text/plain; charset=utf-8"), _SECURITY])
    return [f"{status}\n".encode()]
