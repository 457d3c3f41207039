"""Takes the rules away, one at a time, to show that the judge convicts whoever lives without them.

Each breach replaces a real function by what somebody might have written instead.
"""

import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from unittest.mock import patch

from edx_django_utils.cache import DEFAULT_REQUEST_CACHE

from coordinator.celery import doorbell
from coordinator.core import cache, carry, conf, entry, fill, keys, pointer
from coordinator.core.pointer import Absent, Confirmation, Current, Gap, Suspended
from coordinator.core.resource import Loaded, Resource, Standing, get
from coordinator.errors import CacheUnreachable
from coordinator.ledger import (
    after_commit,
    containment,
    order,
    queue,
    recording,
    touching,
    transacting,
)
from coordinator.ledger.models import UNSETTLED, Change
from coordinator.warmer import outcomes as endings
from tests.schedules import scenarios
from tests.schedules.exhaustive import Explorer
from tests.schedules.memory import LOST
from tests.schedules.scenario import CALM, Plan, Scenario
from tests.schedules.world import Played, World

Ledger = Callable[[], Standing | None]


@dataclass(frozen=True)
class Breach:
    """One rule that is broken: how, and in which situations that is to be found."""

    name: str
    replaced: Callable[[], "list[Any]"]
    situations: tuple[str, ...]
    plans: tuple[Plan, ...] = (CALM,)

    @contextmanager
    def committed(self) -> Iterator[None]:
        """Break the rule within the block."""
        with ExitStack() as stack:
            for replacement in self.replaced():
                stack.enter_context(replacement)
            yield


@dataclass(frozen=True, slots=True)
class Caught:
    """The first schedule that a breach was caught by, after how many others."""

    breach: Breach
    after: int
    scenario: Scenario | None = None
    plan: Plan = CALM
    played: Played | None = None


#: How many schedules to visit of one exploration before another one has its turn.
_TURN = 120


def catch(world: World, breach: Breach, most: int, seed: int = 0) -> Caught:
    """Explore the breach's situations until it is caught, or `most` schedules have passed.

    In turns: the one exploration that visits everything in order, and others that begin at random
    and explore around there, which the first would take long to come to.
    """
    places = [
        (scenarios.BY_NAME[name], plan) for name in breach.situations for plan in breach.plans
    ]
    in_order = [Explorer(world, *place).explore() for place in places]
    count = 0
    for turn in range(most):
        for place, some in zip(places, in_order, strict=True):
            world.prepare(place[0])
            if turn % 2:
                some = Explorer(world, *place, rng=random.Random(seed + turn)).explore()
            with breach.committed():
                for played in itertools.islice(some, _TURN):
                    count += 1
                    if played.violations:
                        return Caught(breach, count, *place, played)
                    if count >= most:
                        return Caught(breach, count)
    return Caught(breach, count)


# -- what somebody might have written ----------------------------------------------------------


def _no_suspension(revisions: Mapping[pointer.Name, int]) -> frozenset[pointer.Name]:
    return frozenset(revisions)


def _suspend_before_the_lock(
    real_suspend: Callable[[Mapping[pointer.Name, int]], Any], real_transact: Callable[..., Any]
) -> Callable[..., Any]:
    def transact(facts: Sequence[recording.Fact]) -> Any:
        for model, event in facts:
            row = model._default_manager.filter(upstream_id=event.upstream_id).first()
            if row is not None:
                real_suspend({(model.resource_name, row.number): row.revision + 1})
        return real_transact(facts)

    return transact


def _advancing(
    *, fills: bool = False, compares: bool = True, remembers: bool = False
) -> Callable[..., Confirmation]:
    def advance(
        resource: str, identifier: str, ledger: Ledger, own: Current | None = None
    ) -> Confirmation:
        key = keys.pointer_key(resource, identifier)
        timeout = conf.seconds("POINTER_TIMEOUT")
        known = ledger() if remembers else None
        there = cache.get_with_token(key)
        if there is None and not fills:
            return Confirmation.NOTHING_THERE
        found = Absent() if there is None else pointer.decode(there.value, key) or Absent()
        if own is not None and (remembers or found == Suspended(own.revision)):
            target = own
        else:
            standing = known if remembers else ledger()
            if standing is None:
                return Confirmation.ADVANCED
            target = Current(standing.state, standing.revision)
        if found.revision > target.revision:
            return Confirmation.NEWER
        data = pointer.encode(target, key)
        if there is None:
            cache.add(key, data, timeout)
        elif compares:
            cache.replace(key, data, there.token, timeout)
        else:
            cache.put(key, data, timeout)
        return Confirmation.ADVANCED

    def degrading(*args: Any, **options: Any) -> Confirmation:
        try:
            return advance(*args, **options)
        except CacheUnreachable:
            return Confirmation.UNREACHABLE

    return degrading


def _mark_nothing(resource: str, identifier: str, *, foreign: bool = False) -> Gap | None:
    return Gap(resource, identifier, keys.pointer_key(resource, identifier), None)


def _seed_by(store: Callable[[str, bytes, float], bool]) -> Callable[..., bool]:
    def seed(gap: Gap, standing: Standing | None) -> bool:
        found = Absent() if standing is None else Current(standing.state, standing.revision)
        try:
            return store(gap.key, pointer.encode(found, gap.key), conf.seconds("POINTER_TIMEOUT"))
        except CacheUnreachable:
            return False

    return seed


def _pair_with_a_remembered_pointer(real: Callable[..., Any]) -> Callable[..., Any]:
    def get_pair(pointer_key: str, entry_key: str) -> tuple[object, object]:
        found, there = real(pointer_key, entry_key)
        remembered = DEFAULT_REQUEST_CACHE.data.get(pointer_key, found)
        if found is not None:
            DEFAULT_REQUEST_CACHE.data.setdefault(pointer_key, found)
        return remembered, there

    return get_pair


def _fit_at_any_revision(real: Callable[..., str]) -> Callable[..., str]:
    def unfit(self: entry.CacheEntry, revision: int, now: float) -> str:
        return real(self, 0, now)

    return unfit


def _keep_at_the_revision_after(real: Callable[..., Any]) -> Callable[..., Any]:
    def keep(
        resource: Resource, standings: Mapping[str, Standing], *rest: Any, **options: Any
    ) -> Any:
        return real(resource, resource.standings(list(standings)), *rest, **options)

    return keep


def _claim_and_clear(
    real_claim: Callable[..., Any], real_clear: Callable[[], None]
) -> Callable[..., Any]:
    def claim(*args: Any, **options: Any) -> Any:
        page = real_claim(*args, **options)
        real_clear()
        return page

    return claim


def _suspend_payments_alone(
    real: Callable[[Mapping[pointer.Name, int]], Any],
) -> Callable[..., frozenset[pointer.Name]]:
    def suspend_many(revisions: Mapping[pointer.Name, int]) -> frozenset[pointer.Name]:
        real({name: one for name, one in revisions.items() if name[0] == "payment"})
        return frozenset(revisions)

    return suspend_many


def _suspend_and(
    follow: Callable[..., None],
    real_suspend: Callable[[Mapping[pointer.Name, int]], Any],
    *,
    apart_from: str = "",
) -> Callable[..., None]:
    def follow_late(changes: Sequence[Change], *rest: Any) -> None:
        late = [one for one in changes if one.resource != apart_from]
        real_suspend({(one.resource, one.identifier): one.revision for one in late})
        follow(changes, *rest)

    return follow_late


def _touch_unless_one_waits(real: Callable[..., list[Change]]) -> Callable[..., list[Change]]:
    def touch(model: Any, rows: Sequence[Any], causes: Mapping[str, Any]) -> list[Change]:
        waiting = Change.objects.filter(UNSETTLED, resource=model.resource_name)
        names = set(waiting.values_list("identifier", flat=True))
        return real(model, [row for row in rows if row.number not in names], causes)

    return touch


def _later_confirmations_lost(first: int, last: int) -> tuple[Plan, ...]:
    """Return plans in which writer and worker confirm while the cache does not answer them."""
    return tuple(
        Plan(
            faults=(
                ("writer", 0, LOST),
                ("writer", 1, LOST),
                ("worker", number, LOST),
                ("worker", number + 1, LOST),
            )
        )
        for number in range(first, last)
    )


def _carried_at_once(real: Callable[..., Any]) -> Callable[..., Any]:
    def carried(*args: Any) -> Any:
        made = real(*args)
        if made is not None:
            carry.carry([made])
        return made

    return carried


def _carrying_at_the_revision_after(real: Callable[..., Any]) -> Callable[..., Any]:
    def carry_late(entries: Iterable[carry.Carried]) -> Any:
        now = [(one, get(one.resource).standing(one.identifier)) for one in entries]
        return real([replace(one, standing=standing) for one, standing in now if standing])

    return carry_late


def _beside_whatever_spoke_last(subject: str, words: order.Words) -> order.Word | None:
    return max(words.values(), key=lambda word: word.since or 0, default=None)


def _told_whatever_it_is(occurred_at: datetime | None, now: datetime) -> datetime | None:
    return occurred_at


def _on(owner: object, **replacements: object) -> list[Any]:
    return [patch.object(owner, name, value) for name, value in replacements.items()]


def _advance_by(advance: Callable[..., Confirmation]) -> list[Any]:
    def advance_many(advances: Sequence[pointer.Advance]) -> dict[pointer.Name, Confirmation]:
        return {(one.resource, one.identifier): advance(*one) for one in advances}

    return _on(pointer, advance=advance, advance_many=advance_many)


BREACHES: tuple[Breach, ...] = (
    Breach("no suspend", lambda: _on(pointer, suspend_many=_no_suspension), ("writer-reader",)),
    Breach(
        "suspend before the write",
        lambda: [
            *_on(
                transacting,
                transact=_suspend_before_the_lock(pointer.suspend_many, transacting.transact),
            ),
            *_on(pointer, suspend_many=_no_suspension),
        ],
        ("two-writers-once", "two-writers-content"),
    ),
    Breach(
        "advance fills an absent pointer",
        lambda: _advance_by(_advancing(fills=True)),
        ("pointer-lost-advance", "pointer-lost-twice"),
    ),
    Breach(
        "advance without compare",
        lambda: _advance_by(_advancing(compares=False)),
        ("advance-races",),
    ),
    Breach(
        "advance from memory",
        lambda: _advance_by(_advancing(remembers=True)),
        ("pointer-lost-advance",),
    ),
    Breach(
        "seed over suspended",
        lambda: _on(pointer, mark=_mark_nothing, seed=_seed_by(cache.put)),
        ("writer-reader-cold",),
    ),
    Breach(
        "seed with nothing but add",
        lambda: _on(pointer, mark=_mark_nothing, seed=_seed_by(cache.add)),
        ("pointer-lost-twice",),
    ),
    Breach(
        "pointer remembered in the request tier",
        lambda: _on(cache, get_pair=_pair_with_a_remembered_pointer(cache.get_pair)),
        ("writer-reader",),
    ),
    Breach(
        "entry revision ignored on read",
        lambda: _on(entry.CacheEntry, unfit=_fit_at_any_revision(entry.CacheEntry.unfit)),
        ("declined-twice",),
    ),
    Breach(
        "revision read after the load",
        lambda: _on(fill, _keep=_keep_at_the_revision_after(fill._keep)),
        ("content-only",),
    ),
    Breach(
        "lagging payload stored by a reader",
        lambda: _on(Loaded, lags=lambda self, standing: False),
        ("lagging",),
    ),
    Breach(
        "upstream believed before its lag is over",
        lambda: _on(endings, _asked_after=lambda change, warmed: 3600.0),
        ("lagging-long",),
    ),
    Breach(
        "carried stored before the commit",
        lambda: _on(transacting, _carried=_carried_at_once(transacting._carried)),
        ("carried-crash",),
        tuple(Plan(crashes=(("writer", step),)) for step in range(4, 16)),
    ),
    Breach(
        "carried with a claimed revision that another change has passed",
        lambda: _on(after_commit, carry=_carrying_at_the_revision_after(carry.carry)),
        ("carried-crash",),
        # The other change is committed, and its writer does not live to carry its own.
        (Plan(crashes=(("other writer", 8),)),),
    ),
    Breach(
        "carried though another object has spoken",
        lambda: _on(transacting, tells_all=lambda row, event, found: not found.late),
        ("carried-objects",),
    ),
    Breach(
        "one clock for all objects of a payment",
        lambda: _on(order, _beside=_beside_whatever_spoke_last),
        ("objects",),
    ),
    Breach(
        "a time ahead of ours is believed",
        lambda: _on(order, told=_told_whatever_it_is),
        ("ahead",),
    ),
    Breach(
        "doorbell cleared after reading the log",
        lambda: [
            *_on(queue, claim=_claim_and_clear(queue.claim, doorbell.clear)),
            *_on(doorbell, clear=lambda: None),
        ],
        ("rung",),
    ),
    Breach(
        "loaded in a transaction that is open, and stored",
        lambda: _on(Resource, is_committed=lambda self, identifier: True),
        ("joined-in-vain",),
    ),
    Breach(
        "joined, and suspended after the commit",
        lambda: [
            *_on(
                after_commit,
                follow=_suspend_and(after_commit.follow, pointer.suspend_many),
            ),
            *_on(pointer, suspend_many=_no_suspension),
        ],
        ("joined",),
    ),
    Breach(
        "container not touched",
        lambda: _on(containment, shown_in=lambda row: set()),
        ("container",),
    ),
    Breach(
        "container suspended after the commit",
        lambda: [
            *_on(
                after_commit,
                follow=_suspend_and(
                    after_commit.follow, pointer.suspend_many, apart_from="payment"
                ),
            ),
            *_on(pointer, suspend_many=_suspend_payments_alone(pointer.suspend_many)),
        ],
        ("container",),
    ),
    Breach(
        "container locked before what it shows",
        lambda: _on(containment, place=lambda model: (0, model.resource_name)),
        ("container-batch",),
    ),
    Breach(
        "touch coalesced with an older load",
        lambda: _on(touching, touch=_touch_unless_one_waits(touching.touch)),
        ("container-burst", "container-of-two"),
    ),
    Breach(
        "container advanced from memory",
        lambda: _on(pointer, advance=_advancing(remembers=True)),
        ("container-lost",),
    ),
    Breach(
        "settled without a confirmed pointer",
        lambda: _on(endings, _confirmed=lambda change, confirmation: True),
        ("faulty",),
        _later_confirmations_lost(3, 14),
    ),
)
#: Those that are caught within a second, for every run of the tests.
QUICK = (
    "no suspend",
    "advance without compare",
    "seed over suspended",
    "pointer remembered in the request tier",
    "lagging payload stored by a reader",
    "carried stored before the commit",
    "carried though another object has spoken",
    "one clock for all objects of a payment",
    "a time ahead of ours is believed",
    "container not touched",
    "container suspended after the commit",
)
BY_NAME: Mapping[str, Breach] = {breach.name: breach for breach in BREACHES}
