"""`coordinator_settle` and `coordinator_abandoned`: the log by hand, with no worker or broker."""

import json
from collections.abc import Iterator

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from coordinator.core.read import Outcome, read
from coordinator.core.resource import Resource
from coordinator.errors import CoordinatorError
from coordinator.ledger.models import Change
from tests.processes import HOST, free_port
from tests.support.brokers import broker
from tests.support.payments import record
from tests.support.settling import states
from tests.support.upstream import Upstream

pytestmark = pytest.mark.usefixtures("sqlite_ledger")


class Refused(CoordinatorError):
    """Upstream refuses this one."""

    permanent = True


@pytest.fixture(autouse=True)
def no_broker() -> Iterator[None]:
    """Let there be no broker: these commands are for such times."""
    with broker(f"redis://{HOST}:{free_port()}/0"):
        yield


def recorded(count: int) -> None:
    for number in range(1, count + 1):
        record("processing", at=1, number=f"EDX-{number}")


def abandon_everything() -> None:
    Change.objects.update(
        outcome="abandoned", reason="on purpose", ended_at=timezone.now(), attempts=8
    )


def test_settling_once_settles_one_page_and_says_what_is_left(
    settings: Settings, capsys: pytest.CaptureFixture[str], payments: Resource, upstream: Upstream
) -> None:
    settings.COORDINATOR_SETTLE_PAGE = 3
    recorded(5)
    call_command("coordinator_settle", "--once")
    assert "3 warmed. 2 unsettled" in capsys.readouterr().out
    assert len(upstream.calls) == 3
    assert read(payments, "EDX-1").outcome is Outcome.HIT


def test_settling_until_nothing_is_due_takes_page_after_page(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.COORDINATOR_SETTLE_PAGE = 2
    recorded(5)
    call_command("coordinator_settle", "--until-empty")
    assert "5 warmed. 0 unsettled" in capsys.readouterr().out
    call_command("coordinator_settle", "--until-empty")
    assert "Nothing was due" in capsys.readouterr().out


def test_settling_fails_if_a_change_had_to_be_abandoned(upstream: Upstream) -> None:
    recorded(2)
    upstream.always_fails("EDX-2", Refused())
    with pytest.raises(CommandError, match="abandoned"):
        call_command("coordinator_settle", "--until-empty")
    assert states() == {"warmed": 1, "abandoned": 1}


def test_what_was_abandoned_is_listed_with_its_reason_and_tried_again(
    capsys: pytest.CaptureFixture[str], upstream: Upstream
) -> None:
    recorded(2)
    upstream.fails_once("EDX-2", Refused())
    with pytest.raises(CommandError):
        call_command("coordinator_settle", "--until-empty")
    capsys.readouterr()

    call_command("coordinator_abandoned")
    shown = capsys.readouterr().out
    assert "1 abandoned" in shown
    assert "payment.EDX-2.processing" in shown
    assert "refused" in shown
    assert states() == {"warmed": 1, "abandoned": 1}, "looking changes nothing"

    call_command("coordinator_abandoned", "--retry")
    assert "1 put back into the queue." in capsys.readouterr().out
    call_command("coordinator_settle", "--until-empty")
    assert states() == {"warmed": 2}
    capsys.readouterr()
    call_command("coordinator_abandoned")
    assert "No change is abandoned." in capsys.readouterr().out


def test_all_that_was_abandoned_is_tried_again_however_much_of_it_is_listed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "coordinator.operations.management.commands.coordinator_abandoned._LISTED", 3
    )
    monkeypatch.setattr("coordinator.ledger.queue._BATCH", 2)
    recorded(5)
    abandon_everything()
    call_command("coordinator_abandoned", "--retry")
    shown = capsys.readouterr().out
    assert "3 of 5 abandoned" in shown
    assert "5 put back into the queue." in shown
    assert states() == {"": 5}


def test_one_is_tried_again_by_its_name_and_a_few_by_their_number(
    capsys: pytest.CaptureFixture[str],
) -> None:
    recorded(5)
    abandon_everything()
    call_command("coordinator_abandoned", "payment.EDX-4", "--retry")
    assert list(Change.objects.filter(outcome="").values_list("identifier", flat=True)) == ["EDX-4"]
    call_command("coordinator_abandoned", "--retry", "--limit", "2")
    assert states() == {"": 3, "abandoned": 2}


def test_programs_read_a_line_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    recorded(2)
    abandon_everything()
    call_command("coordinator_abandoned", "--retry", "--json")
    *changes, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert {change["entry"] for change in changes} == {
        "payment.EDX-1.processing",
        "payment.EDX-2.processing",
    }
    assert {(change["reason"], change["attempts"]) for change in changes} == {("on purpose", 8)}
    assert last == {"retried": 2}
