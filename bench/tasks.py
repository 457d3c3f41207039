"""The tasks that the product is compared with, in the workers that are its own."""

import json
import time
from itertools import islice

from django.core.cache import caches  # noqa: TID251  # the peer is Django's cache itself
from redis import Redis

from bench import provider
from coordinator.core import events, resource
from coordinator.core.read import read
from workers.app import app

#: When something happened in this process, by name, on the clock that all processes share.
_moments: dict[str, float] = {}


@app.task(name="bench.noop")
def noop(name: str = "") -> None:
    """Do nothing; remember when, if it has a name."""
    if name:
        _moments[name] = time.monotonic()


@app.task(name="bench.load_one")
def load_one(upstream_id: str) -> None:
    """Do what a task per event does at the least: load one thing and store it."""
    found = provider.BenchProvider().fetch(upstream_id)
    caches["django"].set(upstream_id, found.details.order_reference)


@app.task(name="bench.ask_ours")
def ask_ours(number: str) -> None:
    """Read one payment."""
    read(resource.get("payment"), number)


@app.task(name="bench.ask_django")
def ask_django(number: str) -> None:
    """Ask Django's own backend once."""
    caches["django"].get(number)


@app.task(name="bench.collect")
def collect(key: str) -> None:
    """Push what this process remembers to a list in the broker's Redis, and forget it."""
    moments = dict(islice(_moments.items(), len(_moments)))
    _moments.clear()
    # itertools.count tells its value in its repr alone, without counting.
    requests = int(repr(provider.requests).removeprefix("count(").removesuffix(")"))
    with Redis.from_url(app.conf.broker_url) as redis:
        redis.rpush(key, json.dumps({"moments": moments, "requests": requests}))


def remember(event: events.CoreEvent) -> None:
    """Remember when an entry was stored: from then on another process reads it."""
    # Only of those that are waited for: what else is measured here must not grow this process.
    if isinstance(event, events.EntryWarmed) and event.entry_name.startswith("payment.LOADED"):
        _moments[event.entry_name] = time.monotonic()


events.subscribe(remember)
