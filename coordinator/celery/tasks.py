"""The tasks: thin adapters, each safe to run twice."""

import functools
import logging
from collections.abc import Callable
from datetime import datetime
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
from coordinator.warmer import rounds, switching
from coordinator.warmer import settle as settling
from coordinator.warmer import verify as verifying
from coordinator.warmer.reconcile import Reconciled

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


#: The arguments of a round's next part, None where it has ended.
Following = dict[str, object] | None


def _go_on(kind: str, round_id: str, task: str, part: Callable[[], Following]) -> None:
    """Do a part of the round `round_id`, unless another round took over; send the next part.

    Without an id it is a new round's first part, and none if a round of this kind goes on.
    """
    mine = round_id or rounds.begin(kind)
    if mine is None or (round_id and not rounds.goes_on(kind, round_id)):
        return
    following: Following = None
    try:
        following = part()
    finally:
        if following is None:
            rounds.end(kind, mine)
    if following is not None:
        host.task(task).apply_async(kwargs={**following, "round_id": mine})


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
def warm_on(name: str, after: str = "", round_id: str = "") -> None:
    """Keep what is open of one resource warm, and go on in another task when time is up.

    One round at a time: the next beat's does nothing while this one goes on.
    """

    def part() -> Following:
        done = keeping.keep_open_warm(name, after, _ROUND_SECONDS)
        return {"name": name, "after": done.goes_on_after} if done.goes_on_after else None

    _go_on(f"warm.{name}", round_id, "warm_on", part)


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
            # Anew, if one goes on: it may have passed by what is lost now.
            round_id = rounds.begin_anew(f"refill.{of.name}")
            kwargs = {"name": of.name, "round_id": round_id}
            host.task("warm_refill").apply_async(kwargs=kwargs)


@shared_task(name="coordinator.warm_refill")
@unless_paused
def warm_refill(name: str, before: str = "", round_id: str = "") -> None:
    """Refill the cache, newest first, and go on in another task when time is up."""

    def part() -> Following:
        done = keeping.refill(name, before, _ROUND_SECONDS)
        return {"name": name, "before": done.goes_on_after} if done.goes_on_after else None

    _go_on(f"refill.{name}", round_id, "warm_refill", part)


@shared_task(name="coordinator.reconcile")
@once_a_round("COORDINATOR_RECONCILE_EVERY_SECONDS")
def reconcile() -> None:
    """Record what no webhook told; if upstream can't list it now, the next round does."""
    for of in resource.registered():
        reconcile_on(of.name)


@shared_task(name="coordinator.reconcile_on")
def reconcile_on(name: str, since: str = "", held_back: bool = False, round_id: str = "") -> None:
    """Reconcile one resource, and go on in another task when time is up.

    `held_back` says that an event failed in an earlier part, and holds back the watermark.
    """
    of = resource.get(name)

    def part() -> Following:
        start = datetime.fromisoformat(since) if since else reconciling.begins_at(of)
        done = _reconciled(of, start, held_back)
        if done is None or done.goes_on_from is None:
            return None
        return {
            "name": name,
            "since": done.goes_on_from.isoformat(),
            "held_back": held_back or bool(done.failed),
        }

    _go_on(f"reconcile.{name}", round_id, "reconcile_on", part)


def _reconciled(of: Resource, since: datetime, held_back: bool) -> Reconciled | None:
    try:
        return reconciling.reconcile_part(of, since, _ROUND_SECONDS, held_back=held_back)
    except CoordinatorError as error:
        # Nothing is lost by it: the next round begins at the watermark.
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
        return None


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
