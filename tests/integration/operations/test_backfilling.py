"""Backfilling warms what existed before: only what is missing, resumably, at the rate asked for."""

from dataclasses import replace

import pytest
from django.core.management import CommandError, call_command

from coordinator.core import cache, lease, resource
from coordinator.core.find import find_entries
from coordinator.core.resource import Loaded, Resource, Standing
from coordinator.errors import CoordinatorError
from coordinator.payments.models import Payment
from coordinator.warmer import backfill as backfilling
from coordinator.warmer.backfill import Chunk, Selection, backfill, reached
from coordinator.warmer.models import Watermark
from tests.support.clocks import ManualClock
from tests.support.payments import record, saying
from tests.support.upstream import Upstream


@pytest.fixture(autouse=True)
def five_payments(sqlite_ledger: None, each_cache: str, payments: Resource) -> None:
    """Have five payments in the ledger and none in the cache."""
    for number in range(1, 6):
        record("processing" if number < 4 else "canceled", at=1, number=f"EDX-{number}")


def warm_numbers(of: Resource) -> list[str]:
    """Return the numbers that the shared cache has an entry for."""
    cache.clear_request_tier()
    standings = of.standings([f"EDX-{number}" for number in range(1, 6)])
    return sorted(find_entries(of, standings).entries)


def test_only_what_is_missing_is_loaded(payments: Resource, upstream: Upstream) -> None:
    selection = Selection(payments)
    assert list(backfill(selection, 0, None, dry_run=False)) == [Chunk(5, 0, 5, 0)]
    assert len(warm_numbers(payments)) == 5
    assert list(backfill(selection, 0, None, dry_run=False)) == [Chunk(5, 5, 0, 0)]
    assert len(upstream.calls) == 5


def test_a_dry_run_loads_nothing(payments: Resource, upstream: Upstream) -> None:
    assert list(backfill(Selection(payments), 0, None, dry_run=True)) == [Chunk(5, 0, 5, 0)]
    assert upstream.calls == []
    assert not Watermark.objects.exists()


def test_an_interrupted_backfill_goes_on_where_it_stopped(
    payments: Resource, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfilling, "_CHUNK", 2)
    selection = Selection(payments)
    chunks = backfill(selection, 0, None, dry_run=False)
    next(chunks)
    chunks.close()
    assert warm_numbers(payments) == ["EDX-1", "EDX-2"]
    rest = list(backfill(selection, reached(selection), None, dry_run=False))
    assert [chunk.size for chunk in rest] == [2, 1]
    assert sorted(upstream.calls) == [f"EDX-{number}" for number in range(1, 6)]
    assert reached(selection) == 0


def test_the_rate_is_kept_by_waiting_between_chunks(
    payments: Resource, manual_clock: ManualClock
) -> None:
    list(backfill(Selection(payments), 0, 2.0, dry_run=False))
    # Five loads at two a second.
    assert manual_clock.moved == pytest.approx(2.5, abs=0.3)


def test_what_fails_is_counted_and_stops_nothing(payments: Resource, upstream: Upstream) -> None:
    upstream.always_fails("EDX-2", CoordinatorError())
    (chunk,) = backfill(Selection(payments), 0, None, dry_run=False)
    assert (chunk.loads, chunk.failed) == (5, 1)
    assert "EDX-2" not in warm_numbers(payments)
    assert len(warm_numbers(payments)) == 4


def test_what_lags_or_is_in_motion_is_no_failure_of_the_command(
    payments: Resource, upstream: Upstream, capsys: pytest.CaptureFixture[str]
) -> None:
    upstream.says("EDX-1", saying("succeeded", "EDX-1"))
    held = lease.acquire("payment", "EDX-2", 1)
    assert isinstance(held, lease.Lease)
    call_command("coordinator_backfill", "payments")
    assert "0 were warm, 5 loaded, 0 failed.\n2 of them are in motion" in capsys.readouterr().out
    held.release()


def test_what_fails_ends_the_command_with_1(payments: Resource, upstream: Upstream) -> None:
    upstream.says("EDX-1", saying("succeeded", "EDX-1"))
    upstream.always_fails("EDX-2", CoordinatorError())
    with pytest.raises(CommandError, match="first because of: error") as caught:
        call_command("coordinator_backfill", "payments")
    assert caught.value.returncode == 1


def test_the_command_selects_by_state(
    payments: Resource, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("coordinator_backfill", "payments", "--state", "canceled")
    assert "0 were warm, 2 loaded, 0 failed." in capsys.readouterr().out
    assert warm_numbers(payments) == ["EDX-4", "EDX-5"]


def test_the_command_fills_the_keys_of_an_upcoming_schema_and_leaves_the_present_ones(
    payments: Resource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(number: str, standing: Standing) -> Loaded:
        return Loaded(b'{"new":"shape"}', standing.state, standing.owner)

    upcoming = replace(payments, schema=2, load=load)
    declared = replace(payments, upcoming=upcoming)
    monkeypatch.setitem(resource._registry, "payment", declared)
    call_command("coordinator_backfill", "payments", "--schema", "next")
    assert warm_numbers(payments) == []
    assert len(warm_numbers(upcoming)) == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["orders"], "there is: payment"),
        (["payments", "--state", "lost"], "has no state 'lost'"),
        (["payments", "--rate", "0"], "more than 0"),
        (["payments", "--since", "soon"], "is no time"),
        (["payments", "--schema", "next"], "declares no upcoming schema"),
        (["payments", "--import"], "--import needs --since"),
    ],
)
def test_bad_input_is_refused_with_what_to_do(arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        call_command("coordinator_backfill", *arguments)
    assert Payment.objects.count() == 5


def test_ctrl_c_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, upstream: Upstream) -> None:
    def interrupt(_number: str, _standing: Standing) -> Loaded:
        raise KeyboardInterrupt

    monkeypatch.setattr(upstream, "_answer", interrupt)
    monkeypatch.setattr(backfilling, "_CHUNK", 1)
    with pytest.raises(CommandError, match="run the same command to go on") as stopped:
        call_command("coordinator_backfill", "payments")
    assert stopped.value.returncode == 130


def test_a_run_that_was_told_7d_goes_on_under_that_name_though_the_moment_has_moved(
    monkeypatch: pytest.MonkeyPatch, upstream: Upstream, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(backfilling, "_CHUNK", 1)
    warm = backfilling._warm

    def once(of: Resource, standings: dict[str, Standing]) -> Chunk:
        monkeypatch.setattr(backfilling, "_warm", interrupting)
        return warm(of, standings)

    def interrupting(of: Resource, standings: dict[str, Standing]) -> Chunk:
        raise KeyboardInterrupt

    monkeypatch.setattr(backfilling, "_warm", once)
    with pytest.raises(CommandError, match="stopped"):
        call_command("coordinator_backfill", "payments", "--since", "7d")
    monkeypatch.setattr(backfilling, "_warm", warm)
    call_command("coordinator_backfill", "payments", "--since", "7d")
    assert "Going on where the last run stopped" in capsys.readouterr().out
    assert sorted(upstream.calls) == [f"EDX-{number}" for number in range(1, 6)]
    assert not Watermark.objects.exists()


def test_ctrl_c_while_importing_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(
        "coordinator.operations.management.commands.coordinator_backfill.reconcile", interrupted
    )
    with pytest.raises(CommandError, match="stopped") as caught:
        call_command("coordinator_backfill", "payments", "--import", "--since", "7d")
    assert caught.value.returncode == 130
