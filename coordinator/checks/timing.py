"""Checks the timeouts that depend on each other: which must be longer than which."""

from collections.abc import Iterator

from django.conf import settings
from django.core import checks

from coordinator.core import conf


def pointer_within_entry() -> Iterator[checks.CheckMessage]:
    """The pointer's timeout bounds staleness, so it must be the shorter one."""
    pointer = conf.seconds("POINTER_TIMEOUT")
    shortest = conf.seconds("ENTRY_TIMEOUT") * (1 - conf.number("ENTRY_JITTER"))
    if pointer >= shortest:
        yield checks.Error(
            f"A pointer lives for {pointer:g} s, an entry (after its jitter) for only "
            f"{shortest:g} s: most reads would find a pointer to nothing.",
            hint="Make COORDINATOR_POINTER_TIMEOUT_SECONDS shorter than "
            "COORDINATOR_ENTRY_TIMEOUT_SECONDS * (1 - COORDINATOR_ENTRY_JITTER).",
            id="coordinator.E002",
        )


def suspension_outlives_transactions() -> Iterator[checks.CheckMessage]:
    """A suspension that ends before its commit lets readers see what was before it."""
    suspension = conf.seconds("SUSPENSION_TIMEOUT")
    longest = _longest_commit_seconds()
    if longest is None:
        yield checks.Error(
            "The database may leave a transaction open for ever, so no suspension of a pointer "
            "is sure to outlive the commit that it announces.",
            hint="Set DATABASE_STATEMENT_TIMEOUT_SECONDS and "
            "DATABASE_IDLE_IN_TRANSACTION_TIMEOUT_SECONDS to more than 0.",
            id="coordinator.E003",
        )
    elif suspension <= longest:
        yield checks.Error(
            f"A pointer's suspension ends after {suspension:g} s, but the database lets a "
            f"transaction take up to {longest:g} s from there to its commit: until then readers "
            "would be sent to the entry from before it.",
            hint="Make COORDINATOR_SUSPENSION_TIMEOUT_SECONDS longer than the sum of "
            "DATABASE_IDLE_IN_TRANSACTION_TIMEOUT_SECONDS and DATABASE_STATEMENT_TIMEOUT_SECONDS "
            "(on SQLite: than DATABASE_LOCK_TIMEOUT_SECONDS), or those shorter.",
            id="coordinator.E003",
        )


def lease_outlives_load() -> Iterator[checks.CheckMessage]:
    """A lease that ends during its holder's load lets a second one load the same."""
    lease = conf.seconds("LEASE_TIMEOUT")
    upstream = settings.COORDINATOR_UPSTREAM_TIMEOUT_SECONDS
    if lease <= upstream:
        yield checks.Error(
            f"A lease ends after {lease:g} s, but the load that it protects may take {upstream:g} "
            "s: simultaneous misses would each ask upstream.",
            hint="Make COORDINATOR_LEASE_TIMEOUT_SECONDS longer than "
            "COORDINATOR_UPSTREAM_TIMEOUT_SECONDS.",
            id="coordinator.E004",
        )


def claim_outlives_lease() -> Iterator[checks.CheckMessage]:
    """A claim that ends while its worker still works gives the same changes to another one."""
    claim = conf.seconds("CLAIM")
    lease = conf.seconds("LEASE_TIMEOUT")
    if claim < lease:
        yield checks.Error(
            f"A claim ends after {claim:g} s, sooner than the lease ({lease:g} s) under which its "
            "worker loads: others would take the same changes and wait for that lease.",
            hint="Make COORDINATOR_CLAIM_SECONDS at least COORDINATOR_LEASE_TIMEOUT_SECONDS.",
            id="coordinator.E005",
        )


def task_within_claim() -> Iterator[checks.CheckMessage]:
    """What a task has not settled when its claim ends, another worker takes too."""
    claim = conf.seconds("CLAIM")
    limit = settings.CELERY_TASK_TIME_LIMIT_SECONDS
    if claim < limit:
        yield checks.Warning(
            f"A claim ends after {claim:g} s, but a task may work for {limit:g} s: what it has not "
            "settled by then is taken by another worker too.",
            hint="Make COORDINATOR_CLAIM_SECONDS at least CELERY_TASK_TIME_LIMIT_SECONDS.",
            id="coordinator.W002",
        )


def soft_limit_comes_first() -> Iterator[checks.CheckMessage]:
    """A task that is asked to end after it was killed is never asked."""
    limit = settings.CELERY_TASK_TIME_LIMIT_SECONDS
    soft = settings.CELERY_TASK_SOFT_TIME_LIMIT_SECONDS
    if soft >= limit:
        yield checks.Error(
            f"A task is asked to end after {soft:g} s and killed after {limit:g} s: it would never "
            "be asked.",
            hint="Make CELERY_TASK_SOFT_TIME_LIMIT_SECONDS shorter than "
            "CELERY_TASK_TIME_LIMIT_SECONDS.",
            id="coordinator.E015",
        )


def message_outlives_task() -> Iterator[checks.CheckMessage]:
    """A message that Redis gives to a second worker while the first still works is work done twice.

    See the Redis transport's "visibility timeout" in Celery's documentation.
    """
    visibility = settings.CELERY_VISIBILITY_TIMEOUT_SECONDS
    longest = settings.CELERY_TASK_TIME_LIMIT_SECONDS
    if visibility <= longest:
        yield checks.Error(
            f"Redis gives a message away again after {visibility:g} s, but a task may take "
            f"{longest:g} s: the same task would run twice at once.",
            hint="Make CELERY_VISIBILITY_TIMEOUT_SECONDS longer than "
            "CELERY_TASK_TIME_LIMIT_SECONDS.",
            id="coordinator.E008",
        )


def absence_within_pointer() -> Iterator[checks.CheckMessage]:
    """A remembered absence hides a payment that has come, so it is bounded as the pointer is."""
    absent = conf.seconds("ABSENT_TIMEOUT")
    pointer = conf.seconds("POINTER_TIMEOUT")
    if absent > pointer:
        yield checks.Error(
            f"An absence is remembered for {absent:g} s, longer than a pointer ({pointer:g} s): "
            "the pointer's timeout would no longer bound how old an answer can be.",
            hint="Make COORDINATOR_ABSENT_TIMEOUT_SECONDS at most "
            "COORDINATOR_POINTER_TIMEOUT_SECONDS.",
            id="coordinator.E012",
        )


def verify_outlasts_lag() -> Iterator[checks.CheckMessage]:
    """A round of verifying that looks sooner takes a lag for the truth."""
    grace = conf.seconds("VERIFY_GRACE")
    lag = conf.seconds("LAG")
    if grace < lag:
        yield checks.Error(
            f"Payments are verified {grace:g} s after their last change, but upstream may lag "
            f"behind its own events for {lag:g} s: what is still the past would be recorded.",
            hint="Make COORDINATOR_VERIFY_GRACE_SECONDS at least COORDINATOR_LAG_SECONDS.",
            id="coordinator.E016",
        )


def upstream_parts_within_whole() -> Iterator[checks.CheckMessage]:
    """One attempt that may take longer than the whole call leaves no time for a second one."""
    whole = settings.COORDINATOR_UPSTREAM_TIMEOUT_SECONDS
    connect = settings.COORDINATOR_UPSTREAM_CONNECT_TIMEOUT_SECONDS
    read = settings.COORDINATOR_UPSTREAM_READ_TIMEOUT_SECONDS
    if connect + read > whole:
        yield checks.Error(
            f"One attempt at upstream may take {connect:g} s to connect and {read:g} s to answer, "
            f"but the whole call with its retries only {whole:g} s.",
            hint="Make COORDINATOR_UPSTREAM_TIMEOUT_SECONDS at least the sum of "
            "COORDINATOR_UPSTREAM_CONNECT_TIMEOUT_SECONDS and "
            "COORDINATOR_UPSTREAM_READ_TIMEOUT_SECONDS.",
            id="coordinator.E013",
        )


def _longest_commit_seconds() -> float | None:
    """Return how long a transaction may take from its suspension to its commit; None: for ever.

    The suspension is a transaction's last step, so what follows is at most one pause, which the
    database ends when the session idles, and one statement, the commit.
    """
    if settings.DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
        return float(settings.DATABASE_LOCK_TIMEOUT_SECONDS)
    idle = settings.DATABASE_IDLE_IN_TRANSACTION_TIMEOUT_SECONDS
    statement = settings.DATABASE_STATEMENT_TIMEOUT_SECONDS
    # 0 is PostgreSQL's word for no limit.
    return float(idle + statement) if idle and statement else None
