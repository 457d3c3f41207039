"""The payments that everything is measured with: in the ledger, in the cache, or both."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from django.utils import timezone

from coordinator.core import cache, clock, entry, keys, pointer
from coordinator.core.entry import CacheEntry
from coordinator.core.resource import Loaded, Resource, Standing
from coordinator.ledger.models import Change
from coordinator.ledger.recording import Event
from coordinator.payments.models import Payment

OWNER = "42"
STATE = "succeeded"
TIMEOUT_SECONDS = 1800
_CARRIED_BYTES = 1_000
_BEGAN = timezone.now() - timedelta(seconds=60)


def numbers(count: int, series: str = "BENCH") -> list[str]:
    """Return so many payment numbers."""
    return [f"{series}-{index}" for index in range(count)]


def payload(number: str, size: int) -> bytes:
    """Return a payment's JSON of about `size` bytes."""
    head = f'{{"number":"{number}","state":"{STATE}","amount":4200,"currency":"usd","filler":"'
    return (head + "x" * (size - len(head) - 2) + '"}').encode()


def entry_bytes(resource: Resource, number: str, content: bytes) -> tuple[str, bytes]:
    """Return the stored key and bytes of a payment's entry."""
    now = clock.current().now()
    key = keys.EntryKey(resource.name, number, STATE, resource.schema)
    made = CacheEntry(
        payload=content,
        state=STATE,
        revision=1,
        loaded_at=now,
        load_seconds=0.01,
        refresh_after=now + 0.8 * TIMEOUT_SECONDS,
        expires_at=now + TIMEOUT_SECONDS,
        owner=OWNER,
        schema=resource.schema,
        etag=entry.etag_of(content),
    )
    return key.cache_key, entry.encode(made, key)


def put_warm(resource: Resource, names: Iterable[str], size: int) -> None:
    """Have entries and pointers in the shared cache, as settling would leave them."""
    for number in names:
        key, data = entry_bytes(resource, number, payload(number, size))
        cache.put(key, data, TIMEOUT_SECONDS)
        where = keys.pointer_key(resource.name, number)
        # For the whole run: expiring pointers are not what is measured here.
        cache.put(where, pointer.encode(pointer.Current(STATE, 1), where), TIMEOUT_SECONDS)


def rows(names: Sequence[str], prefix: str = "fast") -> list[Payment]:
    """Return unsaved ledger rows, each at revision 1."""
    now = timezone.now()
    return [
        Payment(
            number=number,
            upstream_id=f"{prefix}_{number}",
            state=STATE,
            revision=1,
            changed_at=now,
            provider="bench",
            lms_user_id=OWNER,
            intent_status=STATE,
            amount=4200,
            amount_received=4200,
            currency="usd",
        )
        for number in names
    ]


def changes(names: Sequence[str]) -> list[Change]:
    """Return unsaved changes that made those rows, each suspended as recording leaves it."""
    return [
        Change(
            resource="payment",
            identifier=number,
            revision=1,
            state=STATE,
            event_id=f"evt_{number}",
            event_type="payment_intent.succeeded",
            suspended=True,
        )
        for number in names
    ]


def put_pointers(names: Sequence[str]) -> None:
    """Have the pointers say what recording leaves there: current, the entry not yet stored."""
    for number in names:
        where = keys.pointer_key("payment", number)
        cache.put(where, pointer.encode(pointer.Current(STATE, 1), where), TIMEOUT_SECONDS)


def carried(number: str, standing: Standing) -> Loaded:
    """Be the carrier of an event: what a load would return."""
    return Loaded(payload(number, _CARRIED_BYTES), standing.state, standing.owner)


def event(number: str, serial: int, prefix: str = "fast", *, carries: bool = False) -> Event:
    """Return the event number `serial` of one payment; each is later than the one before.

    One that `carries` brings its entry along.
    """
    return Event(
        event_id=f"evt_{number}_{serial}",
        event_type="payment_intent.succeeded",
        number=number,
        upstream_id=f"{prefix}_{number}",
        # Young enough to be carried, and never ahead of our clock.
        occurred_at=_BEGAN + timedelta(milliseconds=serial),
        carried=carried if carries else None,
        content={
            "provider": "bench",
            "lms_user_id": OWNER,
            "amount": 4200,
            "amount_received": 4200,
            "currency": "usd",
            "intent_status": STATE,
        },
    )
