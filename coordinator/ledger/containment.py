"""Finds what shows what: the touches of a change, and the order in which rows are locked for them.

A model names the resources that may show it in `containers`, and a row says which of their things
do in `shown_in`. Rows are locked what is shown before what shows it, then by resource name, then by
number: a transaction finds out what shows a row only under that row's lock, so an order by name
alone could not be held. Nothing may show itself, through others or not, or there would be no order.
"""

from functools import cache

from coordinator.errors import CoordinatorError
from coordinator.ledger.models import Ledgered, Touch, ledgered_models

#: How many things may show one another in a row: a payment, its order, a page, and some to spare.
MOST_LEVELS = 6


class InvalidContainment(CoordinatorError):
    """The models' `containers` are not a bounded order of resources that are there."""

    permanent = True


class TooManyContainers(CoordinatorError):
    """Too many things show this: show it there by reference, or raise COORDINATOR_MOST_CONTAINERS.

    By reference, a reader reads both; so may a thing whose readers can live with its timeout, which
    `shown_in` then leaves out. Each container is locked and written by the change's transaction.
    """

    permanent = True


class UnknownContainer(CoordinatorError):
    """`shown_in` names a resource that `containers` does not."""

    permanent = True


@cache
def _ranks() -> dict[str, int]:
    """Return for each resource how many others are shown, one in the other, in it."""
    ranks = dict.fromkeys(ledgered_models(), 0)
    for _ in range(MOST_LEVELS):
        moved = False
        for name, model in ledgered_models().items():
            for container in model.containers:
                if container not in ranks:
                    raise InvalidContainment(f"{name} is shown in {container}, which has no model")
                if ranks[container] <= ranks[name]:
                    ranks[container], moved = ranks[name] + 1, True
        if not moved:
            return ranks
    raise InvalidContainment(
        f"among {', '.join(sorted(ledgered_models()))} something shows itself, or they show one "
        f"another more than {MOST_LEVELS} deep"
    )


def check() -> None:
    """Raise InvalidContainment for a cycle, a chain that is too long, or an unknown resource."""
    _ranks()


def forget() -> None:
    """Look at the models anew: for tests that define their own."""
    ledgered_models.cache_clear()
    _ranks.cache_clear()


def place(model: type[Ledgered]) -> tuple[int, str]:
    """Return the place of a model's rows in the order in which rows are locked."""
    return _ranks()[model.resource_name], model.resource_name


def shown_in(row: Ledgered) -> set[Touch]:
    """Return what shows this row now; raise UnknownContainer for what its model does not name."""
    if not row.containers:
        return set()
    touches = set(row.shown_in())
    for touch in touches:
        if touch.resource not in row.containers:
            raise UnknownContainer(f"{row.resource_name}: {touch.resource}")
    return touches
