"""A retired user's payments are gone from ledger, log and cache, also against a load under way."""

import pytest
from django.core.management import CommandError, call_command

from coordinator.core import cache, lease
from coordinator.core.lease import Lease
from coordinator.core.read import Outcome, read
from coordinator.core.resource import Resource
from coordinator.ledger.models import Change
from coordinator.payments.models import Payment
from coordinator.warmer.erase import Erased, StillLoading, erase
from tests.support.clocks import ManualClock
from tests.support.payments import record
from tests.support.settling import settle
from tests.support.threads import Running
from tests.support.upstream import OWNER, Upstream

pytestmark = pytest.mark.usefixtures("sqlite_ledger", "each_cache")


def nothing_is_left(of: Resource, number: str) -> bool:
    """Return True if neither ledger, log nor cache knows this payment."""
    keys = [of.entry_key(number, state).cache_key for state in of.states]
    return (
        not Payment.objects.filter(number=number).exists()
        and not Change.objects.filter(identifier=number).exists()
        and cache.get_shared(keys).found == {}
    )


def test_everything_that_is_kept_of_a_payment_goes(payments: Resource) -> None:
    record("processing", at=1)
    settle()
    record("succeeded", at=2, amount_received=1000)
    settle()
    assert list(erase("payment", ["EDX-1"])) == [Erased("EDX-1", 2)]
    assert nothing_is_left(payments, "EDX-1")
    assert read(payments, "EDX-1").outcome is Outcome.ABSENT


def test_a_load_under_way_puts_nothing_back(payments: Resource, upstream: Upstream) -> None:
    record("processing", at=1)
    held = upstream.holds_back("EDX-1")
    reader = Running(lambda: read(payments, "EDX-1"))
    held.await_begin()
    eraser = Running(lambda: list(erase("payment", ["EDX-1"])))
    held.let_go()
    reader.result()
    assert eraser.result() == [Erased("EDX-1", 1)]
    assert nothing_is_left(payments, "EDX-1")


def test_a_lease_that_never_ends_stops_the_erasure_with_a_word(
    payments: Resource, manual_clock: ManualClock
) -> None:
    record("processing", at=1)
    held = lease.acquire("payment", "EDX-1", 1)
    assert isinstance(held, Lease)
    manual_clock.patience_seconds = 0
    with pytest.raises(StillLoading):
        list(erase("payment", ["EDX-1"]))
    assert Payment.objects.filter(number="EDX-1").exists()
    held.release()


def test_the_command_erases_one_user_and_nobody_else(
    payments: Resource, capsys: pytest.CaptureFixture[str]
) -> None:
    record("processing", at=1)
    record("processing", at=1, number="EDX-2", lms_user_id="7")
    call_command("coordinator_erase", "--user", OWNER, "--dry-run")
    assert Payment.objects.count() == 2
    call_command("coordinator_erase", "--user", OWNER, "--yes")
    assert "Erased 1 rows and 1 changes" in capsys.readouterr().out
    assert nothing_is_left(payments, "EDX-1")
    assert Payment.objects.get().number == "EDX-2"


def test_the_command_asks_and_takes_no_for_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    record("processing", at=1)
    monkeypatch.setattr("builtins.input", lambda _question: "no")
    with pytest.raises(CommandError, match="nothing was erased"):
        call_command("coordinator_erase", "--user", OWNER)
    assert Payment.objects.exists()


def test_a_user_without_a_name_is_refused() -> None:
    record("processing", at=1, lms_user_id="")
    with pytest.raises(CommandError, match="--user is empty"):
        call_command("coordinator_erase", "--user", "", "--yes")
    assert Payment.objects.exists()
