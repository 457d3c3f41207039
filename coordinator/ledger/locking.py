"""Locks the rows of a transaction in one global order, so that no two transactions deadlock.

The order is by resource name, then by number; rows that are not there yet are inserted in the same
order, after those of their resource that are there were locked.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from coordinator.ledger.event import Event, Fact, IdentifierTaken, UnknownIdentifier
from coordinator.ledger.models import Ledgered


def by_model(facts: Sequence[Fact]) -> Iterator[tuple[type[Ledgered], list[int]]]:
    """Yield the models in the order in which their rows are locked, with their facts' positions."""
    positions: dict[type[Ledgered], list[int]] = defaultdict(list)
    for position, (model, _) in enumerate(facts):
        positions[model].append(position)
    yield from sorted(positions.items(), key=lambda item: item[0].resource_name)


def lock(model: type[Ledgered], events: Sequence[Event]) -> dict[str, Ledgered]:
    """Return the rows that `events` speak of, by upstream's id: locked, or new and not saved yet.

    Raise UnknownIdentifier for one that is neither there nor told with a number, IdentifierTaken if
    its number is another object's.
    """
    # Several events may speak of one thing, and not each of them says its number.
    numbers: dict[str, str | None] = {}
    for event in events:
        # What was read at a revision is of a row that was there, unless that revision is 0.
        told = None if event.expected_revision else event.number
        numbers[event.upstream_id] = numbers.get(event.upstream_id) or told
    there = model._default_manager.select_for_update()
    if len(numbers) == 1:
        # Unique, so there is no first one to ask for; ordering them would only cost.
        there = there.filter(upstream_id=events[0].upstream_id)
    else:
        there = there.filter(upstream_id__among=list(numbers)).order_by("number")
    rows = {row.upstream_id: row for row in there}
    new = {name: number for name, number in numbers.items() if name not in rows}
    if new:
        rows |= _new(model, new)
    return rows


def _new(model: type[Ledgered], numbers: dict[str, str | None]) -> dict[str, Ledgered]:
    rows: dict[str, Ledgered] = {}
    for upstream_id, number in numbers.items():
        if number is None:
            raise UnknownIdentifier(upstream_id)
        rows[upstream_id] = model(number=number, upstream_id=upstream_id)
    wanted = [row.number for row in rows.values()]
    # One with our upstream_id was committed since we looked: saving ours fails, and we look again.
    others = model._default_manager.exclude(upstream_id__in=list(rows))
    for taken in others.filter(number__in=wanted).values_list("number", flat=True)[:1]:
        raise IdentifierTaken(taken)
    if len(set(wanted)) < len(wanted):
        raise IdentifierTaken(next(one for one in wanted if wanted.count(one) > 1))
    return rows
