"""Explains every setting that can't work, before it does harm: ``python manage.py check``.

Each module holds functions that look at the settings and yield what is wrong; errors have an id
like ``coordinator.E001``, and a hint that says what to set. ``docs/settings.md`` lists them.
"""

from collections.abc import Callable, Iterator

from django.core import checks

from coordinator.checks import access, limits, places, secrets, timing

#: What looks at the settings, in the order of the ids.
ALL: tuple[Callable[[], Iterator[checks.CheckMessage]], ...] = (
    places.cache_shared_with_the_worker,
    timing.pointer_within_entry,
    timing.suspension_outlives_transactions,
    timing.lease_outlives_load,
    timing.claim_outlives_task,
    access.production_secrets,
    access.token_keys,
    timing.message_outlives_task,
    places.lists,
    places.production_servers,
    places.cache_backend,
    timing.absence_within_pointer,
    timing.upstream_parts_within_whole,
    places.serialised_writers,
    places.misspelt_names,
    timing.verify_outlasts_lag,
)

#: What only a deployment has to hold to: ``check --deploy``.
OF_DEPLOYMENTS: tuple[Callable[[], Iterator[checks.CheckMessage]], ...] = (
    secrets.guessable_secrets,
    secrets.closed_metrics,
)


def check_settings(**_: object) -> list[checks.CheckMessage]:
    """Return what is wrong with the settings, an empty list if nothing is."""
    return [message for look in ALL for message in look()]


def check_deployment(**_: object) -> list[checks.CheckMessage]:
    """Return what is wrong with settings that were meant for a deployment."""
    return [message for look in OF_DEPLOYMENTS for message in look()]


def register() -> None:
    """Have Django run the checks at every start of a command."""
    checks.register(check_settings)
    checks.register(check_deployment, deploy=True)
    checks.register(limits.check_limits, checks.Tags.database)
