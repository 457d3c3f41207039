"""Builds what a host's Celery app takes over: the beat's schedule, and the queues of our tasks.

Each message expires before its next one: a beat that was off for a day catches up once.
"""

from typing import Any

from coordinator.core import conf

_A_DAY_SECONDS = 86_400


def beat_schedule() -> dict[str, dict[str, Any]]:
    """Return what to merge into the app's ``beat_schedule``; the periods are settings."""
    every = conf.seconds("SETTLE_EVERY")
    return {
        "coordinator-settle": _beat("settle", every),
        "coordinator-publish-switches": _beat("publish_switches", every),
        "coordinator-watch": _beat("watch", every),
        "coordinator-warm-open": _beat("warm_open", conf.seconds("WARM_OPEN_EVERY")),
        "coordinator-reconcile": _beat("reconcile", conf.seconds("RECONCILE_EVERY")),
        "coordinator-verify": _beat("verify", conf.seconds("VERIFY_EVERY")),
        "coordinator-prune": _beat("prune", _A_DAY_SECONDS),
    }


def task_routes(
    *, settle: str = "settle", warm: str = "warm", other: str | None = None
) -> dict[str, dict[str, str]]:
    """Return what to merge into the app's ``task_routes``: which queue each of our tasks goes to.

    `settle` is for what follows an event, `warm` for what can wait. Tasks in neither go to `other`,
    without one to the app's default queue. Without these routes all of ours go there.
    """
    routes = {"coordinator.settle*": {"queue": settle}, "coordinator.warm*": {"queue": warm}}
    return routes if other is None else {**routes, "coordinator.*": {"queue": other}}


def _beat(task: str, seconds: float) -> dict[str, Any]:
    return {"task": f"coordinator.{task}", "schedule": seconds, "options": {"expires": seconds}}
