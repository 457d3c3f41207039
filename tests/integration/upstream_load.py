"""One process that asks upstream as much as it is let: the tests start several of these.

``python -m tests.integration.upstream_load '{"url": ..., "settings": {...}, ...}'`` prints what
came of it as one JSON object.
"""

import json
import sys
import threading
import time
from collections import Counter
from typing import Any

from django.conf import settings


def main(order: dict[str, Any]) -> None:
    settings.configure(**order["settings"])

    from coordinator.upstream import UpstreamClient  # after the settings are there
    from coordinator.upstream.errors import UpstreamError

    client = UpstreamClient(order["url"])
    end = time.monotonic() + order["seconds"]
    came: Counter[str] = Counter()
    lock = threading.Lock()

    def ask() -> None:
        while time.monotonic() < end:
            try:
                client.request("GET", "/")
                outcome = "answered"
            except UpstreamError as error:
                outcome = error.reason
                # As background work would: not at once.
                time.sleep(min(error.retry_after_seconds or 0.05, 0.2))
            with lock:
                came[outcome] += 1

    threads = [threading.Thread(target=ask) for _ in range(order["threads"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.stdout.write(json.dumps(came) + "\n")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
