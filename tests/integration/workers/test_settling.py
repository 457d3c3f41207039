"""Every change ends: warmed, superseded, out of date, or visibly abandoned."""

import logging

import pytest
from pytest_django import Settings

from coordinator import correlation
from coordinator.core import cache, keys, pointer
from coordinator.core.pointer import Current
from coordinator.core.read import Outcome as ReadOutcome
from coordinator.core.read import read
from coordinator.core.resource import Loaded, Resource
from coordinator.errors import CoordinatorError
from coordinator.ledger import queue
from coordinator.ledger.models import Change
from coordinator.payments.models import Payment
from coordinator.warmer import outcomes as endings
from coordinator.warmer import settle as settling
from coordinator.warmer.settle import PageResult
from tests.servers import MemcachedServer
from tests.support.payments import change, record
from tests.support.settling import settle, settle_again, states
from tests.support.upstream import OWNER, Upstream

pytestmark = pytest.mark.usefixtures("sqlite_ledger")


class UpstreamDown(CoordinatorError):
    """It does not answer."""


class UpstreamRejected(CoordinatorError):
    """It refuses what it was asked."""

    permanent = True


class CircuitOpen(CoordinatorError):
    """It is not asked for a while."""

    burns_attempt = False


# -- warmed ------------------------------------------------------------------------------------


def test_a_change_ends_warmed_and_the_next_reader_finds_it(
    payments: Resource, upstream: Upstream
) -> None:
    recorded = record("processing", at=1)
    page = settle()
    assert page == PageResult(claimed=1, full=False, endings={"warmed": 1})
    assert (change(recorded).outcome, change(recorded).settled) == ("warmed", True)
    assert pointer.look("payment", ["EDX-1"])["EDX-1"] == Current("processing", 1)
    lookup = read(payments, "EDX-1")
    assert (lookup.outcome, lookup.from_ledger) == (ReadOutcome.HIT, False)
    assert upstream.calls == ["EDX-1"]


def test_what_a_reader_has_loaded_already_is_not_loaded_again(
    payments: Resource, upstream: Upstream
) -> None:
    record("processing", at=1)
    read(payments, "EDX-1")
    assert settle().endings == {"warmed": 1}
    assert upstream.calls == ["EDX-1"]


def test_nothing_due_is_an_empty_page() -> None:
    assert settle() == PageResult(claimed=0, full=False, endings={})


# -- superseded, and coalesced -----------------------------------------------------------------


def test_a_burst_to_one_payment_costs_one_load(upstream: Upstream) -> None:
    burst = [record("processing", at=at) for at in range(20)]
    others = [record("processing", at=1, number=f"EDX-{number}") for number in (2, 3)]
    assert settle().endings == {"superseded": 19, "warmed": 3}
    assert sorted(upstream.calls) == ["EDX-1", "EDX-2", "EDX-3"]
    assert change(burst[0]).reason == "by revision 20"
    assert all(change(one).settled for one in (*burst, *others))


def test_a_change_that_is_overtaken_before_its_page_is_superseded_without_a_load(
    upstream: Upstream, settings: Settings
) -> None:
    settings.COORDINATOR_SETTLE_PAGE = 1
    record("processing", at=1)
    record("succeeded", at=2)
    assert settle().endings == {"superseded": 1}
    assert upstream.calls == []
    assert settle().endings == {"warmed": 1}
    assert upstream.calls == ["EDX-1"]


def test_an_event_that_arrives_while_its_payment_is_being_warmed_is_not_swallowed(
    payments: Resource, upstream: Upstream
) -> None:
    first = record("processing", at=1)
    upstream.does_first("EDX-1", lambda: record("succeeded", at=2))
    settle()
    assert change(first).settled
    assert states()[""] == 1
    assert settle().endings == {"warmed": 1}
    assert states() == {"warmed": 2}
    assert upstream.calls == ["EDX-1", "EDX-1"]
    lookup = read(payments, "EDX-1")
    assert (lookup.outcome, lookup.entry_name) == (ReadOutcome.HIT, "payment.EDX-1.succeeded")


def test_an_event_that_arrives_late_asks_for_nothing(upstream: Upstream) -> None:
    record("succeeded", at=2)
    settle()
    record("processing", at=1)
    assert settle().claimed == 0
    assert states() == {"warmed": 1, "out_of_date": 1}


# -- a page at a time, by several ---------------------------------------------------------------


def test_a_backlog_is_settled_a_page_at_a_time(settings: Settings, upstream: Upstream) -> None:
    settings.COORDINATOR_SETTLE_PAGE = 3
    for number in range(7):
        record("processing", at=1, number=f"EDX-{number}")
    assert [(page.claimed, page.full) for page in (settle(), settle(), settle())] == [
        (3, True),
        (3, True),
        (1, False),
    ]
    assert states() == {"warmed": 7}


def test_a_full_page_is_said_to_be_before_the_work_so_that_others_can_help(
    settings: Settings, upstream: Upstream
) -> None:
    settings.COORDINATOR_SETTLE_PAGE = 2
    for number in range(3):
        record("processing", at=1, number=f"EDX-{number}")
    called: list[int] = []
    settling.settle_page(when_full=lambda: called.append(len(upstream.calls)))
    settling.settle_page(when_full=lambda: called.append(len(upstream.calls)))
    assert called == [0], "once, for the full page, before anything was loaded"


def test_a_worker_that_dies_after_the_work_leaves_nothing_but_a_delay(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = record("processing", at=1)

    class Killed(BaseException):
        """Stands for SIGKILL."""

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(queue, "conclude", killed)
        with pytest.raises(Killed):
            settle()
    assert settle().claimed == 0, "the claim hides it for a while"
    assert settle_again().endings == {"warmed": 1}
    assert change(recorded).settled
    assert upstream.calls == ["EDX-1"], "what was stored is not loaded again"


def test_a_writer_that_died_after_its_commit_is_repaired(
    payments: Resource, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("coordinator.ledger.after_commit.advance", lambda *_: None)
        patched.setattr("coordinator.ledger.after_commit._tell", lambda *_: None)
        record("processing", at=1)
    assert settle().endings == {"warmed": 1}
    assert pointer.look("payment", ["EDX-1"])["EDX-1"] == Current("processing", 1)


def test_what_another_process_is_loading_is_looked_at_again_shortly(upstream: Upstream) -> None:
    recorded = record("processing", at=1)
    lease = keys.lease_key("payment", "EDX-1")
    cache.add(lease, b'["somebody",1]', 30)
    page = settle()
    assert page.endings == {"postponed": 1}
    assert page.again_in_seconds == pytest.approx(0.25)
    assert (change(recorded).reason, change(recorded).attempts) == ("busy", 0)
    assert upstream.calls == []
    cache.clear(lease)
    assert settle_again().endings == {"warmed": 1}


# -- failures ----------------------------------------------------------------------------------


def test_a_passing_failure_is_tried_again_after_a_pause(upstream: Upstream) -> None:
    recorded = record("processing", at=1)
    upstream.fails_once("EDX-1", UpstreamDown())
    page = settle()
    assert page.endings == {"postponed": 1}
    assert page.again_in_seconds is not None
    assert 0.25 <= page.again_in_seconds <= 0.5
    assert change(recorded).reason == "upstream_down"
    assert settle().claimed == 0
    assert settle_again().endings == {"warmed": 1}


def test_a_failure_that_says_when_to_come_back_is_obeyed(upstream: Upstream) -> None:
    record("processing", at=1)
    upstream.fails_once("EDX-1", UpstreamDown(retry_after_seconds=40))
    page = settle()
    assert page.again_in_seconds is not None
    assert 40 <= page.again_in_seconds <= 50


def test_pauses_grow_and_do_not_grow_for_ever() -> None:
    pauses = [endings._backoff(attempts) for attempts in range(1, 30)]
    for attempts, pause in enumerate(pauses, start=1):
        assert min(300, 0.5 * 2 ** (attempts - 1)) / 2 <= pause <= min(300, 2 ** (attempts - 1))


def test_a_failure_that_retrying_cannot_cure_is_abandoned_loudly_and_harmlessly(
    payments: Resource, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    recorded = record("processing", at=1)
    upstream.fails_once("EDX-1", UpstreamRejected())
    with caplog.at_level(logging.ERROR):
        assert settle().endings == {"abandoned": 1}
    assert (change(recorded).reason, change(recorded).settled) == ("upstream_rejected", True)
    errors = [line.message for line in caplog.records if line.levelno >= logging.ERROR]
    assert errors == ["change.abandoned"]
    assert read(payments, "EDX-1").stored, "a reader loads it cold"


def test_a_change_is_abandoned_when_its_attempts_are_used_up(
    upstream: Upstream, settings: Settings
) -> None:
    settings.COORDINATOR_SETTLE_ATTEMPTS = 3
    recorded = record("processing", at=1)
    upstream.always_fails("EDX-1", UpstreamDown())
    endings = [dict(settle_again().endings) for _ in range(3)]
    assert endings == [{"postponed": 1}, {"postponed": 1}, {"abandoned": 1}]
    assert change(recorded).reason == "upstream_down, after 3 attempts"
    assert len(upstream.calls) == 3
    assert settle_again().claimed == 0


def test_an_abandoned_change_that_is_tried_again_starts_afresh(upstream: Upstream) -> None:
    recorded = record("processing", at=1)
    upstream.fails_once("EDX-1", UpstreamRejected())
    settle()
    assert queue.retry([change(recorded).pk]) == 1
    assert settle().endings == {"warmed": 1}
    assert (change(recorded).attempts, change(recorded).claims) == (1, 0)


def test_failures_that_say_nothing_of_the_payment_never_abandon_it(
    upstream: Upstream, settings: Settings
) -> None:
    settings.COORDINATOR_SETTLE_ATTEMPTS = 2
    recorded = record("processing", at=1)
    upstream.always_fails("EDX-1", CircuitOpen(retry_after_seconds=1))
    for _ in range(10):
        assert settle_again().endings == {"postponed": 1}
    assert (change(recorded).attempts, change(recorded).reason) == (0, "circuit_open")
    upstream.agrees("EDX-1")
    assert settle_again().endings == {"warmed": 1}


def test_the_last_attempt_is_not_used_up_by_a_failure_that_says_nothing_of_the_payment(
    upstream: Upstream, settings: Settings
) -> None:
    settings.COORDINATOR_SETTLE_ATTEMPTS = 2
    record("processing", at=1)
    for error in (UpstreamDown(), CircuitOpen(), CircuitOpen()):
        upstream.fails_once("EDX-1", error)
        assert settle_again().endings == {"postponed": 1}
    assert settle_again().endings == {"warmed": 1}


def test_a_payload_that_the_cache_refuses_is_abandoned(
    memcached: MemcachedServer, upstream: Upstream
) -> None:
    recorded = record("processing", at=1)
    upstream.says("EDX-1", Loaded(b"x" * 1_100_000, "processing", OWNER))
    assert settle().endings == {"abandoned": 1}
    assert "size" in change(recorded).reason


def test_without_a_cache_nothing_is_loaded_and_no_attempt_is_used(
    upstream: Upstream, no_cache: None, settings: Settings
) -> None:
    settings.COORDINATOR_SETTLE_ATTEMPTS = 2
    recorded = record("processing", at=1)
    for _ in range(4):
        assert settle_again().endings == {"postponed": 1}
    assert (change(recorded).attempts, change(recorded).reason) == (0, "cache unreachable")
    assert upstream.calls == []


# -- correlation -------------------------------------------------------------------------------


def test_a_load_carries_the_correlation_id_of_the_event(upstream: Upstream) -> None:
    record("processing", at=1, correlation_id="from-the-webhook")
    seen: list[str] = []
    upstream.does_first("EDX-1", lambda: seen.append(correlation.current()))
    settle()
    assert seen == ["from-the-webhook"]


def test_a_payment_that_was_erased_meanwhile_is_abandoned(upstream: Upstream) -> None:
    recorded = record("processing", at=1)
    Payment.objects.all().delete()
    assert settle().endings == {"abandoned": 1}
    assert (change(recorded).reason, change(recorded).settled) == ("not in the ledger", True)
    assert upstream.calls == []
    assert Change.objects.count() == 1
