"""What a run comes to: the figures as JSON, a table for people, and which promises were broken."""

from collections.abc import Iterable
from datetime import datetime

import msgspec
from django.db.models import Q
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from coordinator.ledger.models import UNSETTLED, Change, ChangeOutcome
from tools.chaos.judge import Judge, Stale
from tools.chaos.rounds import Tally
from tools.chaos.tuning import BUDGET_RPS, MOST_STALE_SECONDS

_NOTES = 10


class FaultReport(msgspec.Struct, frozen=True, kw_only=True):
    """One fault: how often it happened, and the longest time until all was as usual after it."""

    name: str
    injected: int
    seconds_to_recover: float | None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one run, under the names and in the order of its JSON.

    `lost` counts changes that are neither settled nor abandoned at the end, and payments of which
    which the ledger does not know, or the service does not serve, what the provider's books say:
    state, amounts, each refund and each dispute. `stale_reads` are those that no fault of the
    cache can explain.
    """

    faults: list[FaultReport]
    changes: int
    settled: int
    lost: int
    reads: int
    stale_reads: int
    stale_reads_cache_faults: int
    longest_staleness_s: float
    user_errors: int
    upstream_peak_rps: int
    upstream_budget_rps: int

    def to_json(self) -> str:
        """Return the report as one line of JSON."""
        return msgspec.json.encode(self).decode()

    def broken(self) -> list[str]:
        """Return the promises that were not kept, in words."""
        kept = {
            f"{self.lost} changes were lost": self.lost == 0,
            f"{self.stale_reads} reads were stale": self.stale_reads == 0,
            f"a read was stale for {self.longest_staleness_s} s, longer than a pointer lives": (
                self.longest_staleness_s <= MOST_STALE_SECONDS
            ),
            f"{self.user_errors} readers met an error": self.user_errors == 0,
            f"upstream saw {self.upstream_peak_rps} requests in a second": (
                self.upstream_peak_rps <= self.upstream_budget_rps
            ),
        }
        return [what for what, holds in kept.items() if not holds]


def draw_up(
    tallies: Iterable[Tally], judge: Judge, untold: list[str], upstream_peak_rps: int
) -> Report:
    """Return the report of a run that has come to rest."""
    changes = Change.objects.count()
    unsettled = Change.objects.filter(UNSETTLED)
    abandoned = unsettled.filter(Q(outcome=ChangeOutcome.ABANDONED)).count()
    of_cache = [judge.in_cache_fault(stale) for stale in judge.stale]
    return Report(
        faults=[
            FaultReport(
                name=tally.fault.name,
                injected=tally.injected,
                seconds_to_recover=_rounded(tally.seconds_to_recover),
            )
            for tally in tallies
        ],
        changes=changes,
        settled=changes - unsettled.count(),
        lost=unsettled.count() - abandoned + len(untold),
        reads=judge.reads,
        stale_reads=of_cache.count(False),
        stale_reads_cache_faults=of_cache.count(True),
        longest_staleness_s=round(max(map(_stale_for, judge.stale), default=0.0), 2),
        user_errors=len(judge.user_errors()),
        upstream_peak_rps=upstream_peak_rps,
        upstream_budget_rps=BUDGET_RPS,
    )


def draw(
    report: Report, tallies: Iterable[Tally], judge: Judge, untold: list[str]
) -> RenderableType:
    """Return the report for people."""
    table = Table(title="What happened", title_justify="left")
    table.add_column("fault", no_wrap=True)
    table.add_column("times", justify="right")
    table.add_column("as usual after", justify="right")
    table.add_column("what it was", style="dim")
    for tally in tallies:
        seconds = tally.seconds_to_recover
        after = "-" if seconds is None else f"{seconds:.1f} s"
        table.add_row(tally.fault.name, str(tally.injected), after, tally.fault.name.what)
    lines = [
        f"{report.changes:,} changes, {report.settled:,} settled ({_abandoned()} of them "
        f"abandoned), {report.lost} lost",
        f"{report.reads:,} reads, {report.stale_reads} stale; {report.stale_reads_cache_faults} "
        f"more while the cache was at fault, at most for {report.longest_staleness_s} s",
        f"{report.user_errors} errors for users; {judge.turned_away} told to come back (503 with "
        f"Retry-After); {judge.connections_lost()} connections ended with their web process",
        f"upstream: at most {report.upstream_peak_rps} requests in a second, of "
        f"{report.upstream_budget_rps} that it permits",
    ]
    return Group(table, *lines, *_verdict(report), *_evidence(judge, untold))


def _abandoned() -> int:
    return Change.objects.filter(outcome=ChangeOutcome.ABANDONED).count()


def _verdict(report: Report) -> list[Text]:
    broken = report.broken()
    if not broken:
        return [Text("Every promise was kept.", style="bold green")]
    return [Text(f"Broken: {what}.", style="bold red") for what in broken]


def _evidence(judge: Judge, untold: list[str]) -> list[Text]:
    stale = [
        f"stale read of {one.number} at {_clock(one.began)}, for {_stale_for(one):.2f} s: {one.why}"
        + (" (cache at fault)" if judge.in_cache_fault(one) else "")
        for one in judge.stale
    ]
    unsettled = [
        f"not settled: {change} ({change.reason or 'no reason'}, {change.attempts} attempts)"
        for change in Change.objects.filter(UNSETTLED)[:_NOTES]
    ]
    found = [*stale[:_NOTES], *judge.user_errors()[:_NOTES], *unsettled, *untold[:_NOTES]]
    return [Text(line, style="dim") for line in found]


def _stale_for(stale: Stale) -> float:
    """Return for how many seconds what was shown had been the past when it was asked for."""
    first_newer = stale.shown if stale.shown >= stale.committed else stale.shown + 1
    recorded_at = (
        Change.objects.filter(identifier=stale.number, revision=first_newer, applied=True)
        .values_list("recorded_at", flat=True)
        .first()
    )
    return 0.0 if recorded_at is None else max(0.0, stale.began - recorded_at.timestamp())


def _clock(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment).astimezone():%H:%M:%S.%f}"[:-3]


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
