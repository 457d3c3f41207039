"""Events about orders."""

import itertools

from coordinator.ledger.recording import Event, Recorded, record_change
from coordinator.orders.models import Order
from tests.support.payments import moment
from tests.support.upstream import OWNER

_ids = itertools.count(1)


def order_event(
    status: str = "confirmed", *, at: float | None = None, number: str = "ORD-1", **content: object
) -> Event:
    """Return an event by which an order is in `status`; `at` is in seconds, see `moment`."""
    return Event(
        event_id=f"evt_order_{next(_ids)}",
        event_type=f"order.{status}",
        number=number,
        upstream_id=f"up_{number}",
        occurred_at=None if at is None else moment(at),
        content={
            "lms_user_id": OWNER,
            "status": status,
            "total": 1000,
            "currency": "usd",
            **content,
        },
    )


def record_order(status: str = "confirmed", **details: object) -> Recorded:
    """Record the `order_event` that these arguments make."""
    return record_change(Order, order_event(status, **details))  # type: ignore[arg-type]  # by name


def order(number: str = "ORD-1") -> Order:
    """Return the order's row."""
    return Order.objects.get(number=number)
