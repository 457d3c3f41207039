"""Feeds the shared counters and registers from the hooks of core, upstream and ledger.

Fields: ``reads.<outcome>``, ``loads.<cause>``, ``errors.<reason>``, ``requests.<cause>``,
``waits.<cause>``, ``waited_ms.<cause>``, ``refused.<cause>``, ``ended.<outcome>``, and
``warm.<bucket>``, the histogram of commit to warm.
"""

import os
import socket
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from typing import Final

from coordinator.core import events, register
from coordinator.ledger.models import ChangeOutcome
from coordinator.ledger.signals import ChangeEnded, changes_ended
from coordinator.operations.metrics import reads
from coordinator.operations.status.counters import COUNTERS
from coordinator.upstream import events as upstream

#: Upper bounds of the histogram, in seconds: steps of a half, so a figure read from it is not
#: further off than that.
WARM_BOUNDS: Final = (
    *(0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75),
    *(1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0),
)
#: Registers: breakers that are not closed, by process; and errors of upstream by kind.
BREAKERS: Final = "breakers"
ERRORS: Final = "upstream_errors"

_started = False


def start() -> None:
    """Hear of everything from now on; once for a process, however often it is called."""
    global _started
    if _started:
        return
    _started = True
    reads.COUNTS.tell(on_reads)
    events.subscribe(on_load, events.LoadFinished)
    upstream.subscribe(on_upstream)
    changes_ended.connect(on_changes_ended, dispatch_uid="coordinator.operations.status")


def on_reads(outcome: str, count: int) -> None:
    """Count reads that had one outcome."""
    COUNTERS.add(f"reads.{outcome}", count)


def on_load(event: events.CoreEvent) -> None:
    """Count what was asked of upstream, and note the kind of its error."""
    if not isinstance(event, events.LoadFinished):
        return
    COUNTERS.add(f"loads.{event.cause}", event.count)
    if event.error:
        COUNTERS.add(f"errors.{event.error}", event.count)
        register.note(ERRORS, event.error, event.cause)


def on_upstream(event: upstream.UpstreamEvent) -> None:
    """Count requests and waits; note a breaker that changed."""
    match event:
        case upstream.RequestFinished() if event.attempts:
            COUNTERS.add(f"requests.{event.cause}", event.attempts)
        case upstream.BudgetWaited():
            COUNTERS.add(f"waits.{event.cause}")
            COUNTERS.add(f"waited_ms.{event.cause}", round(event.seconds * 1000))
            if not event.granted:
                COUNTERS.add(f"refused.{event.cause}")
        case upstream.BreakerChanged():
            process = f"{event.host} {socket.gethostname()} {os.getpid()}"
            register.note(BREAKERS, process, event.new)


def on_changes_ended(endings: Sequence[ChangeEnded] = (), **_: object) -> None:
    """Count how changes ended, and how long after their commit they were warm."""
    for outcome, count in Counter(str(ended.outcome) for ended in endings).items():
        COUNTERS.add(f"ended.{outcome}", count)
    warm = [ended.seconds for ended in endings if ended.outcome == ChangeOutcome.WARMED]
    for bucket, count in Counter(bisect_left(WARM_BOUNDS, seconds) for seconds in warm).items():
        COUNTERS.add(f"warm.{bucket}", count)
