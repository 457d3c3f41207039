"""Whether a failed attempt is worth another, and when. Pure: no clock, no socket."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from coordinator.upstream.errors import (
    UpstreamError,
    UpstreamRateLimited,
    UpstreamTimeout,
    UpstreamUnavailable,
)

#: RFC 9110, 9.2.2: what may be sent twice with the effect of once.
IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})

_FIRST_DELAY_SECONDS = 0.1
_LONGEST_DELAY_SECONDS = 2.0
# Callers that were told the same moment spread over this much after it.
_SPREAD_SECONDS = 0.25
# A longer Retry-After is a mistake or an attack; asking once an hour does no harm.
_LONGEST_RETRY_AFTER_SECONDS = 3600.0


def repeatable(method: str, headers: Mapping[str, str]) -> bool:
    """Return True if sending the request twice does no more than sending it once."""
    named = any(name.lower() == "idempotency-key" for name in headers)
    return named or method.upper() in IDEMPOTENT_METHODS


def worth_another(error: UpstreamError) -> bool:
    """Return True if the same request may succeed within the same call."""
    return isinstance(error, UpstreamTimeout | UpstreamUnavailable | UpstreamRateLimited)


def delay_seconds(error: UpstreamError, attempts: int) -> float:
    """Return how long to wait after `attempts` attempts, the last of which ended in `error`.

    What upstream asked for, else twice as long each time; with jitter, so that many callers that
    failed together don't come back together.
    """
    if error.retry_after_seconds is not None:
        return error.retry_after_seconds + random.uniform(0, _SPREAD_SECONDS)
    longest = min(_LONGEST_DELAY_SECONDS, _FIRST_DELAY_SECONDS * 2 ** (attempts - 1))
    return longest * random.uniform(0.5, 1)


def retry_after_seconds(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Return what the header Retry-After asks for, a number or a date; None without a valid one.

    Source: RFC 9110, 10.2.3. Never below 0 or above an hour.
    """
    text = headers.get("Retry-After", "").strip()
    if text.isdecimal():
        # A number can have any length, and a float can't hold every one of them.
        seconds = float(text) if len(text) < 10 else _LONGEST_RETRY_AFTER_SECONDS
    else:
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, OverflowError):
            return None
        if moment.tzinfo is None:
            # A date without a zone, or with "-0000": HTTP knows no other than GMT.
            moment = moment.replace(tzinfo=UTC)
        seconds = (moment - (now or datetime.now(UTC))).total_seconds()
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER_SECONDS)
