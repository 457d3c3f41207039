"""The envelope around a payload: what is stored, and what of it is refused."""

import random

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from xxhash import xxh3_64_hexdigest

from coordinator.core import entry
from coordinator.core.entry import CacheEntry, EntryDamaged, EntryOfAnotherSchema, EntryUnusable
from coordinator.core.keys import EntryKey

KEY = EntryKey("payment", "EDX-1001", "succeeded")
ENTRY = CacheEntry(
    payload=b'{"number":"EDX-1001","amount":4900}',
    state="succeeded",
    revision=7,
    loaded_at=1_800_000_000.25,
    load_seconds=0.5,
    refresh_after=1_800_001_440.0,
    expires_at=1_800_001_800.0,
    owner="42",
    schema=1,
    etag="c0ffee",
)
# What the release with ENCODING 1 stores. If this test fails, the stored form has changed: raise
# ENCODING, so that no release reads what another one meant, and pin the new bytes here.
PINNED_ENCODING = 1
PINNED = (
    b"34c45139ada2cb22 "
    b'{"encoding":1,"name":"payment.EDX-1001.succeeded","schema":1,"state":"succeeded",'
    b'"revision":7,"loaded_at":1800000000.25,"load_seconds":0.5,"refresh_after":1800001440.0,'
    b'"expires_at":1800001800.0,"owner":"42","etag":"c0ffee"}\n'
    b'{"number":"EDX-1001","amount":4900}'
)

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
ENTRIES = st.builds(
    CacheEntry,
    payload=st.binary(max_size=200),
    state=st.just(KEY.state),
    revision=st.integers(0, 2**63 - 1),
    loaded_at=FINITE,
    load_seconds=FINITE,
    refresh_after=FINITE,
    expires_at=FINITE,
    owner=TEXT,
    schema=st.just(1),
    etag=TEXT,
)


def sealed(body: bytes) -> bytes:
    """Return `body` with the checksum that belongs to it."""
    return xxh3_64_hexdigest(body).encode() + b" " + body


def header(**changes: object) -> bytes:
    """Return ENTRY as stored, with a header that says something else."""
    line, payload = PINNED[17:].split(b"\n")
    return sealed(msgspec.json.encode(msgspec.json.decode(line) | changes) + b"\n" + payload)


def test_todays_stored_bytes_are_pinned() -> None:
    assert entry.ENCODING == PINNED_ENCODING
    assert entry.encode(ENTRY, KEY) == PINNED


def test_the_pinned_bytes_are_read_as_what_was_stored() -> None:
    assert entry.decode(PINNED, KEY) == ENTRY


@given(ENTRIES)
def test_what_was_stored_comes_back(stored: CacheEntry) -> None:
    assert entry.decode(entry.encode(stored, KEY), KEY) == stored


@given(st.integers(0, len(PINNED) * 8 - 1))
def test_one_flipped_bit_anywhere_is_damage(bit: int) -> None:
    damaged = bytearray(PINNED)
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(EntryDamaged):
        entry.decode(bytes(damaged), KEY)


def test_an_entry_that_was_cut_off_anywhere_is_damage() -> None:
    for length in range(len(PINNED)):
        with pytest.raises(EntryDamaged):
            entry.decode(PINNED[:length], KEY)


@given(st.binary() | st.binary().map(sealed) | st.text() | st.integers() | st.none())
def test_foreign_values_are_refused_and_nothing_else_is_raised(data: object) -> None:
    with pytest.raises(EntryUnusable):
        entry.decode(data, KEY)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n",
        b"null\n{}",
        b'{"name":"\xff"}\n{}',
        b'{"x":' + b"[" * 100_000 + b"\n{}",
        b'{"encoding":1e999}\n{}',
        b'{"revision":' + b"9" * 5_000 + b"}\n{}",
    ],
)
def test_nonsense_with_an_intact_checksum_is_refused(body: bytes) -> None:
    with pytest.raises(EntryUnusable):
        entry.decode(sealed(body), KEY)


@pytest.mark.parametrize(
    "other",
    [
        EntryKey("payment", "EDX-1002", "succeeded"),
        EntryKey("payment", "EDX-1001", "refunded"),
        EntryKey("order", "EDX-1001", "succeeded"),
    ],
)
def test_an_entry_that_was_moved_to_another_key_is_damage(other: EntryKey) -> None:
    with pytest.raises(EntryDamaged):
        entry.decode(PINNED, other)


def test_a_state_that_contradicts_the_name_is_damage() -> None:
    with pytest.raises(EntryDamaged):
        entry.decode(header(state="refunded"), KEY)


@pytest.mark.parametrize("schema", [0, 2, 3])
def test_an_older_or_newer_schema_is_refused_as_such(schema: int) -> None:
    with pytest.raises(EntryOfAnotherSchema):
        entry.decode(header(schema=schema), KEY)
    with pytest.raises(EntryOfAnotherSchema):
        entry.decode(PINNED, EntryKey("payment", "EDX-1001", "succeeded", schema=schema or 4))


@pytest.mark.parametrize("encoding", [0, 2])
def test_an_older_or_newer_encoding_is_refused_as_such(encoding: int) -> None:
    with pytest.raises(EntryOfAnotherSchema):
        entry.decode(header(encoding=encoding), KEY)


@pytest.mark.parametrize(
    "changes", [{"revision": "7"}, {"revision": 7.5}, {"owner": 42}, {"loaded_at": None}]
)
def test_a_header_of_another_shape_is_another_releases(changes: dict[str, object]) -> None:
    with pytest.raises(EntryOfAnotherSchema):
        entry.decode(header(**changes), KEY)


def test_a_field_that_a_newer_release_added_does_no_harm() -> None:
    assert entry.decode(header(colour="red"), KEY) == ENTRY


@given(st.binary(), st.binary())
def test_the_etag_changes_with_the_content(one: bytes, other: bytes) -> None:
    assume(one != other)
    assert entry.etag_of(one) == entry.etag_of(one)
    assert entry.etag_of(one) != entry.etag_of(other)


def test_the_age_is_counted_from_the_beginning_of_the_load_and_is_never_negative() -> None:
    assert ENTRY.age_seconds(ENTRY.loaded_at + 10) == 10
    assert ENTRY.age_seconds(ENTRY.loaded_at - 10) == 0


def test_the_newer_revision_is_the_newer_entry_and_then_the_later_load() -> None:
    later = msgspec.structs.replace(ENTRY, loaded_at=ENTRY.loaded_at + 1)
    newer = msgspec.structs.replace(ENTRY, revision=8, loaded_at=ENTRY.loaded_at - 100)
    assert ENTRY.order() < later.order() < newer.order()


def test_an_entry_is_due_after_its_refresh_time_whatever_the_chance() -> None:
    assert ENTRY.due(ENTRY.refresh_after, chance=1.0)
    assert not ENTRY.due(ENTRY.refresh_after - 0.001, chance=1.0)


def test_a_costly_load_volunteers_a_few_readers_early_and_never_many() -> None:
    numbers = random.Random(1)
    # One load time before it is due: e^-1 of the readers; ten load times before: e^-10.
    chances = [1 - numbers.random() for _ in range(10_000)]
    shortly = sum(ENTRY.due(ENTRY.refresh_after - 0.5, chance) for chance in chances)
    long_before = sum(ENTRY.due(ENTRY.refresh_after - 5, chance) for chance in chances)
    assert 3_500 < shortly < 3_900
    assert long_before <= 5
