"""The checks: the database, which decides, and what is only reported."""

from typing import Final

from django.conf import settings
from django.db import connection

from coordinator.core import cache, switches
from coordinator.ledger import queue
from coordinator.operations.health import broker, warmth
from coordinator.operations.health.bounded import Check, CheckResult
from coordinator.operations.metrics import feeding
from coordinator.operations.metrics.scraping import MOST

# As the alert about the backlog has it.
_WORRYING_SECONDS: Final = 60.0


def _database() -> CheckResult:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return CheckResult(cursor.fetchone() == (1,), {"vendor": connection.vendor})


def _warm_gate() -> CheckResult:
    return CheckResult(warmth.gate_is_open())


def _cache() -> CheckResult:
    return CheckResult(cache.answers())


def _broker() -> CheckResult:
    timeout = settings.COORDINATOR_HEALTH_TIMEOUT_SECONDS
    options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    return CheckResult(broker.answers(settings.CELERY_BROKER_URL, timeout, options))


def _upstream() -> CheckResult:
    breakers = feeding.breakers()
    return CheckResult("open" not in breakers.values(), {"breakers": breakers})


def _backlog() -> CheckResult:
    found = queue.backlog(at_most=MOST)
    details = {"changes": found.unsettled, "oldest_seconds": round(found.oldest_seconds, 1)}
    return CheckResult(found.oldest_seconds <= _WORRYING_SECONDS, details)


def _warmth() -> CheckResult:
    found = warmth.measure()
    details = {"looked_at": found.looked_at, "warm": found.warm, "share": round(found.share, 3)}
    return CheckResult(found.share >= settings.COORDINATOR_READY_WARM_SHARE, details)


def _switches() -> CheckResult:
    current = switches.current()
    usual = switches.Switches()
    return CheckResult(
        current == usual, {name: getattr(current, name) for name in switches.POSITIONS}
    )


#: Without these a process should get no traffic: all else works without cache, broker or workers.
GATING: Final = (Check("database", _database), Check("warm_gate", _warm_gate))

#: These are for operators to know.
REPORTED: Final = (
    Check("cache", _cache),
    Check("broker", _broker),
    Check("upstream", _upstream),
    Check("backlog", _backlog),
    Check("open_warm", _warmth),
    Check("switches", _switches),
)
