"""Virtual time: for the core's clock, and for Django's ``timezone.now``, which the ledger uses."""

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from threading import Event

#: When every schedule begins: any moment will do, as long as it is always the same.
BEGINNING = datetime(2027, 3, 1, tzinfo=UTC).timestamp()

Wait = Callable[[float, "Callable[[], bool] | None"], None]


class VirtualClock:
    """A clock that moves when it is told to. `waiting` is what becomes of a wait."""

    def __init__(self) -> None:
        self.time = BEGINNING
        self.waiting: Wait = self._pass

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def wait(self, seconds: float, until: Event | None = None) -> None:
        self.waiting(seconds, None if until is None else until.is_set)

    def _pass(self, seconds: float, until: Callable[[], bool] | None) -> None:
        self.time += seconds

    @property
    def told(self) -> str:
        """Return the seconds since the beginning, to be read."""
        return f"{self.time - BEGINNING:.3f} s"


class VirtualDatetime:
    """Stands for ``datetime`` in ``django.utils.timezone``, whose ``now`` is all that is asked."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock

    def now(self, tz: tzinfo | None = None) -> datetime:
        return datetime.fromtimestamp(self._clock.time, tz)
