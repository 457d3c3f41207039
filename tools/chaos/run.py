"""One run of chaos: traffic, faults, an end, and a report."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from django.conf import settings
from rich.console import RenderableType

from tools.chaos import ending, homes, report
from tools.chaos.faults import Fault
from tools.chaos.judge import Judge
from tools.chaos.report import Report
from tools.chaos.rounds import Rounds
from tools.chaos.site import Site
from tools.chaos.watch import Watch
from tools.embedded.shopping import Party
from tools.report.troubles import Troubles
from tools.stack.system import System

_CALM_SECONDS = 4.0
_STAFF_READS = 20.0


def run(
    system: System,
    faults: Sequence[Fault],
    seconds: float,
    orders: Path,
    say: Callable[[str], object],
) -> tuple[Report, RenderableType]:
    """Let faults happen for so long under traffic; return what came of it, also for people.

    Raise site.Interrupted on Ctrl-C.
    """
    nodes = [node.address for node in system.servers.nodes]
    judge = Judge(homes.home_of(nodes, settings.COORDINATOR_CACHE_PREFIX))
    troubles = Troubles()
    watch = Watch(judge, system.supervisor.all_run)
    traffic = system.options.traffic
    site = Site(system, judge, watch, orders, traffic.seed)
    rounds = Rounds(site, faults, say)
    party = Party(
        api=system.url,
        simulator=system.control.url,
        shopper_key=system.keys.shopper,
        plan=replace(traffic.of_shoppers(), staff_reads=_STAFF_READS),
        on_read=judge.add,
        troubles=troubles,
    )
    with party.shopping():
        say(f"Calm for {_CALM_SECONDS:.0f} s, to know what is usual")
        # The first few have nothing to read yet.
        site.wait(_CALM_SECONDS / 2)
        watch.learn(learning=True)
        site.wait(_CALM_SECONDS / 2)
        watch.learn(learning=False)
        say(f"Usual: {watch.usual}")
        rounds.go_on(seconds)
        say("No more faults; traffic goes on until all is as usual")
        rounds.recover()
    judge.errors += troubles.notes()
    ending.drain(site, say)
    rounds.note()
    books = list(system.control.payments(system.keys.shopper))
    untold = [*ending.untold(books), *ending.misserved(books, ending.asking(system.url))]
    seen = system.control.seen()
    tallies = [tally for tally in rounds.tallies.values() if tally.injected]
    found = report.draw_up(tallies, judge, untold, seen.peak_rps)
    return found, report.draw(found, tallies, judge, untold)
