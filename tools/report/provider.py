"""Talks to the simulated provider from behind the scenes: what it has seen, and how it shall be."""

import json
import secrets
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from coordinator.errors import CoordinatorError

_CALL_SECONDS = 5.0
_LOADS = "GET /v1/payment_intents/{intent}"


class SimulatorFailed(CoordinatorError):
    """The simulator did not start, or does not answer."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The secrets of one run: the service's key, the shoppers' key, and the webhooks' secret."""

    service: str
    shopper: str
    webhook: str


def new_keys() -> Keys:
    """Return new random keys."""
    return Keys(
        service=f"sk_test_{secrets.token_hex(12)}",
        shopper=f"sk_test_{secrets.token_hex(12)}",
        webhook=f"whsec_{secrets.token_hex(16)}",
    )


@dataclass(frozen=True, slots=True)
class Seen:
    """What upstream has seen of us so far.

    `loads` counts requests for one payment, retries included; `peak_rps` is the most requests of
    all kinds within any one second; `refused` the webhooks that we did not accept, or not in time;
    `pending` those that are still on their way.
    """

    loads: int = 0
    peak_rps: int = 0
    refused: int = 0
    pending: int = 0


class Control:
    """The control routes of a simulator at `url`; each raises SimulatorFailed if it can't answer.

    They meet no faults, and are not counted.
    """

    def __init__(self, url: str = "") -> None:
        self.url = url

    def answers(self) -> bool:
        """Return True if it is up."""
        try:
            self._call("GET", "/_simulator/health")
        except SimulatorFailed:
            return False
        return True

    def seen(self) -> Seen:
        """Return what it has seen of us."""
        stats = self._call("GET", "/_simulator/stats")
        webhooks = stats["webhooks"]
        return Seen(
            loads=stats["by_kind"].get(_LOADS, 0),
            peak_rps=stats["peak_rps"],
            refused=webhooks["refused"] + webhooks["unreachable"],
            pending=webhooks["pending"],
        )

    def configure(self, **faults: float) -> None:
        """Let things go wrong, or go well again."""
        self._call("PATCH", "/_simulator/config", faults)

    def fall_silent(self) -> None:
        """Send no webhooks of what happens from now on; those on their way still arrive."""
        self.configure(lose_rate=1)

    def make_payment(self) -> Mapping[str, Any]:
        """Make a payment that succeeded a minute ago, send its webhooks, and return it."""
        wanted = {"count": 1, "state": "succeeded", "spread_seconds": 60, "announce": True}
        while True:
            made: Mapping[str, Any]
            [made] = self._call("POST", "/_simulator/payments", wanted)["payments"]
            # One that was disputed, and won, is told in many webhooks: it changes for a while yet.
            if made["dispute"] is None:
                return made

    def payments(self, key: str) -> Iterator[Mapping[str, Any]]:
        """Yield every payment as it is now; with the shoppers' key nothing of it is counted."""
        path = "/rest/payments?updated_since=0&limit=200"
        after = ""
        while True:
            page = self._call("GET", path + after, key=key)
            yield from page["data"]
            if page["next"] is None:
                return
            after = f"&after={page['next']}"

    def _call(self, method: str, path: str, body: object = None, key: str = "") -> Any:
        headers = {"Content-Type": "application/json"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(  # noqa: S310  # the address is that of our own process
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers=headers,
        )
        try:
            with urllib.request.urlopen(request, timeout=_CALL_SECONDS) as answer:  # noqa: S310
                return json.load(answer)
        except OSError as error:
            raise SimulatorFailed(f"{method} {path}: {error}") from error
