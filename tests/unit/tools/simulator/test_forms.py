"""Forms: Stripe's brackets are understood, and whatever else comes is a refusal."""

from contextlib import suppress

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from tools.simulator.errors import StripeError
from tools.simulator.forms import (
    Form,
    check_names,
    get_boolean,
    get_integer,
    get_metadata,
    get_text,
    get_texts,
    parse_form,
    require_text,
)
from tools.simulator.pages import Range


def test_brackets_make_objects_and_lists() -> None:
    form = parse_form(
        "metadata[payment_number]=EDX-1&expand[0]=a&expand[1]=b&created%5Bgte%5D=5&amount=7"
    )
    assert get_metadata(form) == {"payment_number": "EDX-1"}
    assert get_texts(form, "expand") == ["a", "b"]
    assert get_integer(form, "amount") == 7
    assert Range(form).first == 5


def test_empty_brackets_are_the_next_place_of_a_list() -> None:
    assert get_texts(parse_form("expand[]=a&expand[]=b"), "expand") == ["a", "b"]


def test_what_the_library_sends_is_understood() -> None:
    sent = dict(
        stripe._encode._api_encode({"expand": ["a", "b"], "metadata": {"k": "v"}, "confirm": True})
    )
    form = parse_form("&".join(f"{name}={value}" for name, value in sent.items()))
    assert get_texts(form, "expand") == ["a", "b"]
    assert get_metadata(form) == {"k": "v"}
    assert get_boolean(form, "confirm")


@pytest.mark.parametrize(
    "text",
    [
        "a[b=1",
        "[a]=1",
        "a=1&a[b]=2",
        "a[b]=2&a=1",
        "a[b]=1&a[b][c]=2",
        "a[b][c][d][e][f]=1",
        "&".join(f"a{n}=1" for n in range(300)),
    ],
)
def test_a_malformed_form_is_refused(text: str) -> None:
    with pytest.raises(StripeError) as refusal:
        parse_form(text)
    assert refusal.value.status == 400


@given(st.text(alphabet="ab[]=&%5BD.-0", max_size=60))
def test_any_text_is_a_form_or_a_refusal(text: str) -> None:
    form: Form = {}
    # Whatever isn't a refusal fails the test.
    with suppress(StripeError):
        form = parse_form(text)
    for name in form:
        for read in (get_text, get_texts, get_integer, get_boolean, require_text):
            with suppress(StripeError):
                read(form, name)


@pytest.mark.parametrize("text", ["", "x", "1.5", "1e3", "٣", "9" * 16, "--1"])
def test_what_is_no_integer_is_refused(text: str) -> None:
    with pytest.raises(StripeError):
        get_integer({"amount": text}, "amount")


@pytest.mark.parametrize("text", ["0", "101"])
def test_bounds_are_kept(text: str) -> None:
    with pytest.raises(StripeError):
        get_integer({"limit": text}, "limit", at_least=1, at_most=100)


def test_unknown_fields_are_refused_as_stripe_does() -> None:
    with pytest.raises(StripeError) as refusal:
        check_names({"amuont": "1"}, {"amount"})
    assert refusal.value.code == "parameter_unknown"


@pytest.mark.parametrize(
    "form",
    [
        {"metadata": "text"},
        {"metadata": {"a": {"b": "c"}}},
        {"metadata": {str(n): "x" for n in range(51)}},
        {"metadata": {"x" * 41: "x"}},
        {"metadata": {"x": "x" * 501}},
    ],
)
def test_metadata_keep_to_stripes_limits(form: Form) -> None:
    with pytest.raises(StripeError):
        get_metadata(form)


@pytest.mark.parametrize(
    ("query", "first", "last"),
    [
        ("", 0, float("inf")),
        ("created=5", 5, 5),
        ("created[gt]=5&created[lte]=9", 6, 9),
        ("created[gte]=5&created[lt]=9", 5, 8),
    ],
)
def test_a_range_of_creation_has_inclusive_ends(query: str, first: int, last: float) -> None:
    bounds = Range(parse_form(query))
    assert (bounds.first, bounds.last) == (first, last)
