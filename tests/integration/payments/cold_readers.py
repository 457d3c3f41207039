"""A process of many threads that read one cold payment at once, when its standard input says go.

``python -m tests.integration.payments.cold_readers <prefix> <number> <threads>``; prints the
outcomes as one line of JSON.
"""

import json
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import django
from django.conf import settings
from django.db import connections


def main(prefix: str, number: str, threads: int) -> None:
    """Read, and say what came of it."""
    django.setup()
    default = dict(settings.CACHES["default"])
    settings.CACHES = {"default": {**default, "KEY_PREFIX": prefix}}
    from coordinator.core import resource
    from coordinator.core.read import read

    def read_once(_thread: int) -> str:
        try:
            lookup = read(resource.get("payment"), number)
        finally:
            connections.close_all()
        return "loaded" if lookup.stored else "collapsed" if lookup.collapsed else "hit"

    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    with ThreadPoolExecutor(threads) as pool:
        outcomes = Counter(pool.map(read_once, range(threads)))
    sys.stdout.write(json.dumps(outcomes) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
