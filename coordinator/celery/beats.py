"""Builds Celery's beat schedule.

Each message expires before its next one: a beat that was off for a day catches up once.
"""

from typing import Any

from django.conf import settings

_A_DAY_SECONDS = 86_400


def beats() -> dict[str, dict[str, Any]]:
    """Return Celery's ``beat_schedule``, with the periods that the settings give."""
    every = settings.COORDINATOR_SETTLE_EVERY_SECONDS
    return {
        "settle": _beat("settle", every),
        "publish-switches": _beat("publish_switches", every),
        "watch": _beat("watch", every),
        "warm-open": _beat("warm_open", settings.COORDINATOR_WARM_OPEN_EVERY_SECONDS),
        "reconcile": _beat("reconcile", settings.COORDINATOR_RECONCILE_EVERY_SECONDS),
        "verify": _beat("verify", settings.COORDINATOR_VERIFY_EVERY_SECONDS),
        "prune": _beat("prune", _A_DAY_SECONDS),
    }


def _beat(task: str, seconds: float) -> dict[str, Any]:
    return {"task": f"coordinator.{task}", "schedule": seconds, "options": {"expires": seconds}}
