"""Recording a change: what ringing adds to it, beside sending one bare Celery message."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from unittest.mock import patch

from bench import things
from bench.figures import Figure, at_most, compared
from bench.options import Options
from bench.rounds import Contestant, interleave
from bench.site import Site
from bench.tasks import noop
from coordinator.celery import doorbell
from coordinator.core import cache
from coordinator.ledger.models import Change, Touch
from coordinator.ledger.recording import Event, record_change, record_changes
from coordinator.ledger.signals import changes_recorded
from coordinator.orders.models import Order
from coordinator.payments.models import Payment

_PAYMENTS = 50


def measure(site: Site, options: Options) -> list[Figure]:
    """Return the figures."""
    names = things.numbers(_PAYMENTS, "CHANGE")
    orders = things.numbers(10, "ORDER")
    serial = count(1)
    record_changes([(Order, _order(number)) for number in orders])

    def record(times: int) -> None:
        for index in range(times):
            record_change(Payment, things.event(names[index % _PAYMENTS], next(serial)))

    def record_alone(times: int) -> None:
        with _nobody_hears():
            record(times)

    def record_shown(times: int, containers: int) -> None:
        with _nobody_hears(), _shown_in(orders[:containers]):
            record(times)

    def record_and_ring(times: int) -> None:
        for index in range(times):
            # Silent again, so that each change sends a message: the first of every burst does.
            cache.clear("doorbell.settle")
            record_change(Payment, things.event(names[index % _PAYMENTS], next(serial)))

    def record_alone_and_clear(times: int) -> None:
        with _nobody_hears():
            for index in range(times):
                cache.clear("doorbell.settle")
                record_change(Payment, things.event(names[index % _PAYMENTS], next(serial)))

    def record_and_publish(times: int) -> None:
        with _nobody_hears():
            for index in range(times):
                cache.clear("doorbell.settle")
                record_change(Payment, things.event(names[index % _PAYMENTS], next(serial)))
                noop.apply_async(retry=False)

    def publish(times: int) -> None:
        for _ in range(times):
            noop.apply_async(retry=False)

    contestants = [
        Contestant("alone", record_alone_and_clear),
        Contestant("rings", record_and_ring),
        Contestant("rings already", record, before=doorbell.ring),
        Contestant("publishes", record_and_publish),
        Contestant("bare", record_alone),
        Contestant("shown in one", lambda times: record_shown(times, 1)),
        Contestant("shown in ten", lambda times: record_shown(times, 10)),
        Contestant("publish", publish),
    ]
    try:
        # A worker that answers the bell would do its work on the one core meanwhile.
        with site.worker.held():
            times = interleave(contestants, rounds=options.of(11, 41), calls=options.of(10, 30))
            site.redis.delete("settle", "default")
    finally:
        Change.objects.all().delete()
        Payment.objects.filter(number__in=names).delete()
        Order.objects.filter(number__in=orders).delete()
    rings = times["rings"].microseconds - times["alone"].microseconds
    quiet = times["rings already"].microseconds - times["bare"].microseconds
    publishing = times["publish"].microseconds
    in_place = times["publishes"].microseconds - times["alone"].microseconds
    return [
        compared(
            "changes",
            "record_change with receivers, less without",
            rings,
            publishing,
            "µs",
            "apply_async",
            at_most(1.2),
        ),
        # A message costs more after a transaction than after another message: the processor's
        # caches are full of something else.
        compared(
            "changes",
            "the same, beside an apply_async in the receivers' place",
            rings,
            in_place,
            "µs",
            "apply_async there",
        ),
        compared(
            "changes", "the same while it rings already", quiet, publishing, "µs", "apply_async"
        ),
        compared(
            "changes",
            "record_change of what one container shows",
            times["shown in one"].microseconds,
            times["bare"].microseconds,
            "µs",
            "one that nothing shows",
            at_most(1.5),
        ),
        compared(
            "changes",
            "record_change of what ten containers show",
            times["shown in ten"].microseconds,
            times["bare"].microseconds,
            "µs",
            "one that nothing shows",
            at_most(4.0),
        ),
        compared(
            "changes",
            "record_change by itself",
            times["bare"].microseconds,
            publishing,
            "µs",
            "apply_async",
        ),
    ]


def _order(number: str) -> Event:
    content = {"lms_user_id": "1", "status": "confirmed", "total": 1, "currency": "usd"}
    return Event(f"evt_{number}", "order.confirmed", number, f"up_{number}", None, content)


@contextmanager
def _shown_in(orders: Sequence[str]) -> Iterator[None]:
    """Let these orders show every payment."""
    touches = [Touch(Order.resource_name, number) for number in orders]
    with patch.object(Payment, "shown_in", lambda _: touches):
        yield


@contextmanager
def _nobody_hears() -> Iterator[None]:
    receivers = changes_recorded.receivers
    changes_recorded.receivers = []
    changes_recorded.sender_receivers_cache.clear()
    try:
        yield
    finally:
        changes_recorded.receivers = receivers
        changes_recorded.sender_receivers_cache.clear()
