"""What happened on the way upstream, told to whoever subscribed: metrics live behind this hook.

A subscriber gets one frozen event object, in the thread in which it happened. It must be quick and
must not raise; if it does, that is logged and the others are still told.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RequestFinished:
    """A call ended, with all its attempts.

    `status` is upstream's last, None if it gave none; `error` is the reason of the error that the
    caller got, "" if it got an answer. `attempts` is how many requests upstream saw: 0 if the
    budget or the breaker did not let the call out.
    """

    cause: str
    method: str
    host: str
    status: int | None
    seconds: float
    attempts: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class BudgetWaited:
    """A request had to wait for the budget, `seconds`, and was `granted` its place or not."""

    cause: str
    host: str
    seconds: float
    granted: bool


@dataclass(frozen=True, slots=True)
class BudgetModeChanged:
    """The process now counts together with the others (`shared`), or keeps to its own share."""

    host: str
    shared: bool


@dataclass(frozen=True, slots=True)
class UpstreamPaused:
    """Upstream asked for `seconds` of silence, and gets them from everybody."""

    host: str
    seconds: float


@dataclass(frozen=True, slots=True)
class BreakerChanged:
    """The process's breaker went from `old` to `new`: closed, open or half-open."""

    host: str
    old: str
    new: str


Event = RequestFinished | BudgetWaited | BudgetModeChanged | UpstreamPaused | BreakerChanged
Subscriber = Callable[[Event], None]

_subscribers: tuple[Subscriber, ...] = ()


def subscribe(subscriber: Subscriber) -> Callable[[], None]:
    """Tell `subscriber` of every event from now on; return the function that ends it."""
    global _subscribers
    _subscribers = (*_subscribers, subscriber)

    def unsubscribe() -> None:
        global _subscribers
        _subscribers = tuple(one for one in _subscribers if one is not subscriber)

    return unsubscribe


def emit(event: Event) -> None:
    """Tell the subscribers; a failing one is logged and never felt by the caller."""
    for subscriber in _subscribers:
        try:
            subscriber(event)
        except Exception:
            logger.exception("subscriber.failed", extra={"event": type(event).__name__})
