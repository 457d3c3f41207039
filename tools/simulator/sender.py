"""The network side of webhooks: Stripe's signature, and one POST."""

import hashlib
import hmac
import time
from types import TracebackType
from typing import Self

import aiohttp
import msgspec

from tools.simulator.events import SimulatedEvent, show_event

#: The one that the development settings expect.
DEFAULT_WEBHOOK_SECRET = "whsec_insecure_development"  # noqa: S105 # nosec B105

_TIMEOUT_SECONDS = 10.0


def sign(body: bytes, secret: str, now: float) -> str:
    """Return the Stripe-Signature header of a body that is sent at `now`."""
    timestamp = int(now)
    signed = hmac.new(secret.encode(), b"%d.%b" % (timestamp, body), hashlib.sha256)
    return f"t={timestamp},v1={signed.hexdigest()}"


class WebhookSender:
    """Posts events to one address over connections that stay open."""

    def __init__(self, url: str, secret: str, *, concurrency: int) -> None:
        """Take the receiver's address, the secret shared with it, and how many to send at once."""
        self._url = url
        self._secret = secret
        self._concurrency = concurrency
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        """Open the session."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._concurrency),
            timeout=aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS),
            headers={
                "Content-Type": "application/json; charset=utf-8",
                "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            },
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close all connections."""
        await self._session.close()

    async def send(self, event: SimulatedEvent) -> int:
        """Return the status that the receiver answered with, 0 if no answer came in time."""
        body = msgspec.json.encode(show_event(event))
        headers = {"Stripe-Signature": sign(body, self._secret, time.time())}
        try:
            async with self._session.post(
                self._url, data=body, headers=headers, allow_redirects=False
            ) as answer:
                await answer.read()
                return answer.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            return 0
