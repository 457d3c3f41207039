"""What a million payments in the ledger make dearer, and whether a backfill's memory stays flat."""

import json
import subprocess
import sys
from itertools import count

from django.db import connection

from bench import ledgers, things
from bench.figures import Figure, at_most, compared
from bench.options import Options
from bench.rounds import Contestant, interleave
from bench.site import ROOT, Site
from coordinator.core import cache, keys, resource
from coordinator.core.read import read
from coordinator.ledger.models import Change
from coordinator.ledger.recording import record_change
from coordinator.payments.models import Payment
from coordinator.warmer import settle as settling

_FEW = 1_000
_PAGE = 200

_INSERT_PAYMENTS = """
INSERT INTO {table} (number, upstream_id, state, revision, changed_at, provider,
    lms_user_id, order_reference, intent_status, amount, amount_received, amount_refunded,
    currency, dispute)
SELECT 'M-' || n, 'fast_M-' || n, 'succeeded', 1, now() - n * interval '1 second', 'bench', '42',
    '', 'succeeded', 4200, 4200, 0, 'usd', ''
FROM generate_series(%s, %s) AS n
"""
_INSERT_CHANGES = """
INSERT INTO {table} (resource, identifier, revision, state, previous_state, event_id,
    event_type, recorded_at, correlation_id, applied, confirm, suspended, outcome, reason, ended_at,
    confirmed_at, attempts, next_attempt_at)
SELECT 'payment', 'M-' || n, 1, 'succeeded', '', 'evt_M-' || n, 'payment_intent.succeeded', now(),
    '', true, false, true, 'warmed', '', now(), now(), 1, now()
FROM generate_series(%s, %s) AS n
"""


def measure(_: Site, options: Options) -> list[Figure]:
    """Return the figures: a ledger can't be large and small at once, so they don't interleave."""
    many = options.of(50_000, 1_000_000)
    ledgers.empty()
    _grow(1, _FEW)
    few_costs = _costs(options)
    small = _backfill_megabytes(options.of(2_000, 10_000), grow_from=_FEW)
    reached = max(_FEW, options.of(2_000, 10_000))
    _grow(reached + 1, many)
    many_costs = _costs(options)
    large = _backfill_megabytes(many, grow_from=many)
    return [
        *(
            compared(
                "million",
                f"{name}, with {many:,} payments",
                many_costs[name],
                few_costs[name],
                "µs",
                f"with {_FEW:,}",
                at_most(1.15),
            )
            for name in few_costs
        ),
        compared(
            "million",
            f"a backfill's memory, {many:,} payments",
            large,
            small,
            "MB",
            "a hundredth of them",
            at_most(1.05),
        ),
    ]


def _grow(first: int, last: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_INSERT_PAYMENTS.format(table=ledgers.PAYMENTS), [first, last])
        cursor.execute(_INSERT_CHANGES.format(table=ledgers.CHANGES), [first, last])
        cursor.execute("VACUUM ANALYZE")


def _costs(options: Options) -> dict[str, float]:
    of = resource.get("payment")
    names = [f"M-{index}" for index in range(1, _FEW, 5)]
    serial = count(1)
    things.put_warm(of, names, 600)

    def read_warm(times: int) -> None:
        for index in range(times):
            read(of, names[index % len(names)])

    def read_from_ledger(times: int) -> None:
        for index in range(times):
            name = names[index % len(names)]
            cache.clear(keys.pointer_key(of.name, name))
            read(of, name)

    def record(times: int) -> None:
        for index in range(times):
            record_change(Payment, things.event(names[index % len(names)], next(serial)))

    def settle(times: int) -> None:
        for _ in range(times):
            cache.clear_request_tier()
            settling.settle_page()

    def unsettle() -> None:
        Change.objects.filter(event_id__in=[f"evt_{name}" for name in names[:_PAGE]]).update(
            outcome="", confirmed_at=None, attempts=0
        )

    contestants = [
        Contestant("a warm read", read_warm, cache.clear_request_tier),
        Contestant("a read whose pointer is gone", read_from_ledger, cache.clear_request_tier),
        Contestant("a change", record),
        Contestant("a settling page", settle, unsettle),
    ]
    calls = {
        "a warm read": 200,
        "a read whose pointer is gone": 100,
        "a change": 20,
        "a settling page": 1,
    }
    times = interleave(contestants, rounds=options.of(9, 31), calls=calls)
    Change.objects.filter(event_id__regex="_[0-9]+$").delete()
    return {name: one.microseconds for name, one in times.items()}


def _backfill_megabytes(upto: int, grow_from: int) -> float:
    """Return the most memory that a process of its own held while it backfilled so many."""
    if upto > grow_from:
        _grow(grow_from + 1, upto)
    done = subprocess.run(  # our own program
        [sys.executable, "-m", "bench.backfilling"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    answer: dict[str, float] = json.loads(done.stdout)
    if answer["payments"] < upto:
        raise RuntimeError(f"backfilled {answer['payments']} of {upto}")
    return answer["megabytes"]
