"""Inspecting shows ledger, pointer, entries, lease and changes as they are."""

import json

import pytest
from django.core.management import CommandError, call_command

from coordinator.core import cache, keys, lease, pointer
from coordinator.core.inspect import inspect
from coordinator.core.lease import Lease
from coordinator.core.resource import Resource
from tests.support.payments import record
from tests.support.settling import settle


@pytest.fixture(autouse=True)
def settled_payment(sqlite_ledger: None, each_cache: str, payments: Resource) -> None:
    """Have one payment in its second state, settled in the first one only."""
    record("processing", at=1)
    settle()
    record("canceled", at=2)


def test_an_entry_of_the_past_is_shown_with_why_it_is_not_used(payments: Resource) -> None:
    seen = inspect(payments, "EDX-1", 2)
    (entry,) = (one for one in seen.entries if one.there)
    assert (entry.name, entry.usable, entry.refused) == (
        "payment.EDX-1.processing",
        False,
        "revision",
    )
    assert entry.cache_key == keys.EntryKey("payment", "EDX-1", "processing").cache_key
    assert "'canceled'" in seen.meaning


def test_a_suspended_a_damaged_and_a_missing_pointer_say_what_they_mean(
    payments: Resource,
) -> None:
    pointer.suspend("payment", "EDX-1", 3)
    assert "revision 3 is being committed" in inspect(payments, "EDX-1", 2).meaning
    key = keys.pointer_key("payment", "EDX-1")
    cache.put(key, b"garbage", 60)
    assert "no pointer" in inspect(payments, "EDX-1", 2).meaning
    cache.clear(key)
    assert "there is no pointer" in inspect(payments, "EDX-1", 2).meaning


def test_damaged_bytes_are_told_from_entries(payments: Resource) -> None:
    key = payments.entry_key("EDX-1", "canceled").cache_key
    cache.put(key, b"garbage", 60)
    refused = {one.name: one.refused for one in inspect(payments, "EDX-1", 2).entries if one.there}
    assert refused["payment.EDX-1.canceled"] == "damaged"


def test_whoever_loads_it_is_shown(payments: Resource) -> None:
    held = lease.acquire("payment", "EDX-1", 2)
    assert isinstance(held, Lease)
    assert held.owner in inspect(payments, "EDX-1", 2).lease
    held.release()
    assert inspect(payments, "EDX-1", 2).lease == ""


def test_the_command_tells_it_all_to_people(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("coordinator_inspect", "payment.EDX-1")
    shown = capsys.readouterr().out
    for word in ("canceled, revision 2", "no: revision", "unsettled, due now", "warmed"):
        assert word in shown
    assert keys.pointer_key("payment", "EDX-1") in shown


def test_the_command_tells_it_all_to_programs(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("coordinator_inspect", "payment.EDX-1.canceled", "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["ledger"]["revision"] == 2
    assert [change["outcome"] for change in told["changes"]] == ["", "warmed"]
    assert [entry["refused"] for entry in told["entries"]] == ["revision"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("EDX-1", "write it like payment.EDX-1001"),
        ("order.7", "there is: payment"),
        ("payment.a__b", "1 to 64 ASCII"),
    ],
)
def test_bad_names_are_refused_with_what_to_do(name: str, message: str) -> None:
    with pytest.raises(CommandError, match=message):
        call_command("coordinator_inspect", name)


def test_what_is_not_known_anywhere_is_an_error_and_no_empty_table(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(CommandError, match=r"payment\.EDX-404 is unknown") as caught:
        call_command("coordinator_inspect", "payment.EDX-404")
    assert caught.value.returncode == 1
    assert capsys.readouterr().out == ""
