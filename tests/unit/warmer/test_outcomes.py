"""How a change ends, by what the ledger says and how warming went: no database, no cache."""

from collections.abc import Mapping
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from coordinator.core.entry import CacheEntry
from coordinator.core.fill import Warmed, WarmOutcome
from coordinator.core.pointer import Confirmation
from coordinator.core.resource import Standing
from coordinator.errors import CoordinatorError
from coordinator.ledger.models import Change, ChangeOutcome
from coordinator.ledger.queue import Ending
from coordinator.warmer import outcomes

ATTEMPTS, INTERRUPTIONS, LAG = 3, 5, 30


class Refused(CoordinatorError):
    """Upstream refused."""

    burns_attempt = False


@pytest.fixture(autouse=True)
def limits(settings: Settings) -> None:
    settings.COORDINATOR_SETTLE_ATTEMPTS = ATTEMPTS
    settings.COORDINATOR_SETTLE_INTERRUPTIONS = INTERRUPTIONS
    settings.COORDINATOR_LAG_SECONDS = LAG


def change(**columns: Any) -> Change:
    return Change(resource="thing", identifier="T-1", revision=4, state="paid", **columns)


def ended(
    one: Change,
    warmed: Warmed | None = None,
    *,
    revision: int = 4,
    refusal: CoordinatorError | None = None,
    confirmation: Confirmation = Confirmation.ADVANCED,
) -> Ending:
    standings = {"T-1": Standing("paid", revision, "42", "up_1")}
    return outcomes.ending(one, standings, warmed, {"T-1": confirmation}, refusal)


def failed(error: CoordinatorError) -> Warmed:
    return Warmed(WarmOutcome.FAILED, error=error)


# -- what the ledger says --------------------------------------------------------------------------


def test_a_change_of_what_was_erased_is_abandoned_and_confirmed() -> None:
    one = outcomes.ending(change(), {}, None, {})

    assert (one.outcome, one.confirmed) == (ChangeOutcome.ABANDONED, True)


def test_a_change_before_the_newest_is_superseded() -> None:
    assert ended(change(), revision=5).outcome == ChangeOutcome.SUPERSEDED


def test_a_change_ahead_of_its_row_is_tried_again_and_then_abandoned() -> None:
    first = ended(change(), revision=3)
    last = ended(change(attempts=ATTEMPTS - 1), revision=3)

    assert (first.outcome, first.burn, first.again_in_seconds > 0) == ("", True, True)
    assert last.outcome == ChangeOutcome.ABANDONED
    assert "ahead_of_its_row" in last.reason


# -- how warming went ------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", [WarmOutcome.WARMED, WarmOutcome.ALREADY])
def test_a_warm_entry_ends_its_change(outcome: WarmOutcome) -> None:
    one = ended(change(), Warmed(outcome))

    assert (one.outcome, one.confirmed) == (ChangeOutcome.WARMED, True)


@pytest.mark.parametrize("outcome", [WarmOutcome.BUSY, WarmOutcome.CACHE_UNREACHABLE])
def test_what_says_nothing_of_the_thing_burns_no_attempt(outcome: WarmOutcome) -> None:
    one = ended(change(attempts=ATTEMPTS), Warmed(outcome))

    assert (one.outcome, one.burn) == ("", False)
    assert one.again_in_seconds > 0


def test_a_value_that_the_cache_refuses_abandons_its_change() -> None:
    assert ended(change(), Warmed(WarmOutcome.UNSTORED)).outcome == ChangeOutcome.ABANDONED


def test_a_change_that_was_not_tried_is_put_back_without_an_attempt() -> None:
    one = ended(change())

    assert (one.outcome, one.tried) == ("", False)


def test_a_refusal_to_all_puts_back_what_was_not_tried_for_as_long_as_it_says() -> None:
    one = ended(change(), refusal=Refused(retry_after_seconds=20))

    assert (one.outcome, one.tried, one.again_in_seconds) == ("", False, 20)
    assert one.reason == "refused"


# -- failures --------------------------------------------------------------------------------------


def test_a_permanent_failure_abandons_at_once() -> None:
    one = ended(change(), failed(CoordinatorError(permanent=True)))

    assert one.outcome == ChangeOutcome.ABANDONED


@pytest.mark.parametrize(
    ("attempts_before", "outcome"), [(ATTEMPTS - 2, ""), (ATTEMPTS - 1, ChangeOutcome.ABANDONED)]
)
def test_the_last_attempt_that_fails_abandons(attempts_before: int, outcome: str) -> None:
    one = ended(change(attempts=attempts_before), failed(CoordinatorError()))

    assert (one.outcome, one.burn) == (outcome, True)


def test_a_refusal_burns_no_attempt_however_many_there_were() -> None:
    one = ended(change(attempts=100 * ATTEMPTS), failed(Refused()))

    assert (one.outcome, one.burn) == ("", False)


def test_the_pause_after_a_failure_doubles_within_its_jitter_and_has_an_end() -> None:
    def pause(attempts: int) -> float:
        return ended(change(attempts=attempts), failed(Refused())).again_in_seconds

    assert 0.25 <= pause(0) <= 0.5
    assert 0.5 <= pause(1) <= 1.0
    assert 2.0 <= pause(3) <= 4.0
    assert 150 <= pause(10_000) <= 300


def test_the_pause_is_at_least_what_upstream_asks_for_and_at_most_a_quarter_more() -> None:
    pauses = [
        ended(change(), failed(Refused(retry_after_seconds=40))).again_in_seconds
        for _ in range(100)
    ]

    assert 40 <= min(pauses) <= max(pauses) <= 50


# -- workers that die ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claims", "outcome"), [(INTERRUPTIONS, ""), (INTERRUPTIONS + 1, ChangeOutcome.ABANDONED)]
)
def test_a_change_that_killed_so_many_workers_is_abandoned(claims: int, outcome: str) -> None:
    one = ended(change(claims=claims))

    assert one.outcome == outcome


def test_the_present_claim_is_no_interruption() -> None:
    assert [outcomes.interruptions(change(claims=claims)) for claims in (0, 1, 2)] == [0, 0, 1]


# -- upstream lags ---------------------------------------------------------------------------------


def entry(loaded_at: float) -> CacheEntry:
    times: Mapping[str, float] = {"load_seconds": 1, "refresh_after": 0, "expires_at": 0}
    return CacheEntry(
        payload=b"{}",
        state="paid",
        revision=4,
        loaded_at=loaded_at,
        owner="42",
        schema=1,
        etag="x",
        **times,
    )


@pytest.mark.parametrize("asked_after", [0, 10, LAG - 0.001])
def test_while_upstream_may_lag_it_is_asked_again_before_the_lag_is_over(
    asked_after: float,
) -> None:
    recorded_at = timezone.now()
    lagged = Warmed(WarmOutcome.LAGGED, entry=entry(recorded_at.timestamp() + asked_after))

    one = ended(change(recorded_at=recorded_at, attempts=ATTEMPTS), lagged)

    assert (one.outcome, one.burn, one.reason) == ("", False, "upstream lags")
    assert 0 < one.again_in_seconds <= max(1.0, LAG - asked_after)


def test_after_the_lag_a_contradiction_without_anything_to_record_abandons() -> None:
    recorded_at = timezone.now()
    lagged = Warmed(WarmOutcome.LAGGED, entry=entry(recorded_at.timestamp() + LAG + 1))

    one = ended(change(recorded_at=recorded_at), lagged)

    assert (one.outcome, one.reason) == (
        ChangeOutcome.ABANDONED,
        "upstream contradicts the ledger",
    )


# -- order that could not be told ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("applied", "outcome"), [(True, ChangeOutcome.WARMED), (False, ChangeOutcome.OUT_OF_DATE)]
)
def test_an_order_that_upstream_confirms_ends_the_change_as_it_was_taken(
    *, applied: bool, outcome: ChangeOutcome
) -> None:
    one = ended(change(confirm=True, applied=applied), Warmed(WarmOutcome.WARMED))

    assert (one.outcome, one.reason) == (outcome, "order confirmed against upstream")


# -- trouble ---------------------------------------------------------------------------------------


def test_an_unforeseen_error_burns_an_attempt_and_is_named_by_its_kind() -> None:
    one = outcomes.of_trouble(change(), ZeroDivisionError("secret"))

    assert (one.outcome, one.reason, one.burn) == ("", "settling_failed", True)


def test_trouble_leaves_an_outcome_that_is_known_as_it_is() -> None:
    known = change(outcome=ChangeOutcome.WARMED, suspended=True)

    one = outcomes.of_trouble(known, ZeroDivisionError())

    assert (one.outcome, one.confirmed) == (ChangeOutcome.WARMED, False)
