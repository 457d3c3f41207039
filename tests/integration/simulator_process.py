"""The simulator as a process of its own, and somebody who receives its webhooks."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import stripe
import urllib3

from tools.simulator.clients import DEFAULT_SERVICE_KEY, DEFAULT_SHOPPER_KEY

ROOT = Path(__file__).resolve().parents[2]
SECRET = "whsec_test_simulator"
QUICK = ("--latency-ms", "0", "--webhook-delay-ms", "0", "--follow-up-ms", "0")
WAIT_SECONDS = 20.0
METADATA = {"payment_number": "EDX-77", "lms_user_id": "42", "order_reference": "ORDER-77"}


@dataclass
class RunningSimulator:
    """A simulator that answers, and the process that it is."""

    process: subprocess.Popen[str]
    url: str

    def client(self, key: str = DEFAULT_SERVICE_KEY, **options: Any) -> stripe.StripeClient:
        """Return Stripe's own client, which tries nothing twice."""
        base: Any = {"api": self.url}
        return stripe.StripeClient(key, base_addresses=base, max_network_retries=0, **options)

    @property
    def service(self) -> stripe.StripeClient:
        """Return the client of the service, which the faults are for."""
        return self.client()

    @property
    def shopper(self) -> stripe.StripeClient:
        """Return the client of a shopper, who meets no faults."""
        return self.client(DEFAULT_SHOPPER_KEY)

    def made(self, **params: Any) -> stripe.PaymentIntent:
        """Return a payment that a shopper made."""
        asked: Any = {"amount": 5000, "currency": "usd", "metadata": METADATA, **params}
        return self.shopper.v1.payment_intents.create(asked)

    def paid(self, **params: Any) -> stripe.PaymentIntent:
        """Return a payment that a shopper made and paid."""
        return self.made(payment_method="pm_card_visa", confirm=True, **params)

    def control(self, method: str, path: str, body: object = None) -> Any:
        """Return what a control route answers; the status must be 200."""
        answer = self.ask(method, f"/_simulator/{path}", body=body)
        assert answer.status == 200, answer.data
        return answer.json()

    def configure(self, **faults: float) -> None:
        """Change the faults."""
        self.control("PATCH", "config", faults)

    def stats(self, *payment_ids: str) -> Any:
        """Return the counts."""
        query = "&".join(f"payment_intent={each}" for each in payment_ids)
        return self.control("GET", f"stats?{query}")

    def wait_until(self, is_so: Callable[[Any], bool]) -> Any:
        """Ask for the counts until they are as wanted, and return them."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not is_so(stats := self.stats()):
            assert time.monotonic() < deadline, stats
        return stats

    def ask(
        self,
        method: str,
        path: str,
        *,
        key: str = DEFAULT_SERVICE_KEY,
        body: object = None,
        timeout: float = WAIT_SECONDS,
    ) -> urllib3.BaseHTTPResponse:
        """Return the answer to a plain request."""
        return urllib3.request(
            method,
            self.url + path,
            headers={"Authorization": f"Bearer {key}"},
            body=None if body is None else json.dumps(body),
            timeout=timeout,
            retries=False,
        )


@contextmanager
def running_simulator(*options: str) -> Iterator[RunningSimulator]:
    """Yield a simulator on a free port; it ends by the end of its standard input."""
    process = start_simulator("--exit-with-parent", *options)
    try:
        yield RunningSimulator(process, wait_until_ready(process)["url"])
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            status = process.wait(WAIT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        finally:
            assert process.stdout is not None
            process.stdout.close()
    assert status == 0


def start_simulator(*options: str) -> subprocess.Popen[str]:
    """Start a simulator on a free port, with seed 1 unless the options say otherwise."""
    return subprocess.Popen(
        [sys.executable, "-m", "tools.simulator", "--port", "0", "--seed", "1", *options],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def wait_until_ready(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Return the line that the simulator prints once it answers."""
    assert process.stdout is not None
    line: dict[str, Any] = json.loads(process.stdout.readline())
    return line


class Receiver:
    """A webhook endpoint that checks signatures as a real one does, with Stripe's library."""

    def __init__(self) -> None:
        self.events: list[stripe.Event] = []
        self.refusals: list[Exception] = []
        #: Says what the n-th request, counted from 1, is answered with.
        self.answer: Callable[[int], int] = lambda _: 200
        self.url = ""
        self._requests = 0
        self._arrived = threading.Condition()

    def wait_for(self, count: int) -> list[stripe.Event]:
        """Return the accepted events once there are at least `count`."""
        with self._arrived:
            enough = self._arrived.wait_for(lambda: len(self.events) >= count, WAIT_SECONDS)
        assert enough, f"only {[event.type for event in self.events]}"
        return self.events

    def take(self, body: bytes, signature: str) -> int:
        """Return the status that a request is answered with, keeping the event if it is 200."""
        with self._arrived:
            self._requests += 1
            try:
                event = stripe.Webhook.construct_event(body, signature, SECRET)
            except (ValueError, stripe.SignatureVerificationError) as error:
                self.refusals.append(error)
                return 400
            if (status := self.answer(self._requests)) == 200:
                self.events.append(event)
                self._arrived.notify_all()
            return status


@contextmanager
def running_receiver() -> Iterator[Receiver]:
    """Yield a receiver that listens on a free port."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(receiver.take(body, self.headers["Stripe-Signature"]))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name there
            pass

    class Endpoint(ThreadingHTTPServer):
        # The default of five is too small for a storm of webhooks.
        request_queue_size = 128

    with Endpoint(("127.0.0.1", 0), Handler) as server:
        receiver.url = f"http://127.0.0.1:{server.server_port}/webhooks/stripe/"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
