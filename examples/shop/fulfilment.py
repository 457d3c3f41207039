"""The slow service that knows all about orders and payments: ``python fulfilment.py [port]``."""

import json
import sys
import time
import uuid
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECONDS = 0.3
#: By path, like ``/orders/one``: what is there, and how often it was asked for.
THINGS: dict[str, dict[str, Any]] = {}
LOADS: dict[str, int] = {}


class Fulfilment(BaseHTTPRequestHandler):
    """GET an order or a payment, slowly; POST its next state, and get the event for the shop."""

    def do_GET(self) -> None:
        """Answer what is there, or how often each was asked for."""
        if self.path == "/loads":
            self.answer(200, LOADS)
            return
        LOADS[self.path] = LOADS.get(self.path, 0) + 1
        time.sleep(SECONDS)
        self.answer(200, THINGS[self.path]) if self.path in THINGS else self.answer(404, {})

    def do_POST(self) -> None:
        """Take a thing's next state, and answer the event that tells it."""
        kind, _, name = self.path.removeprefix("/").rpartition("/")
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        thing = {**THINGS.get(self.path, {}), "customer": "ada", **body}
        THINGS[self.path] = thing
        one = kind.removesuffix("s")
        if one == "payment":
            shown = THINGS[f"/orders/{thing['order']}"].setdefault("payments", {})
            shown[thing["number"]] = thing["state"]
        event = {"id": uuid.uuid4().hex, "type": f"{one}.{thing['state']}", one: name}
        self.answer(200, {**thing, **event, "at": datetime.now(UTC).isoformat()})

    def answer(self, status: int, content: object) -> None:
        """Send `content` as JSON."""
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the shop is what this example is about."""


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8090
    ThreadingHTTPServer(("127.0.0.1", port), Fulfilment).serve_forever()
