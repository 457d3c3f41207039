"""Puts other memcached nodes in the place of the one that the settings name."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import django.test.signals  # noqa: F401  # makes Django's caches hear of changed settings
from django.conf import settings
from django.test import override_settings


@contextmanager
def on_nodes(addresses: Sequence[str]) -> Iterator[None]:
    """Let every cache of the settings be on these nodes meanwhile."""
    moved = {
        alias: {**config, "LOCATION": list(addresses)} for alias, config in settings.CACHES.items()
    }
    with override_settings(CACHES=moved):
        yield
