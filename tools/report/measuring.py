"""Puts the measurements of one run together: from hooks, from readers, and from the change log."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from coordinator.core import conf, events
from tools.report.changelog import ChangeLog, Counts
from tools.report.reads import Reads
from tools.report.readthrough import ReadThrough
from tools.report.samples import Samples
from tools.report.summary import Summary, rounded
from tools.report.troubles import Troubles
from tools.report.warmth import Commit, Stored, Warmth

_LAST_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything that can be shown of a run at one moment."""

    summary: Summary
    counts: Counts
    too_early: int
    last: Sequence[tuple[Commit, Stored]]
    errors_by_kind: Mapping[str, int]
    notes: Sequence[str]


class Measurements:
    """What is measured of one run.

    `upstream_loads` returns how often upstream was asked for a payment, as counted by upstream
    itself. `warming` False says that nothing warms, so that no commit waits for it. `entry_loads`
    returns how many of the loads were for an entry, where other processes load; without it those of
    this one are counted.
    """

    def __init__(
        self,
        upstream_loads: Callable[[], int],
        troubles: Troubles,
        *,
        warming: bool = True,
        entry_loads: Callable[[], int] | None = None,
    ) -> None:
        self.troubles = troubles
        self.model = ReadThrough(conf.seconds("ENTRY_TIMEOUT"))
        self.reads = Reads(self.model, self.troubles)
        self.warmth = Warmth()
        self._log = ChangeLog()
        self._upstream_loads = upstream_loads
        self._warming = warming
        self._entry_loads = 0
        self._loads_ms = Samples()
        self._entry_loads_elsewhere = entry_loads
        self._lock = threading.Lock()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen to what happens in this process, for as long as the block takes."""
        ends = [events.subscribe(self.warmth.watch), events.subscribe(self._count_load)]
        try:
            yield
        finally:
            for end in ends:
                end()

    def look(self) -> Figures:
        """Return the figures now. For one thread, which gets a database connection by it."""
        self.warmth.match(self._log.new_commits())
        counts = self._log.counts()
        return Figures(
            summary=self._summary(counts),
            counts=counts,
            too_early=self.reads.too_early,
            last=self.warmth.last(_LAST_SHOWN),
            errors_by_kind=self.troubles.by_kind(),
            notes=self.troubles.notes(),
        )

    def _summary(self, counts: Counts) -> Summary:
        reads = self.reads
        entry_loads = self._count_entry_loads()
        upstream_loads = self._upstream_loads()
        # What upstream is asked for besides entries (events that don't say enough, retries) warming
        # neither causes nor saves.
        besides = max(0, upstream_loads - entry_loads)
        waited = self.warmth.commit_to_warm_ms
        return Summary(
            changes=counts.changes,
            warmed=counts.warmed,
            carried=self.warmth.carried,
            superseded=counts.superseded,
            abandoned=counts.abandoned,
            reads=reads.total,
            hits=reads.hits,
            misses=reads.misses,
            hit_ratio=round(reads.hit_ratio, 4),
            stale_reads=reads.stale,
            upstream_loads=upstream_loads,
            upstream_loads_without_warming=self.model.loads + besides,
            read_wait_s=round(reads.waited_ms / 1000, 2),
            read_wait_without_warming_s=self._wait_without_warming(),
            warm_read_ms_p50=rounded(reads.warm_ms.percentile(50)),
            cold_read_ms_p50=rounded(reads.cold_ms.percentile(50)),
            commit_to_warm_ms_p50=rounded(waited.percentile(50)) if self._warming else None,
            commit_to_warm_ms_p99=rounded(waited.percentile(99)) if self._warming else None,
            errors=self.troubles.total,
        )

    def _wait_without_warming(self) -> float | None:
        """Return what readers would have waited for a cache that loads on demand, in seconds."""
        load_ms = self._loads_ms.percentile(50) or self.reads.cold_ms.percentile(50)
        if load_ms is None:
            return None
        reads = self.reads
        others_ms = reads.waited_ms - reads.would_load_ms
        return round((others_ms + reads.would_load * load_ms) / 1000, 2)

    def _count_entry_loads(self) -> int:
        if self._entry_loads_elsewhere is not None:
            return self._entry_loads_elsewhere()
        with self._lock:
            return self._entry_loads

    def _count_load(self, event: events.CoreEvent) -> None:
        if not isinstance(event, events.LoadFinished):
            return
        with self._lock:
            self._entry_loads += event.count
        self._loads_ms.add(event.seconds * 1000)
        if event.error:
            self.troubles.add("loads", f"a load for {event.cause} failed: {event.error}")
