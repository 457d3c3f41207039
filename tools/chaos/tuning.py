"""Timeouts short enough that every fault outlasts them, and half a minute shows all of it.

In the proportions that production's defaults have, which the system checks insist on; and a budget
that the traffic would exceed if it were not kept to.
"""

from typing import Final

POINTER_SECONDS: Final = 5
#: A pointer ends by whole seconds, of clocks that may differ by one; and a change is recorded a
#: moment before it is committed, which is when the measured staleness begins.
MOST_STALE_SECONDS: Final = POINTER_SECONDS + 1
LEASE_SECONDS: Final = 5
#: A ring leaves a node that failed alone for the pointer's timeout and this much.
REST_MARGIN_SECONDS: Final = 2
BUDGET_RPS: Final = 40

#: How long a worker stands still: past its lease.
PAUSE_SECONDS: Final = LEASE_SECONDS + 1
REDIS_AWAY_SECONDS: Final = 2
PRIMARY_READ_ONLY_SECONDS: Final = 3
REDIS_HUNG_SECONDS: Final = 3
NODE_AWAY_SECONDS: Final = 3
#: More than all web processes have threads, for longer than a body may take to arrive.
SLOW_SENDERS: Final = 40
SLOW_SENDERS_SECONDS: Final = 4
UPSTREAM_TROUBLE_SECONDS: Final = 4
#: Longer than an attempt may wait for an answer.
STALL_SECONDS: Final = 5
#: Longer than a worker would try anew if it counted attempts, shorter than it waits for a lag.
LAG_SECONDS: Final = 3.5

SETTINGS: Final = {
    "COORDINATOR_POINTER_TIMEOUT_SECONDS": str(POINTER_SECONDS),
    # Of half an hour: what was loaded nine seconds ago is due for a refresh when it is read.
    "COORDINATOR_REFRESH_AFTER": "0.005",
    "COORDINATOR_SUSPENSION_TIMEOUT_SECONDS": "8",
    "COORDINATOR_ABSENT_TIMEOUT_SECONDS": "3",
    "COORDINATOR_LEASE_TIMEOUT_SECONDS": str(LEASE_SECONDS),
    "COORDINATOR_BODY_TIMEOUT_SECONDS": "2",
    "COORDINATOR_READ_WAIT_SECONDS": "3",
    "COORDINATOR_UPSTREAM_TIMEOUT_SECONDS": "3",
    "COORDINATOR_UPSTREAM_CONNECT_TIMEOUT_SECONDS": "1",
    "COORDINATOR_UPSTREAM_READ_TIMEOUT_SECONDS": "1.5",
    "COORDINATOR_UPSTREAM_BUDGET_RPS": str(BUDGET_RPS),
    "COORDINATOR_BREAKER_RESET_SECONDS": "2",
    "COORDINATOR_SETTLE_EVERY_SECONDS": "1",
    "COORDINATOR_CLAIM_SECONDS": "8",
    "COORDINATOR_LAG_SECONDS": "8",
    "COORDINATOR_WARM_OPEN_EVERY_SECONDS": "10",
    "COORDINATOR_RECONCILE_EVERY_SECONDS": "5",
    "CELERY_TASK_SOFT_TIME_LIMIT_SECONDS": "6",
    "CELERY_TASK_TIME_LIMIT_SECONDS": "7",
    "CELERY_VISIBILITY_TIMEOUT_SECONDS": "10",
    "DATABASE_STATEMENT_TIMEOUT_SECONDS": "3",
    "DATABASE_LOCK_TIMEOUT_SECONDS": "2",
    "DATABASE_IDLE_IN_TRANSACTION_TIMEOUT_SECONDS": "3",
}
