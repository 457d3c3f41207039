"""The end of a run: what is under way comes to rest, and is compared with the provider's truth."""

import time
from collections.abc import Callable, Iterable, Mapping
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
from tools.report.provider import SimulatorFailed

# The provider sends a refused webhook again after up to half a minute.
_WEBHOOKS_SECONDS = 45.0
_RECONCILE_SECONDS = 25.0
# What was recorded while the cache could not be told is confirmed when suspension and pointer have
# run out, and a killed worker's claim before that.
_SETTLE_SECONDS = 45.0
_LOOK_SECONDS = 0.25


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
