"""The closed set of states a payment can be in, and which one wins when several hold.

One table. The first seven are Stripe's PaymentIntent statuses, kept under their own names; the
other four say what happened to the money afterwards. A state can be entered twice.

*Rank* decides when two hold at once: a payment that was refunded and is then disputed is
``disputed``, since the dispute is what staff has to act on, and the loss of it is the last word
about the money.

*Terminal* means at rest: no step is under way, at the provider or with the customer, whose end we
are waiting for. It does not mean that nothing can ever happen again (a payment that succeeded may
be refunded next year; that is a new event, and it arrives like any other). Open payments are the
ones that are kept warm around the clock, so ``partially_refunded`` is at rest too: nothing is
under way, and counting it as open would let the set that is kept warm grow for ever. ``disputed``
is open: the bank decides it without us.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

from coordinator import State, StateTable

Dispute = Literal["", "open", "won", "lost"]

TABLE: Final = StateTable(
    State("requires_payment_method", rank=10, terminal=False),
    State("requires_confirmation", rank=20, terminal=False),
    State("requires_action", rank=30, terminal=False),
    State("processing", rank=40, terminal=False),
    State("requires_capture", rank=50, terminal=False),
    State("canceled", rank=60, terminal=True),
    State("succeeded", rank=70, terminal=True),
    State("partially_refunded", rank=80, terminal=True),
    State("refunded", rank=90, terminal=True),
    State("disputed", rank=100, terminal=False),
    State("dispute_lost", rank=110, terminal=True),
)

#: Stripe's own statuses of a PaymentIntent.
INTENT_STATUSES: Final = frozenset(
    {
        "requires_payment_method",
        "requires_confirmation",
        "requires_action",
        "processing",
        "requires_capture",
        "canceled",
        "succeeded",
    }
)

#: The states in which readers look most often, asked for together with the pointer.
LIKELY_STATES: Final = ("succeeded", "processing", "requires_action")


def derive(intent_status: str, amount_received: int, amount_refunded: int, dispute: str) -> str:
    """Return the name of the highest-ranking state that these facts make hold.

    `intent_status` is the state that the provider itself names, which refunds and disputes may
    outrank. Amounts are in minor units. A refund of all that was received is ``refunded``, of less
    is ``partially_refunded``; a dispute that was won leaves no trace. A refund before anything was
    received (a released authorisation) is not one: only what was captured can be given back.
    Raise UnknownLedgerState if `intent_status` is not in the table.
    """
    holding = [intent_status]
    if amount_received > 0 and amount_refunded > 0:
        whole = amount_refunded >= amount_received
        holding.append("refunded" if whole else "partially_refunded")
    if dispute == "open":
        holding.append("disputed")
    elif dispute == "lost":
        holding.append("dispute_lost")
    return max(holding, key=lambda name: TABLE[name].rank)


#: The kinds of upstream objects whose words make up a payment; a subject is ``<kind>:<id>``.
INTENT: Final = "intent"
CHARGE: Final = "charge"
DISPUTE: Final = "dispute"

# Columns that several objects know, from the one that knows them least to the one that decides.
_AUTHORITY: Final = (DISPUTE, CHARGE, INTENT)


def worst_dispute(disputes: Iterable[str]) -> str:
    """Return what several disputes amount to: an open one counts before a lost one."""
    found = set(disputes)
    return next((one for one in ("open", "lost", "won") if one in found), "")


def combine(words: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
    """Return the columns that the last words of a payment's objects add up to, by subject.

    A charge that was captured and a dispute each say that the payment succeeded, as the intent's
    own event may be late. Refunds of several charges add up; a dispute is open while any is.
    """
    by_kind: dict[str, list[Mapping[str, Any]]] = {kind: [] for kind in _AUTHORITY}
    for subject, said in words.items():
        by_kind.setdefault(subject.partition(":")[0], []).append(said)
    columns: dict[str, Any] = {}
    for kind in _AUTHORITY:
        for said in by_kind[kind]:
            columns |= said
    charges, disputes = by_kind[CHARGE], by_kind[DISPUTE]
    statuses = [str(said["intent_status"]) for said in words.values() if "intent_status" in said]
    if statuses:
        columns["intent_status"] = max(statuses, key=lambda name: TABLE[name].rank)
    if charges:
        refunded = sum(said.get("amount_refunded", 0) for said in charges)
        received = sum(said.get("amount_received", 0) for said in charges)
        # Grows with every refund: an answer from upstream that has less of it lags.
        columns["amount_refunded"] = columns["version"] = refunded
        columns["amount_received"] = max(columns.get("amount_received", 0), received)
    if disputes:
        columns["dispute"] = worst_dispute(said.get("dispute", "") for said in disputes)
    return columns
