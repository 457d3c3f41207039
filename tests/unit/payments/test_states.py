"""The table of payment states, and how columns become one of them."""

import itertools

import pytest

from coordinator.ledger.states import UnknownLedgerState
from coordinator.payments import states

# What is expected is written out by hand: another table, not the code that is under test.
PLAIN = (
    "requires_payment_method",
    "requires_confirmation",
    "requires_action",
    "processing",
    "requires_capture",
    "canceled",
    "succeeded",
)
AFTER = {
    # (received, refunded): what a refund makes of a payment that has no dispute
    (0, 0): None,
    (0, 500): None,
    (500, 0): None,
    (500, 1): "partially_refunded",
    (500, 499): "partially_refunded",
    (500, 500): "refunded",
    (500, 501): "refunded",
}
DISPUTES = {"": None, "won": None, "open": "disputed", "lost": "dispute_lost"}


@pytest.mark.parametrize(
    ("status", "amounts", "dispute"), list(itertools.product(PLAIN, AFTER, DISPUTES))
)
def test_every_combination_of_facts_has_the_state_that_outranks_the_others(
    status: str, amounts: tuple[int, int], dispute: str
) -> None:
    expected = DISPUTES[dispute] or AFTER[amounts] or status
    assert states.derive(status, *amounts, dispute) == expected


def test_the_table_is_the_closed_set_in_the_order_of_its_ranks() -> None:
    assert [state.name for state in states.TABLE] == [
        *PLAIN,
        "partially_refunded",
        "refunded",
        "disputed",
        "dispute_lost",
    ]


def test_terminal_states_are_those_in_which_nothing_is_under_way() -> None:
    assert {state.name for state in states.TABLE if state.terminal} == {
        "canceled",
        "succeeded",
        "partially_refunded",
        "refunded",
        "dispute_lost",
    }


def test_a_state_that_a_provider_names_itself_holds_without_amounts() -> None:
    assert states.derive("refunded", 0, 0, "") == "refunded"


def test_a_status_outside_the_table_is_refused() -> None:
    with pytest.raises(UnknownLedgerState):
        states.derive("requires_magic", 0, 0, "")


def test_likely_states_and_stripes_statuses_are_in_the_table() -> None:
    assert frozenset(PLAIN) == states.INTENT_STATUSES
    assert states.TABLE.names >= set(states.LIKELY_STATES)
