"""A bad answer is explained by the names of its fields, never by a value."""

import enum

import msgspec
import pytest

from coordinator.upstream.answers import wrong_field
from coordinator.upstream.errors import UpstreamBadAnswer, UpstreamTimeout


class Status(enum.Enum):
    PAID = "paid"


class Details(msgspec.Struct):
    amount: int
    status: Status


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"status":"paid"}', "amount"),
        (b'{"amount":"secret","status":"paid"}', "int, str, $.amount"),
        (b'{"amount":1,"status":"secret"}', "$.status"),
    ],
)
def test_the_field_is_named_and_its_value_is_not(body: bytes, told: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(body, type=Details)
    assert wrong_field(caught.value) == told
    assert UpstreamBadAnswer(told).explained == f"upstream_bad_answer: {told}"


def test_a_detail_that_may_hold_anything_is_not_kept() -> None:
    assert UpstreamTimeout("https://host/secret").explained == "upstream_timeout"
