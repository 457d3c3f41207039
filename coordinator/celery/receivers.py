"""Turns signals and events into tasks: a recorded change rings, an entry that is due is refreshed.

Computes nothing: what a task does is decided in the task, from the ledger.
"""

from django.dispatch import receiver

from coordinator.celery import doorbell, hints
from coordinator.core import cache, events, keys
from coordinator.ledger.signals import changes_recorded

_REFRESH_TIMEOUT_SECONDS = 60


@receiver(changes_recorded, dispatch_uid="workers.ring")
def ring_on_change(**_: object) -> None:
    """Wake a worker, once for all changes of a transaction."""
    doorbell.ring()


def refresh_when_due(event: events.EntryDue) -> None:
    """Have an entry refreshed that a reader found due: by one task, however many readers find it.

    The readers keep the present entry, and only what is read is refreshed.
    """
    if hints.quiet():
        return
    key = keys.stored_key(event.resource, event.identifier, f"@refresh.{event.loaded_at}")
    if not cache.is_first(key, _REFRESH_TIMEOUT_SECONDS, if_unreachable=False):
        return
    sent = hints.send(
        "warm_due",
        kwargs={
            "name": event.resource,
            "identifier": event.identifier,
            "loaded_at": event.loaded_at,
        },
        expires=_REFRESH_TIMEOUT_SECONDS,
    )
    if not sent:
        # The entry serves on until it expires, and until then the next reader may tell.
        cache.clear(key)


events.subscribe(refresh_when_due, events.EntryDue)
