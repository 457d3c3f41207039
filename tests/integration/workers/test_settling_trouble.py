"""One change's trouble is its own, and a pointer that is not confirmed is not forgotten."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from pytest_django import Settings

from coordinator.core import cache, keys, pointer, resource
from coordinator.core.pointer import Current
from coordinator.core.read import read
from coordinator.core.resource import Loaded, Resource, Standing
from coordinator.ledger.models import Change
from coordinator.ledger.recording import Observation
from coordinator.payments.models import Payment
from coordinator.settings import caches
from tests.processes import HOST, free_port
from tests.support.clocks import ManualClock
from tests.support.payments import change, payment, record
from tests.support.settling import recorded_long_ago, settle, settle_again, states
from tests.support.upstream import OWNER, Upstream

pytestmark = pytest.mark.usefixtures("sqlite_ledger")

POINTER = keys.pointer_key("payment", "EDX-1")


@contextmanager
def cache_out_of_reach(settings: Settings) -> Iterator[None]:
    """Let the cache be unreachable for a while, and then be as it was."""
    before = settings.CACHES
    settings.CACHES = caches.memcached(
        [f"{HOST}:{free_port()}"], prefix="nowhere", timeout_seconds=60
    )
    yield
    settings.CACHES = before


def outcomes() -> dict[str, str]:
    return dict(Change.objects.values_list("identifier", "outcome"))


# -- poison ------------------------------------------------------------------------------------


@pytest.mark.parametrize("bulk", [False, True], ids=["one by one", "in bulk"])
def test_a_poison_payload_blocks_no_other(
    upstream: Upstream, payments: Resource, settings: Settings, bulk: bool
) -> None:
    if bulk:
        resource._registry["payment"] = replace(payments, load_many=upstream.load_many)
    settings.COORDINATOR_SETTLE_ATTEMPTS = 2
    for number in range(1, 6):
        record("processing", at=1, number=f"EDX-{number}")
    upstream.always_fails("EDX-3", ValueError("what is this?"))
    assert settle().endings == {"warmed": 4, "postponed": 1}
    record("processing", at=1, number="EDX-6")
    assert settle_again().endings == {"warmed": 1, "abandoned": 1}
    assert outcomes()["EDX-3"] == "abandoned"


def test_an_observation_that_cannot_be_recorded_blocks_no_other(
    upstream: Upstream, settings: Settings
) -> None:
    settings.COORDINATOR_LAG_SECONDS = 0
    settings.COORDINATOR_SETTLE_ATTEMPTS = 2
    for number in range(1, 4):
        record("succeeded", at=1, number=f"EDX-{number}")
    impossible = Observation("pi_EDX-2", {"amount": -1})
    upstream.says("EDX-2", Loaded(b"{}", "processing", OWNER, observation=impossible))
    assert settle().endings == {"warmed": 2, "postponed": 1}
    assert change(Change.objects.get(identifier="EDX-2").pk).reason == "settling_failed"
    assert settle_again().endings == {"abandoned": 1}
    assert payment("EDX-2").revision == 1


def test_an_unknown_resource_blocks_no_other(upstream: Upstream) -> None:
    recorded = record("processing", at=1)
    ghost = Change.objects.create(
        resource="ghost", identifier="G-1", revision=1, state="x", event_id="evt_g", event_type="x"
    )
    assert settle().endings == {"warmed": 1, "abandoned": 1}
    assert change(recorded).settled
    assert (change(ghost.pk).outcome, change(ghost.pk).reason) == ("abandoned", "unknown_resource")
    assert not change(ghost.pk).settled, "nobody could confirm its pointer yet"
    recorded_long_ago()
    settle_again()
    assert change(ghost.pk).settled


def test_a_time_limit_ends_the_page_and_its_changes_come_back(upstream: Upstream) -> None:
    recorded = record("processing", at=1)
    record("processing", at=1, number="EDX-2")

    def limit(*_: object) -> Loaded:
        raise SoftTimeLimitExceeded

    object.__setattr__(resource.get("payment"), "standings", limit)
    with pytest.raises(SoftTimeLimitExceeded):
        settle(SoftTimeLimitExceeded)
    assert change(recorded).outcome == ""


def test_a_slow_upstream_does_not_outlive_the_claim(
    upstream: Upstream, manual_clock: ManualClock, settings: Settings
) -> None:
    settings.COORDINATOR_LOAD_CONCURRENCY = 1
    settings.COORDINATOR_CLAIM_SECONDS = 60

    def slowly() -> None:
        manual_clock.moved += 20

    for number in range(1, 5):
        record("processing", at=1, number=f"EDX-{number}")
        upstream.does_first(f"EDX-{number}", slowly)
    page = settle()
    assert page.endings == {"warmed": 2, "postponed": 2}
    assert page.again_in_seconds == pytest.approx(0.25)
    waiting = Change.objects.filter(outcome="")
    assert set(waiting.values_list("reason", "attempts")) == {("not tried", 0)}
    assert settle_again().endings == {"warmed": 2}


def test_an_old_snapshot_of_the_ledger_settles_nothing(
    upstream: Upstream, payments: Resource, monkeypatch: pytest.MonkeyPatch
) -> None:
    record("processing", at=1)
    plain = payments.standings
    old = dict(plain(["EDX-1"]))
    settle()
    recorded = record("succeeded", at=2)

    def snapshot(_identifiers: Sequence[str]) -> dict[str, Standing]:
        return old

    object.__setattr__(payments, "standings", snapshot)
    assert settle().endings == {"postponed": 1}
    assert (change(recorded).reason, change(recorded).attempts) == ("ahead_of_its_row", 1)
    object.__setattr__(payments, "standings", plain)
    assert settle_again().endings == {"warmed": 1}


def test_a_change_whose_row_was_restored_from_a_backup_ends_after_its_attempts(
    upstream: Upstream, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.COORDINATOR_SETTLE_ATTEMPTS = 3
    record("processing", at=1)
    recorded = record("succeeded", at=2)
    Payment.objects.update(revision=1, state="processing", intent_status="processing")
    pauses = []
    for _ in range(2):
        page = settle_again()
        pauses.append(page.again_in_seconds)
    assert settle_again().endings == {"abandoned": 1}
    first, second = pauses
    assert first is not None
    assert second is not None
    assert first < second, "it is asked for again ever more seldom"
    ended = change(recorded)
    assert (ended.outcome, ended.reason) == ("abandoned", "ahead_of_its_row, after 3 attempts")
    assert ended.settled
    assert "change.abandoned" in [one.message for one in caplog.records]
    assert settle_again().claimed == 0


# -- pointers that are not confirmed -----------------------------------------------------------


def test_a_pointer_that_was_never_suspended_is_not_taken_for_confirmed(
    upstream: Upstream, settings: Settings
) -> None:
    with cache_out_of_reach(settings):
        recorded = record("processing", at=1)
    for _ in range(3):
        page = settle_again()
        assert page.again_in_seconds == pytest.approx(2.0)
    logged = change(recorded)
    assert (logged.outcome, logged.confirmed_at) == ("warmed", None)
    assert upstream.calls == ["EDX-1"], "only the pointer is looked at again"
    recorded_long_ago()
    settle_again()
    assert change(recorded).settled


def test_a_reader_that_seeds_the_pointer_lets_it_be_confirmed(
    upstream: Upstream, payments: Resource, settings: Settings
) -> None:
    with cache_out_of_reach(settings):
        recorded = record("processing", at=1)
    settle()
    assert not change(recorded).settled
    read(payments, "EDX-1")
    settle_again()
    assert change(recorded).settled


def test_a_stale_pointer_that_was_out_of_reach_is_put_right(
    upstream: Upstream, payments: Resource, settings: Settings
) -> None:
    record("processing", at=1)
    settle()
    with cache_out_of_reach(settings):
        recorded = record("succeeded", at=2)
    assert pointer.look("payment", ["EDX-1"])["EDX-1"] == Current("processing", 1), "stale: G2"
    settle()
    assert pointer.look("payment", ["EDX-1"])["EDX-1"] == Current("succeeded", 2)
    assert change(recorded).settled


def test_a_pointer_that_expired_after_its_suspension_was_acknowledged_is_confirmed(
    upstream: Upstream,
) -> None:
    recorded = record("processing", at=1)
    cache.forget(POINTER)
    settle()
    assert change(recorded).settled
    assert pointer.look("payment", ["EDX-1"]) == {}, "only a reader fills an absent pointer"


def test_a_cache_out_of_reach_at_the_end_leaves_the_pointer_to_be_confirmed(
    upstream: Upstream, settings: Settings
) -> None:
    recorded = record("processing", at=1)
    newer = record("succeeded", at=2)
    with cache_out_of_reach(settings):
        settle()
    assert (change(recorded).outcome, change(recorded).confirmed_at) == ("superseded", None)
    assert change(newer).outcome == ""
    settle_again()
    assert states() == {"superseded": 1, "warmed": 1}
    assert change(recorded).settled
    assert change(newer).settled


def test_an_abandoned_change_is_settled_only_with_its_pointer(
    upstream: Upstream, settings: Settings
) -> None:
    with cache_out_of_reach(settings):
        recorded = record("processing", at=1)
    upstream.says("EDX-1", Loaded(b"{}", "canceled", OWNER))
    settings.COORDINATOR_LAG_SECONDS = 0
    settle()
    assert (change(recorded).outcome, change(recorded).settled) == ("abandoned", False)
    recorded_long_ago()
    settle_again()
    assert (change(recorded).outcome, change(recorded).settled) == ("abandoned", True)
    assert upstream.calls == ["EDX-1"]
