from __future__ import annotations

import pytest

from tools.report.answers import How, ReadAnswer, read_answer
from tools.report.oracle import Committed, staleness

PAID = Committed("succeeded", 3)


def answer(
    revision: int | None = 3, how: How = How.HIT, state: str | None = "succeeded"
) -> ReadAnswer:
    return ReadAnswer(how, 200, revision, state)


def test_what_was_committed_is_not_stale() -> None:
    assert staleness(PAID, answer()) == ""


def test_newer_than_what_was_committed_when_the_request_began_is_not_stale() -> None:
    assert staleness(PAID, answer(revision=4, state="refunded")) == ""


def test_a_lower_revision_is_stale() -> None:
    assert "revision 2" in staleness(PAID, answer(revision=2))


def test_a_lower_revision_is_stale_in_a_miss_as_well() -> None:
    assert "revision 2" in staleness(PAID, answer(revision=2, how=How.MISS))


def test_not_found_is_stale_once_the_payment_is_committed() -> None:
    assert "not found" in staleness(PAID, ReadAnswer(How.UNKNOWN, 404))


def test_not_found_is_no_news_before_that() -> None:
    assert staleness(None, ReadAnswer(How.UNKNOWN, 404)) == ""


def test_an_answer_that_names_no_revision_can_not_be_trusted() -> None:
    assert staleness(PAID, answer(revision=None)) != ""


def test_old_content_under_the_current_revision_is_stale() -> None:
    assert "processing" in staleness(PAID, answer(state="processing"))


def test_a_miss_may_show_a_state_that_the_ledger_has_not_heard_of() -> None:
    assert staleness(PAID, answer(how=How.MISS, state="refunded")) == ""


def test_a_304_has_no_body_to_judge() -> None:
    assert staleness(PAID, answer(state=None)) == ""


def test_a_failed_request_shows_nothing_and_so_nothing_stale() -> None:
    assert staleness(PAID, ReadAnswer(How.FAILED, 503)) == ""


@pytest.mark.parametrize(
    ("status", "cache_status", "how"),
    [
        (200, 'Coordinator; hit; ttl=1700; key="payment.EDX-1.succeeded"', How.HIT),
        (304, 'Coordinator; hit; ttl=1700; key="payment.EDX-1.succeeded"', How.HIT),
        (200, 'Coordinator; hit; ttl=1; key="k"; detail="pointer from ledger"', How.HIT),
        (200, "Coordinator; hit", How.HIT),
        (200, 'Coordinator; fwd=miss; stored; ttl=1700; key="k"', How.MISS),
        (200, 'Coordinator; fwd=miss; collapsed; ttl=1700; key="k"', How.MISS),
        # A name that looks like the word is none.
        (200, 'Coordinator; fwd=miss; key="payment.hit.succeeded"', How.MISS),
        # A server that does not say where it has it from gets no credit.
        (200, "", How.MISS),
        (404, "", How.UNKNOWN),
        (0, "", How.FAILED),
        (401, "", How.FAILED),
        (429, "", How.FAILED),
        (503, "", How.FAILED),
    ],
)
def test_only_what_cache_status_calls_a_hit_is_one(
    status: int, cache_status: str, how: How
) -> None:
    assert read_answer(status, {"Cache-Status": cache_status}).how is how


def test_revision_and_state_are_read_from_an_answer() -> None:
    read = read_answer(200, {"Payment-Revision": "17"}, b'{"number":"EDX-1","state":"succeeded"}')
    assert (read.revision, read.state) == (17, "succeeded")


@pytest.mark.parametrize("revision", ["", "-1", "x", "1.5", "\u0663"])
def test_a_revision_that_is_no_number_is_none(revision: str) -> None:
    assert read_answer(200, {"Payment-Revision": revision}, b"<html>").revision is None
