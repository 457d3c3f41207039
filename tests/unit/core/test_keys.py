"""Names become keys that can't collide, or are refused."""

import pytest
from edx_django_utils.cache import get_cache_key
from hypothesis import example, given
from hypothesis import strategies as st

from coordinator.core import keys
from coordinator.core.keys import EntryKey, InvalidIdentifier, InvalidName

IDENTIFIERS = st.from_regex(keys.IDENTIFIER_PATTERN, fullmatch=True).filter(
    lambda text: len(text) <= keys.IDENTIFIER_MAX_LENGTH
)
NAMES = st.from_regex(r"[a-z][a-z0-9]{0,3}(_[a-z0-9]{1,3}){0,2}", fullmatch=True)
STATES = st.from_regex(r"[a-zA-Z][a-zA-Z0-9]{0,3}([ _-][a-zA-Z0-9]{1,3}){0,2}", fullmatch=True)
KEYS = st.builds(
    EntryKey, resource=NAMES, identifier=IDENTIFIERS, state=STATES, schema=st.integers(1, 3)
)


def test_a_key_prints_as_its_readable_name() -> None:
    assert str(EntryKey("payment", "EDX-1001", "succeeded")) == "payment.EDX-1001.succeeded"


def test_the_stored_key_is_what_get_cache_key_makes_of_the_name() -> None:
    assert EntryKey("payment", "EDX-1001", "succeeded").cache_key == get_cache_key(
        cache_name="payment", identifier="EDX-1001", version="succeeded"
    )


def test_a_schema_above_one_is_an_argument_of_its_own() -> None:
    assert EntryKey("payment", "EDX-1001", "succeeded", schema=2).cache_key == get_cache_key(
        cache_name="payment", identifier="EDX-1001", version="succeeded", schema=2
    )


def test_the_pointer_has_the_key_that_the_protocol_names() -> None:
    assert keys.pointer_key("payment", "EDX-1001") == get_cache_key(
        cache_name="payment", identifier="EDX-1001", version="@current"
    )


def test_releases_with_different_schemas_take_different_leases() -> None:
    assert keys.lease_key("payment", "EDX-1001") == get_cache_key(
        cache_name="payment", identifier="EDX-1001", version="@lease"
    )
    assert keys.lease_key("payment", "EDX-1001", 2) != keys.lease_key("payment", "EDX-1001", 1)


@pytest.mark.parametrize(
    "text", ["E", "EDX-1001", "100", "-", "a_b", "a_b_c", "A" * keys.IDENTIFIER_MAX_LENGTH]
)
def test_an_ordinary_identifier_is_accepted_as_it_is(text: str) -> None:
    assert keys.check_identifier(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "EDX 1001",
        "EDX-1001\n",
        "EDX-1001\x00",
        "EDX.1001",
        "EDX:1001",
        "EDX-1001__version:paid",
        "__",
        "_EDX",
        "EDX_",
        "a__b",
        "../../etc",
        "%00",
        "EDX-١٠٠١",  # noqa: RUF001  # digits, but not those of ASCII
        "EDX‐1001",  # noqa: RUF001  # a hyphen, but not that of ASCII
        "ＥＤＸ",  # noqa: RUF001  # letters, but not those of ASCII
        "A" * (keys.IDENTIFIER_MAX_LENGTH + 1),
        "A" * 1_000_000,
        None,
        1001,
        b"EDX-1001",
        ["EDX-1001"],
    ],
)
def test_anything_else_is_refused(text: object) -> None:
    with pytest.raises(InvalidIdentifier):
        keys.check_identifier(text)


@given(st.text() | st.text(alphabet="aZ09-_:.@ \n\x00", max_size=80))
@example("a__identifier:b")
def test_any_string_is_an_identifier_with_keys_of_its_own_or_refused_everywhere(text: str) -> None:
    try:
        keys.check_identifier(text)
    except InvalidIdentifier:
        with pytest.raises(InvalidIdentifier):
            keys.pointer_key("payment", text)
        with pytest.raises(InvalidIdentifier):
            keys.lease_key("payment", text)
        with pytest.raises(InvalidIdentifier):
            _ = EntryKey("payment", text, "paid").cache_key
    else:
        stored = {
            keys.pointer_key("payment", text),
            keys.lease_key("payment", text),
            EntryKey("payment", text, "paid").cache_key,
            EntryKey("payment", text, "paid", schema=2).cache_key,
            EntryKey("payment", text, "open").cache_key,
        }
        assert len(stored) == 5


@pytest.mark.parametrize(
    "name", ["", "a  b", "a- b", " a", "1a", "a:b", "a__b", "_a", "a_", "@a:b", "paid\n", "é"]
)
def test_a_state_or_resource_that_could_name_another_key_is_refused(name: str) -> None:
    for key in (EntryKey("payment", "EDX-1001", name), EntryKey(name, "EDX-1001", "paid")):
        with pytest.raises(InvalidName):
            _ = key.cache_key


@pytest.mark.parametrize("state", ["PAYMENT_DUE", "Payment Pending", "on-hold", "Shipped"])
def test_states_are_named_as_services_name_them(state: str) -> None:
    key = EntryKey("order", "EDX-1001", state)
    assert key.name == f"order.EDX-1001.{state}"
    assert (
        key.cache_key != EntryKey("order", "EDX-1001", state.lower()).cache_key or state.islower()
    )


@given(KEYS, KEYS)
def test_two_names_never_share_a_stored_key(one: EntryKey, other: EntryKey) -> None:
    assert (one == other) == (one.cache_key == other.cache_key)
    assert ((one.resource, one.identifier) == (other.resource, other.identifier)) == (
        keys.pointer_key(one.resource, one.identifier)
        == keys.pointer_key(other.resource, other.identifier)
    )
