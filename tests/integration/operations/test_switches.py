"""The kill switches act within a second, without a deploy, and survive a flushed cache."""

import pytest
from django.core.management import CommandError, call_command

from coordinator.celery import tasks
from coordinator.core import cache, switches
from coordinator.core.read import Outcome, read
from coordinator.core.resource import Resource
from coordinator.ledger.models import Change
from coordinator.warmer import switching
from tests.support.clocks import ManualClock
from tests.support.payments import record
from tests.support.settling import settle
from tests.support.upstream import Upstream

pytestmark = pytest.mark.usefixtures("sqlite_ledger", "each_cache")


def test_paused_warming_leaves_changes_in_the_log_and_resumed_it_drains_them(
    upstream: Upstream,
) -> None:
    record("processing", at=1)
    switching.throw("warming", "paused")
    tasks.settle()
    assert upstream.calls == []
    assert Change.objects.get().outcome == ""
    switching.throw("warming", "on")
    tasks.settle()
    assert Change.objects.get().outcome == "warmed"


def test_bypassing_reads_ask_upstream_each_time_and_store_nothing(
    payments: Resource, upstream: Upstream
) -> None:
    record("processing", at=1)
    switching.throw("reads", "bypass")
    for _ in range(2):
        lookup = read(payments, "EDX-1")
        assert (lookup.outcome, lookup.stored) == (Outcome.MISS, False)
    assert upstream.calls == ["EDX-1", "EDX-1"]
    switching.throw("reads", "cache")
    assert read(payments, "EDX-1").stored


def test_a_stranger_is_refused_while_reads_bypass_and_costs_no_load(
    payments: Resource, upstream: Upstream
) -> None:
    record("processing", at=1)
    switching.throw("reads", "bypass")
    lookup = read(payments, "EDX-1", allowed=lambda _owner: False)
    assert lookup.outcome is Outcome.DENIED
    assert read(payments, "EDX-404").outcome is Outcome.ABSENT
    assert upstream.calls == []


def test_another_process_sees_a_thrown_switch_within_a_second(manual_clock: ManualClock) -> None:
    assert not switches.warming_paused()
    # Thrown elsewhere: this process's memo does not know.
    switches_here = switches._memo
    switching.throw("warming", "paused")
    switches._memo = switches_here
    assert not switches.warming_paused()
    manual_clock.moved += 1.0
    assert switches.warming_paused()


def test_a_flushed_cache_forgets_a_switch_only_until_the_next_beat() -> None:
    switching.throw("warming", "paused")
    cache.clear("switches")
    switches.forget()
    assert not switches.warming_paused()
    tasks.publish_switches()
    assert switches.warming_paused()


def test_nothing_is_published_before_a_switch_was_ever_thrown() -> None:
    assert switching.publish()
    assert cache.get_shared(["switches"]).found == {}


def test_the_command_shows_throws_and_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("coordinator_switch", "warming", "paused")
    assert "warming: paused" in capsys.readouterr().out
    call_command("coordinator_switch")
    shown = capsys.readouterr().out
    assert "warming: paused" in shown
    assert "reads: cache" in shown
    with pytest.raises(CommandError, match=r"warming on\|paused"):
        call_command("coordinator_switch", "warming", "sideways")
    with pytest.raises(CommandError, match="no switch lights"):
        call_command("coordinator_switch", "lights", "off")


def test_a_settled_read_is_warm_with_the_switches_as_they_come(
    payments: Resource,
) -> None:
    record("processing", at=1)
    settle()
    assert read(payments, "EDX-1").outcome is Outcome.HIT
