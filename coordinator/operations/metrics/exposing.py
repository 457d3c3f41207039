"""Writes the metrics down as Prometheus reads them, for one process or for several.

Several processes on one machine (web workers, the children of a Celery worker) each count in files
of their own in ``PROMETHEUS_MULTIPROC_DIR``, and whichever is asked adds them up. Without it a
process shows what it has counted itself.
"""

import os
from pathlib import Path
from typing import NamedTuple

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector

from coordinator.operations.metrics import declared, directory, reads
from coordinator.operations.metrics.scraping import Asked

# Memory, processor time and open files: of this process, so only where it is the only one.
_process = ProcessCollector(registry=None)


class Exposed(NamedTuple):
    """The text, and its content type."""

    body: bytes
    content_type: str


def expose(accept: str = "", *, asking: bool = True) -> Exposed:
    """Return what there is to show, in the form that `accept`, the request's header, prefers.

    With `asking` the ledger is asked too: one kind of process needs to do that.
    """
    try:
        encode, content_type = choose_encoder(accept)
    except (TypeError, ValueError):
        # What the library (0.26) makes of a version that is none.
        encode, content_type = choose_encoder("")
    return Exposed(encode(registry(asking=asking)), content_type)


def registry(*, asking: bool) -> CollectorRegistry:
    """Return a registry of everything that is shown now."""
    reads.COUNTS.flush()
    shown = CollectorRegistry()
    together = directory()
    if together is None:
        shown.register(declared.REGISTRY)
        shown.register(_process)
    else:
        forget_the_dead(together)
        MultiProcessCollector(shown, str(together))  # type: ignore[no-untyped-call]
    if asking:
        shown.register(Asked())
    return shown


def forget_the_dead(together: Path) -> None:
    """Drop what processes that are gone last said of themselves; what they counted stays.

    A breaker that was open when its process was killed would stay open here for ever.
    """
    for path in together.glob("gauge_live*_*.db"):
        pid = path.stem.rpartition("_")[2]
        if pid.isdigit() and not _is_alive(int(pid)):
            # Another scrape at this moment may be quicker.
            path.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
