"""Writes ``<version>.json``: one message of each kind that this release publishes, as Redis has it.

    python -m tests.acceptance.cluster.messages

A message that a file already has is never changed: the workers that published it are out there.
"""

import json
import os
import sys
import tomllib
from pathlib import Path
from typing import Any

import django
import redis

from tests.servers import RedisServer

HERE = Path(__file__).parent
ROOT = Path(__file__).resolve().parents[4]

#: The arguments of those tasks that take any, as the code that enqueues them gives them.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "warm_on": {"name": "payment", "after": ""},
    "warm_due": {"name": "payment", "identifier": "EDX-1001", "loaded_at": 1_795_000_000.25},
    "warm_refill": {"name": "payment", "before": ""},
}


def main() -> int:
    """Publish, read back, write. Return 1 if this version's file is there already."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    path = HERE / f"{project['project']['version']}.json"
    if path.exists():
        sys.stderr.write(f"{path} is there already: a release's messages don't change.\n")
        return 1
    with RedisServer() as server:
        os.environ["CELERY_BROKER_URL"] = server.url
        os.environ["MEMCACHED_SERVERS"] = "127.0.0.1:1"
        os.environ["DJANGO_SETTINGS_MODULE"] = "coordinator.settings.development"
        django.setup()
        messages = published(redis.Redis.from_url(server.url))
    path.write_text(json.dumps(messages, indent=2, sort_keys=True) + "\n")
    return 0


def published(client: "redis.Redis") -> list[dict[str, Any]]:
    """Publish one message of each kind, and return what then lies in the queues."""
    from workers import app

    app.loader.import_default_modules()
    names = sorted(name for name in app.tasks if name.startswith("workers.tasks."))
    for name in names:
        app.tasks[name].apply_async(kwargs=ARGUMENTS.get(name.rpartition(".")[2], {}))
        if name == "workers.tasks.settle":
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
    sys.exit(main())
