"""The tasks: thin adapters, each safe to run twice."""

import functools
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded

from coordinator.celery import doorbell, host
from coordinator.core import cache, conf, resource, switches
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


def task(name: str) -> Callable[[Callable[..., None]], Any]:
    """Return ``shared_task`` with the options that all of ours have, whatever the host's app says.

    No result: what came of a change stands in the change log. Acknowledged late: each is safe to
    run twice, so another worker takes what one did not finish. JSON: a
    message can't run code in a worker.
    """
    return shared_task(
        name=f"coordinator.{name}",
        ignore_result=True,
        acks_late=True,
        reject_on_worker_lost=True,
        serializer="json",
    )


_RING_AGAIN_WITHIN_SECONDS = 5.0
_ROUND_SECONDS = 20.0


def unless_paused(run_it: Callable[..., None]) -> Callable[..., None]:
    """Skip a task while warming is paused: what it would do waits in the log or for its beat."""

    @functools.wraps(run_it)
    def run(*args: Any, **kwargs: Any) -> None:
        if not switches.warming_paused():
            run_it(*args, **kwargs)

    return run


def once_a_round(setting: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Skip a beat's task if this round's has run: two beats running by mistake do no harm."""

    def decorate(run_it: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(run_it)
        def run(*args: Any, **kwargs: Any) -> None:
            # A little less than the period: a beat that comes early by its jitter is not skipped.
            period = conf.seconds(setting) * 0.8
            if cache.is_first(f"beat.{run_it.__name__}", period, if_unreachable=True):
                run_it(*args, **kwargs)

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


@task("settle")
@unless_paused
def settle() -> None:
    """Settle one page of the change log, and ring again at once if there is more."""
    # Before the log is read: a change that comes after the reading rings a clear bell.
    doorbell.clear()
    page = settling.settle_page(when_full=doorbell.ring, time_is_up=(SoftTimeLimitExceeded,))
    if page.again_in_seconds is not None and page.again_in_seconds <= _RING_AGAIN_WITHIN_SECONDS:
        doorbell.ring_later(page.again_in_seconds)


@task("warm_open")
@unless_paused
@once_a_round("WARM_OPEN_EVERY")
def warm_open() -> None:
    """Keep what is open warm."""
    for of in resource.registered():
        warm_on(of.name)


@task("warm_on")
@unless_paused
def warm_on(name: str, after: str = "", round_id: str = "") -> None:
    """Keep what is open of one resource warm, and go on in another task when time is up.

    One round at a time: the next beat's does nothing while this one goes on.
    """

    def part() -> Following:
        done = keeping.keep_open_warm(name, after, _ROUND_SECONDS)
        return {"name": name, "after": done.goes_on_after} if done.goes_on_after else None

    _go_on(f"warm.{name}", round_id, "warm_on", part)


@task("warm_due")
@unless_paused
def warm_due(name: str, identifier: str, loaded_at: float) -> None:
    """Refresh one entry that a reader found due."""
    keeping.refresh(name, identifier, loaded_at)


@task("watch")
@unless_paused
def watch() -> None:
    """Notice a cache that has lost what it held, and have it refilled by one worker."""
    if recovery.noticed_loss() and recovery.may_refill():
        for of in resource.registered():
            # Anew, if one goes on: it may have passed by what is lost now.
            round_id = rounds.begin_anew(f"refill.{of.name}")
            kwargs = {"name": of.name, "round_id": round_id}
            host.task("warm_refill").apply_async(kwargs=kwargs)


@task("warm_refill")
@unless_paused
def warm_refill(name: str, before: str = "", round_id: str = "") -> None:
    """Refill the cache, newest first, and go on in another task when time is up."""

    def part() -> Following:
        done = keeping.refill(name, before, _ROUND_SECONDS)
        return {"name": name, "before": done.goes_on_after} if done.goes_on_after else None

    _go_on(f"refill.{name}", round_id, "warm_refill", part)


@task("reconcile")
@once_a_round("RECONCILE_EVERY")
def reconcile() -> None:
    """Record what no webhook told; if upstream can't list it now, the next round does."""
    for of in resource.registered():
        reconcile_on(of.name)


@task("reconcile_on")
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


@task("verify")
@once_a_round("VERIFY_EVERY")
def verify() -> None:
    """Compare a sample of entries with ledger and upstream."""
    _verify_samples()


@task("verify_now")
def verify_now() -> None:
    """Compare a sample at once, whenever the last round was: a member of staff asks for it."""
    _verify_samples()


def _verify_samples() -> None:
    for of in resource.registered():
        for _ in verifying.verify(
            of.name,
            int(conf.number("VERIFY_SAMPLE")),
            conf.seconds("VERIFY_GRACE"),
        ):
            pass


@task("prune")
def prune() -> None:
    """Delete settled changes that are past their retention time."""
    prune_log(int(conf.number("LOG_RETENTION_DAYS")))


@task("publish_switches")
def publish_switches() -> None:
    """Carry the kill switches to the cache, in case it has lost them."""
    switching.publish()
