"""What shoppers do at the provider: its API as a shop and a browser use it, with aiohttp alone."""

from typing import Any

import aiohttp

from tools.simulator.errors import SimulatorError

_TIMEOUT_SECONDS = 10.0


class CheckoutFailed(SimulatorError):
    """The provider did not do what a shopper asked for."""


class Checkout:
    """The provider, by its address, with the shoppers' key (which meets no faults)."""

    def __init__(self, session: aiohttp.ClientSession, url: str, key: str) -> None:
        """Take the simulator's address and key."""
        self._session = session
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"}

    async def create(
        self, number: str, lms_user_id: int, amount: int, currency: str, order_reference: str
    ) -> str:
        """Make a payment and return the provider's identifier."""
        form = {
            "amount": str(amount),
            "currency": currency,
            "automatic_payment_methods[enabled]": "true",
            "metadata[payment_number]": number,
            "metadata[lms_user_id]": str(lms_user_id),
            "metadata[order_reference]": order_reference,
        }
        created = await self._post("/v1/payment_intents", form)
        return str(created["id"])

    async def pay(self, payment_id: str, card: str) -> str:
        """Pay with a test card and return the status; a declined card is one of them."""
        form = {"payment_method": card}
        intent = await self._post(f"/v1/payment_intents/{payment_id}/confirm", form)
        return str(intent["status"])

    async def status(self, payment_id: str) -> str:
        """Return the payment's status, as the page in the browser asks for it."""
        intent = await self._send("GET", f"/v1/payment_intents/{payment_id}")
        return str(intent["status"])

    async def give_up(self, payment_id: str) -> None:
        """Cancel the payment."""
        form = {"cancellation_reason": "abandoned"}
        await self._post(f"/v1/payment_intents/{payment_id}/cancel", form)

    async def refund(self, payment_id: str, amount: int | None = None) -> None:
        """Get `amount` back, or all of it."""
        form = {"payment_intent": payment_id, "reason": "requested_by_customer"}
        if amount is not None:
            form["amount"] = str(amount)
        await self._post("/v1/refunds", form)

    async def take_step(self, payment_id: str, step: str) -> None:
        """Let the bank do what no API can ask for, such as "authenticate"."""
        await self._send(
            "POST", "/_simulator/advance", json={"payment_intent": payment_id, "step": step}
        )

    async def _post(self, path: str, form: dict[str, str]) -> dict[str, Any]:
        """Return what Stripe's API answers, the payment itself where a card was declined."""
        return await self._send("POST", path, data=form)

    async def _send(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        """Return the JSON that the provider answers; raise CheckoutFailed for a refusal."""
        try:
            async with self._session.request(
                method,
                self._url + path,
                headers=self._headers,
                timeout=aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS),
                **body,
            ) as answer:
                shown: dict[str, Any] = await answer.json()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise CheckoutFailed(f"{path}: {type(error).__name__}") from error
        if answer.status == 402:
            declined: dict[str, Any] = shown["error"]["payment_intent"]
            return declined
        if answer.status != 200:
            raise CheckoutFailed(f"{path}: {answer.status} {shown.get('error')}")
        return shown
