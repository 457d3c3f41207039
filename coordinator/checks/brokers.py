"""Brokers, and the Redis of the budget, whose addresses can't work as they are."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks

from coordinator.addresses import VERIFICATIONS, verification

_OF_THE_BUDGET = frozenset({"memory", "redis", "rediss", "redis+unix"})


def master_named() -> Iterator[checks.CheckMessage]:
    """Sentinel knows several masters, so it is asked for one by its name."""
    if (
        str(settings.CELERY_BROKER_URL).startswith("sentinel:")
        and not settings.CELERY_BROKER_SENTINEL_MASTER
    ):
        yield checks.Error(
            "CELERY_BROKER_URL is the address of a Sentinel, and nothing says which of its masters "
            "is meant.",
            hint="Set CELERY_BROKER_SENTINEL_MASTER to the name that the Sentinels' "
            '"sentinel monitor" gives it.',
            id="coordinator.E021",
        )


def budget_address() -> Iterator[checks.CheckMessage]:
    """The budget is counted in this process, or on one Redis."""
    scheme = str(settings.COORDINATOR_BUDGET_URL).partition("://")[0]
    if scheme not in _OF_THE_BUDGET:
        yield checks.Error(
            f"COORDINATOR_BUDGET_URL begins with {scheme}://, where nothing can be counted.",
            hint="Use redis://host:port/1, rediss:// with TLS, redis+unix:///path, or memory://. "
            "Where a Sentinel names the master, give the budget a Redis of its own: it need not "
            "survive.",
            id="coordinator.E022",
        )


def certificates() -> Iterator[checks.CheckMessage]:
    """An address that says in unknown words how to verify certificates would only fail later."""
    for name in ("CELERY_BROKER_URL", "COORDINATOR_BUDGET_URL"):
        for url in str(getattr(settings, name)).split(";"):
            found = verification(url)
            if found is not None and found not in VERIFICATIONS:
                yield checks.Error(
                    f"{name} says ssl_cert_reqs={found}, which nothing understands.",
                    hint=f"ssl_cert_reqs is one of {', '.join(VERIFICATIONS)}.",
                    id="coordinator.E023",
                )
            if found is not None and urlsplit(url).scheme in {"redis", "memory"}:
                yield checks.Error(
                    f"{name} has options of TLS, but redis:// speaks without it.",
                    hint="Write rediss:// for TLS.",
                    id="coordinator.E023",
                )
