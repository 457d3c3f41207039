"""Lets the faults happen, one after the other, round after round, until the time is over."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tools.chaos.faults import Fault
from tools.chaos.site import NotInjected, Site

_BREATH_SECONDS = 0.5
_LAST_RECOVERY_SECONDS = 30.0
# Shorter, and the one would always be felt while the next is measured.
_SHORTEST_SHARE_SECONDS = 6.0


@dataclass(slots=True)
class Tally:
    """What came of one fault: how often it happened, and what it took to recover each time."""

    fault: Fault
    injected: int = 0
    recovered_after: list[float] = field(default_factory=list)

    @property
    def seconds_to_recover(self) -> float | None:
        """Return the longest recovery, None if one has not come to its end."""
        if len(self.recovered_after) < self.injected:
            return None
        return max(self.recovered_after, default=None)


class Rounds:
    """The faults of one run, and what came of them. `say` is told of each."""

    def __init__(self, site: Site, faults: Sequence[Fault], say: Callable[[str], object]) -> None:
        self.tallies = {fault.name: Tally(fault) for fault in faults}
        self._site = site
        self._say = say
        # Whose cause is gone, since when, and whose effect may not be.
        self._recovering: list[tuple[Tally, float]] = []

    def go_on(self, seconds: float) -> None:
        """Let faults happen for so long; the order of each round is drawn.

        Each has its share of the time to happen and to be recovered from; if it needs longer, the
        next one comes all the same. A short run has time for some of them only.
        """
        end = time.monotonic() + seconds
        share = max(seconds / len(self.tallies), _SHORTEST_SHARE_SECONDS)
        while True:
            for tally in self._site.rng.sample([*self.tallies.values()], len(self.tallies)):
                began = time.monotonic()
                if began >= end:
                    return
                self._happen(tally, end - began)
                self._recover(until=min(began + share, end))

    def recover(self) -> None:
        """Wait until everything has been recovered from, for a bounded time."""
        self._recover(until=time.monotonic() + _LAST_RECOVERY_SECONDS)

    def note(self) -> None:
        """Note what has been recovered from by now."""
        for tally, gone_at in list(self._recovering):
            seconds = self._site.watch.recovered_after(gone_at)
            if seconds is not None:
                self._recovering.remove((tally, gone_at))
                tally.recovered_after.append(seconds)
                self._say(f"  {tally.fault.name}: as usual after {seconds:.1f} s")

    def _happen(self, tally: Tally, left: float) -> None:
        self._say(f"{tally.fault.name}: {tally.fault.name.what} ({left:.0f} s to go)")
        try:
            tally.fault.happen(self._site)
        except NotInjected as error:
            self._say(f"  {tally.fault.name}: no occasion ({error.detail})")
            return
        tally.injected += 1
        self._recovering.append((tally, time.monotonic()))

    def _recover(self, until: float) -> None:
        self._site.wait(_BREATH_SECONDS)
        self.note()
        while self._recovering and time.monotonic() < until:
            self._site.wait(self._site.watch.every_seconds)
            self.note()
