"""The pointer's five rules: what each step puts there, and above all what it leaves alone."""

from collections.abc import Callable, Iterable, Mapping
from zlib import crc32

import pytest
from edx_django_utils.cache import DEFAULT_REQUEST_CACHE
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from coordinator.core import cache, events, keys, pointer
from coordinator.core.pointer import Absent, Confirmation, Current, Pointer, Suspended
from coordinator.core.read import read
from coordinator.core.resource import Standing
from tests.support.clocks import ManualClock
from tests.support.things import Things

KEY = keys.pointer_key("thing", "T-1")
POINTERS = st.one_of(
    st.builds(Current, st.text("abc_", min_size=1), st.integers(0, 2**63 - 1)),
    st.builds(Suspended, st.integers(0, 2**63 - 1)),
    st.just(Absent()),
)


def at(revision: int, state: str = "paid") -> Standing:
    """Return what the ledger says at this revision."""
    return Standing(state, revision, "42", "up_1")


def put(there: Pointer) -> None:
    cache.put(KEY, pointer.encode(there, KEY), 60)


def committed_after_suspending() -> None:
    put(Suspended(4))
    advance(unasked, own=Current("paid", 4))


def there() -> Pointer | None:
    return pointer.look("thing", ["T-1"]).get("T-1")


def unasked() -> Standing | None:
    raise AssertionError("the ledger was asked")


def advance(ledger: Callable[[], Standing | None], own: Current | None = None) -> Confirmation:
    return pointer.advance("thing", "T-1", ledger, own)


def seed(standing: Standing | None, identifier: str = "T-1") -> bool:
    """Mark and fill the gap, as a reader does; return False if it could not."""
    gap = pointer.mark("thing", identifier)
    return gap is not None and pointer.seed(gap, standing)


# -- suspend -----------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [None, Absent(), Current("open", 3), Suspended(9)])
def test_suspending_replaces_whatever_is_there(before: Pointer | None) -> None:
    if before is not None:
        put(before)
    assert pointer.suspend("thing", "T-1", 4) is True
    assert there() == Suspended(4)


def test_suspending_says_when_the_cache_did_not_acknowledge(no_cache: None) -> None:
    assert pointer.suspend("thing", "T-1", 4) is False


def test_suspending_says_when_the_cache_refused_the_value(settings: Settings) -> None:
    settings.CACHES = {"default": {"BACKEND": "tests.support.troubles.RefusingCache"}}
    assert pointer.suspend("thing", "T-1", 4) is False
    assert there() is None


# -- advance -----------------------------------------------------------------------------------


def test_advancing_puts_nothing_where_nothing_is() -> None:
    assert advance(unasked, own=Current("paid", 4)) is Confirmation.NOTHING_THERE
    assert there() is None


def test_a_writer_replaces_its_own_suspension_without_asking_the_ledger() -> None:
    put(Suspended(4))
    assert advance(unasked, own=Current("paid", 4)) is Confirmation.ADVANCED
    assert there() == Current("paid", 4)


@pytest.mark.parametrize(
    "before", [Absent(), Current("open", 3), Current("open", 5), Suspended(3), Suspended(6)]
)
def test_whoever_finds_anything_else_believes_only_the_ledger(before: Pointer) -> None:
    put(before)
    assert advance(lambda: at(6, "refunded"), own=Current("paid", 4)) is Confirmation.ADVANCED
    assert there() == Current("refunded", 6)


@pytest.mark.parametrize("newer", [Current("refunded", 5), Suspended(5)])
def test_something_newer_than_the_ledger_says_is_left_alone(newer: Pointer) -> None:
    put(newer)
    assert advance(lambda: at(4), own=Current("paid", 4)) is Confirmation.NEWER
    assert there() == newer


def test_what_is_right_already_is_not_written_again() -> None:
    put(Current("paid", 4))
    before = cache.get_with_token(KEY)
    assert before is not None
    assert advance(lambda: at(4)) is Confirmation.ADVANCED
    assert cache.replace(KEY, b"", before.token, 60), "somebody wrote"


def test_the_ledger_is_asked_after_the_token_was_taken() -> None:
    put(Suspended(4))
    readings: list[int] = []

    def ledger() -> Standing:
        readings.append(4)
        if len(readings) == 1:
            # The next writer suspends between our look at the ledger and our write.
            pointer.suspend("thing", "T-1", 5)
        return at(4)

    assert advance(ledger) is Confirmation.NEWER
    assert len(readings) == 2
    assert there() == Suspended(5)


def test_a_writer_that_is_overtaken_does_not_put_back_what_it_committed() -> None:
    put(Suspended(4))
    token = cache.get_with_token(KEY)
    assert token is not None
    pointer.suspend("thing", "T-1", 5)
    assert not cache.replace(KEY, pointer.encode(Current("paid", 4), KEY), token.token, 60)
    assert advance(lambda: at(4), own=Current("paid", 4)) is Confirmation.NEWER
    assert there() == Suspended(5)


def test_giving_up_after_losing_every_time_leaves_it_unconfirmed() -> None:
    put(Suspended(4))

    def ledger() -> Standing:
        put(Suspended(4))
        return at(4)

    assert advance(ledger) is Confirmation.CONTENDED
    assert there() == Suspended(4)


def test_an_absence_that_still_holds_is_left_alone() -> None:
    put(Absent())
    assert advance(lambda: None) is Confirmation.ADVANCED
    assert there() == Absent()


def test_foreign_bytes_give_way_to_what_the_ledger_says() -> None:
    cache.put(KEY, b"somebody else's", 60)
    assert advance(lambda: at(4)) is Confirmation.ADVANCED
    assert there() == Current("paid", 4)


def test_advancing_says_when_the_cache_is_unreachable(no_cache: None) -> None:
    assert advance(unasked, own=Current("paid", 4)) is Confirmation.UNREACHABLE


# -- many at once ------------------------------------------------------------------------------

MANY = [("thing", "T-1"), ("thing", "T-2"), ("other", "T-1")]


def put_at(name: pointer.Name, there: Pointer) -> None:
    key = keys.pointer_key(*name)
    cache.put(key, pointer.encode(there, key), 60)


def all_there() -> list[Pointer | None]:
    return [pointer.look(resource, [identifier]).get(identifier) for resource, identifier in MANY]


def advances(
    ledger: Callable[[], Standing | None] = unasked, revision: int = 4
) -> list[pointer.Advance]:
    return [pointer.Advance(*name, ledger, Current("paid", revision)) for name in MANY]


def test_many_are_suspended_each_at_its_own_revision() -> None:
    put_at(MANY[0], Current("open", 3))
    acknowledged = pointer.suspend_many({name: 4 + n for n, name in enumerate(MANY)})
    assert acknowledged == frozenset(MANY)
    assert all_there() == [Suspended(4), Suspended(5), Suspended(6)]


def test_suspending_many_says_which_the_cache_did_not_acknowledge(no_cache: None) -> None:
    assert pointer.suspend_many(dict.fromkeys(MANY, 4)) == frozenset()


def test_suspending_nothing_asks_nothing(no_cache: None, told: list[events.CoreEvent]) -> None:
    assert pointer.suspend_many({}) == frozenset()
    assert pointer.advance_many([]) == {}
    assert told == []


def test_many_replace_their_own_suspensions_without_asking_the_ledger() -> None:
    pointer.suspend_many(dict.fromkeys(MANY, 4))
    confirmations = pointer.advance_many(advances())
    assert confirmations == dict.fromkeys(MANY, Confirmation.ADVANCED)
    assert all_there() == [Current("paid", 4)] * 3


def test_among_many_each_is_advanced_as_if_it_were_alone() -> None:
    put_at(MANY[0], Suspended(4))
    put_at(MANY[1], Suspended(7))
    confirmations = pointer.advance_many(advances(ledger=lambda: at(6)))
    assert confirmations == {
        MANY[0]: Confirmation.ADVANCED,
        MANY[1]: Confirmation.NEWER,
        MANY[2]: Confirmation.NOTHING_THERE,
    }
    assert all_there() == [Current("paid", 4), Suspended(7), None]


def test_among_many_a_writer_that_is_overtaken_leaves_the_later_suspension(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pointer.suspend_many(dict.fromkeys(MANY, 4))
    plain = cache.get_many_with_tokens

    def overtaken(asked: Iterable[str]) -> Mapping[str, cache.Tokened]:
        found = plain(asked)
        put_at(MANY[1], Suspended(5))
        return found

    monkeypatch.setattr(cache, "get_many_with_tokens", overtaken)
    confirmations = pointer.advance_many(advances(ledger=lambda: at(4)))
    assert confirmations[MANY[1]] is Confirmation.NEWER
    assert all_there() == [Current("paid", 4), Suspended(5), Current("paid", 4)]


def test_advancing_many_says_when_the_cache_is_unreachable(no_cache: None) -> None:
    confirmations = pointer.advance_many(advances())
    assert confirmations == dict.fromkeys(MANY, Confirmation.UNREACHABLE)


def test_each_of_many_is_told(told: list[events.CoreEvent]) -> None:
    pointer.suspend_many(dict.fromkeys(MANY, 4))
    pointer.advance_many(advances())
    steps = [
        ((e.resource, e.identifier), e.step, e.result)
        for e in told
        if isinstance(e, events.PointerMoved)
    ]
    assert steps == [
        *((name, "suspend", "acknowledged") for name in MANY),
        *((name, "advance", "advanced") for name in MANY),
    ]


# -- mark and seed -----------------------------------------------------------------------------


def test_a_reader_seeds_an_absent_pointer_from_its_row() -> None:
    assert seed(at(4)) is True
    assert there() == Current("paid", 4)


def test_a_reader_keeps_the_absence_of_what_the_ledger_does_not_know() -> None:
    assert seed(None) is True
    assert there() == Absent()


@pytest.mark.parametrize("before", [Absent(), Current("open", 3), Suspended(4), Suspended(0)])
def test_only_an_absent_pointer_is_marked(before: Pointer) -> None:
    put(before)
    assert pointer.mark("thing", "T-1") is None
    assert there() == before


@pytest.mark.parametrize("meanwhile", [Absent(), Current("open", 3), Suspended(4)])
def test_seeding_replaces_nothing_that_came_after_the_mark(meanwhile: Pointer) -> None:
    gap = pointer.mark("thing", "T-1")
    assert gap is not None
    put(meanwhile)
    assert pointer.seed(gap, at(5)) is False
    assert there() == meanwhile


def test_seeding_puts_nothing_where_a_whole_change_has_come_and_gone() -> None:
    gap = pointer.mark("thing", "T-1")
    assert gap is not None
    pointer.suspend("thing", "T-1", 5)
    advance(unasked, own=Current("paid", 5))
    cache.clear(KEY)
    assert pointer.seed(gap, at(4, "open")) is False
    assert there() is None


def test_a_mark_gives_way_to_whoever_advances() -> None:
    gap = pointer.mark("thing", "T-1")
    assert gap is not None
    assert advance(lambda: at(4)) is Confirmation.ADVANCED
    assert pointer.seed(gap, at(3, "open")) is False
    assert there() == Current("paid", 4)


def test_bytes_that_are_nobodys_pointer_are_a_gap_like_any_other() -> None:
    cache.put(KEY, b"damaged", 60)
    assert seed(at(4)) is True
    assert there() == Current("paid", 4)


def test_marking_an_unreachable_cache_is_no_error(no_cache: None) -> None:
    assert pointer.mark("thing", "T-1") is None


# -- timeouts, tiers, bytes --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "seconds"),
    [
        (lambda: pointer.suspend("thing", "T-1", 4), 60),
        (lambda: seed(at(4)), 30),
        (lambda: seed(None), 10),
        (lambda: pointer.mark("thing", "T-1"), 10),
        (committed_after_suspending, 30),
    ],
    ids=["suspended", "seeded", "absent", "marked", "advanced"],
)
def test_a_pointer_expires_soon(
    step: Callable[[], object], seconds: float, pass_time: Callable[[float], None]
) -> None:
    step()
    pass_time(seconds - 1)
    assert there() is not None
    pass_time(1.5)
    assert there() is None


def test_pointers_never_enter_the_request_tier() -> None:
    seed(at(3))
    there()
    pointer.suspend("thing", "T-1", 4)
    there()
    advance(unasked, own=Current("paid", 4))
    there()
    assert not DEFAULT_REQUEST_CACHE.get_cached_response(KEY).is_found


def test_looking_at_many_finds_those_that_are_there() -> None:
    seed(at(3))
    seed(None, "T-3")
    found = pointer.look("thing", ["T-1", "T-2", "T-3"])
    assert found == {"T-1": Current("paid", 3), "T-3": Absent()}


def test_looking_at_an_unreachable_cache_finds_nothing(no_cache: None) -> None:
    assert pointer.look("thing", ["T-1"]) == {}


@given(POINTERS)
def test_a_stored_pointer_comes_back(stored: Pointer) -> None:
    assert pointer.decode(pointer.encode(stored, KEY), KEY) == stored


@given(POINTERS, st.data())
def test_a_pointer_with_one_flipped_bit_is_none(stored: Pointer, data: st.DataObject) -> None:
    damaged = bytearray(pointer.encode(stored, KEY))
    bit = data.draw(st.integers(0, len(damaged) * 8 - 1))
    damaged[bit // 8] ^= 1 << bit % 8
    assert pointer.decode(bytes(damaged), KEY) is None


@given(POINTERS)
def test_a_pointer_that_was_moved_to_another_key_is_none(stored: Pointer) -> None:
    data = pointer.encode(stored, KEY)
    assert pointer.decode(data, keys.pointer_key("thing", "T-2")) is None


@given(
    st.binary()
    | st.binary().map(lambda body: b"%08x " % crc32(body, crc32(KEY.encode())) + body)
    | st.text()
    | st.none()
)
def test_foreign_values_are_none_and_no_error(data: object) -> None:
    assert pointer.decode(data, KEY) is None


@pytest.mark.parametrize("body", [b'["current","\xff",1]', b"[" * 100_000, b'["current","paid"]'])
def test_nonsense_with_an_intact_checksum_is_none(body: bytes) -> None:
    assert pointer.decode(b"%08x " % crc32(body, crc32(KEY.encode())) + body, KEY) is None


def test_each_step_is_told(told: list[events.CoreEvent]) -> None:
    gap = pointer.mark("thing", "T-1")
    assert gap is not None
    pointer.suspend("thing", "T-1", 1)
    advance(unasked, own=Current("paid", 1))
    pointer.seed(gap, at(1))
    steps = [(e.step, e.result) for e in told if isinstance(e, events.PointerMoved)]
    assert steps == [("suspend", "acknowledged"), ("advance", "advanced"), ("seed", "taken")]


# -- a pointer ends by itself --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("there", "lives_seconds"),
    [(Current("paid", 4), 30), (Suspended(5), 60), (Absent(), 10)],
    ids=["current", "suspended", "absent"],
)
def test_a_pointer_is_not_believed_for_longer_than_its_timeout(
    there: pointer.Pointer, lives_seconds: float, manual_clock: ManualClock
) -> None:
    data = pointer.encode(there, KEY)
    manual_clock.moved = lives_seconds
    assert pointer.decode(data, KEY) == there
    manual_clock.moved = lives_seconds + 2.1
    assert pointer.decode(data, KEY) is None


def test_a_write_that_a_hung_server_carried_out_late_is_not_believed(
    things: Things, manual_clock: ManualClock
) -> None:
    things.warm("T-1")
    late = pointer.encode(Current("paid", 1), KEY)
    things.change("T-1", "refunded")
    manual_clock.moved = 33
    # The server comes to what was sent to it long ago, and counts its timeout from now.
    cache.put(KEY, late, 30)
    lookup = read(things.resource, "T-1")
    assert lookup.entry is not None
    assert (lookup.entry.state, lookup.from_ledger) == ("refunded", True)
    assert things.pointer("T-1") == Current("refunded", 2)
