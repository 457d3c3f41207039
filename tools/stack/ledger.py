"""Makes this process one more of the stack's: with their settings, beside their database.

Not before the servers' addresses are known, so nothing here may be imported at the top of a module
that reads a setting or a model.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_PING_SECONDS = 1.0


@contextmanager
def opened(variables: Mapping[str, str]) -> Iterator[None]:
    """Set Django up with the environment of the programs, and make the database's tables."""
    # This process only watches.
    os.environ.update(variables, COORDINATOR_LOG_LEVEL="WARNING")
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connections

    try:
        call_command("migrate", verbosity=0, interactive=False)
        yield
    finally:
        connections.close_all()


def workers_that_answer(expected: int) -> int:
    """Return how many Celery workers answer, as soon as so many do as are expected."""
    from kombu.exceptions import OperationalError

    from workers.app import app

    control: Any = app.control
    try:
        return len(control.ping(timeout=_PING_SECONDS, limit=expected))
    except (OperationalError, OSError):
        return 0
