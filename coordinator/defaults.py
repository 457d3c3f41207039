"""Defaults of the settings that the library and its HTTP client read: the only place they stand in.

`coordinator.core.conf` and `coordinator.upstream.conf` fall back on it where the host's settings
don't name one, `coordinator.settings` derives its own defaults from it, and a test holds
``docs/settings.md`` to it.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

#: Numbers: seconds, counts and fractions.
DEFAULTS: Final[Mapping[str, float]] = MappingProxyType(
    {
        # The cache
        "COORDINATOR_ENTRY_TIMEOUT_SECONDS": 1800,
        "COORDINATOR_ENTRY_JITTER": 0.1,
        "COORDINATOR_REFRESH_AFTER": 0.8,
        "COORDINATOR_POINTER_TIMEOUT_SECONDS": 30,
        "COORDINATOR_SUSPENSION_TIMEOUT_SECONDS": 60,
        "COORDINATOR_ABSENT_TIMEOUT_SECONDS": 10,
        "COORDINATOR_LEASE_TIMEOUT_SECONDS": 30,
        "COORDINATOR_READ_WAIT_SECONDS": 10,
        "MEMCACHED_CONNECT_TIMEOUT_SECONDS": 0.5,
        "MEMCACHED_TIMEOUT_SECONDS": 0.5,
        # Settling and warming
        "COORDINATOR_SETTLE_PAGE": 200,
        "COORDINATOR_SETTLE_EVERY_SECONDS": 5,
        "COORDINATOR_SETTLE_ATTEMPTS": 8,
        "COORDINATOR_SETTLE_INTERRUPTIONS": 25,
        "COORDINATOR_CLOCK_TOLERANCE_SECONDS": 60,
        "COORDINATOR_LAG_SECONDS": 30,
        "COORDINATOR_CLAIM_SECONDS": 60,
        "COORDINATOR_LOAD_CONCURRENCY": 16,
        "COORDINATOR_MOST_CONTAINERS": 100,
        "COORDINATOR_HINT_TIMEOUT_SECONDS": 0.2,
        "COORDINATOR_WARM_OPEN_EVERY_SECONDS": 60,
        "COORDINATOR_LOG_RETENTION_DAYS": 90,
        "COORDINATOR_RECONCILE_EVERY_SECONDS": 300,
        "COORDINATOR_VERIFY_EVERY_SECONDS": 600,
        "COORDINATOR_VERIFY_SAMPLE": 50,
        "COORDINATOR_VERIFY_GRACE_SECONDS": 60,
        # The way upstream
        "COORDINATOR_UPSTREAM_TIMEOUT_SECONDS": 10,
        "COORDINATOR_UPSTREAM_CONNECT_TIMEOUT_SECONDS": 2,
        "COORDINATOR_UPSTREAM_READ_TIMEOUT_SECONDS": 5,
        "COORDINATOR_UPSTREAM_RETRIES": 2,
        "COORDINATOR_UPSTREAM_POOL": 32,
        "COORDINATOR_UPSTREAM_MAX_BYTES": 8_388_608,
        "COORDINATOR_UPSTREAM_BUDGET_RPS": 0,
        "COORDINATOR_UPSTREAM_BUDGET_CONCURRENT": 0,
        "COORDINATOR_UPSTREAM_BUDGET_WAIT_SECONDS": 2,
        "COORDINATOR_UPSTREAM_BUDGET_WAITING": 4,
        "COORDINATOR_BUDGET_TIMEOUT_SECONDS": 0.25,
        "COORDINATOR_BUDGET_PROCESSES": 8,
        "COORDINATOR_BREAKER_FAILURES": 5,
        "COORDINATOR_BREAKER_RESET_SECONDS": 15,
    }
)

#: Words and addresses.
TEXTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "COORDINATOR_WARMING": "on",
        "COORDINATOR_READS": "cache",
        # Whether a change joins a transaction that is open
        "COORDINATOR_ATOMIC": "join",
        "COORDINATOR_BUDGET_URL": "memory://",
        # The alias in CACHES of the cache that the library uses
        "COORDINATOR_CACHE": "default",
    }
)
