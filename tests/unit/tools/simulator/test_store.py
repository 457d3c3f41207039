"""The store: as it is now, as it was a while ago, in order, and never too large."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.tools.simulator.walks import NOW, new
from tools.simulator import lifecycle
from tools.simulator.index import TimeIndex
from tools.simulator.payment import Payment
from tools.simulator.store import MAX_LAG_SECONDS, Store, creation_key, update_key


def payment(name: str, at: float = NOW) -> Payment:
    return new(payment_id=f"pi_{name}", at=at).payment


def changed(before: Payment, at: float, text: str = "x") -> Payment:
    return lifecycle.update(before, at, description=text).payment


def names(payments: Iterable[Payment]) -> list[str]:
    return [each.id.removeprefix("pi_") for each in payments]


def test_a_reader_who_lags_sees_what_was() -> None:
    store, first = Store(), payment("a")
    store.put(first)
    second = changed(first, NOW + 10)
    store.put(second)
    third = changed(second, NOW + 20)
    store.put(third)
    assert store.get("pi_a") is third
    assert store.get("pi_a", NOW + 20) is third
    assert store.get("pi_a", NOW + 19) is second
    assert store.get("pi_a", NOW + 5) is first
    assert store.get("pi_a", NOW - 1) is None, "it was not there yet"


def test_the_past_is_kept_for_the_longest_lag_and_no_longer() -> None:
    store, first = Store(), payment("a")
    store.put(first)
    second = changed(first, NOW + 1)
    store.put(second)
    store.put(payment("b", NOW + MAX_LAG_SECONDS))
    assert store.get("pi_a", NOW) is first
    store.put(payment("c", NOW + MAX_LAG_SECONDS + 2))
    assert store.get("pi_a", NOW) is None
    assert store.get("pi_a") is second


def test_a_charge_leads_to_its_payment_also_for_one_who_lags() -> None:
    store, first = Store(), payment("a")
    store.put(first)
    done = lifecycle.confirm(first, NOW + 1, method="pm_card_visa").payment
    store.put(done)
    charge = done.charges[0]
    assert store.get_by_charge(charge.id) == (done, charge)
    assert store.get_by_charge(charge.id, NOW) is None
    assert store.get_by_charge("ch_unknown") is None


def test_payments_come_by_creation_newest_first() -> None:
    store = Store()
    for place, name in enumerate("cab"):
        store.put(payment(name, NOW + place / 10))
    assert names(store.created_before()) == ["b", "a", "c"]
    middle = store.get("pi_a")
    assert middle is not None
    assert names(store.created_before(creation_key(middle))) == ["c"]
    assert names(store.created_after(creation_key(middle))) == ["b"]
    assert names(store.created_before(as_of=NOW)) == ["c"]


def test_payments_come_by_last_change_oldest_first() -> None:
    store, a, b = Store(), payment("a", NOW), payment("b", NOW + 1)
    store.put(a)
    store.put(b)
    store.put(changed(a, NOW + 2))
    assert names(store.updated_after((NOW, ""))) == ["b", "a"]
    assert names(store.updated_after((NOW + 1, "pi_b"))) == ["a"]
    assert names(store.updated_after((NOW, ""), as_of=NOW + 1)) == ["a", "b"]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=30), st.integers(-1, 40))
def test_a_lagging_list_is_the_list_of_that_time(steps: list[tuple[int, int]], back: int) -> None:
    store, then = Store(), Store()
    at, as_of = NOW, NOW + back
    for which, wait in steps:
        at += wait
        for target in [store] + ([then] if at <= as_of else []):
            before = target.get(f"pi_{which}")
            target.put(changed(before, at) if before else payment(str(which), at))
    expected = [update_key(each) for each in then.updated_after((0.0, ""))]
    assert [update_key(each) for each in store.updated_after((0.0, ""), as_of)] == expected


def test_the_oldest_are_forgotten_as_if_they_had_never_been() -> None:
    store = Store(limit=2)
    first = lifecycle.confirm(payment("a"), NOW, method="pm_card_visa").payment
    store.put(first)
    store.put(changed(first, NOW + 1))
    store.put(payment("b", NOW + 2))
    store.put(payment("c", NOW + 3))
    assert len(store) == 2
    assert store.get("pi_a") is None
    assert store.get_by_charge(first.charges[0].id) is None
    assert names(store.created_before()) == ["c", "b"]
    assert names(store.updated_after((0.0, ""))) == ["b", "c"]


def test_many_payments_are_put_as_one_by_one() -> None:
    many, one_by_one = Store(limit=3), Store(limit=3)
    payments = [payment(name, NOW + place) for place, name in enumerate("dcab")]
    many.put_many(reversed(payments))
    for each in payments:
        one_by_one.put(each)
    assert names(many.created_before()) == names(one_by_one.created_before()) == ["b", "a", "c"]


def test_an_index_has_nothing_to_remove_that_was_never_added() -> None:
    index = TimeIndex()
    index.add((1.0, "a"))
    with pytest.raises(KeyError):
        index.remove((1.0, "b"))
    index.remove((1.0, "a"))
    assert len(index) == 0
