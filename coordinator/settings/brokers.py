"""Celery's options for the broker that an address names."""

from typing import Any


def transport_options(url: str, *, visibility_timeout_seconds: int) -> dict[str, Any]:
    """Return Celery's ``broker_transport_options`` for the broker at `url`."""
    scheme = url.partition("://")[0].partition("+")[0]
    if scheme == "memory":
        # Its default is a look every second; this one decides how quick a lone event can be.
        return {"polling_interval": 0.01}
    if scheme in {"redis", "rediss", "sentinel"}:
        return {
            # A message that its worker took and never acknowledged comes back after this long.
            "visibility_timeout": visibility_timeout_seconds,
            "socket_connect_timeout": 2,
            # Whoever publishes may be in a request, and tries once: kombu would try again for six
            # seconds. (Workers and the beat reconnect by settings of their own.)
            "max_retries": 0,
            # Bounds publishing from a request; a worker's own waiting is a second at a time.
            "socket_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 25,
        }
    return {}
