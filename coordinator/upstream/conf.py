"""Reads the settings of the way upstream, with their defaults, at the moment they are needed.

Lazily, so that ``override_settings`` and a settings module that only names what it changes both
work. The documented list is ``docs/settings.md``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from django.conf import settings

#: What part of the budget each cause may use: whoever stands lower leaves the rest to those above.
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
        timeout_seconds=_number("COORDINATOR_UPSTREAM_TIMEOUT_SECONDS", 10),
        connect_timeout_seconds=_number("COORDINATOR_UPSTREAM_CONNECT_TIMEOUT_SECONDS", 2),
        read_timeout_seconds=_number("COORDINATOR_UPSTREAM_READ_TIMEOUT_SECONDS", 5),
        retries=int(_number("COORDINATOR_UPSTREAM_RETRIES", 2)),
        pool=int(_number("COORDINATOR_UPSTREAM_POOL", 32)),
        max_bytes=int(_number("COORDINATOR_UPSTREAM_MAX_BYTES", 8_388_608)),
    )


def budget() -> BudgetSettings:
    """Return the settings of the budget."""
    named: Mapping[str, float] = getattr(settings, "COORDINATOR_UPSTREAM_SHARES", {})
    url: str = getattr(settings, "COORDINATOR_BUDGET_URL", "memory://")
    return BudgetSettings(
        per_second=_number("COORDINATOR_UPSTREAM_BUDGET_RPS", 0),
        concurrent=int(_number("COORDINATOR_UPSTREAM_BUDGET_CONCURRENT", 0)),
        shares={**DEFAULT_SHARES, **named},
        wait_seconds=_number("COORDINATOR_UPSTREAM_BUDGET_WAIT_SECONDS", 2),
        waiting=int(_number("COORDINATOR_UPSTREAM_BUDGET_WAITING", 4)),
        url=url,
        timeout_seconds=_number("COORDINATOR_BUDGET_TIMEOUT_SECONDS", 0.25),
        processes=int(_number("COORDINATOR_BUDGET_PROCESSES", 8)),
    )


def breaker() -> BreakerSettings:
    """Return the settings of the circuit breaker."""
    return BreakerSettings(
        failures=int(_number("COORDINATOR_BREAKER_FAILURES", 5)),
        reset_seconds=_number("COORDINATOR_BREAKER_RESET_SECONDS", 15),
    )


def _number(name: str, default: float) -> float:
    value: float = getattr(settings, name, default)
    return value
