"""Claiming a page reads a few rows of a log of any length."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from coordinator.ledger import claiming
from coordinator.ledger.models import Change

TABLE = Change._meta.db_table


def plan(vendor: str) -> str:
    """Return how the database would claim a page now."""
    now = timezone.now()
    apart = ["order"] if vendor == "postgresql" else '["order"]'
    until = now + timedelta(seconds=60)
    params: dict[str, Any] = {
        "now": now,
        "until": until,
        "limit": 200,
        "newest": 100,
        "apart": apart,
    }
    explain = "EXPLAIN" if vendor == "postgresql" else "EXPLAIN QUERY PLAN"
    with connection.cursor() as cursor:
        cursor.execute(f"{explain} {claiming._statement(vendor, apart=True)}", params)
        return "\n".join(str(line) for line in cursor.fetchall())


@pytest.mark.usefixtures("postgres_ledger")
def test_postgresql_reads_no_more_than_a_page_of_a_long_log_with_a_backlog() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""INSERT INTO {TABLE} (resource, identifier, revision, state, previous_state,
                event_id, event_type, recorded_at, correlation_id, applied, confirm, suspended,
                outcome, reason, attempts, claims, next_attempt_at, confirmed_at)
            SELECT 'payment', 'EDX-' || n, 1, 'processing', '', 'evt_' || n, 'test', now(), '',
                true, false, true, CASE WHEN n <= 30000 THEN 'warmed' ELSE '' END, '', 0, 0, now(),
                CASE WHEN n <= 30000 THEN now() END
            FROM generate_series(1, 40000) AS n"""
        )
        cursor.execute("ANALYZE")
    found = plan("postgresql")
    assert "ledger_newest" in found
    assert "ledger_unsettled" in found
    assert f"Seq Scan on {TABLE}" not in found
    assert "Merge Join" not in found, "that one reads the whole primary key"
    assert "Hash Join" not in found
    assert len(claiming.claim(200, 60)) == 200


@pytest.mark.usefixtures("sqlite_ledger")
def test_sqlite_reads_no_more_than_a_page_of_a_long_log() -> None:
    found = plan("sqlite")
    assert "USING INDEX ledger_newest" in found
    assert "USING INDEX ledger_unsettled" in found
    assert f"SCAN {TABLE}'" not in found
