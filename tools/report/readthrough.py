"""A model of the same cache without warming: how often upstream would have been asked.

The same reads and the same changes, replayed as they happen against a read-through cache with the
same timeout: it loads when a reader wants a revision that it does not hold, or what it holds has
expired, and it loads once however many wait (single-flight, as the product has without warming
too). Nothing is loaded that is not read, so where most changes are never read the model needs
fewer loads than warming does; that is what it is for. ``--without-warming`` runs it for real, and
its `upstream_loads` then come out near this estimate.
"""

import threading
from collections import OrderedDict

_PAYMENTS_KEPT = 100_000


class ReadThrough:
    """Counts the loads that reads would have caused. Any thread may add a read."""

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout = timeout_seconds
        self._held: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._lock = threading.Lock()
        self.loads = 0

    def read(self, number: str, revision: int, at: float) -> bool:
        """Replay a read that was answered with `revision`, `at` seconds of any steady clock.

        Return True if it would have loaded.
        """
        with self._lock:
            held = self._held.get(number)
            if held is not None and held[0] >= revision and at - held[1] < self._timeout:
                return False
            self.loads += 1
            self._held[number] = (revision, at)
            self._held.move_to_end(number)
            if len(self._held) > _PAYMENTS_KEPT:
                self._held.popitem(last=False)
            return True
