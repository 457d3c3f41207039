"""The order of the steps: suspend before the commit, advance after it, and then tell."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from django.db import OperationalError, connection

from coordinator.core import pointer
from coordinator.core.pointer import Current, Suspended
from coordinator.ledger import after_commit
from coordinator.ledger.recording import Recording
from coordinator.ledger.signals import state_changed
from coordinator.payments.models import Payment
from tests.support.payments import change, payment, record
from tests.support.threads import Running

pytestmark = pytest.mark.usefixtures("each_ledger")


def there() -> pointer.Pointer | None:
    return pointer.look("payment", ["EDX-1"]).get("EDX-1")


def seen_by_others() -> int:
    """Return the payment's revision as another connection sees it, 0 if it sees no payment."""

    def look() -> int:
        return (
            Payment.objects.filter(number="EDX-1").values_list("revision", flat=True).first() or 0
        )

    revision = Running(look).result()
    assert isinstance(revision, int)
    return revision


# -- the pointer -------------------------------------------------------------------------------


def test_the_pointer_is_suspended_after_the_write_and_before_the_commit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record("processing", at=5)
    plain = pointer.suspend_many
    at_suspension: dict[str, object] = {}

    def suspend(revisions: Mapping[pointer.Name, int]) -> frozenset[pointer.Name]:
        at_suspension.update(
            revisions=revisions,
            in_transaction=connection.in_atomic_block,
            written=payment().revision,
            others=seen_by_others(),
        )
        return plain(revisions)

    monkeypatch.setattr(pointer, "suspend_many", suspend)
    record("succeeded", at=6)
    assert at_suspension == {
        "revisions": {("payment", "EDX-1"): 2},
        "in_transaction": True,
        "written": 2,
        "others": 1,
    }


def test_the_pointer_is_advanced_after_the_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = pointer.advance_many
    at_advance: dict[str, object] = {}

    def advance(
        advances: Sequence[pointer.Advance],
    ) -> dict[pointer.Name, pointer.Confirmation]:
        at_advance.update(
            pointer=there(), in_transaction=connection.in_atomic_block, others=seen_by_others()
        )
        return plain(advances)

    monkeypatch.setattr(pointer, "advance_many", advance)
    record("processing", at=5)
    assert at_advance == {"pointer": Suspended(1), "in_transaction": False, "others": 1}


def test_a_transaction_that_fails_leaves_the_pointer_suspended_and_readers_with_the_ledger(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record("processing", at=5)

    class Crash(Exception):
        """Stands for a process that dies before it commits."""

    plain = pointer.suspend_many

    def suspend(revisions: Mapping[pointer.Name, int]) -> frozenset[pointer.Name]:
        plain(revisions)
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(pointer, "suspend_many", suspend)
        with pytest.raises(Crash):
            record("succeeded", at=6)
    assert there() == Suspended(2)
    assert payment().revision == 1
    record("succeeded", at=6)
    assert there() == Current("succeeded", 2)


def test_without_a_cache_the_change_still_commits_and_says_that_it_suspended_nothing(
    no_cache: None,
) -> None:
    recorded = record("processing", at=5)
    assert recorded.outcome is Recording.APPLIED
    assert change(recorded).suspended is False


def test_trouble_after_the_commit_is_not_the_senders(
    monkeypatch: pytest.MonkeyPatch, rung: list[dict[str, Any]]
) -> None:
    record("processing", at=5)
    rung.clear()

    def lost(*_: object) -> None:
        raise OperationalError("the connection is gone")

    # The suspension is not there, so advancing has to ask the ledger.
    monkeypatch.setattr(pointer, "suspend_many", lambda _: frozenset())
    monkeypatch.setattr(after_commit, "standing_of", lost)
    assert record("succeeded", at=6).outcome is Recording.APPLIED
    assert len(rung) == 1, "nobody was told of what is committed"


# -- what is told ------------------------------------------------------------------------------


def test_the_signal_comes_after_the_commit_and_says_what_changed() -> None:
    said: list[dict[str, Any]] = []

    def hear(sender: type[Payment], **about: Any) -> None:
        about.pop("signal")
        said.append(
            {"sender": sender, "others": seen_by_others(), "in": connection.in_atomic_block} | about
        )

    state_changed.connect(hear)
    try:
        recorded = record("processing", at=5)
    finally:
        state_changed.disconnect(hear)
    assert said == [
        {
            "sender": Payment,
            "others": 1,
            "in": False,
            "resource": "payment",
            "identifier": "EDX-1",
            "revision": 1,
            "state": "processing",
            "change_id": change(recorded).pk,
        }
    ]


def test_a_failing_receiver_is_nobody_elses_trouble(
    rung: list[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    def fails(**_: object) -> None:
        raise ValueError("broken receiver")

    state_changed.connect(fails)
    try:
        with caplog.at_level(logging.ERROR):
            recorded = record("processing", at=5)
    finally:
        state_changed.disconnect(fails)
    assert recorded.outcome is Recording.APPLIED
    assert len(rung) == 1
    assert "broken receiver" in caplog.text


def test_the_log_line_names_the_entry_and_no_content(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger=after_commit.__name__):
        record("processing", at=5, order_reference="ORDER-SECRET")
    [line] = [r for r in caplog.records if r.message == "change.recorded"]
    assert vars(line)["entry"] == "payment.EDX-1.processing"
    assert vars(line)["outcome"] == "applied"
    assert "ORDER-SECRET" not in str(vars(line))
