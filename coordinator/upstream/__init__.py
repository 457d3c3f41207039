"""The HTTP client side of slow services: timeouts, retries, breaker, budget."""

from coordinator.causes import cause
from coordinator.upstream import quiet
from coordinator.upstream.answers import Answer
from coordinator.upstream.client import UpstreamClient, client_for

__all__ = ["Answer", "UpstreamClient", "cause", "client_for"]

quiet.keep_quiet()
