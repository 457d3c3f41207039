"""The table of states: closed, ranked, and refused at import if it is ambiguous."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.ledger.states import State, StateTable, UnknownLedgerState

OPEN = State("open", rank=10, terminal=False)
PAID = State("paid", rank=20, terminal=True)
LOST = State("charged_back", rank=30, terminal=True)
HELD = State("held", rank=15, terminal=False)
TABLE = StateTable(PAID, OPEN, LOST, HELD)


def test_states_come_by_rank_whatever_order_they_were_written_in() -> None:
    assert [state.name for state in TABLE] == ["open", "held", "paid", "charged_back"]


def test_a_state_is_found_by_its_name() -> None:
    assert TABLE["paid"] is PAID
    assert "paid" in TABLE
    assert "shipped" not in TABLE
    assert TABLE.names == {"open", "held", "paid", "charged_back"}


def test_a_state_that_is_not_in_the_table_is_said_to_be_missing() -> None:
    with pytest.raises(UnknownLedgerState, match="shipped") as caught:
        TABLE["shipped"]
    assert caught.value.permanent


def test_the_open_states_are_those_that_are_not_terminal() -> None:
    assert TABLE.open_names == ("open", "held")


def test_the_names_are_choices_for_a_form() -> None:
    assert ("charged_back", "charged back") in TABLE.choices


@pytest.mark.parametrize(
    "states",
    [
        (OPEN, State("open", rank=99, terminal=True)),
        (OPEN, State("other", rank=10, terminal=True)),
        (OPEN, OPEN),
    ],
    ids=["name", "rank", "both"],
)
def test_a_name_or_rank_that_is_there_twice_is_refused(states: tuple[State, ...]) -> None:
    with pytest.raises(ValueError, match="unique"):
        StateTable(*states)


@given(st.permutations([OPEN, HELD, PAID, LOST]))
def test_the_higher_rank_wins_whoever_asks_first(order: list[State]) -> None:
    table = StateTable(*order)
    for one in table:
        for other in table:
            assert table.wins(one.name, over=other.name) == (one.rank >= other.rank)


def test_a_state_beats_itself_since_content_may_have_changed() -> None:
    assert TABLE.wins("paid", over="paid")


def test_an_unknown_state_wins_nothing() -> None:
    with pytest.raises(UnknownLedgerState):
        TABLE.wins("shipped", over="paid")
