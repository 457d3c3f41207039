"""Celery's options for the broker that an address names."""

from typing import Any


def transport_options(
    url: str,
    *,
    visibility_timeout_seconds: int,
    sentinel_master: str = "",
    sentinel_password: str = "",
) -> dict[str, Any]:
    """Return Celery's ``broker_transport_options`` for the broker at `url`."""
    scheme = url.partition("://")[0].partition("+")[0]
    if scheme == "memory":
        # Its default is a look every second; this one decides how quick a lone event can be.
        return {"polling_interval": 0.01}
    if scheme in {"redis", "rediss", "sentinel"}:
        options = {
            # A message that its worker took and never acknowledged comes back after this long.
            "visibility_timeout": visibility_timeout_seconds,
            "socket_connect_timeout": 2,
            # A connection that is lost is waited for by settings of workers and beat of their own:
            # kombu would try for six more seconds wherever it finds one.
            "max_retries": 0,
            # Bounds a command of a worker or the beat; a worker's own waiting is a second at a
            # time. (Publishing from requests has a limit of its own.)
            "socket_timeout": 3,
            "socket_keepalive": True,
            # A worker that waits for a Redis that hangs connects anew after twice as long.
            "health_check_interval": 5,
        }
        return options | _sentinel(scheme, sentinel_master, sentinel_password)
    return {}


def _sentinel(scheme: str, master: str, password: str) -> dict[str, Any]:
    if scheme != "sentinel":
        return {}
    # Without a name the system checks refuse to start; kombu raises only when it publishes.
    named = {"master_name": master} if master else {}
    return {**named, "sentinel_kwargs": {"password": password} if password else {}}
