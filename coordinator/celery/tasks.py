"""The tasks: thin adapters, each safe to run twice."""

import functools
import logging
from collections.abc import Callable
from typing import Any

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings

from coordinator.celery import doorbell, host
from coordinator.core import cache, resource, switches
from coordinator.core.resource import Resource
from coordinator.errors import CoordinatorError
from coordinator.ledger.retention import prune as prune_log
from coordinator.warmer import cache_loss as recovery
from coordinator.warmer import keep_warm as keeping
from coordinator.warmer import reconcile as reconciling
from coordinator.warmer import settle as settling
from coordinator.warmer import switching
from coordinator.warmer import verify as verifying

logger = logging.getLogger(__name__)

_RING_AGAIN_WITHIN_SECONDS = 5.0
_ROUND_SECONDS = 20.0


def unless_paused(task: Callable[..., None]) -> Callable[..., None]:
    """Skip a task while warming is paused: what it would do waits in the log or for its beat."""

    @functools.wraps(task)
    def run(*args: Any, **kwargs: Any) -> None:
        if not switches.warming_paused():
            task(*args, **kwargs)

    return run


def once_a_round(seconds_setting: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Skip a beat's task if this round's has run: two beats running by mistake do no harm."""

    def decorate(task: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(task)
        def run(*args: Any, **kwargs: Any) -> None:
            # A little less than the period: a beat that comes early by its jitter is not skipped.
            period = getattr(settings, seconds_setting) * 0.8
            if cache.is_first(f"beat.{task.__name__}", period, if_unreachable=True):
                task(*args, **kwargs)

        return run

    return decorate


@shared_task(name="coordinator.settle")
@unless_paused
def settle() -> None:
    """Settle one page of the change log, and ring again at once if there is more."""
    # Before the log is read: a change that comes after the reading rings a clear bell.
    doorbell.clear()
    page = settling.settle_page(when_full=doorbell.ring, time_is_up=(SoftTimeLimitExceeded,))
    if page.again_in_seconds is not None and page.again_in_seconds <= _RING_AGAIN_WITHIN_SECONDS:
        doorbell.ring_later(page.again_in_seconds)


@shared_task(name="coordinator.warm_open")
@unless_paused
@once_a_round("COORDINATOR_WARM_OPEN_EVERY_SECONDS")
def warm_open() -> None:
    """Keep what is open warm."""
    for of in resource.registered():
        warm_on(of.name)


@shared_task(name="coordinator.warm_on")
@unless_paused
def warm_on(name: str, after: str = "") -> None:
    """Keep what is open of one resource warm, and go on in another task when time is up."""
    done = keeping.keep_open_warm(name, after, _ROUND_SECONDS)
    if done.goes_on_after:
        host.task("warm_on").apply_async(kwargs={"name": name, "after": done.goes_on_after})


@shared_task(name="coordinator.warm_due")
@unless_paused
def warm_due(name: str, identifier: str, loaded_at: float) -> None:
    """Refresh one entry that a reader found due."""
    keeping.refresh(name, identifier, loaded_at)


@shared_task(name="coordinator.watch")
@unless_paused
def watch() -> None:
    """Notice a cache that has lost what it held, and have it refilled by one worker."""
    if recovery.noticed_loss() and recovery.may_refill():
        for of in resource.registered():
            host.task("warm_refill").apply_async(kwargs={"name": of.name})


@shared_task(name="coordinator.warm_refill")
@unless_paused
def warm_refill(name: str, before: str = "") -> None:
    """Refill the cache, newest first, and go on in another task when time is up."""
    done = keeping.refill(name, before, _ROUND_SECONDS)
    if done.goes_on_after:
        host.task("warm_refill").apply_async(kwargs={"name": name, "before": done.goes_on_after})


@shared_task(name="coordinator.reconcile")
@once_a_round("COORDINATOR_RECONCILE_EVERY_SECONDS")
def reconcile() -> None:
    """Record what no webhook told; if upstream can't list it now, the next round does."""
    for of in resource.registered():
        _reconcile(of)


def _reconcile(of: Resource) -> None:
    try:
        reconciling.reconcile(of)
    except CoordinatorError as error:
        # Nothing is lost by it: the next round begins where the last complete one ended.
        refused = not error.permanent and not error.burns_attempt
        logger.log(
            logging.INFO if refused else logging.ERROR if error.permanent else logging.WARNING,
            "reconcile.postponed",
            extra={
                "resource": of.name,
                "reason": error.reason,
                "retry_after_seconds": error.retry_after_seconds,
            },
        )


@shared_task(name="coordinator.verify")
@once_a_round("COORDINATOR_VERIFY_EVERY_SECONDS")
def verify() -> None:
    """Compare a sample of entries with ledger and upstream."""
    for of in resource.registered():
        for _ in verifying.verify(
            of.name,
            settings.COORDINATOR_VERIFY_SAMPLE,
            settings.COORDINATOR_VERIFY_GRACE_SECONDS,
        ):
            pass


@shared_task(name="coordinator.prune")
def prune() -> None:
    """Delete settled changes that are past their retention time."""
    prune_log(settings.COORDINATOR_LOG_RETENTION_DAYS)


@shared_task(name="coordinator.publish_switches")
def publish_switches() -> None:
    """Carry the kill switches to the cache, in case it has lost them."""
    switching.publish()
