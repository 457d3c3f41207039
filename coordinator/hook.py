"""Tells subscribers what happened: the one hook behind the events of core, caches and upstream.

A subscriber gets one frozen event object, in the thread in which it happened, perhaps in a request.
It must be quick and must not raise; if it does, that is logged and the others are still told.
"""

import logging
from collections.abc import Callable
from typing import Any, Generic, TypeVar

logger = logging.getLogger(__name__)

E = TypeVar("E")


class Hook(Generic[E]):
    """The subscribers to a closed set of event types."""

    def __init__(self, *kinds: type) -> None:
        """Take the types of events that are emitted here."""
        self._kinds = kinds
        # New tuples at each change, so that a thread which is emitting needs no lock.
        self._subscribers: dict[type, tuple[Callable[[Any], None], ...]] = dict.fromkeys(kinds, ())

    def subscribe(self, subscriber: Callable[[Any], None], *kinds: type) -> Callable[[], None]:
        """Tell `subscriber` of events from now on; return the function that ends it.

        Of every event, or of those `kinds` alone: the others then cost it nothing.
        """
        of = kinds or self._kinds
        for kind in of:
            self._subscribers[kind] = (*self._subscribers[kind], subscriber)

        def unsubscribe() -> None:
            for kind in of:
                left = tuple(one for one in self._subscribers[kind] if one is not subscriber)
                self._subscribers[kind] = left

        return unsubscribe

    def heard(self, kind: type) -> bool:
        """Return True if this kind has a subscriber: without one, no event needs to be built."""
        return bool(self._subscribers[kind])

    def emit(self, event: E) -> None:
        """Tell the subscribers; one that fails is logged and never felt by the caller."""
        for subscriber in self._subscribers[type(event)]:
            try:
                subscriber(event)
            except Exception:
                logger.exception("subscriber.failed", extra={"event": type(event).__name__})
