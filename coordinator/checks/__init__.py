"""Explains every setting that can't work, before it does harm: ``python manage.py check``.

Each module holds functions that look at the settings and yield what is wrong; errors have an id
like ``coordinator.E001``, and a hint that says what to set. ``docs/settings.md`` lists them.
"""

from collections.abc import Callable, Iterator

from django.apps import apps
from django.conf import settings
from django.core import checks

from coordinator.checks import access, adopting, brokers, limits, places, secrets, timing

Check = Callable[[], Iterator[checks.CheckMessage]]

#: What holds in every service, by the app that needs it.
OF_APPS: dict[str, tuple[Check, ...]] = {
    "coordinator.core": (
        places.cache_backend,
        adopting.request_tier_is_cleared,
        timing.pointer_within_entry,
        timing.absence_within_pointer,
    ),
    "coordinator.ledger": (places.serialised_writers,),
    "coordinator.warmer": (timing.claim_outlives_lease, timing.verify_outlasts_lag),
    "coordinator.celery": (places.cache_shared_with_the_worker,),
}

#: What this service's own settings have to hold to: those of ``coordinator.settings``.
OF_THE_SERVICE: tuple[Check, ...] = (
    timing.suspension_outlives_transactions,
    timing.lease_outlives_load,
    timing.task_within_claim,
    timing.soft_limit_comes_first,
    access.production_secrets,
    access.token_keys,
    timing.message_outlives_task,
    places.lists,
    places.production_servers,
    timing.upstream_parts_within_whole,
    places.misspelt_names,
    brokers.master_named,
    brokers.budget_address,
    brokers.certificates,
)

#: What only a deployment has to hold to: ``check --deploy``.
OF_DEPLOYMENTS: tuple[Check, ...] = (
    secrets.guessable_secrets,
    secrets.closed_metrics,
)


def check_settings(**_: object) -> list[checks.CheckMessage]:
    """Return what is wrong with the settings, an empty list if nothing is."""
    wanted = [look for app, looks in OF_APPS.items() if apps.is_installed(app) for look in looks]
    wanted += OF_THE_SERVICE if _is_the_service() else ()
    return [message for look in wanted for message in look()]


def check_deployment(**_: object) -> list[checks.CheckMessage]:
    """Return what is wrong with settings that were meant for a deployment."""
    return [message for look in OF_DEPLOYMENTS for message in look()] if _is_the_service() else []


def _is_the_service() -> bool:
    """Return True where ``coordinator.settings`` is in force: a host names none of its settings."""
    return hasattr(settings, "COORDINATOR_PRODUCTION")


def register() -> None:
    """Have Django run the checks at every start of a command."""
    checks.register(check_settings)
    checks.register(check_deployment, deploy=True)
    checks.register(limits.check_limits, checks.Tags.database)
