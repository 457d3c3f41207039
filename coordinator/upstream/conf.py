"""Reads the settings of the way upstream, with their defaults, at the moment they are needed.

Lazily, so that ``override_settings`` and a settings module that only names what it changes both
work. The defaults are `coordinator.defaults`'; the documented list is ``docs/settings.md``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from django.conf import settings

from coordinator.defaults import DEFAULTS, TEXTS

#: What part of the budget each cause may use: a lower one leaves the rest to those above it.
DEFAULT_SHARES: Mapping[str, float] = MappingProxyType(
    {"read": 1.0, "event": 0.8, "beat": 0.6, "backfill": 0.4}
)


@dataclass(frozen=True, slots=True)
class CallSettings:
    """How long one call may take, how often it is tried, and how much it may bring."""

    timeout_seconds: float
    connect_timeout_seconds: float
    read_timeout_seconds: float
    retries: int
    pool: int
    max_bytes: int


@dataclass(frozen=True, slots=True)
class BudgetSettings:
    """What upstream may see of us. A limit of 0 is none."""

    per_second: float
    concurrent: int
    shares: Mapping[str, float]
    wait_seconds: float
    waiting: int
    url: str
    timeout_seconds: float
    processes: int


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """After how many failures in a row upstream is left alone, and for how long."""

    failures: int
    reset_seconds: float


def call() -> CallSettings:
    """Return the settings of one call."""
    return CallSettings(
        timeout_seconds=_number("COORDINATOR_UPSTREAM_TIMEOUT_SECONDS"),
        connect_timeout_seconds=_number("COORDINATOR_UPSTREAM_CONNECT_TIMEOUT_SECONDS"),
        read_timeout_seconds=_number("COORDINATOR_UPSTREAM_READ_TIMEOUT_SECONDS"),
        retries=int(_number("COORDINATOR_UPSTREAM_RETRIES")),
        pool=int(_number("COORDINATOR_UPSTREAM_POOL")),
        max_bytes=int(_number("COORDINATOR_UPSTREAM_MAX_BYTES")),
    )


def budget() -> BudgetSettings:
    """Return the settings of the budget."""
    named: Mapping[str, float] = getattr(settings, "COORDINATOR_UPSTREAM_SHARES", {})
    url: str = getattr(settings, "COORDINATOR_BUDGET_URL", TEXTS["COORDINATOR_BUDGET_URL"])
    return BudgetSettings(
        per_second=_number("COORDINATOR_UPSTREAM_BUDGET_RPS"),
        concurrent=int(_number("COORDINATOR_UPSTREAM_BUDGET_CONCURRENT")),
        shares={**DEFAULT_SHARES, **named},
        wait_seconds=_number("COORDINATOR_UPSTREAM_BUDGET_WAIT_SECONDS"),
        waiting=int(_number("COORDINATOR_UPSTREAM_BUDGET_WAITING")),
        url=url,
        timeout_seconds=_number("COORDINATOR_BUDGET_TIMEOUT_SECONDS"),
        processes=int(_number("COORDINATOR_BUDGET_PROCESSES")),
    )


def breaker() -> BreakerSettings:
    """Return the settings of the circuit breaker."""
    return BreakerSettings(
        failures=int(_number("COORDINATOR_BREAKER_FAILURES")),
        reset_seconds=_number("COORDINATOR_BREAKER_RESET_SECONDS"),
    )


def _number(name: str) -> float:
    value: float = getattr(settings, name, DEFAULTS[name])
    return value
