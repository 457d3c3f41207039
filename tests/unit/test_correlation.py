import logging
from contextvars import copy_context
from threading import Thread

import pytest

from coordinator import correlation


def test_nothing_is_in_force_until_it_is_bound() -> None:
    assert correlation.current() == ""


def test_a_bound_id_is_in_force_within_the_block_only() -> None:
    with correlation.bind("abc-1"):
        assert correlation.current() == "abc-1"
        with correlation.bind("abc-2"):
            assert correlation.current() == "abc-2"
        assert correlation.current() == "abc-1"
    assert correlation.current() == ""


def test_binding_nothing_makes_an_id_that_nobody_has() -> None:
    with correlation.bind() as first, correlation.bind() as second:
        assert len(first) == len(second) == 32
        assert first != second


@pytest.mark.parametrize(
    "made_up",
    ["a\r\nSet-Cookie: x", "a b", 'a"', "", "-a", "x" * 65, "é", "a\n", "a{{b}}"],
)
def test_what_would_break_a_header_or_a_log_line_is_replaced(made_up: str) -> None:
    with correlation.bind(made_up) as bound:
        assert bound != made_up
        assert len(bound) == 32


def test_a_thread_that_takes_the_context_along_keeps_the_id() -> None:
    seen: list[str] = []
    with correlation.bind("abc"):
        context = copy_context()
    thread = Thread(target=lambda: seen.append(context.run(correlation.current)))
    thread.start()
    thread.join()
    assert seen == ["abc"]


def test_each_record_gets_the_id_in_force() -> None:
    record = logging.makeLogRecord({})
    with correlation.bind("abc"):
        assert correlation.CorrelationFilter().filter(record)
    assert vars(record)["correlation_id"] == "abc"


def test_a_record_that_brought_an_id_keeps_it() -> None:
    record = logging.makeLogRecord({"correlation_id": "theirs"})
    with correlation.bind("ours"):
        correlation.CorrelationFilter().filter(record)
    assert vars(record)["correlation_id"] == "theirs"


def test_without_an_id_a_record_stays_as_it_is() -> None:
    record = logging.makeLogRecord({})
    assert correlation.CorrelationFilter().filter(record)
    assert not hasattr(record, "correlation_id")
