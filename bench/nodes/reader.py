"""Reads payments at a steady rate and writes down what came: ``python -m bench.nodes.reader``."""

import random
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic

import django

from bench.nodes import pacing, records

_THREADS = 4
_WRITE_EVERY_SECONDS = 0.2


def main(path: Path, names: Sequence[str], rate: float) -> None:
    """Read until SIGTERM comes, `rate` times a second in all threads together."""
    stop = threading.Event()
    seen: deque[records.Read] = deque()
    threads = [
        threading.Thread(target=_read, args=(names, rate / _THREADS, stop, seen))
        for _ in range(_THREADS)
    ]
    for thread in threads:
        thread.start()
    with path.open("w", buffering=1) as file:
        while not pacing.told_to_end(_WRITE_EVERY_SECONDS):
            _write(seen, file.write)
        stop.set()
        for thread in threads:
            thread.join()
        _write(seen, file.write)


def _write(seen: deque[records.Read], write: Callable[[str], object]) -> None:
    while seen:
        write(records.line(seen.popleft()))


def _read(
    names: Sequence[str], rate: float, stop: threading.Event, seen: deque[records.Read]
) -> None:
    from coordinator.core import cache, resource
    from coordinator.core.read import Outcome, read
    from coordinator.errors import CoordinatorError

    of = resource.get("payment")
    for seconds in pacing.paces(rate):
        if stop.wait(seconds):
            return
        index = random.randrange(len(names))  # hides nothing
        # As the middleware does at the beginning of a request.
        cache.clear_request_tier()
        began = monotonic()
        try:
            lookup = read(of, names[index])
        except CoordinatorError:
            seen.append(records.Read(began, index, 0, records.FAILED))
            continue
        outcome = lookup.outcome.value
        if lookup.outcome is Outcome.MISS:
            outcome = records.WAITED if lookup.collapsed else records.LOADED
        revision = 0 if lookup.entry is None else lookup.entry.revision
        seen.append(records.Read(began, index, revision, outcome))


if __name__ == "__main__":
    pacing.hold_signals()
    django.setup()
    from bench import things

    main(Path(sys.argv[1]), things.numbers(int(sys.argv[2]), sys.argv[3]), float(sys.argv[4]))
