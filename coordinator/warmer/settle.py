"""Settles changes: claims a page of the log, warms what is newest, writes down how each one ended.

One path for events, repair and retries. Any page, any number of times, in any order: the log says
what is to be done, the ledger what holds, the entry what is done already. By which rules a change
ends is `endings`' to say.
"""

import logging
import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from django.conf import settings

from coordinator import correlation
from coordinator.core import clock, load, resource
from coordinator.core.entry import CacheEntry
from coordinator.core.fill import Fresh, Warmed
from coordinator.core.resource import Resource, Standing
from coordinator.core.warm import confirm, warm_many
from coordinator.ledger import queue
from coordinator.ledger.models import Change
from coordinator.ledger.queue import Ending
from coordinator.warmer import outcomes as endings

logger = logging.getLogger(__name__)

#: Exceptions that end the task which settles.
TimeIsUp = tuple[type[Exception], ...]

#: One death can be anybody's: a deploy, a machine. After the second one it is looked at alone.
_SUSPECT_AFTER_INTERRUPTIONS = 2


@dataclass(slots=True)
class Page:
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
) -> Page:
    """Claim one page of due changes, do what they ask for, and write down how they ended.

    `when_full` is called as soon as a full page is claimed, before the work: whoever is free can
    take the next one meanwhile. `time_is_up` are the exceptions that end the caller's task, like
    Celery's soft time limit: they pass through, where any other belongs to one change.

    A caller outside a Celery task clears the request tier between pages (`lifecycle` does it for
    tasks): nothing here reads that tier, but what is stored is remembered in it.
    """
    limit = int(settings.COORDINATOR_SETTLE_PAGE)
    claimed = queue.claim(limit, settings.COORDINATOR_CLAIM_SECONDS)
    if when_full is not None and len(claimed) == limit:
        when_full()
    page = Page(len(claimed), len(claimed) == limit)
    until = clock.current().monotonic() + settings.COORDINATOR_CLAIM_SECONDS / 2
    suspects = [change for change in claimed if _is_suspect(change)]
    _settle_and_conclude(
        [change for change in claimed if not _is_suspect(change)], until, page, time_is_up
    )
    # Each by itself and written down at once, in another order each time: if one of them kills its
    # worker again, the others that came before it are done.
    # One of them in any case, however late the others made it: the claim has time for one load.
    for nth, change in enumerate(random.sample(suspects, len(suspects))):  # hides nothing
        _settle_and_conclude([change], until if nth else math.inf, page, time_is_up)
    return page


def _is_suspect(change: Change) -> bool:
    return endings.interruptions(change) >= _SUSPECT_AFTER_INTERRUPTIONS


def _settle_and_conclude(
    changes: Sequence[Change], until: float, page: Page, time_is_up: TimeIsUp
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
        waiting = (change.identifier for change in changes)
        if next((name in to_check for name in waiting if name in {**to_warm, **to_check}), False):
            kinds.reverse()
        warmed: dict[str, Warmed] = {}
        for standings_of_kind, fresh in kinds:
            warmed |= _warm_in_time(of, standings_of_kind, until, fresh)
        confirmations = confirm(of, standings)
    ended = []
    for change in changes:
        with correlation.bind(change.correlation_id):
            warm = warmed.get(change.identifier)
            ended.append((change, endings.ending(change, standings, warm, confirmations)))
    return ended


def _warm_in_time(
    of: Resource, standings: Mapping[str, Standing], until: float, fresh: Fresh | None = None
) -> dict[str, Warmed]:
    """Warm while there is time, and leave out the rest: a slow upstream must not outlive the claim.

    Nor the task's time limit, which would leave nothing written down of what was done.
    """
    warmed: dict[str, Warmed] = {}
    for share in load.batches(of, standings):
        if clock.current().monotonic() >= until:
            break
        warmed |= warm_many(of, share, cause="event", fresh=fresh)
    return warmed


def _nothing_there_will_do(_entry: CacheEntry) -> bool:
    return False


def _correlated(changes: Sequence[Change]) -> AbstractContextManager[object]:
    """Bind the correlation id of a page with one origin; a mixed page has one of its own."""
    origins = {change.correlation_id for change in changes}
    return correlation.bind(origins.pop() if len(origins) == 1 else correlation.new_id())
