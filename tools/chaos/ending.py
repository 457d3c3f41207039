"""The end of a run: what is under way comes to rest, and is compared with the provider's truth."""

import json
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from django.utils import timezone

from coordinator.core import resource
from coordinator.ledger import queue
from coordinator.payments.models import Payment
from coordinator.payments.resource import NAME
from coordinator.warmer.models import Watermark
from coordinator.warmer.reconcile import watermark_name
from tools.chaos.site import Site
from tools.embedded.shopping import credential
from tools.report.provider import SimulatorFailed
from tools.shoppers import Person
from tools.shoppers.people import FIRST_STAFF_ID

# The provider sends a refused webhook again after up to half a minute.
_WEBHOOKS_SECONDS = 45.0
_RECONCILE_SECONDS = 25.0
# What was recorded while the cache could not be told is confirmed when suspension and pointer have
# run out, and a killed worker's claim before that.
_SETTLE_SECONDS = 45.0
_LOOK_SECONDS = 0.25
_ASKED_AT_ONCE = 50
_ASK_SECONDS = 30.0


def drain(site: Site, say: Callable[[str], object]) -> None:
    """Return once every event has arrived, and every change is settled; or when time is up."""
    control = site.system.control

    def arrived() -> bool:
        with suppress(SimulatorFailed):
            return control.seen().pending == 0
        return False

    _wait(site, arrived, _WEBHOOKS_SECONDS, "webhooks on their way", say)
    since = timezone.now()

    def reconciled() -> bool:
        return Watermark.objects.filter(
            name=watermark_name(resource.get(NAME)), reached_at__gte=since
        ).exists()

    _wait(site, reconciled, _RECONCILE_SECONDS, "the next round of reconciling", say)
    _wait(site, _settled, _SETTLE_SECONDS, "changes to be settled", say)


def _settled() -> bool:
    return queue.backlog().unsettled == 0


def _wait(
    site: Site,
    holds: Callable[[], bool],
    seconds: float,
    what: str,
    say: Callable[[str], object],
) -> None:
    say(f"Waiting for {what} ...")
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        site.wait(_LOOK_SECONDS)


def misserved(
    payments: Iterable[Mapping[str, Any]], ask: Callable[[Sequence[str]], Mapping[str, Any]]
) -> list[str]:
    """Return what the service serves otherwise than the provider's books have it, in words.

    `ask` returns the served payments of these numbers. Compared are state, amounts, and each refund
    and dispute with its amount and status.
    """
    books = {str(payment["number"]): payment for payment in payments}
    found = []
    for numbers in batched(list(books), _ASKED_AT_ONCE):
        served = ask(numbers)
        for number in numbers:
            if number not in served:
                found.append(f"{number} is not served")
                continue
            theirs, ours = _by_books(books[number]), _as_served(served[number])
            if ours != theirs:
                found.append(f"{number} is served as {ours}, and is {theirs} at the provider")
    return found


def batched(numbers: list[str], size: int) -> Iterator[list[str]]:
    """Yield `numbers` in parts of `size`."""
    for start in range(0, len(numbers), size):
        yield numbers[start : start + size]


_Facts = tuple[object, ...]


def _by_books(payment: Mapping[str, Any]) -> _Facts:
    parts = [
        sorted((one["id"], one["amount_minor"], one["status"]) for one in payment[kind])
        for kind in ("refunds", "disputes")
    ]
    amounts = (payment["amount_received_minor"], payment["amount_refunded_minor"])
    return (payment["status"], *amounts, *parts)


def _as_served(payment: Mapping[str, Any]) -> _Facts:
    parts = [
        sorted((one["id"], one["amount"], one["status"]) for one in payment[kind])
        for kind in ("refunds", "disputes")
    ]
    return (payment["state"], payment["amount_received"], payment["amount_refunded"], *parts)


def asking(url: str) -> Callable[[Sequence[str]], Mapping[str, Any]]:
    """Return what asks the service at `url` for payments, as a member of staff."""
    headers = credential()(Person(FIRST_STAFF_ID, is_staff=True))

    def ask(numbers: Sequence[str]) -> Mapping[str, Any]:
        request = urllib.request.Request(  # noqa: S310  # the address is that of our own process
            f"{url}/api/v1/payments/?numbers={','.join(numbers)}", headers=dict(headers)
        )
        with urllib.request.urlopen(request, timeout=_ASK_SECONDS) as answer:  # noqa: S310
            payments: Mapping[str, Any] = json.load(answer)["payments"]
        return payments

    return ask


def untold(payments: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return what the provider holds and the ledger does not know, in words."""
    rows = {row.number: row for row in Payment.objects.all()}
    found = []
    for payment in payments:
        number, row = str(payment["number"]), rows.get(str(payment["number"]))
        if row is None:
            found.append(f"{number} is not in the ledger")
            continue
        ours = (row.state, row.amount_received, row.amount_refunded)
        theirs = (
            payment["status"],
            payment["amount_received_minor"],
            payment["amount_refunded_minor"],
        )
        if ours != theirs:
            found.append(f"{number} is {ours} in the ledger, and {theirs} at the provider")
    return found
