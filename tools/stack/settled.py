"""Follows in the change log how changes end: what hooks tell of one process, it tells of all."""

from datetime import datetime, timedelta

from django.utils import timezone

from coordinator.ledger.models import Change, ChangeOutcome
from tools.report.warmth import Stored

# An ending that was written down earlier may be committed later.
_OVERLAP = timedelta(seconds=20)


class Endings:
    """Finds the changes that ended warm. For one thread."""

    def __init__(self) -> None:
        self._since = timezone.now()
        self._seen: dict[int, datetime] = {}

    def new(self) -> list[Stored]:
        """Return the entries of changes that have been settled since the last call.

        An entry was stored before its change was settled, together with the rest of its page: what
        is told is a little later than the truth, never sooner.
        """
        rows = Change.objects.filter(outcome=ChangeOutcome.WARMED, ended_at__gte=self._since)
        found = []
        for change in rows:
            ended = change.ended_at
            if ended is not None and change.pk not in self._seen:
                self._seen[change.pk] = ended
                name = f"{change.resource}.{change.identifier}.{change.state}"
                found.append(Stored(name, change.revision, "event", ended.timestamp()))
        self._since = timezone.now() - _OVERLAP
        self._seen = {pk: at for pk, at in self._seen.items() if at >= self._since}
        return found
