"""Rounds of long work never overlap: a beat that comes while one goes on begins no other."""

from typing import Any

import pytest

from coordinator.celery import tasks
from coordinator.core import cache
from coordinator.warmer import cache_loss, rounds
from coordinator.warmer import keep_warm as keeping
from coordinator.warmer.keep_warm import Round

pytestmark = pytest.mark.usefixtures("sqlite_ledger")

Sent = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """Return what is sent in place of the broker."""
    messages: Sent = []
    for task in (tasks.warm_on, tasks.warm_refill, tasks.reconcile_on):
        name = task.name.rpartition(".")[2]

        def send(kwargs: dict[str, Any], name: str = name) -> None:
            messages.append((name, kwargs))

        monkeypatch.setattr(task, "apply_async", send)
    return messages


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let keeping warm and refilling take long, and return where each part began."""
    begun: list[str] = []

    def part(_name: str, start: str, _seconds: float) -> Round:
        begun.append(start)
        return Round(goes_on_after=f"{len(begun)}")

    monkeypatch.setattr(keeping, "keep_open_warm", part)
    monkeypatch.setattr(keeping, "refill", part)
    return begun


def beat() -> None:
    """Let the next beat come: the last one's round is over by the clock."""
    cache.clear("beat.warm_open")
    tasks.warm_open.run()


def test_a_round_that_is_longer_than_its_period_is_joined_by_no_other(
    sent: Sent, parts: list[str]
) -> None:
    for _ in range(3):
        beat()
    assert parts == [""], "one of three beats found nothing going on"
    [(_, arguments)] = sent
    tasks.warm_on.run(**arguments)
    beat()
    assert parts == ["", "1"]
    assert [name for name, _ in sent] == ["warm_on", "warm_on"]


def test_the_next_beat_begins_a_round_when_the_last_one_has_ended(
    sent: Sent, parts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    beat()
    monkeypatch.setattr(keeping, "keep_open_warm", lambda *_: Round())
    tasks.warm_on.run(**sent[0][1])
    begun: list[str] = []

    def again(_name: str, start: str, _seconds: float) -> Round:
        begun.append(start)
        return Round()

    monkeypatch.setattr(keeping, "keep_open_warm", again)
    beat()
    assert begun == [""]


def test_a_round_whose_part_failed_has_ended(sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Exception):
        pass

    def fail(*_: object) -> Round:
        raise Broken

    monkeypatch.setattr(keeping, "keep_open_warm", fail)
    with pytest.raises(Broken):
        beat()
    assert rounds.begin("warm.payment") is not None


def test_a_round_that_comes_back_late_ends_if_another_took_over(
    sent: Sent, parts: list[str]
) -> None:
    beat()
    [(_, late)] = sent
    rounds.begin_anew("warm.payment")
    tasks.warm_on.run(**late)
    assert parts == [""]
    assert len(sent) == 1


def test_a_message_of_a_release_without_rounds_begins_one(sent: Sent, parts: list[str]) -> None:
    tasks.warm_on.run(name="payment", after="")
    tasks.warm_on.run(name="payment", after="")
    assert parts == [""]


def test_a_refill_begins_anew_at_the_next_loss_and_the_old_one_ends(
    sent: Sent, parts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_loss, "noticed_loss", lambda: True)
    monkeypatch.setattr(cache_loss, "may_refill", lambda: True)
    tasks.watch.run()
    tasks.watch.run()
    (_, old), (_, new) = sent
    tasks.warm_refill.run(**old)
    assert parts == []
    tasks.warm_refill.run(**new)
    assert parts == [""]


@pytest.mark.usefixtures("no_cache")
def test_without_a_cache_a_round_goes_on() -> None:
    mine = rounds.begin("warm.payment")
    assert mine is not None
    assert rounds.goes_on("warm.payment", mine)
    rounds.end("warm.payment", mine)
