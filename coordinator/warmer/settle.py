"""Settles changes: claims a page of the log, warms what is newest, writes down how each one ended.

`settle_page` is the front door: `queue.claim` hides a page's changes from other workers, `_settle`
reads what holds in the ledger and warms it under the lease, `queue.conclude` writes the endings.

One path for events, repair and retries. Any page, any number of times, in any order: the log says
what is to be done, the ledger what holds, the entry what is done already. By which rules a change
ends is said in `outcomes`.
"""

import logging
import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from coordinator import correlation
from coordinator.core import clock, conf, load, resource
from coordinator.core.entry import CacheEntry
from coordinator.core.fill import Fresh, Warmed
from coordinator.core.resource import Resource, Standing
from coordinator.core.warm import confirm, warm_many
from coordinator.errors import CoordinatorError
from coordinator.ledger import queue
from coordinator.ledger.models import Change
from coordinator.ledger.queue import Ending
from coordinator.warmer import outcomes as endings
from coordinator.warmer import throttle
from coordinator.warmer.throttle import Throttle

logger = logging.getLogger(__name__)

#: Exceptions that end the task which settles.
TimeIsUp = tuple[type[Exception], ...]

#: One death says little of the change (a deploy, a machine). After the second it is settled alone.
_SUSPECT_AFTER_INTERRUPTIONS = 2
_SHORTEST_PAUSE_SECONDS = 0.25


@dataclass(slots=True)
class PageResult:
    """What one page came to: how many changes, whether more may be due, and how they ended.

    `again_in_seconds` is when the soonest of the postponed ones is due, None without any.
    """

    claimed: int
    full: bool
    endings: dict[str, int] = field(default_factory=Counter)
    again_in_seconds: float | None = None

    def count(self, one: Ending) -> None:
        """Add how one of its changes ended."""
        self.endings[one.outcome or "postponed"] += 1
        if not (one.outcome and one.confirmed) and (
            self.again_in_seconds is None or one.again_in_seconds < self.again_in_seconds
        ):
            self.again_in_seconds = one.again_in_seconds


def settle_page(
    when_full: Callable[[], object] | None = None, *, time_is_up: TimeIsUp = ()
) -> PageResult:
    """Claim one page of due changes, do what they ask for, and write down how they ended.

    `when_full` is called as soon as a full page is claimed, before the work: a free worker can
    take the next one meanwhile. Where upstream has just refused something it is called after the
    work, since a second page would only be refused as well. `time_is_up` are the exceptions that
    end the caller's task, like Celery's soft time limit: they pass through, where any other belongs
    to one change.

    Nothing is claimed of a resource whose upstream is closed to this process for now; without any
    other resource the page is empty, and `again_in_seconds` says when to come back.

    A caller outside a Celery task clears the request tier between pages (`lifecycle` does it for
    tasks): nothing here reads that tier, but what is stored is remembered in it.
    """
    with throttle.current().turn() as mine:
        if mine:
            return _settle_page(throttle.current(), when_full, time_is_up)
    return PageResult(0, full=False, again_in_seconds=_SHORTEST_PAUSE_SECONDS)


def _settle_page(
    pace: Throttle, when_full: Callable[[], object] | None, time_is_up: TimeIsUp
) -> PageResult:
    names = [of.name for of in resource.registered()]
    closed = pace.closed(names)
    if names and len(closed) == len(names):
        return PageResult(0, full=False, again_in_seconds=min(closed.values()))
    limit = int(conf.number("SETTLE_PAGE"))
    asked = pace.page(limit)
    claimed = queue.claim(asked, conf.seconds("CLAIM"), apart_from=closed)
    page = PageResult(len(claimed), full=len(claimed) == asked, again_in_seconds=_soonest(closed))
    when_full = when_full if page.full else None
    if when_full is not None and not pace.is_short():
        when_full()
        when_full = None
    began = clock.current().monotonic()
    until = began + conf.seconds("CLAIM") / 2
    suspects = [change for change in claimed if _is_suspect(change)]
    _settle_and_conclude(
        _from_both_ends([change for change in claimed if not _is_suspect(change)]),
        until,
        page,
        time_is_up,
    )
    # Each by itself and written down at once, in another order each time: if one of them kills its
    # worker again, the others that came before it are done.
    # One of them in any case, however late the others made it: the claim has time for one load.
    for nth, change in enumerate(random.sample(suspects, len(suspects))):  # hides nothing
        _settle_and_conclude([change], until if nth else math.inf, page, time_is_up)
    seconds = clock.current().monotonic() - began
    settled = page.claimed - page.endings["postponed"]
    refused_for = max(pace.closed(names).values(), default=0.0)
    if refused_for and settled < page.claimed:
        pace.was_refused(asked, settled, seconds + refused_for)
    else:
        pace.took(asked, page.claimed, settled, seconds, limit)
    if when_full is not None:
        when_full()
    return page


def _soonest(closed: Mapping[str, float]) -> float | None:
    return min(closed.values(), default=None)


def _from_both_ends(changes: Sequence[Change]) -> list[Change]:
    """Return the newest, the oldest, the second newest, and so on, of changes in their order.

    What is loaded first has upstream's budget first: the newest and the oldest have half each.
    """
    mixed = [change for pair in zip(reversed(changes), changes, strict=True) for change in pair]
    return mixed[: len(changes)]


def _is_suspect(change: Change) -> bool:
    return endings.interruptions(change) >= _SUSPECT_AFTER_INTERRUPTIONS


def _settle_and_conclude(
    changes: Sequence[Change], until: float, page: PageResult, time_is_up: TimeIsUp
) -> None:
    by_resource: dict[str, list[Change]] = defaultdict(list)
    for change in changes:
        by_resource[change.resource].append(change)
    ended: list[tuple[Change, Ending]] = []
    for name, of_one in by_resource.items():
        ended += _settle_or_part(name, of_one, until, time_is_up)
    queue.conclude(ended)
    for _, one in ended:
        page.count(one)


def _settle_or_part(
    name: str, changes: Sequence[Change], until: float, time_is_up: TimeIsUp
) -> list[tuple[Change, Ending]]:
    """Return how each one ended; what can't be settled together is settled one by one.

    So trouble of any kind stays with the change that brings it, and blocks no other.
    """
    try:
        return _settle(resource.get(name), changes, until)
    except time_is_up:
        raise
    except Exception as error:
        logger.exception("page.failed", extra={"resource": name, "changes": len(changes)})
        if len(changes) == 1:
            return [(changes[0], endings.of_trouble(changes[0], error))]
    return [
        ended for change in changes for ended in _settle_or_part(name, [change], until, time_is_up)
    ]


def _settle(of: Resource, changes: Sequence[Change], until: float) -> list[tuple[Change, Ending]]:
    # Read before anything is loaded: the entries will claim these revisions.
    standings = of.standings(sorted({change.identifier for change in changes}))
    to_warm, to_check = {}, {}
    for change in changes:
        standing = standings.get(change.identifier)
        if standing is None or change.outcome or endings.kills_workers(change):
            continue
        if change.confirm and change.revision == standing.revision:
            to_check[change.identifier] = standing
        elif change.revision == standing.revision:
            to_warm[change.identifier] = standing
    for name in to_check:
        to_warm.pop(name, None)
    with _correlated(changes):
        # Of those to check the order could not be told. An entry that a reader has stored since is
        # right, but only what upstream says now can be compared with the ledger's columns.
        kinds: list[tuple[dict[str, Standing], Fresh | None]] = [
            (to_warm, None),
            (to_check, _nothing_there_will_do),
        ]
        # First the kind that has waited longest: what there was no time for comes first in time.
        waiting = (change.identifier for change in sorted(changes, key=lambda one: one.pk))
        if next((name in to_check for name in waiting if name in {**to_warm, **to_check}), False):
            kinds.reverse()
        warmed: dict[str, Warmed] = {}
        refusal: CoordinatorError | None = None
        for standings_of_kind, fresh in kinds:
            if refusal is None:
                done, refusal = _warm_in_time(of, standings_of_kind, until, fresh)
                warmed |= done
        confirmations = confirm(of, standings)
    ended = []
    for change in changes:
        with correlation.bind(change.correlation_id):
            warm = warmed.get(change.identifier)
            one = endings.ending(change, standings, warm, confirmations, refusal)
            ended.append((change, one))
    return ended


def _warm_in_time(
    of: Resource, standings: Mapping[str, Standing], until: float, fresh: Fresh | None = None
) -> tuple[dict[str, Warmed], CoordinatorError | None]:
    """Warm while there is time, and leave out the rest: a slow upstream must not outlive the claim.

    Nor the task's time limit, which would leave nothing written down of what was done. A refusal to
    everything is waited out for a moment, since putting a change back and claiming it once more
    costs the database more than the wait costs here. Return the refusal that outlasted that: it
    says why the rest is left out, and when to come back.
    """
    warmed: dict[str, Warmed] = {}
    patient_until = clock.current().monotonic() + throttle.PAGE_SECONDS
    for batch in load.batches(of, standings):
        left = batch
        while left:
            if clock.current().monotonic() >= until:
                return warmed, None
            done = warm_many(of, left, cause="event", fresh=fresh)
            refused = {
                name: error
                for name, one in done.items()
                if (error := one.error) is not None and throttle.pause_of(error) is not None
            }
            warmed |= {name: one for name, one in done.items() if name not in refused}
            left = {name: standing for name, standing in left.items() if name in refused}
            if left:
                refusal = max(refused.values(), key=lambda one: throttle.pause_of(one) or 0.0)
                # Permits come free one after the other: for a few of them it is worth coming back.
                pause = max(throttle.pause_of(refusal) or 0.0, _SHORTEST_PAUSE_SECONDS)
                throttle.current().refused(of.name, pause)
                if clock.current().monotonic() + pause >= min(patient_until, until):
                    return warmed, refusal
                clock.current().wait(pause)
    return warmed, None


def _nothing_there_will_do(_entry: CacheEntry) -> bool:
    return False


def _correlated(changes: Sequence[Change]) -> AbstractContextManager[object]:
    """Bind the correlation id of a page with one origin; a mixed page has one of its own."""
    origins = {change.correlation_id for change in changes}
    return correlation.bind(origins.pop() if len(origins) == 1 else correlation.new_id())
