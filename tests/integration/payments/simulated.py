"""The simulator as a server for tests, and the shoppers' side of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, ClassVar

import stripe
import urllib3

from tests.processes import HOST, Server, free_port
from tools.simulator.clients import DEFAULT_SERVICE_KEY, DEFAULT_SHOPPER_KEY

ROOT = Path(__file__).resolve().parents[3]


def nowhere() -> str:
    """Return an address at which nobody answers, another one each time: breakers remember."""
    return f"http://{HOST}:{free_port()}"


class SimulatorServer(Server):
    """``python -m tools.simulator``, quick, and moving only when it is told to."""

    program: ClassVar[str] = "simulator"

    @classmethod
    def executable(cls) -> str:
        """Return this Python: it is always installed."""
        return sys.executable

    @property
    def url(self) -> str:
        """Return the base address."""
        return f"http://{self.address}"

    def command(self) -> list[str]:
        return [
            *["/usr/bin/env", f"PYTHONPATH={ROOT}", self.executable()],
            *["-m", "tools.simulator", "--host", HOST, "--port", str(self.port)],
            *["--latency-ms", "0", "--follow-up-ms", "0", "--seed", "tests"],
        ]

    def answers(self) -> bool:
        return b"200 OK" in self.exchange(
            f"GET /_simulator/health HTTP/1.0\r\nHost: {self.address}\r\n\r\n".encode()
        )

    # What tests do with it

    @property
    def shopper(self) -> stripe.StripeClient:
        """Return Stripe's own client, as a shop that makes payments uses it."""
        return stripe.StripeClient(DEFAULT_SHOPPER_KEY, base_addresses={"api": self.url})

    def control(self, method: str, path: str, content: Any = None) -> Any:
        """Ask ``/_simulator/<path>`` and return what it answers."""
        answer = urllib3.request(
            method,
            f"{self.url}/_simulator/{path}",
            body=None if content is None else json.dumps(content),
            headers={"Content-Type": "application/json"},
        )
        assert answer.status < 300, answer.data
        return answer.json()

    def pay(
        self,
        number: str,
        owner: str = "42",
        *,
        card: str = "pm_card_visa",
        amount: int = 4900,
        **more: Any,
    ) -> str:
        """Make a payment of ours, confirm it with a test card, and return its id."""
        try:
            asked: Any = {
                "amount": amount,
                "currency": "usd",
                "metadata": {
                    "payment_number": number,
                    "lms_user_id": owner,
                    "order_reference": f"ORDER-{number}",
                },
                "payment_method": card,
                "confirm": True,
            } | more
            made = self.shopper.v1.payment_intents.create(asked)
        except stripe.CardError as error:
            intent: Any = error.json_body
            return str(intent["error"]["payment_intent"]["id"])
        return made.id

    def shows(self, intent_id: str) -> bool:
        """Return True if whoever reads the payment finds it, however far reads lag behind."""
        answer = urllib3.request(
            "GET",
            f"{self.url}/v1/payment_intents/{intent_id}",
            headers={"Authorization": f"Bearer {DEFAULT_SERVICE_KEY}"},
        )
        return answer.status == 200

    def events_of(self, intent_id: str) -> list[dict[str, Any]]:
        """Return the events about one payment as Stripe would send them, oldest first."""
        answer = urllib3.request(
            "GET",
            f"{self.url}/v1/events?limit=100",
            headers={"Authorization": f"Bearer {DEFAULT_SERVICE_KEY}"},
        )
        found = [
            event
            for event in answer.json()["data"]
            if intent_id
            in (event["data"]["object"]["id"], event["data"]["object"].get("payment_intent"))
        ]
        return found[::-1]

    def requests(self) -> int:
        """Return how many requests the service has made since `forget_requests`."""
        return int(self.control("GET", "stats")["requests"])

    def forget_requests(self) -> None:
        """Count anew."""
        self.control("DELETE", "stats")
