"""Adapts this process's settings to one run: its own database, its own secrets, its upstream.

The path of the database and the address of the simulator are known only once the command runs, so
the environment can't have said them. Every setting changed here is read when it is used, and
`setting_changed` tells those who remember one.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from django.conf import ENVIRONMENT_VARIABLE, settings
from django.core.signals import setting_changed
from django.db import connections

from coordinator.errors import CoordinatorError
from coordinator.ledger.signals import changes_recorded
from coordinator.settings import base
from tools.report.provider import Keys

_PRODUCTION = "coordinator.settings.production"
# What these warn of is an ordinary day here: a payment that is not known yet, a burst of requests,
# a broker in memory, which has no host.
_CHATTY = ("django.request", "waitress.queue", "kombu.connection")


class NotEmbeddable(CoordinatorError):
    """These settings are not those of one process alone."""

    permanent = True


def check() -> None:
    """Raise NotEmbeddable, with what to do, if the settings are not those of one process alone."""
    if os.environ.get(ENVIRONMENT_VARIABLE) == _PRODUCTION:
        raise NotEmbeddable(
            f"{ENVIRONMENT_VARIABLE} (or --settings) says {_PRODUCTION}. Leave it out."
        )
    if settings.MEMCACHED_SERVERS or not settings.CELERY_BROKER_URL.startswith("memory:"):
        raise NotEmbeddable(
            "MEMCACHED_SERVERS or CELERY_BROKER_URL is set, and here cache and broker are in the "
            "memory of the one process. Unset both, or run the parts apart: make serve, "
            "make worker, make beat."
        )


def use_database(path: Path) -> None:
    """Keep the ledger in an SQLite file of this run's own, whatever DATABASE_URL says."""
    configured = connections.configure_settings(base.databases(f"sqlite:///{path}"))
    # This thread may hold a connection to what the settings named before; no other runs yet.
    connections["default"].close()
    connections.settings["default"] = configured["default"]
    del connections["default"]
    settings.DATABASES = configured


def use_upstream(url: str, keys: Keys) -> None:
    """Ask the simulator at `url`, and believe the webhooks that it signs."""
    _set("STRIPE_API_BASE", url)
    _set("STRIPE_API_KEY", keys.service)
    _set("STRIPE_WEBHOOK_SECRETS", [keys.webhook])
    _set("STRIPE_LIVEMODE", False)
    _set("COORDINATOR_PROVIDER", "coordinator.payments.providers.stripe.StripeProvider")


def use_addresses() -> None:
    """Answer under the service's addresses, and at the link that signs staff in."""
    _set("ROOT_URLCONF", "tools.embedded.urls")


def leave_cold() -> None:
    """Warm nothing: no bell rings when a change is committed."""
    _set("COORDINATOR_WARMING", "paused")
    changes_recorded.disconnect(dispatch_uid="workers.ring")


@contextmanager
def logging_to(handlers: Sequence[logging.Handler]) -> Iterator[None]:
    """Send all log records of this process to `handlers` alone, for as long as the block takes."""
    # Celery sets Django up once more when its worker starts; without this, logging with it.
    _set("LOGGING_CONFIG", None)
    root = logging.getLogger()
    root.handlers[:] = handlers
    root.setLevel(min(handler.level for handler in handlers))
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.handlers[:] = []
        for handler in handlers:
            handler.close()


def _set(name: str, value: object) -> None:
    setattr(settings, name, value)
    setting_changed.send(sender=None, setting=name, value=value, enter=True)
