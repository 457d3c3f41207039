"""Locks the rows of a transaction in one global order, so that no two transactions deadlock.

The order is `containment`'s, then by number; rows that are not there yet are inserted in the same
order, after those of their resource that are there were locked.
"""

from collections.abc import Collection, Sequence

from django.db.models import Q

from coordinator.ledger.event import Event, IdentifierTaken, UnknownIdentifier
from coordinator.ledger.models import Ledgered


def lock(
    model: type[Ledgered], events: Sequence[Event], numbers: Collection[str] = ()
) -> list[Ledgered]:
    """Return the rows that `events` speak of and those of `numbers`: locked, or new and not saved.

    Raise UnknownIdentifier for an event whose row is neither there nor told with a number, and
    IdentifierTaken if its number is another object's. A number that is not there is left out.
    """
    # Several events may speak of one thing, and not each of them says its number.
    told: dict[str, str | None] = {}
    for event in events:
        # What was read at a revision is of a row that was there, unless that revision is 0.
        number = None if event.expected_revision else event.number
        told[event.upstream_id] = told.get(event.upstream_id) or number
    rows = list(_there(model, list(told), sorted(numbers)))
    there = {row.upstream_id for row in rows}
    new = {name: number for name, number in told.items() if name not in there}
    return rows + _new(model, new) if new else rows


def _there(model: type[Ledgered], ids: list[str], numbers: list[str]) -> Collection[Ledgered]:
    rows = model._default_manager.select_for_update()
    if len(ids) + len(numbers) == 1:
        # Unique, so there is no first one to ask for; ordering them would only cost.
        return rows.filter(upstream_id=ids[0]) if ids else rows.filter(number=numbers[0])
    # PostgreSQL locks the rows as it returns them: in order, as numbers never change.
    rows = rows.order_by("number")
    if not numbers:
        return rows.filter(upstream_id__among=ids)
    if not ids:
        return rows.filter(number__among=numbers)
    return rows.filter(Q(upstream_id__among=ids) | Q(number__among=numbers))


def _new(model: type[Ledgered], numbers: dict[str, str | None]) -> list[Ledgered]:
    rows = []
    for upstream_id, number in numbers.items():
        if number is None:
            raise UnknownIdentifier(upstream_id)
        rows.append(model(number=number, upstream_id=upstream_id))
    wanted = [row.number for row in rows]
    # One with our upstream_id was committed since we looked: saving ours fails, and we look again.
    others = model._default_manager.exclude(upstream_id__in=list(numbers))
    for taken in others.filter(number__in=wanted).values_list("number", flat=True)[:1]:
        raise IdentifierTaken(taken)
    for number in wanted:
        if wanted.count(number) > 1:
            raise IdentifierTaken(number)
    return rows
