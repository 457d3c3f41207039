"""System checks of the host's Celery app: whether there is one, and whether its beat knows us."""

from typing import Any

from django.core import checks

from coordinator.celery import host


@checks.register
def check_app(**_: Any) -> list[checks.CheckMessage]:
    """Return what is wrong with the app that sends and runs our tasks."""
    app = host.app()
    if app.main in {None, "default"}:
        return [
            checks.Error(
                "No Celery app is current when Django starts: our tasks would be sent to Celery's "
                "own default broker.",
                hint="Import your app in your project's __init__.py, as Celery's documentation on "
                "Django says, or name it in an AppConfig that comes before coordinator.celery.",
                id="coordinator.E020",
            )
        ]
    entries = app.conf.beat_schedule.values()
    if not any(entry.get("task") == "coordinator.settle" for entry in entries):
        return [
            checks.Warning(
                "The Celery app's beat_schedule has no coordinator.settle: a change whose bell no "
                "worker heard would not be settled.",
                hint="app.conf.beat_schedule |= coordinator.celery.schedule.beat_schedule()",
                id="coordinator.W006",
            )
        ]
    return []
