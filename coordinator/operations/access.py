"""Who may look at what is for operators: metrics, and the details of the health report."""

import hmac
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final

from django.conf import settings

# A request with one of these was forwarded, whatever address the connection has.
_FORWARDED: Final = ("forwarded", "via", "x-forwarded-for", "x-real-ip")


def may_look(address: str, headers: Mapping[str, str]) -> bool:
    """Return True for a request with the token; where none is set, for one from this machine.

    `address` is the other end of the connection, `headers` have lower-case names. With
    COORDINATOR_OPERATIONS_TOKEN set nothing else counts, and in production nothing else ever does:
    behind a proxy every request seems to come from this machine.
    """
    expected: str = settings.COORDINATOR_OPERATIONS_TOKEN
    if expected:
        scheme, _, sent = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(
            sent.strip().encode(errors="replace"), expected.encode()
        )
    if settings.COORDINATOR_PRODUCTION:
        return False
    return is_from_here(address, headers)


def is_from_here(address: str, headers: Mapping[str, str]) -> bool:
    """Return True for a request of this machine that came through no proxy, as `may_look` asks."""
    return _is_loopback(address) and not any(name in headers for name in _FORWARDED)


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        # A server on a Unix socket names none: only a proxy may open that socket.
        return False
