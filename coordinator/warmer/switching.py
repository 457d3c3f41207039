"""Throws the kill switches: truth in the database, carried to every process by the shared cache."""

import logging
from datetime import datetime

from django.utils import timezone

from coordinator.core import switches
from coordinator.core.switches import POSITIONS, Switches
from coordinator.errors import CoordinatorError
from coordinator.ledger.transactions import run_again
from coordinator.warmer.models import Switch

logger = logging.getLogger(__name__)


class UnknownSwitch(CoordinatorError, ValueError):
    """There is no such switch or position."""

    permanent = True


def throw(
    name: str,
    position: str,
    *,
    until: datetime | None = None,
    by: str = "",
    reason: str = "",
) -> bool:
    """Throw one switch; return True if every process will see it within a second or so.

    `until` is when the setting holds again by itself; the beat that publishes the switches sees to
    it, within its period. `by` and `reason` are kept beside it, for people.

    False: it is recorded, and reaches them once the cache answers again (the beat publishes it).
    Raise UnknownSwitch for a name or position that does not exist.
    """
    if position not in POSITIONS.get(name, ()):
        raise UnknownSwitch(f"{name} {position}")
    _record(name, position=position, until=until, changed_by=by, reason=reason)
    logger.warning("switch.thrown", extra={"switch": name, "position": position})
    return publish()


@run_again
def _record(name: str, **columns: object) -> None:
    Switch.objects.update_or_create(name=name, defaults={**columns, "changed_at": timezone.now()})


def publish() -> bool:
    """Carry the database's truth to the cache; return True if there is nothing left to carry."""
    thrown = truth()
    return True if thrown is None else switches.publish(thrown)


def truth() -> Switches | None:
    """Return how the switches are thrown, None if none was ever thrown.

    One whose end has come is as its setting says.
    """
    thrown = list(Switch.objects.all())
    if not thrown:
        return None
    now = timezone.now()
    rows = {one.name: one.position for one in thrown if one.until is None or one.until > now}
    default = switches.from_settings()
    return Switches(
        warming=rows.get("warming", default.warming), reads=rows.get("reads", default.reads)
    )
