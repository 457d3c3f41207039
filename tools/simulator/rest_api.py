"""/rest/payments: a second, plainer interface to the same payments, as many providers have one.

Flat JSON, a bearer token, a bulk read (which Stripe lacks) and a list of what changed. A payment
says everything about its state in one word, Stripe's statuses and these, the later ones winning:
partially_refunded, refunded, disputed, dispute_lost.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import msgspec
from aiohttp import web

from tools.simulator.calls import ABOUT, PROVIDER
from tools.simulator.index import Key
from tools.simulator.payment import Dispute, Payment, Refund, Status
from tools.simulator.provider import Provider
from tools.simulator.store import update_key

MAX_IDS = 200
MAX_PAGE = 200


def routes() -> list[web.RouteDef]:
    """Return the routes of this module."""
    return [
        web.get("/rest/payments", list_payments),
        web.get("/rest/payments/{payment}", retrieve_payment),
    ]


async def retrieve_payment(request: web.Request) -> web.Response:
    """Show a payment."""
    payment_id = request.match_info["payment"]
    request[ABOUT] = [payment_id]
    provider = request.app[PROVIDER]
    payment = provider.store.get(payment_id, provider.seen_as_of())
    if payment is None:
        return refuse(404, "not_found", "There is no such payment.")
    return _answer(show_flat(payment))


async def list_payments(request: web.Request) -> web.Response:
    """Show the payments of `ids` (those that exist), or a page of those updated lately.

    With `updated_since` (seconds since the epoch, or ISO 8601), the page goes by the last update,
    oldest first; `next` is what to pass on as `after` for the next page, null at the end.
    """
    provider, query = request.app[PROVIDER], request.query
    if "ids" in query:
        ids = [each for each in query["ids"].split(",") if each]
        if len(ids) > MAX_IDS:
            return refuse(400, "too_many_ids", f"Ask for at most {MAX_IDS} payments at once.")
        request[ABOUT] = ids
        seen = (provider.store.get(each, provider.seen_as_of()) for each in dict.fromkeys(ids))
        return _answer({"data": [show_flat(payment) for payment in seen if payment is not None]})
    try:
        limit = min(int(query.get("limit", "100")), MAX_PAGE)
        start = _start(query.get("updated_since", "0"), query.get("after"))
    except ValueError as error:
        return refuse(400, "invalid_parameter", str(error))
    page = [*islice(_updated_after(provider, start), max(limit, 1))]
    request[ABOUT] = [payment.id for payment in page]
    cursor = _cursor(page[-1]) if len(page) == max(limit, 1) else None
    return _answer({"data": [show_flat(payment) for payment in page], "next": cursor})


def show_flat(payment: Payment) -> dict[str, Any]:
    """Return everything about a payment in one flat object."""
    charge = payment.latest_charge
    dispute = charge.dispute if charge else None
    return {
        "id": payment.id,
        "number": payment.number,
        "status": flat_status(payment),
        "amount_minor": payment.amount,
        "amount_received_minor": payment.amount_received,
        "amount_refunded_minor": charge.amount_returned if charge else 0,
        "currency": payment.currency,
        "owner_id": payment.metadata.get("lms_user_id", ""),
        "order_reference": payment.metadata.get("order_reference", ""),
        "dispute": dispute.status if dispute else None,
        "refunds": [_part(refund) for refund in charge.refunds] if charge else [],
        "disputes": [_part(dispute)] if dispute else [],
        "version": payment.version,
        "created_at": _iso(payment.created_at),
        "updated_at": _iso(payment.updated_at),
    }


def _part(part: Refund | Dispute) -> dict[str, Any]:
    """Return a refund or dispute as far as a merchant's own books have it."""
    return {"id": part.id, "amount_minor": part.amount, "status": part.status}


def flat_status(payment: Payment) -> str:
    """Return the one word for a payment's state."""
    charge = payment.latest_charge
    if charge is None or payment.status is not Status.SUCCEEDED:
        return payment.status.value
    if charge.dispute is not None and not charge.dispute.is_inquiry:
        if charge.dispute.status == "lost":
            return "dispute_lost"
        if charge.dispute.is_open:
            return "disputed"
    if charge.amount_returned:
        fully = charge.amount_returned == charge.amount_captured
        return "refunded" if fully else "partially_refunded"
    return payment.status.value


def refuse(status: int, code: str, message: str) -> web.Response:
    """Return an error as this interface has them."""
    return _answer({"error": code, "message": message}, status)


def _answer(payload: object, status: int = 200) -> web.Response:
    """Return a JSON answer."""
    body = msgspec.json.encode(payload)
    return web.Response(status=status, body=body, content_type="application/json")


def _updated_after(provider: Provider, start: Key) -> Iterator[Payment]:
    """Go through the payments by their last update, as a reader sees them."""
    return provider.store.updated_after(start, provider.seen_as_of())


def _start(since: str, after: str | None) -> Key:
    """Return where a page starts; raise ValueError for a malformed one."""
    if after is not None:
        seconds, _, payment_id = after.partition(":")
        return float(seconds), payment_id
    if since.replace(".", "", 1).isdigit():
        return float(since), ""
    moment = datetime.fromisoformat(since)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp(), ""


def _cursor(payment: Payment) -> str:
    """Return what a page that follows this payment starts after."""
    seconds, payment_id = update_key(payment)
    return f"{seconds!r}:{payment_id}"


def _iso(seconds: float) -> str:
    """Return a moment in ISO 8601, in UTC with microseconds."""
    moment = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")
    return moment.replace("+00:00", "Z")
