"""Judges every reading: was it stale, was it an error, and could either be put down to a fault."""

import threading
import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass

from tools.chaos.tuning import POINTER_SECONDS, REST_MARGIN_SECONDS
from tools.report.answers import How, ReadAnswer, read_answer
from tools.report.oracle import Committed, staleness
from tools.shoppers import Reading, ReadingOutcome

# What was read just before a fault of the cache came to light, or just after its end, by clocks of
# processes that take turns on few cores.
_SLACK_SECONDS = 1.0
# What a fault of the cache can still cause after its end (guarantee G2). A process that noticed it
# leaves the node alone for the pointer's timeout and a margin; one that did not, or noticed sooner,
# uses it meanwhile, and hears nothing of what the first one writes elsewhere. What it has put there
# by the time at which they agree again lives for the pointer's timeout.
_AGREED_AFTER_SECONDS = POINTER_SECONDS + REST_MARGIN_SECONDS
_OVER_AFTER_SECONDS = _AGREED_AFTER_SECONDS + POINTER_SECONDS
# How long after a web process was killed a connection to it may look alive to its other end.
_LATE_NEWS_SECONDS = 1.0
_NOTES_KEPT = 20
_WINDOW_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Stale:
    """A reading that was older than what was committed when it began (seconds since the epoch)."""

    number: str
    shown: int
    committed: int
    began: float
    why: str


@dataclass(frozen=True, slots=True)
class CacheFault:
    """A time in which some nodes of the cache lost, or hid, what they held."""

    began: float
    ended: float
    nodes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Lately:
    """What readers got in the last two seconds: how many, which share of it from the cache."""

    reads: int
    hit_ratio: float
    turned_away: int


class Judge:
    """The readings of one run. Any thread may add one.

    `home_of` says on which node the pointer of a payment is.
    """

    def __init__(
        self, home_of: Callable[[str], str], clock: Callable[[], float] = time.time
    ) -> None:
        self.reads = 0
        self.turned_away = 0
        """503 with Retry-After."""
        self.cut_off = 0
        """Connections of a web process that was killed."""
        self.stale: list[Stale] = []
        self.errors: list[str] = []
        self.not_yet = 0
        self._clock = clock
        self._kills: list[float] = []
        self._unanswered: list[tuple[str, float, float]] = []
        self._home_of = home_of
        self._cache_faults: list[CacheFault] = []
        self._lately: deque[tuple[float, How]] = deque()
        self._lock = threading.Lock()

    # -- what is done to the system ------------------------------------------------------------

    def web_killed(self, at: float) -> None:
        """Take note that a web process was killed `at` this time."""
        self._kills.append(at)

    def cache_fault(self, began: float, ended: float, nodes: Collection[str]) -> None:
        """Take note that `nodes` lost or hid what they held; what it may still cause is over later.

        No pointer of another node can have been hurt.
        """
        self._cache_faults.append(CacheFault(began, ended, frozenset(nodes)))

    # -- what comes of it ----------------------------------------------------------------------

    def add(self, reading: Reading) -> None:
        """Judge one reading, whose token is what was committed when it began."""
        ended = self._clock()
        began = ended - reading.seconds
        with self._lock:
            match reading.outcome:
                case ReadingOutcome.CONCEALED:
                    return
                case ReadingOutcome.BUSY:
                    self.turned_away += 1
                    self._lately.append((ended, How.FAILED))
                case ReadingOutcome.UNREACHABLE:
                    self._unanswered.append((reading.number, began, ended))
                case ReadingOutcome.LEAKED | ReadingOutcome.FAILED | ReadingOutcome.THROTTLED:
                    self.errors.append(f"{reading.number}: {reading.outcome} {reading.status}")
                case _:
                    answer = read_answer(reading.status, reading.headers, reading.body_bytes)
                    self._answered(reading, answer, began, ended)

    def _answered(self, reading: Reading, answer: ReadAnswer, began: float, ended: float) -> None:
        before: Committed | None = reading.token
        if answer.how.is_read:
            self.reads += 1
            self._lately.append((ended, answer.how))
        elif before is None:
            self.not_yet += 1
        if why := staleness(before, answer):
            revision = 0 if before is None else before.revision
            self.stale.append(Stale(reading.number, answer.revision or 0, revision, began, why))

    def lately(self) -> Lately:
        """Return what readers got just now."""
        with self._lock:
            since = self._clock() - _WINDOW_SECONDS
            while self._lately and self._lately[0][0] < since:
                self._lately.popleft()
            hows = [how for _, how in self._lately]
        reads = sum(how.is_read for how in hows)
        hits = hows.count(How.HIT)
        return Lately(reads, hits / reads if reads else 0.0, hows.count(How.FAILED))

    # -- what it amounts to --------------------------------------------------------------------

    def user_errors(self) -> list[str]:
        """Return what users should not have met: not what a kill had to do to its connections."""
        errors = list(self.errors)
        for number, began, ended in self._unanswered:
            if any(began <= at + _LATE_NEWS_SECONDS and ended >= at for at in self._kills):
                continue
            errors.append(f"{number}: no answer after {ended - began:.1f} s")
        return errors

    def connections_lost(self) -> int:
        """Return how many readings a killed web process left without an answer."""
        return len(self._unanswered) + len(self.errors) - len(self.user_errors())

    def in_cache_fault(self, stale: Stale) -> bool:
        """Return True if a fault of the cache may have caused it, by guarantee G2.

        For how long it was stale is not asked here: no fault excuses more than a pointer's timeout.
        """
        home = self._home_of(stale.number)
        return any(
            home in fault.nodes
            and fault.began - _SLACK_SECONDS
            <= stale.began
            <= fault.ended + _OVER_AFTER_SECONDS + _SLACK_SECONDS
            for fault in self._cache_faults
        )
