"""The slow fulfilment service: ``python fulfilment.py [port]``. It knows all about each order."""

import json
import sys
import time
import uuid
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECONDS = 0.3
ORDERS: dict[str, dict[str, str]] = {}
LOADS: dict[str, int] = {}


class Fulfilment(BaseHTTPRequestHandler):
    """GET an order, slowly; POST its next state, and get the event to send to the shop."""

    def do_GET(self) -> None:
        """Answer an order, or how often each was asked for."""
        if self.path == "/loads":
            self.answer(200, LOADS)
            return
        order = self.path.removeprefix("/orders/")
        LOADS[order] = LOADS.get(order, 0) + 1
        time.sleep(SECONDS)
        self.answer(200, ORDERS[order]) if order in ORDERS else self.answer(404, {})

    def do_POST(self) -> None:
        """Take an order's next state, and answer the event that tells it."""
        order = self.path.removeprefix("/orders/")
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        ORDERS[order] = {"number": body["number"], "customer": "ada", "state": body["state"]}
        event = {"id": uuid.uuid4().hex, "type": f"order.{body['state']}", "order": order}
        self.answer(200, {**event, **ORDERS[order], "at": datetime.now(UTC).isoformat()})

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
