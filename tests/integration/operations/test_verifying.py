"""Verifying tells match, missing and mismatch apart, repairs what differs, and keeps it."""

import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from coordinator.core import cache, events
from coordinator.core.read import read
from coordinator.core.resource import Loaded, Resource
from coordinator.errors import CoordinatorError
from coordinator.ledger.models import Change
from coordinator.payments.models import Payment
from coordinator.warmer.models import Finding
from coordinator.warmer.verify import Verified, verify
from tests.support.payments import record, saying
from tests.support.settling import settle
from tests.support.upstream import OWNER, Upstream


@pytest.fixture(autouse=True)
def settled_payment(sqlite_ledger: None, each_cache: str, payments: Resource) -> None:
    """Have one payment, settled, and at rest for an hour."""
    record("processing", at=1)
    settle()
    Payment.objects.update(changed_at=timezone.now() - timedelta(hours=1))


def verified() -> Verified:
    """Return what verifying the one payment comes to."""
    cache.clear_request_tier()
    (one,) = verify("payment", 1, 60)
    return one


def test_an_entry_that_says_what_upstream_says_is_a_match() -> None:
    assert verified() == Verified("EDX-1", "match")
    assert not Finding.objects.exists()


def test_an_entry_that_is_not_there_is_missing_and_no_mismatch(payments: Resource) -> None:
    cache.forget(payments.entry_key("EDX-1", "processing").cache_key)
    assert verified().result == "missing"


def test_an_entry_that_differs_is_loaded_anew_and_kept_as_evidence_without_payloads(
    payments: Resource, upstream: Upstream
) -> None:
    payload = b'{"number":"EDX-1","state":"processing","amount":2}'
    upstream.says("EDX-1", Loaded(payload, "processing", OWNER))
    assert verified() == Verified("EDX-1", "mismatch", "entry", ("amount",), repaired=True)
    lookup = read(payments, "EDX-1")
    assert lookup.entry is not None
    assert lookup.entry.payload == payload
    finding = Finding.objects.get()
    assert (finding.differing, finding.repaired) == ("amount", True)
    assert finding.entry_etag != finding.upstream_etag
    assert verified().result == "match"


def test_a_ledger_that_is_behind_takes_over_what_upstream_says(upstream: Upstream) -> None:
    upstream.says("EDX-1", saying("canceled"))
    found = verified()
    assert (found.result, found.between, found.repaired) == ("mismatch", "ledger", True)
    assert Payment.objects.get().state == "canceled"
    assert Change.objects.filter(event_id="observed:payment.EDX-1:1", outcome="").exists()


def test_a_payment_that_moves_meanwhile_is_skipped(upstream: Upstream) -> None:
    upstream.does_first("EDX-1", lambda: record("canceled", at=2))
    assert verified().result == "skipped"
    assert not Finding.objects.exists()


def test_what_upstream_does_not_tell_is_skipped(upstream: Upstream) -> None:
    upstream.always_fails("EDX-1", CoordinatorError())
    assert verified().result == "skipped"


def test_what_has_just_changed_is_left_in_peace() -> None:
    Payment.objects.update(changed_at=timezone.now())
    assert list(verify("payment", 5, 60)) == []


def test_results_are_told_to_whoever_counts_them() -> None:
    told: list[events.CoreEvent] = []
    stop = events.subscribe(told.append)
    verified()
    stop()
    assert events.EntryVerified("payment", "EDX-1", "match") in told


def test_the_command_reports_and_fails_on_a_mismatch(
    upstream: Upstream, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("coordinator_verify", "--sample", "1", "--json")
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report == {"match": 1, "missing": 0, "mismatch": 0, "skipped": 0}
    upstream.says("EDX-1", Loaded(b'{"number":"EDX-2"}', "processing", OWNER))
    with pytest.raises(CommandError):
        call_command("coordinator_verify", "payments", "--sample", "1")
    shown = capsys.readouterr().out
    assert "number, state" in shown


def test_the_command_refuses_what_it_does_not_know() -> None:
    with pytest.raises(CommandError, match="there is: payment"):
        call_command("coordinator_verify", "orders")
    with pytest.raises(CommandError, match="at least 1"):
        call_command("coordinator_verify", "--sample", "0")
