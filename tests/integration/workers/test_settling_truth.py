"""When upstream says something else: it lags, or it is right and the ledger is to be told."""

import logging

import pytest
from pytest_django import Settings

from coordinator.core.read import Outcome, read
from coordinator.core.resource import Loaded, Resource
from coordinator.errors import CoordinatorError
from coordinator.ledger.models import Change
from coordinator.ledger.recording import Observation
from tests.support.clocks import ManualClock
from tests.support.payments import change, moment, payment, record, saying
from tests.support.settling import (
    recorded_before,
    recorded_long_ago,
    settle,
    settle_again,
    states,
)
from tests.support.upstream import OWNER, Upstream, agreeing

pytestmark = pytest.mark.usefixtures("sqlite_ledger")


def test_an_upstream_that_lags_is_asked_again_a_little_later(
    payments: Resource, upstream: Upstream
) -> None:
    recorded = record("succeeded", at=2)
    upstream.says_once("EDX-1", saying("processing"))
    page = settle()
    assert page.endings == {"postponed": 1}
    assert page.again_in_seconds is not None
    assert page.again_in_seconds <= 0.5
    assert change(recorded).reason == "upstream lags"
    assert settle_again().endings == {"warmed": 1}
    lookup = read(payments, "EDX-1")
    assert (lookup.outcome, lookup.entry_name) == (Outcome.HIT, "payment.EDX-1.succeeded")


def test_a_lag_is_waited_for_ever_longer_and_uses_up_no_attempt(
    upstream: Upstream, settings: Settings
) -> None:
    settings.COORDINATOR_SETTLE_ATTEMPTS = 2
    recorded = record("succeeded", at=2)
    upstream.says("EDX-1", saying("processing"))
    pauses = []
    for lasted in (0.0, 1.0, 4.0, 16.0, 28.0):
        recorded_before(seconds=lasted)
        page = settle_again()
        assert page.endings == {"postponed": 1}
        assert page.again_in_seconds is not None
        pauses.append(page.again_in_seconds)
    for lasted, pause in zip((0.5, 1.0, 4.0, 16.0), pauses, strict=False):
        assert lasted / 2 <= pause <= lasted + 1
    assert pauses[-1] <= 2, "what is left until upstream is believed"
    assert (change(recorded).attempts, change(recorded).reason) == (0, "upstream lags")
    upstream.agrees("EDX-1")
    assert settle_again().endings == {"warmed": 1}


def test_failures_on_the_way_make_nobody_believe_a_lag_sooner(upstream: Upstream) -> None:
    record("succeeded", at=2)
    upstream.says("EDX-1", saying("processing"))
    for _ in range(6):
        upstream.fails_once("EDX-1", CoordinatorError())
        settle_again()
    assert settle_again().endings == {"postponed": 1}
    assert (payment().state, payment().revision) == ("succeeded", 1)


def test_an_event_that_came_long_after_the_one_before_has_its_own_time(
    upstream: Upstream,
) -> None:
    record("processing", at=1)
    recorded_long_ago()
    recorded = record("succeeded", at=2)
    upstream.says("EDX-1", saying("processing"))
    settle()
    assert (change(recorded).outcome, change(recorded).reason) == ("", "upstream lags")
    assert payment().state == "succeeded"


def test_a_load_that_began_within_the_lag_is_no_proof_however_long_it_took(
    upstream: Upstream, manual_clock: ManualClock
) -> None:
    record("succeeded", at=2)

    def slowly() -> None:
        manual_clock.moved += 40
        recorded_before(seconds=40)

    def old(_identifier: str, _standing: object) -> Loaded:
        slowly()
        return saying("processing")

    upstream._scripts["EDX-1"].append(old)
    assert settle().endings == {"postponed": 1}
    assert payment().revision == 1


def test_an_upstream_that_says_so_in_the_end_is_right_and_the_ledger_is_told(
    payments: Resource, upstream: Upstream
) -> None:
    recorded = record("succeeded", at=2)
    upstream.says("EDX-1", saying("canceled", at=3))
    endings = []
    for lasted in (0, 29, 31):
        recorded_before(seconds=lasted)
        endings.append(settle_again().endings)
    assert endings == [{"postponed": 1}, {"postponed": 1}, {"superseded": 1}]
    assert "upstream says otherwise" in change(recorded).reason
    row = payment()
    assert (row.state, row.revision, row.occurred_at) == ("canceled", 2, moment(3))
    assert settle_again().endings == {"warmed": 1}
    assert states() == {"superseded": 1, "warmed": 1}
    lookup = read(payments, "EDX-1")
    assert (lookup.outcome, lookup.entry_name) == (Outcome.HIT, "payment.EDX-1.canceled")


def test_what_is_observed_carries_the_correlation_id_of_the_event_that_led_to_it(
    upstream: Upstream, settings: Settings
) -> None:
    settings.COORDINATOR_LAG_SECONDS = 0
    for number in (1, 2):
        record("succeeded", at=2, number=f"EDX-{number}", correlation_id=f"event-{number}")
    upstream.says("EDX-1", saying("canceled", "EDX-1"))
    upstream.says("EDX-2", saying("canceled", "EDX-2"))
    settle()
    observed = Change.objects.filter(event_type="observed")
    assert dict(observed.values_list("identifier", "correlation_id")) == {
        "EDX-1": "event-1",
        "EDX-2": "event-2",
    }


def test_a_change_while_upstream_lags_has_the_last_word(
    upstream: Upstream, settings: Settings
) -> None:
    settings.COORDINATOR_LAG_SECONDS = 0
    record("processing", at=1)

    def overtaken(_identifier: str, _standing: object) -> Loaded:
        record("succeeded", at=2)
        return saying("requires_action")

    upstream._scripts["EDX-1"].append(overtaken)
    settle()
    assert (payment().state, payment().revision) == ("succeeded", 2)
    assert not Change.objects.filter(event_type="observed").exists()
    settle_again()
    assert states() == {"superseded": 1, "warmed": 1}


def test_an_event_that_says_what_upstream_says_already_supersedes_and_abandons_nothing(
    upstream: Upstream, settings: Settings
) -> None:
    settings.COORDINATOR_LAG_SECONDS = 0
    record("processing", at=1)

    def ahead(_identifier: str, _standing: object) -> Loaded:
        record("succeeded", at=2)
        return saying("succeeded")

    upstream._scripts["EDX-1"].append(ahead)
    settle()
    settle_again()
    assert states() == {"superseded": 1, "warmed": 1}
    assert payment().revision == 2


def test_a_contradiction_that_nobody_can_record_is_abandoned(
    upstream: Upstream, settings: Settings
) -> None:
    settings.COORDINATOR_LAG_SECONDS = 0
    recorded = record("succeeded", at=1)
    upstream.says("EDX-1", Loaded(b"{}", "processing", OWNER))
    assert settle().endings == {"abandoned": 1}
    assert change(recorded).reason == "upstream contradicts the ledger"


def test_a_contradiction_that_changes_nothing_in_the_ledger_does_not_go_on_for_ever(
    upstream: Upstream, settings: Settings
) -> None:
    settings.COORDINATOR_LAG_SECONDS = 0
    record("succeeded", at=1)
    observation = Observation("pi_EDX-1", {"intent_status": "succeeded"})
    upstream.says("EDX-1", Loaded(b"{}", "succeeded", "somebody else", observation=observation))
    for _ in range(5):
        settle_again()
    assert states() == {"abandoned": 1}
    assert payment().revision == 1


def test_an_upstream_whose_own_version_went_back_is_believed_in_the_end(
    upstream: Upstream, settings: Settings
) -> None:
    record("succeeded", at=1, version=7)
    observation = Observation("pi_EDX-1", {"intent_status": "succeeded", "version": 6})
    older = Loaded(b"{}", "succeeded", OWNER, version=6, observation=observation)
    upstream.says("EDX-1", older)
    assert settle().endings == {"postponed": 1}
    settings.COORDINATOR_LAG_SECONDS = 0
    assert settle_again().endings == {"superseded": 1}
    assert settle_again().endings == {"warmed": 1}
    assert payment().version == 6


@pytest.mark.parametrize(
    ("lasted", "level"), [(31, logging.INFO), (61, logging.WARNING)], ids=["ordinary", "mismatch"]
)
def test_what_is_observed_is_worth_a_warning_once_verifying_would_have_reported_it(
    upstream: Upstream, caplog: pytest.LogCaptureFixture, lasted: float, level: int
) -> None:
    record("succeeded", at=2)
    upstream.says("EDX-1", saying("canceled"))
    recorded_before(seconds=lasted)
    with caplog.at_level(logging.INFO):
        settle()
    assert [line.levelno for line in caplog.records if line.message == "change.observed"] == [level]


# -- order that could not be told --------------------------------------------------------------


def test_a_tie_that_upstream_confirms_ends_warmed(upstream: Upstream) -> None:
    record("processing", at=1)
    settle()
    recorded = record("succeeded", at=1)
    upstream.says("EDX-1", saying("succeeded"))
    assert settle().endings == {"warmed": 1}
    assert change(recorded).reason == "order confirmed against upstream"


def test_a_tie_that_lost_and_upstream_confirms_ends_out_of_date(upstream: Upstream) -> None:
    record("succeeded", at=1)
    lost = record("processing", at=1)
    upstream.says("EDX-1", saying("succeeded"))
    assert settle().endings == {"warmed": 1, "out_of_date": 1}
    assert change(lost).settled
    assert upstream.calls == ["EDX-1"]


def test_a_tie_that_won_wrongly_is_put_right(upstream: Upstream, settings: Settings) -> None:
    settings.COORDINATOR_LAG_SECONDS = 0
    record("requires_action", at=1)
    settle()
    record("processing", at=1)
    upstream.says("EDX-1", saying("requires_action"))
    settle()
    assert (payment().state, payment().revision) == ("requires_action", 3)
    assert settle().endings == {"warmed": 1}


def test_a_tie_is_confirmed_against_upstream_even_if_a_reader_has_warmed_it(
    payments: Resource, upstream: Upstream
) -> None:
    record("succeeded", at=1, amount_received=1000, amount_refunded=300)
    settle()
    # Within the same second, and delivered the wrong way round: the ledger now holds the older.
    record("succeeded", at=1, amount_received=1000, amount_refunded=100)

    def truth(identifier: str, standing: object) -> Loaded:
        said = agreeing(identifier, standing)  # type: ignore[arg-type]  # as the core calls it
        seen = Observation("pi_EDX-1", {"intent_status": "succeeded", "amount_refunded": 300})
        return Loaded(said.payload, said.state, said.owner, observation=seen)

    upstream._always["EDX-1"] = truth
    assert read(payments, "EDX-1").stored
    settle()
    assert payment().amount_refunded == 100, "it may lag: it is asked again"
    recorded_before(seconds=31)
    settle_again()
    assert payment().amount_refunded == 300
    settle_again()
    assert "" not in states()


def test_what_was_observed_of_another_resource_of_this_name_is_another_event(
    payments: Resource, upstream: Upstream
) -> None:
    recorded = record("succeeded", at=2)
    Change.objects.create(
        resource="order",
        identifier="EDX-1",
        revision=2,
        state="placed",
        event_id="observed:order.EDX-1:1",
        event_type="observed",
        outcome="warmed",
        confirmed_at=moment(3),
    )
    upstream.says("EDX-1", saying("canceled", at=9))
    recorded_long_ago()
    settle_again()
    assert change(recorded).outcome == "superseded"
    assert (payment().state, payment().revision) == ("canceled", 2)
