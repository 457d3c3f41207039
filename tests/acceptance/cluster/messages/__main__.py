"""Writes ``<version>.json``: one message of each kind that this release publishes, as Redis has it.

    python -m tests.acceptance.cluster.messages

What a file has is never changed: whoever published it is out there. What it lacks is added.
"""

import json
import os
from pathlib import Path
from typing import Any

import django
import redis

import coordinator
from tests.servers import RedisServer

HERE = Path(__file__).parent
ROOT = Path(__file__).resolve().parents[4]

#: The arguments of those tasks that take any, as the code that enqueues them gives them.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "warm_on": {"name": "payment", "after": ""},
    "warm_due": {"name": "payment", "identifier": "EDX-1001", "loaded_at": 1_795_000_000.25},
    "warm_refill": {"name": "payment", "before": ""},
    "reconcile_on": {"name": "payment", "since": "", "held_back": False, "round_id": "1f"},
}


def main() -> None:
    """Publish, read back, and add to this version's file what it lacks."""
    path = HERE / f"{coordinator.__version__}.json"
    messages = json.loads(path.read_text()) if path.exists() else []
    known = {message["headers"]["task"] for message in messages}
    with RedisServer() as server:
        os.environ["CELERY_BROKER_URL"] = server.url
        # With another broker than the one in this process a cache of its own is a mistake.
        os.environ["MEMCACHED_SERVERS"] = "127.0.0.1:11211"
        os.environ["DJANGO_SETTINGS_MODULE"] = "coordinator.settings.development"
        django.setup()
        found = published(redis.Redis.from_url(server.url))
    messages += [message for message in found if message["headers"]["task"] not in known]
    path.write_text(json.dumps(messages, indent=2, sort_keys=True) + "\n")


def published(client: "redis.Redis") -> list[dict[str, Any]]:
    """Publish one message of each kind, and return what then lies in the queues."""
    from workers import app

    app.loader.import_default_modules()
    names = sorted(name for name in app.tasks if name.startswith("coordinator."))
    for name in names:
        app.tasks[name].apply_async(kwargs=ARGUMENTS.get(name.rpartition(".")[2], {}))
        if name == "coordinator.settle":
            # As a doorbell that rings later.
            app.tasks[name].apply_async(countdown=1.0)
    found = []
    for queue in ("settle", "warm", "default"):
        for raw in reversed(client.lrange(queue, 0, -1)):
            message = json.loads(raw)
            # The name of the machine that this ran on.
            message["headers"]["origin"] = "worker@an-older-release"
            found.append(message)
    return found


if __name__ == "__main__":
    main()
