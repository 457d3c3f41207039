"""Workers that die over their page: no innocent change pays for it, and a poisonous one ends."""

import pytest
from pytest_django import Settings

from coordinator.core import load
from coordinator.ledger import queue
from coordinator.ledger.models import Change
from tests.support.payments import change, record
from tests.support.settling import due_now, settle, settle_again, states
from tests.support.upstream import Upstream

pytestmark = pytest.mark.usefixtures("each_ledger")


class Died(BaseException):
    """Stands for the end of a worker: nothing that settling does may catch it."""


def die() -> None:
    raise Died


def dies_over_its_page() -> None:
    """Let a worker claim what is due, and be killed before it has concluded anything."""
    due_now()
    queue.claim(200, 60)


def works_until_it_dies(rounds: int) -> int:
    """Let so many workers take what is unsettled, one after the other; return how many died."""
    died = 0
    for _ in range(rounds):
        due_now()
        try:
            settle()
        except Died:
            died += 1
    return died


def test_a_worker_that_is_killed_uses_up_no_attempt_of_its_page(
    upstream: Upstream, settings: Settings
) -> None:
    settings.COORDINATOR_SETTLE_ATTEMPTS = 2
    recorded = record("processing", at=1)
    for _ in range(8):
        dies_over_its_page()
    assert (change(recorded).attempts, change(recorded).claims) == (0, 8)
    assert settle_again().endings == {"warmed": 1}
    assert (change(recorded).attempts, change(recorded).claims) == (1, 0)


def test_one_that_kills_its_workers_is_abandoned_in_the_end_and_takes_no_other_with_it(
    upstream: Upstream, settings: Settings
) -> None:
    settings.COORDINATOR_SETTLE_INTERRUPTIONS = 12
    for number in range(1, 11):
        record("processing", at=1, number=f"EDX-{number}")
    upstream._always["EDX-4"] = lambda *_: die()  # type: ignore[assignment]

    died = works_until_it_dies(40)

    assert died == 12
    assert states() == {"warmed": 9, "abandoned": 1}
    poison = Change.objects.get(identifier="EDX-4")
    assert (poison.outcome, poison.reason) == ("abandoned", "12 workers died over it")


def test_whoever_was_on_a_page_with_it_is_settled_long_before_it_is_given_up(
    upstream: Upstream,
) -> None:
    for number in range(1, 11):
        record("processing", at=1, number=f"EDX-{number}")
    upstream._always["EDX-4"] = lambda *_: die()  # type: ignore[assignment]
    rounds = 0
    while states().get("warmed", 0) < 9:
        rounds += 1
        # Twice together, then one by one: each time about half of those that are left.
        assert rounds < 20
        works_until_it_dies(1)
    assert Change.objects.get(identifier="EDX-4").outcome == ""


def test_what_there_was_no_time_for_stays_suspected(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = record("processing", at=1)
    for _ in range(3):
        dies_over_its_page()
    with monkeypatch.context() as patched:
        patched.setattr(load, "batches", lambda *_: [])
        assert settle_again().endings == {"postponed": 1}
    assert (change(recorded).reason, change(recorded).claims) == ("not tried", 3)


def test_one_that_was_given_up_can_be_tried_again(upstream: Upstream, settings: Settings) -> None:
    settings.COORDINATOR_SETTLE_INTERRUPTIONS = 2
    recorded = record("processing", at=1)
    for _ in range(2):
        dies_over_its_page()
    assert settle_again().endings == {"abandoned": 1}
    assert queue.retry([change(recorded).pk]) == 1
    assert settle().endings == {"warmed": 1}
